"""Triangle meshes: reading a file's geometry, checking it, and telling inside from outside.

Shapes: V vertices, F triangles, M points.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import igl
import numpy as np
import trimesh
from numpy.typing import NDArray

from wsapps.atomic import explained
from wsapps.errors import UserError, one_line
from wsapps.readers.paths import check_file, named

FORMATS = ("ply", "obj", "stl", "off", "glb", "gltf")
_FLAT = 1e-6  # of the largest side; a thinner mesh has no inside that float32 coordinates could show
_BATCH = 1 << 18  # points a call of the inside test: some 20 MB of float64


@dataclass(frozen=True)
class Mesh:
    """``vertices`` ``(V, 3)`` float64 and ``faces`` ``(F, 3)`` int64.

    Every vertex is a corner of some face; corners run counter-clockwise as seen from outside.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]

    @property
    def corners(self) -> NDArray[np.float64]:
        """``(F, 3, 3)``: triangle, corner, coordinate."""
        return self.vertices[self.faces]

    @property
    def volume(self) -> float:
        """The enclosed volume, by the divergence theorem; negative for a closed mesh turned inside out."""
        a, b, c = np.moveaxis(self.corners - self.vertices.mean(axis=0), 1, 0)
        return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6.0)

    @property
    def box(self) -> NDArray[np.float64]:
        """``(2, 3)``: the lowest and the highest coordinates."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])


def load_mesh(path: Path) -> Mesh:
    """Read the triangles of a mesh file (:data:`FORMATS`); a scene's parts become one mesh.

    Nothing but geometry is read, and no other file: materials, textures and external buffers are left
    alone. Vertices at exactly one place are one vertex (STL repeats them for every triangle), triangles
    with two equal corners are dropped.

    Raises:
        UserError: no such file, an unknown format, a broken file, no triangles, coordinates not finite, a
            flat mesh.
    """
    path = Path(path)
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise UserError(
            f"{named(path)} is no mesh by its name: expected one that ends in .{', .'.join(FORMATS)}"
        )
    check_file(path, "mesh")
    with explained("read", path):
        data = path.read_bytes()
    try:
        # From memory and without a resolver, trimesh cannot look for further files.
        scene = trimesh.load_scene(io.BytesIO(data), file_type=suffix, process=False)
        parts = [_part(scene, node) for node in scene.graph.nodes_geometry]
        if suffix == "stl" and not any(len(faces) for _, faces in parts):
            # What trimesh makes of a binary file that is too short for its count of triangles.
            raise ValueError("there are no triangles in it, or it is cut off")
    except Exception as error:  # every parser raises its own kinds on a broken file
        raise UserError(f"{named(path)} cannot be read as a {suffix} mesh: {one_line(error)}") from None
    sizes = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    vertices = np.concatenate([np.empty((0, 3)), *(vertices for vertices, _ in parts)])
    shifted = [faces + start for (_, faces), start in zip(parts, sizes[:-1], strict=True)]
    faces = np.concatenate([np.empty((0, 3), np.int64), *shifted])
    return clean_mesh(vertices, faces, named(path))


def _part(scene: trimesh.Scene, node: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices and faces of one node, in the scene's coordinates; none of a point cloud or a path."""
    transform, name = scene.graph[node]
    geometry = scene.geometry[name]
    if not isinstance(geometry, trimesh.Trimesh):
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    vertices = np.asarray(geometry.vertices, np.float64).reshape(-1, 3)
    faces = np.asarray(geometry.faces, np.int64).reshape(-1, 3)
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise ValueError(
            f"a triangle names vertex {faces.max()} (or {faces.min()}) of {len(vertices)}, counted from 0"
        )
    with np.errstate(invalid="ignore"):  # infinite coordinates are refused later, with their number
        return vertices @ transform[:3, :3].T + transform[:3, 3], faces


def clean_mesh(vertices: NDArray, faces: NDArray, where: str) -> Mesh:
    """A mesh of ``(V, 3)`` vertices and ``(F, 3)`` faces, with equal vertices merged.

    Raises:
        UserError: as :func:`load_mesh`; ``where`` names the mesh in the message.
    """
    count = len(faces)
    if count == 0:
        raise UserError(f"{where} has no triangles, only {len(vertices)} points: a surface is needed")
    corners = np.unique(faces)
    bad = int((~np.isfinite(vertices[corners])).any(axis=1).sum())
    if bad:
        raise UserError(
            f"{where}: {bad} of {len(corners)} vertices are NaN or infinite; export the mesh anew"
        )
    vertices, faces = _merge(np.asarray(vertices, np.float64) + 0.0, faces)  # -0.0 sorts by itself
    if len(faces) == 0:
        raise UserError(f"{where}: each of its {count} triangles has two equal corners, and no area")
    used = np.zeros(len(vertices), bool)  # not those that only triangles without an area had
    used[faces] = True
    vertices, faces = vertices[used], (np.cumsum(used) - 1)[faces]
    sides = np.ptp(vertices, axis=0)
    if not sides.min() > _FLAT * sides.max():
        words = " x ".join(f"{side:.4g}" for side in sides)
        raise UserError(f"{where} is flat: its box measures {words}, and a flat mesh has no inside")
    return Mesh(vertices, faces)


def _merge(vertices: NDArray[np.float64], faces: NDArray) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Merge vertices of equal coordinates and drop the triangles that have two equal corners."""
    order = np.lexsort(vertices.T)
    is_new = np.ones(len(vertices), bool)
    is_new[1:] = (np.diff(vertices[order], axis=0) != 0).any(axis=1)
    if not is_new.all():
        kept = np.empty(len(vertices), np.int64)
        kept[order] = np.cumsum(is_new) - 1
        vertices, faces = vertices[order][is_new], kept[faces]
    distinct = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return vertices, np.ascontiguousarray(faces[distinct], np.int64)


def edge_faults(mesh: Mesh) -> tuple[int, int]:
    """``(open, turned)``: edges of an odd number of triangles, and edges whose triangles face opposite ways.

    A mesh is closed and oriented when every edge is run through as often one way as the other; then its
    winding numbers are integers. An edge of four triangles, where two solids touch, is no fault.
    """
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    key = np.minimum(start, end) * len(mesh.vertices) + np.maximum(start, end)
    order = np.argsort(key)
    first = np.flatnonzero(np.diff(key[order], prepend=-1))
    turns = np.add.reduceat(np.where(start < end, 1, -1)[order], first)
    is_open = turns % 2 == 1
    return int(is_open.sum()), int(((turns != 0) & ~is_open).sum())


def check_watertight(mesh: Mesh, where: str) -> None:
    """Refuse a mesh that has no exact inside.

    Raises:
        UserError: open edges, turned triangles, or no volume.
    """
    open_edges, turned_edges = edge_faults(mesh)
    if open_edges:
        raise UserError(
            f"{where} is not watertight: {open_edges} open edges among {len(mesh.faces)} triangles; close "
            f"its holes, or set signal.inside=winding_number, which takes open meshes"
        )
    if turned_edges:
        raise UserError(
            f"{where} is not oriented: at {turned_edges} edges two triangles face opposite ways; make its "
            f"normals consistent, or set signal.inside=winding_number and see what is left inside"
        )
    sides = np.ptp(mesh.vertices, axis=0)
    if not abs(mesh.volume) > _FLAT * sides.prod():
        raise UserError(f"{where} encloses no volume: {mesh.volume:.3g} of a box of {sides.prod():.3g}")


def normalised(mesh: Mesh, half_side: float) -> tuple[Mesh, NDArray[np.float64], float]:
    """The mesh with its box centred at 0 and its largest side from ``-half_side`` to ``half_side``.

    Returns:
        The mesh, and ``centre`` ``(3,)`` and ``scale`` with ``old = new / scale + centre``.
    """
    low, high = mesh.box
    centre, scale = (low + high) / 2.0, 2.0 * half_side / float((high - low).max())
    return Mesh((mesh.vertices - centre) * scale, mesh.faces), centre, scale


class InsideTest:
    """Whether points lie inside a mesh: the absolute generalised winding number is above one half.

    Jacobson et al., 2013; evaluated by the hierarchy of Barill et al., 2018 (libigl), whose error is
    about 0.002: a point is misjudged only if it all but touches the surface. For a closed mesh the number
    is the integer count of shells around a point, so that overlapping solids are joined and a cavity,
    oriented against its hull, is hollow; open meshes get the inside that their surface suggests.

    Args:
        closed: the mesh is closed; nothing outside its box is inside then, and is not asked.
    """

    def __init__(self, mesh: Mesh, closed: bool):
        self.box = mesh.box if closed else np.array([[-np.inf], [np.inf]])
        self.hierarchy = igl.FastWindingNumberBVH()
        self.hierarchy.init(mesh.vertices, mesh.faces)

    def __call__(self, points: NDArray) -> NDArray[np.bool_]:
        """``(M, 3)`` to ``(M,)``."""
        inside = np.zeros(len(points), bool)
        for start in range(0, len(points), _BATCH):
            batch = np.asarray(points[start : start + _BATCH], np.float64)
            near = np.flatnonzero(((batch >= self.box[0]) & (batch <= self.box[1])).all(axis=1))
            if len(near):
                asked = np.ascontiguousarray(batch[near])
                inside[start + near] = np.abs(self.hierarchy.winding_number(asked)) > 0.5
        return inside


def surface_points(mesh: Mesh, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """``(count, 3)`` points drawn uniformly by area from the surface."""
    a, b, c = np.moveaxis(mesh.corners, 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = np.cumsum(area)
    face = np.searchsorted(total, rng.random(count) * total[-1], side="right").clip(max=len(area) - 1)
    # sqrt makes the density even over the triangle.
    along, across = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
    return a[face] * (1 - along) + b[face] * (along * (1 - across)) + c[face] * (along * across)
