"""Occupancy: is a point inside a mesh? A field of 0 and 1 on the cube [-1, 1]^3.

Shapes: N samples, M points, (X, Y, Z) a grid of cells over the cube, indexed in this order of axes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps.atomic import explained, replacing
from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.metrics import iou, psnr
from wsapps.pictures import save_png, side_by_side
from wsapps.readers.mesh import InsideTest, Mesh, check_watertight, load_mesh, normalised, surface_points
from wsapps.readers.paths import named
from wsapps.report import Figure
from wsapps_signals.finite_field import check_finite_field
from wsapps_signals.kinds.occupancy_pictures import shaded, slices
from wsapps_signals.kinds.signal import Predict
from wsapps_signals.kinds.surface import extract_surface, grid_planes, ply_bytes, sample_cells
from wsapps_signals.samples.mesh import TITLE, knot_mesh

HALF_SIDE = 0.9  # where the largest side of the mesh ends; the rest of the cube is a margin that stays empty
_PREVIEW = 64  # cells a side
_NEAR_SCORED, _NEAR_SCORED_STD = 100_000, 0.01  # points of iou_near; the same whatever was fitted
_MOST_CELLS = 512**3  # of a reconstruction: 0.5 GiB of values, and about as much again for its surface
_RECONSTRUCTION = "reconstruction.ply"
_log = logging.getLogger(__name__)


@dataclass
class OccupancyConfig:
    """Settings of an :class:`OccupancySignal`."""

    name: str = "occupancy"
    points: int = doc("samples in all", default=1_000_000)
    near_surface: float = doc("part of the samples drawn near the surface; the rest is uniform", default=0.5)
    # Less leaves gaps away from the surface, which fill with stray pieces; more blurs what is near it.
    near_std: float = doc(
        "standard deviation of their distance from it", default=0.02, unit="the mesh's largest side"
    )
    inside: Literal["watertight", "winding_number"] = doc(
        "which meshes are taken: watertight ones only, or any, by their generalised winding number",
        default="watertight",
    )
    grid: int = doc("cells a side of the grid of scores and pictures", default=128)
    seed: int = doc("of the samples", default=0)

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ValueError(f"points must be at least 1, got {self.points}")
        if not 0 <= self.near_surface <= 1:
            raise ValueError(f"near_surface is a part and must be in [0, 1], got {self.near_surface}")
        if not 0 < self.near_std <= 0.5:
            raise ValueError(f"near_std must be above 0 and at most 0.5, got {self.near_std}")
        if not 4 <= self.grid <= 512:
            raise ValueError(f"grid must be from 4 to 512, got {self.grid}")


class OccupancySignal:
    """Samples of a mesh's inside: 1 inside, 0 outside; see :class:`wsapps_signals.kinds.signal.Signal`.

    The mesh's box is centred in the cube and its largest side reaches from -0.9 to 0.9. A part
    ``near_surface`` of the samples are surface points, uniform by area, moved by Gaussian noise (and
    clamped to the cube); the others are uniform in the cube. They are scattered: ``grid`` is None.

    Raises:
        UserError: the mesh is not watertight (unless ``inside`` is "winding_number"), or nothing of it is
            inside.
    """

    Config = OccupancyConfig

    weights = None
    grid = None
    peak = 1.0

    def __init__(self, mesh: Mesh, config: OccupancyConfig, title: str, where: str | None = None):
        closed = config.inside == "watertight"
        where = where or title
        if closed:
            check_watertight(mesh, where)
        self.title, self.config = title, config
        self.mesh, self.centre, self.scale = normalised(mesh, HALF_SIDE)
        self.native_bits = 32 * (mesh.vertices.size + mesh.faces.size)
        self.inside = InsideTest(self.mesh, closed)
        rng = np.random.default_rng(config.seed)
        near = round(config.points * config.near_surface)
        uniform = rng.uniform(-1.0, 1.0, (config.points - near, 3)).astype(np.float32)
        points_N3 = np.concatenate([self._near_points(near, config.near_std, rng), uniform])
        # Of the float32 coordinates that the field will see, not of finer ones.
        inside_N = self.inside(points_N3)
        if not inside_N.any() and not bool(self.grid_truth.any()):
            raise UserError(
                f"{where}: none of {config.points} samples and none of {config.grid}^3 cells is inside; the "
                f"mesh encloses too little, or its triangles face all ways"
            )
        self.coordinates = torch.from_numpy(points_N3)
        self.values = torch.from_numpy(inside_N[:, None].astype(np.float32))

    @classmethod
    def from_config(cls, config: OccupancyConfig, path: str | Path | None) -> OccupancySignal:
        if path is None:
            return cls(knot_mesh(), config, TITLE)
        path = Path(path)
        return cls(load_mesh(path), config, path.stem, named(path))

    def _near_points(self, count: int, std: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """``(count, 3)`` points near the surface, in the cube; ``std`` is a part of the largest side."""
        noise = rng.normal(0.0, std * 2.0 * HALF_SIDE, (count, 3))
        points = surface_points(self.mesh, count, rng) + noise
        return points.clip(-1.0, 1.0).astype(np.float32)

    @cached_property
    def grid_truth(self) -> Tensor:
        """``(X, Y, Z)`` bool, the occupancy at the cell centres of the evaluation grid; computed once."""
        size = (self.config.grid,) * 3
        planes = [self.inside(points.numpy()) for points in grid_planes(size)]
        return torch.from_numpy(np.stack(planes)).reshape(size)

    @cached_property
    def _near_scored(self) -> tuple[Tensor, Tensor]:
        """Points ``(M, 3)`` near the surface that no fit has seen, and whether each is inside."""
        points = self._near_points(
            _NEAR_SCORED, _NEAR_SCORED_STD, np.random.default_rng([self.config.seed, 1])
        )
        return torch.from_numpy(points), torch.from_numpy(self.inside(points))

    def scores(self, predict: Predict) -> dict[str, float]:
        """``iou`` on the evaluation grid, ``iou_near`` on fresh points near the surface, ``iou_samples``
        and ``psnr`` on the training samples.

        A point counts as occupied where the field is above 0.5.
        """
        near, inside = self._near_scored
        at_samples = predict(self.coordinates)
        return {
            "iou": iou(sample_cells(predict, self.grid_truth.shape) > 0.5, self.grid_truth),
            "iou_near": iou(predict(near)[:, 0] > 0.5, inside),
            "iou_samples": iou(at_samples > 0.5, self.values > 0.5),
            "psnr": psnr(at_samples, self.values, self.peak),
        }

    def write(self, folder: Path, predict: Predict) -> list[Figure]:
        """Write ``reconstruction.ply``, ``render.png`` and three ``slice_*.png``.

        The mesh is the field's surface at 0.5 on the evaluation grid, in the coordinates of the mesh that
        was read. A field without one leaves no mesh, and the caption says so.
        """
        folder = Path(folder)
        field_XYZ = sample_cells(predict, self.grid_truth.shape).numpy()
        absent = self._write_mesh(folder / _RECONSTRUCTION, field_XYZ)
        truth_XYZ = self.grid_truth.numpy()
        pair: list[Any] = [("truth", shaded(truth_XYZ)), ("reconstruction", shaded(field_XYZ > 0.5))]
        save_png(folder / "render.png", side_by_side(pair))
        cells = f"{self.config.grid}^3 cells"
        note = absent or f"the reconstruction as a mesh: {_RECONSTRUCTION}"
        figures = [Figure("render.png", f"{cells}, seen along -z; {note}")]
        for name, row in zip("xyz", slices(truth_XYZ, field_XYZ), strict=True):
            save_png(folder / f"slice_{name}.png", row)
            figures.append(
                Figure(f"slice_{name}.png", f"the plane {name} = 0: truth, field, |error| (0 to 1)")
            )
        return figures

    def resample(self, folder: Path, predict: Predict, size: tuple[int, ...]) -> list[Path]:
        """Write the field's surface on a grid of ``size = (X, Y, Z)`` cells as ``resampled_XxYxZ.ply``.

        Raises:
            UserError: not three sizes from 2 up, too many cells, or a field without a surface.
        """
        if len(size) != 3 or min(size) < 2 or np.prod(size, dtype=float) > _MOST_CELLS:
            raise UserError(
                f"the size of an occupancy grid must be three numbers from 2 up with a product of at most "
                f"{_MOST_CELLS} (512^3), got {tuple(size)}"
            )
        path = Path(folder) / f"resampled_{'x'.join(map(str, size))}.ply"
        absent = self._write_mesh(path, sample_cells(predict, size).numpy())
        if absent:
            raise UserError(f"{self.title}: {absent} on a grid of {tuple(size)}; nothing can be written")
        return [path]

    def preview(self, predict: Predict) -> Tensor:
        """The reconstruction on a coarse grid, shaded: ``(128, 128, 3)``."""
        picture = shaded(sample_cells(predict, (_PREVIEW,) * 3).numpy() > 0.5)
        return torch.from_numpy(picture.repeat(2, axis=0).repeat(2, axis=1))

    def _write_mesh(self, path: Path, field_XYZ: NDArray[np.float32]) -> str | None:
        """Write the surface at 0.5, or say in words why there is none (and remove an older one)."""
        check_finite_field(field_XYZ, self.title)
        low, high = float(field_XYZ.min()), float(field_XYZ.max())
        if high <= 0.5 or low > 0.5:
            with explained("remove", path):
                path.unlink(missing_ok=True)
            side = "below" if high <= 0.5 else "above"
            absent = f"no surface: the field is {side} 0.5 everywhere ({low:.3g} to {high:.3g})"
            _log.warning("%s: %s; %s is not written", self.title, absent, path.name)
            return absent
        surface = extract_surface(field_XYZ)
        data = ply_bytes(Mesh(surface.vertices / self.scale + self.centre, surface.faces))
        with replacing(path) as temporary:
            temporary.write_bytes(data)
        return None
