"""The embedded mesh: a closed tube along a trefoil knot, with ridges and bumps of several sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsapps.readers.mesh import Mesh

TITLE = "ridged knot"
_AROUND = 40  # vertices around the tube


def knot_mesh(along: int = 320, around: int = _AROUND) -> Mesh:
    """A (2, 3) torus knot as a watertight tube: ``2 * along * around`` triangles (25,600 by default).

    The radius of the tube varies with both surface parameters: broad waves, twisted ridges, and bumps
    about a hundredth of the knot's size across, which take high frequencies to fit.
    """
    u, v = np.meshgrid(_circle(along), _circle(around), indexing="ij")
    centre, normal, binormal = _frame(u)
    radius = 0.2 * (
        1.0 + 0.12 * np.sin(3 * u) + 0.08 * np.cos(4 * v + 6 * u) + 0.05 * np.sin(40 * u) * np.cos(5 * v)
    )
    ring = np.cos(v)[..., None] * normal + np.sin(v)[..., None] * binormal
    vertices = (centre + radius[..., None] * ring).reshape(-1, 3)
    return Mesh(vertices, _wrapped_faces(along, around))


def _circle(count: int) -> NDArray[np.float64]:
    return np.arange(count, dtype=np.float64) * (2.0 * np.pi / count)


def _frame(u: NDArray[np.float64]) -> tuple[NDArray, NDArray, NDArray]:
    """The knot's curve, and two unit vectors across it: the torus's normal made perpendicular, and the other.

    The torus's own normal comes back to itself along a closed curve, as parallel transport would not.
    """
    p, q, large, small = 2, 3, 1.0, 0.45
    distance = large + small * np.cos(q * u)
    centre = np.stack([distance * np.cos(p * u), distance * np.sin(p * u), small * np.sin(q * u)], axis=-1)
    slope = -small * q * np.sin(q * u)
    tangent = np.stack(
        [
            slope * np.cos(p * u) - p * distance * np.sin(p * u),
            slope * np.sin(p * u) + p * distance * np.cos(p * u),
            small * q * np.cos(q * u),
        ],
        axis=-1,
    )
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    normal = np.stack([np.cos(q * u) * np.cos(p * u), np.cos(q * u) * np.sin(p * u), np.sin(q * u)], axis=-1)
    normal -= (normal * tangent).sum(axis=-1, keepdims=True) * tangent
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return centre, normal, np.cross(tangent, normal)


def _wrapped_faces(along: int, around: int) -> NDArray[np.int64]:
    """Two triangles for each cell of a grid that is closed both ways, counter-clockwise from outside."""
    i, j = np.meshgrid(np.arange(along), np.arange(around), indexing="ij")
    here = i * around + j
    ahead = (i + 1) % along * around + j
    side = i * around + (j + 1) % around
    both = (i + 1) % along * around + (j + 1) % around
    faces = np.stack([np.stack([here, both, ahead], -1), np.stack([here, side, both], -1)], axis=-2)
    return faces.reshape(-1, 3).astype(np.int64)
