"""The signed distance to a closed mesh: negative inside.

The distance is exact for the triangles, by a tree of boxes around them; the sign is that of the fast winding
number (Barill et al., 2018), by libigl, and right for all points but those that all but touch the surface.

Shapes: V vertices, F triangles.
"""

from __future__ import annotations

from collections.abc import Mapping

import igl
import numpy as np
from numpy.typing import NDArray

from wsapps_pde.references.solution import ReferenceSolution, grid_points

Array = NDArray[np.float64]


def signed_distance(
    unknown: str, vertices: Array, faces: NDArray[np.int64], axes: Mapping[str, Array]
) -> ReferenceSolution:
    """The distance on a grid.

    Args:
        unknown: its name.
        vertices: ``(V, 3)``.
        faces: ``(F, 3)``, corners counter-clockwise as seen from outside.
        axes: variable -> nodes, of three variables.
    """
    points = np.ascontiguousarray(grid_points(axes))
    distance = np.sqrt(igl.point_mesh_squared_distance(points, vertices, faces)[0])
    # igl.signed_distance multiplies by 1 - 2 w, which is not quite 1 or -1.
    inside = np.abs(igl.fast_winding_number(vertices, faces, points)) > 0.5
    distance = np.where(inside, -distance, distance)
    shape = tuple(len(axis) for axis in axes.values())
    return ReferenceSolution(
        dict(axes),
        None,
        {unknown: distance.reshape(shape)},
        {unknown: 0.0},
        f"signed distance to a mesh of {len(faces)} triangles",
    )
