"""Triangle meshes from a handful of primitives, in numpy; the demo scene is put together from these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Vector = Sequence[float]


@dataclass(frozen=True)
class Mesh:
    """Positions (V, 3), unit normals (V, 3), texture coordinates (V, 2) and triangles (F, 3)."""

    positions: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    def moved(self, offset: Vector = (0, 0, 0), turn: np.ndarray | float = 0.0) -> Mesh:
        """The mesh turned (by degrees about z, or by a 3x3 rotation) and then shifted by `offset`."""
        rotation = turn if isinstance(turn, np.ndarray) else rotation_about((0, 0, 1), turn)
        return Mesh(
            self.positions @ rotation.T + np.asarray(offset), self.normals @ rotation.T, self.uv, self.faces
        )

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """`count` points spread evenly over the surface, (count, 3)."""
        corners = self.positions[self.faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        chosen = rng.choice(len(area), size=count, p=area / area.sum())
        a, b = rng.random((2, count, 1))
        a, b = np.where(a + b > 1, 1 - a, a), np.where(a + b > 1, 1 - b, b)
        p0, p1, p2 = np.moveaxis(corners[chosen], 1, 0)
        return p0 + a * (p1 - p0) + b * (p2 - p0)


def join(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh holding all of `meshes`."""
    starts = np.cumsum([0] + [len(m.positions) for m in meshes[:-1]])
    return Mesh(
        np.concatenate([m.positions for m in meshes]),
        np.concatenate([m.normals for m in meshes]),
        np.concatenate([m.uv for m in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)]),
    )


def rotation_about(axis: Vector, degrees: float) -> np.ndarray:
    """The 3x3 rotation by `degrees` about `axis` (Rodrigues)."""
    x, y, z = np.asarray(axis, float) / np.linalg.norm(axis)
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def _smooth_normals(positions: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted normals, shared by coincident vertices, so that seams and poles do not show."""
    p0, p1, p2 = np.moveaxis(positions[faces], 1, 0)
    face_normals = np.cross(p1 - p0, p2 - p0)
    _, shared = np.unique(np.round(positions, 6), axis=0, return_inverse=True)
    shared = shared.reshape(-1)
    total = np.zeros((shared.max() + 1, 3))
    for corner in range(3):
        np.add.at(total, shared[faces[:, corner]], face_normals)
    normals = total[shared]
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def surface(points: np.ndarray, repeat: Vector = (1, 1), planar: float | None = None) -> Mesh:
    """A smooth surface through a grid of points (rows, columns, 3).

    Texture coordinates run 0..repeat along columns and rows; with `planar` they are (x, y) / planar + 0.5.
    """
    rows, columns = points.shape[:2]
    u, v = np.meshgrid(np.linspace(0, repeat[0], columns), np.linspace(0, repeat[1], rows))
    positions = points.reshape(-1, 3).astype(float)
    uv = np.stack([u, v], -1).reshape(-1, 2) if planar is None else positions[:, :2] / planar + 0.5
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (
        index[:-1, :-1].ravel(),
        index[:-1, 1:].ravel(),
        index[1:, 1:].ravel(),
        index[1:, :-1].ravel(),
    )
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    corners = positions[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    faces = faces[area > 1e-12]
    return Mesh(positions, _smooth_normals(positions, faces), uv, faces)


def quad(corners: Sequence[Vector], repeat: Vector = (1, 1)) -> Mesh:
    """A flat four-sided patch; corners in order around it."""
    a, b, c, d = (np.asarray(corner, float) for corner in corners)
    return surface(np.array([[a, b], [d, c]]), repeat)


def box(size: Vector, centre: Vector = (0, 0, 0), texel: float | None = None) -> Mesh:
    """An axis-aligned box; with `texel` a texture repeats every `texel` units on each side."""
    half, sides = np.asarray(size, float) / 2, []
    for axis in range(3):
        i, j = (axis + 1) % 3, (axis + 2) % 3
        if j != 2 and i == 2:
            i, j = j, i  # keep the texture's second axis upright on the walls
        e_i, e_j, e_n = np.eye(3)[i] * half[i], np.eye(3)[j] * half[j], np.eye(3)[axis] * half[axis]
        repeat = (1, 1) if texel is None else (2 * half[i] / texel, 2 * half[j] / texel)
        for sign in (-1, 1):
            n = sign * e_n
            sides.append(quad([n - e_i - e_j, n + e_i - e_j, n + e_i + e_j, n - e_i + e_j], repeat))
    return join(sides).moved(centre)


def lathe(
    profile: Sequence[Vector], repeat: Vector = (1, 1), segments: int = 64, sharp: bool = False
) -> Mesh:
    """The profile of (radius, z) turned about z; `sharp` keeps a hard edge at every profile point."""
    if sharp:
        return join([lathe(profile[i : i + 2], repeat, segments) for i in range(len(profile) - 1)])
    radius, z = np.asarray(profile, float).T[:, :, None]
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    angle[-1] = 0  # the seam must coincide exactly
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), z + 0 * angle], -1)
    return surface(points, repeat)


def sphere(radius: float, centre: Vector = (0, 0, 0), repeat: Vector = (1, 1), segments: int = 32) -> Mesh:
    """A sphere with its poles on z."""
    polar = np.linspace(-np.pi / 2, np.pi / 2, segments // 2 + 1)
    profile = np.stack([radius * np.cos(polar), radius * np.sin(polar)], 1)
    profile[[0, -1], 0] = 0
    return lathe(profile, repeat, segments).moved(centre)


def torus(radius: float, tube: float, centre: Vector = (0, 0, 0), segments: int = 64) -> Mesh:
    """A ring about z."""
    t = np.linspace(0, 2 * np.pi, 13)
    t[-1] = 0
    profile = np.stack([radius + tube * np.cos(t), tube * np.sin(t)], 1)
    return lathe(profile, segments=segments).moved(centre)


def rod(start: Vector, end: Vector, radius: float, segments: int = 10) -> Mesh:
    """A round bar with closed ends."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    length = np.linalg.norm(end - start)
    along = (end - start) / length
    side = np.cross(along, (1, 0, 0) if abs(along[0]) < 0.7 else (0, 1, 0))
    side /= np.linalg.norm(side)
    turn = np.stack([side, np.cross(along, side), along], 1)
    profile = [(0, 0), (radius, 0), (radius, length), (0, length)]
    return lathe(profile, segments=segments, sharp=True).moved(start, turn)
