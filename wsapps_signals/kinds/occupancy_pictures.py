"""Pictures of an occupancy: slices, and a shaded view of a grid of cells; numpy only.

Grids are ``(X, Y, Z)`` over the cube [-1, 1]^3, cell centres; pictures have y upwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.pictures import error_map, side_by_side

_LIGHT = np.array([0.35, 0.65, 0.68])  # towards the light; the viewer looks along -z
_COLOUR = np.array([0.86, 0.80, 0.72])
_SMOOTHING = 2  # passes of a 3-cell mean, without which normals show the steps of the cells


def slices(truth_XYZ: NDArray, field_XYZ: NDArray) -> list[NDArray[np.float32]]:
    """Truth, field and error in the three middle planes: x = 0, y = 0 and z = 0, each a row of three."""
    rows = []
    for axis, name in enumerate("xyz"):
        truth, field = (_plane(grid, axis) for grid in (truth_XYZ, field_XYZ))
        panels: list[Any] = [
            (f"truth, {name} = 0", truth),
            ("field", field),
            ("error", error_map(truth, field, high=1.0)),
        ]
        rows.append(side_by_side(panels))
    return rows


def _plane(grid_XYZ: NDArray, axis: int) -> NDArray[np.float32]:
    """The middle plane across one axis as a grey picture ``(H, W, 1)``, its last axis (y, or z) upwards."""
    plane = np.take(grid_XYZ, grid_XYZ.shape[axis] // 2, axis=axis).astype(np.float32)
    return plane.T[::-1, :, None]


def shaded(occupied_XYZ: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The occupied cells as seen from +z, lit from above: ``(Y, X, 3)`` in [0, 1], white where are none.

    A ray along z for each pixel finds its first cell; the normal is the falling direction of the smoothed
    occupancy there, and shading is Lambert's.
    """
    from_viewer = occupied_XYZ[:, :, ::-1]
    hit_XY = from_viewer.any(axis=2)
    depth_XY = occupied_XYZ.shape[2] - 1 - from_viewer.argmax(axis=2)
    smooth = _smoothed(occupied_XYZ)
    x, y = np.nonzero(hit_XY)
    normals = -_gradient_at(smooth, x, y, depth_XY[x, y])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    light = np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0.0, 1.0)
    picture = np.ones((*hit_XY.shape, 3), np.float32)
    picture[x, y] = _COLOUR * (0.2 + 0.8 * light)[:, None]
    return np.ascontiguousarray(picture.transpose(1, 0, 2)[::-1])


def _smoothed(occupied: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Box means along the axes, in a border of empty cells one wide."""
    grid = np.pad(occupied, 1).astype(np.float32)
    for _ in range(_SMOOTHING):
        for axis in range(3):
            lines = np.moveaxis(grid, axis, 0)
            lines[1:-1] = (lines[:-2] + lines[1:-1] + lines[2:]) / 3.0
    return grid


def _gradient_at(grid: NDArray[np.float32], x: NDArray, y: NDArray, z: NDArray) -> NDArray[np.float64]:
    """Central differences at cells ``(x, y, z)`` of the grid inside the border: ``(M, 3)``."""
    place = np.stack([x, y, z]) + 1
    columns = []
    for axis in range(3):
        step = np.zeros((3, 1), np.int64)
        step[axis] = 1
        columns.append(grid[tuple(place + step)] - grid[tuple(place - step)])
    return np.stack(columns, axis=1).astype(np.float64)
