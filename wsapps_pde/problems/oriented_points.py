"""Points with outward normals, as of a scanned surface: from a mesh, a list of points, or the embedded shape.

Shapes: M points, S space variables, V vertices, F triangles.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from wsapps.atomic import explained
from wsapps.errors import UserError, one_line
from wsapps_pde.language.mapping import constant, entries, known_keys, located, seen
from wsapps_pde.language.symbols import normal_name
from wsapps_pde.problems.columns import read_columns
from wsapps_pde.problems.sample_shape import SAMPLES
from wsapps_pde.space.domain import Domain

Points = NDArray[np.float64]

MESHES, LISTS = (".ply", ".obj", ".stl", ".off"), (".csv", ".npz")
_COUNT = 20_000
_MOST = 10_000_000


@dataclass(frozen=True)
class Surface:
    """What a file or a sample holds.

    Args:
        points, normals: ``(M, S)``, normals of length 1.
        vertices, faces: of the mesh, ``(V, 3)`` and ``(F, 3)``; None where there were points alone.
    """

    points: Points
    normals: Points
    vertices: Points | None = None
    faces: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class OrientedPoints:
    """What a problem says of its points; read when they are first needed.

    Args:
        domain: whose space variables they are in.
        path: of the file, or None for a sample.
        sample: a name of :data:`~wsapps_pde.problems.sample_shape.SAMPLES`, or None for a file.
        count: M, of what is drawn from the triangles of a mesh.
        fit: moved to the middle of the domain and scaled to this part of it; None leaves them as they are.
    """

    domain: Domain
    path: Path | None
    sample: str | None
    count: int = _COUNT
    fit: float | None = None

    @property
    def source(self) -> str:
        """In a few words, for people."""
        return f"the sample {self.sample}" if self.path is None else self.path.name

    def oriented(self) -> tuple[Points, Points]:
        """Points and normals alone."""
        return self.surface.points, self.surface.normals

    @cached_property
    def surface(self) -> Surface:
        """The points in the domain's coordinates.

        Raises:
            UserError: the file is missing, broken, or without normals.
        """
        if self.sample is not None:
            surface = _sampled(SAMPLES[self.sample](), self.count)
        else:
            assert self.path is not None
            surface = _read(self.path, self.count, self.domain)
        if surface.points.shape[1] != len(self.domain.space):
            raise UserError(
                f"{self.source} lies in three dimensions, and the domain has {', '.join(self.domain.space)}"
            )
        return surface if self.fit is None else _fitted(surface, self.domain, self.fit)


def read_points_spec(spec: Any, domain: Domain, folder: Path) -> OrientedPoints | None:
    """``{file: bunny.ply, count: 20000, fit: 0.8}``, or ``{sample: lobes}``; nothing is read yet.

    Raises:
        UserError: an unknown key or value, no file.
    """
    if spec is None or spec == {}:
        return None
    spec = {key: value for key, value in entries(spec, "points").items() if value is not None}
    known_keys(spec, ("file", "sample", "count", "fit"), "points")
    if ("file" in spec) == ("sample" in spec):
        raise UserError("points need a file or a sample, as in {file: bunny.ply}, and not both")
    if "sample" in spec and spec["sample"] not in list(SAMPLES):
        raise UserError(f"no sample is named {seen(spec['sample'])}; samples: {', '.join(SAMPLES)}")
    name = spec.get("file")
    if "file" in spec and (not isinstance(name, str) or Path(name).suffix.lower() not in (*MESHES, *LISTS)):
        raise UserError(f"points are read from {', '.join((*MESHES, *LISTS))} files, got {seen(name)}")
    if len(domain.space) not in (2, 3):
        raise UserError("points with normals need two or three space variables")
    with located("count"):
        count = constant(spec.get("count", _COUNT), {})
        if count != int(count) or not 1 <= count <= _MOST:
            raise UserError(f"count must be a whole number from 1 to {_MOST}, got {count:.6g}")
    fit = None
    if "fit" in spec:
        with located("fit"):
            fit = constant(spec["fit"], {})
            if not 0 < fit <= 1:
                raise UserError(f"fit is a part of the domain and must be in (0, 1], got {fit:.6g}")
    return OrientedPoints(
        domain, None if name is None else folder / name, spec.get("sample"), int(count), fit
    )


def _read(path: Path, count: int, domain: Domain) -> Surface:
    if not path.is_file():
        raise UserError(f"there is no file {path}; a name is relative to the problem file's folder")
    if path.suffix.lower() in LISTS:
        return _from_columns(path, domain)
    with explained("read", path):
        data = path.read_bytes()
    try:  # from memory, so that no further files are looked for
        geometry = trimesh.load(io.BytesIO(data), file_type=path.suffix.lower()[1:], process=False)
        if isinstance(geometry, trimesh.Scene):
            geometry = geometry.to_mesh()
    except Exception as error:  # every parser raises its own kinds on a broken file
        raise UserError(f"{path} cannot be read as a mesh: {one_line(error)}") from None
    if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
        if not np.isfinite(geometry.vertices).all():
            raise UserError(f"{path}: vertices are NaN or infinite; export the mesh anew")
        return _sampled(geometry, count)
    if isinstance(geometry, trimesh.PointCloud):
        return _oriented(np.asarray(geometry.vertices, np.float64), _ply_normals(geometry, path), str(path))
    raise UserError(f"{path} holds neither triangles nor points")


def _sampled(mesh: trimesh.Trimesh, count: int) -> Surface:
    """Points even over the area, the same at every call, with the normals of their triangles."""
    drawn = trimesh.sample.sample_surface(mesh, count, seed=0)
    points, faces = drawn[0], drawn[1]
    normals = np.asarray(mesh.face_normals, np.float64)[faces]
    vertices = np.asarray(mesh.vertices, np.float64)
    return Surface(np.asarray(points, np.float64), normals, vertices, np.asarray(mesh.faces, np.int64))


def _ply_normals(cloud: trimesh.PointCloud, path: Path) -> Points:
    """The normals of a PLY file without triangles, of which trimesh keeps the raw columns."""
    columns = cloud.metadata.get("_ply_raw", {}).get("vertex", {}).get("data", {})
    try:
        return np.column_stack([np.asarray(columns[name], np.float64).ravel() for name in ("nx", "ny", "nz")])
    except (KeyError, ValueError, IndexError, TypeError):
        raise UserError(f"{path} holds points without normals; add nx, ny, nz, or give a mesh") from None


def _from_columns(path: Path, domain: Domain) -> Surface:
    columns = read_columns(path)
    wanted = [*domain.space, *map(normal_name, domain.space)]
    for name in wanted:
        if name not in columns:
            raise UserError(f"{path} has no column {name!r}; oriented points have {', '.join(wanted)}")
    if len({len(columns[name]) for name in wanted}) != 1:
        raise UserError(f"{path}: {', '.join(wanted)} need the same number of entries")
    table = np.column_stack([columns[name] for name in wanted])
    dims = len(domain.space)
    return _oriented(table[:, :dims], table[:, dims:], str(path))


def _oriented(points: Points, normals: Points, where: str) -> Surface:
    """Points with normals of any length."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    bad = ~(np.isfinite(points).all(axis=1) & np.isfinite(length[:, 0]) & (length[:, 0] > 0))
    if bad.any() or not len(points):
        raise UserError(
            f"{where}: {int(bad.sum())} of {len(points)} points are not finite or have no normal; leave such "
            "points out"
        )
    return Surface(points, normals / length)


def _fitted(surface: Surface, domain: Domain, part: float) -> Surface:
    """Moved and scaled alike in all directions, the box of everything at ``part`` of the domain's."""
    extent = surface.points if surface.vertices is None else surface.vertices
    low, high = extent.min(axis=0), extent.max(axis=0)
    bounds = domain.bounds[: len(low)]
    with np.errstate(divide="ignore"):
        scale = part * float(np.min(np.ptp(bounds, axis=1) / (high - low)))
    if not np.isfinite(scale):
        raise UserError("the points are a single point, which cannot be scaled; leave fit out")

    def moved(points: Points) -> Points:
        return (points - (low + high) / 2) * scale + bounds.mean(axis=1)

    vertices = None if surface.vertices is None else moved(surface.vertices)
    return Surface(moved(surface.points), surface.normals, vertices, surface.faces)
