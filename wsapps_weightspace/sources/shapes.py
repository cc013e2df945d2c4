"""A folder of shapes, a sub-folder for each class: meshes, or clouds of points.

Of a mesh the occupancy is fitted: 1 inside, -1 outside. A cloud of points has no inside; of it the distance
to the nearest point is fitted, clipped at 1. Both are given at points of the cube [-1, 1]^3 drawn for each
shape, half of them near its surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.errors import UserError, one_line
from wsapps.readers.mesh import FORMATS, InsideTest, edge_faults, load_mesh, normalised, surface_points
from wsapps.readers.paths import check_file, named
from wsapps.seeding import derive_seed
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.class_folders import list_class_files

MESH_SUFFIXES = tuple(f".{name}" for name in FORMATS)
CLOUD_SUFFIXES = (".xyz", ".pts", ".txt", ".npy")
_HALF_SIDE = 0.9  # where the largest side of a shape ends
_MOST_POINTS = 10_000_000  # of a cloud


@dataclass
class ShapesConfig:
    """At which points shapes are given."""

    points: int = doc("points of each shape", default=2048)
    near_std: float = doc(
        "standard deviation of the distance of the half that is near the surface", default=0.05
    )

    def __post_init__(self) -> None:
        at_least_one(self, "points")
        if not 0 < self.near_std <= 1:
            raise ValueError(f"near_std must be above 0 and at most 1, got {self.near_std}")


def read_shapes(
    folder: Path, config: ShapesConfig, limit: int | None, test_fraction: float, clouds: bool
) -> LabelledSamples:
    """Read meshes, or clouds of points; each is centred and its largest side reaches from -0.9 to 0.9.

    The inside of a mesh with holes is that of its winding number
    (see :class:`wsapps.readers.mesh.InsideTest`).

    Raises:
        UserError: no shapes, or one that cannot be read.
    """
    files = list_class_files(folder, CLOUD_SUFFIXES if clouds else MESH_SUFFIXES, limit, test_fraction)
    sampled = _of_cloud if clouds else _of_mesh
    pairs = [
        sampled(path, config, np.random.default_rng(derive_seed("shape", number)))
        for number, path in enumerate(files.paths)
    ]
    return LabelledSamples(
        name=folder.resolve().name,
        coordinates=torch.stack([_tensor(points) for points, _ in pairs]),
        values=torch.stack([_tensor(values)[:, None] for _, values in pairs]),
        labels=files.labels,
        classes=files.classes,
        test=files.test,
        low=0.0 if clouds else -1.0,
    )


def _of_mesh(path: Path, config: ShapesConfig, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Points ``(Q, 3)`` and whether they are inside, 1 or -1 ``(Q,)``."""
    mesh, _, _ = normalised(load_mesh(path), _HALF_SIDE)
    points = _points(surface_points(mesh, config.points // 2, rng), config, rng)
    inside = InsideTest(mesh, closed=edge_faults(mesh) == (0, 0))(points)
    return points, np.where(inside, 1.0, -1.0)


def _of_cloud(path: Path, config: ShapesConfig, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Points ``(Q, 3)`` and their distances ``(Q,)`` to the nearest point of the cloud."""
    cloud = read_cloud(path)
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    largest = float((high - low).max())
    cloud = (cloud - (low + high) / 2) * (2 * _HALF_SIDE / largest if largest > 0 else 1.0)
    points = _points(cloud[rng.integers(0, len(cloud), config.points // 2)], config, rng)
    distance, _ = KDTree(cloud).query(points)
    return points, np.minimum(distance, 1.0)


def _points(surface: NDArray, config: ShapesConfig, rng: np.random.Generator) -> NDArray:
    """Points near those of the surface, then uniform ones up to the wanted number."""
    near = (surface + rng.normal(0.0, config.near_std, surface.shape)).clip(-1, 1)
    return np.concatenate([near, rng.uniform(-1, 1, (config.points - len(near), 3))]).astype(np.float32)


def read_cloud(path: Path) -> NDArray[np.float64]:
    """``(M, 3)`` points of a text file, the first three numbers of each line, or of a NumPy file ``(M, 3+)``.

    Raises:
        UserError: no such file, a broken one, another shape, numbers that are not finite.
    """
    check_file(path, "cloud of points")
    try:
        if path.suffix.lower() == ".npy":
            cloud = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            comma = b"," in path.read_bytes()[:4096]
            cloud = np.loadtxt(path, delimiter="," if comma else None, ndmin=2)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{named(path)} cannot be read as points: {one_line(error)}") from None
    if (
        cloud.ndim != 2
        or cloud.shape[1] < 3
        or not 1 <= len(cloud) <= _MOST_POINTS
        or cloud.dtype.kind not in "fiu"
    ):
        raise UserError(
            f"{named(path)} must hold 1 to {_MOST_POINTS:,} points of three numbers, got {cloud.shape} of "
            f"{cloud.dtype}"
        )
    cloud = np.array(cloud[:, :3], np.float64)
    if not np.isfinite(cloud).all():
        raise UserError(f"{named(path)} holds numbers that are NaN or infinite; mend the file")
    return cloud


def _tensor(values: NDArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
