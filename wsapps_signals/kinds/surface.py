"""From a field in the cube [-1, 1]^3 to the mesh of its surface.

Grids are ``(X, Y, Z)`` cells over the cube, indexed in this order of axes; values are at cell centres.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps.readers.mesh import Mesh
from wsapps_signals.kinds.signal import Predict

_BATCH = 1 << 18  # points that are held at once


def grid_planes(size: tuple[int, ...]) -> Iterator[Tensor]:
    """The cell centres of a grid over [-1, 1]^3, ``X`` planes of ``(Y Z, 3)`` float32 each."""
    x, y, z = ((torch.arange(n, dtype=torch.float64) + 0.5) * (2.0 / n) - 1.0 for n in size)
    plane = torch.cartesian_prod(y, z)
    for value in x:
        yield torch.cat([value.expand(len(plane), 1), plane], dim=1).float()


def sample_cells(predict: Predict, size: tuple[int, ...]) -> Tensor:
    """A field at the cell centres of a grid: ``(X, Y, Z)`` float32."""
    values = torch.empty(tuple(size))
    planes_a_call = max(1, _BATCH // (size[1] * size[2]))
    planes = grid_planes(size)
    for start in range(0, size[0], planes_a_call):
        block = list(islice(planes, planes_a_call))
        values[start : start + len(block)] = predict(torch.cat(block))[:, 0].reshape(-1, *size[1:])
    return values


def extract_surface(field_XYZ: NDArray[np.float32], level: float = 0.5) -> Mesh:
    """The surface of ``field > level`` by marching cubes, in the cube [-1, 1]^3; closed at the cube's sides.

    Raises:
        ValueError: the field does not cross the level.
    """
    from skimage.measure import marching_cubes  # half a second to import, and only needed here

    low = min(float(field_XYZ.min()), 2.0 * level - float(field_XYZ.max()))
    padded = np.pad(field_XYZ, 1, constant_values=low)
    vertices, faces, _, _ = marching_cubes(padded, level, gradient_direction="ascent")
    cell = 2.0 / np.array(field_XYZ.shape)
    return Mesh((vertices.astype(np.float64) - 0.5) * cell - 1.0, faces.astype(np.int64))


def ply_bytes(mesh: Mesh) -> bytes:
    """A mesh as a binary PLY file: float64 vertices, for they may be far from the origin; int32 triangles."""
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(mesh.vertices)}\nproperty double x\nproperty double y\nproperty double z\n"
        f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    rows = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    rows["count"], rows["corners"] = 3, mesh.faces
    return header.encode() + mesh.vertices.astype("<f8").tobytes() + rows.tobytes()
