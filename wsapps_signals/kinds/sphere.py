"""A field on the sphere: a map over latitudes and longitudes, fitted as a function on unit vectors.

Shapes: H latitudes from north to south, W longitudes, N = H W points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.metrics import psnr, psnr_from_mse
from wsapps.pictures import colourize, save_png, side_by_side
from wsapps.readers.paths import named
from wsapps.report import Figure
from wsapps_signals.finite_field import check_finite_field
from wsapps_signals.kinds.map_selection import read_map
from wsapps_signals.kinds.netcdf import write_map
from wsapps_signals.kinds.signal import Predict
from wsapps_signals.kinds.sphere_grid import SphereMap, cell_areas, regular_axes, thinned, unit_vectors
from wsapps_signals.samples.sphere import TITLE, wave_map

_SHOWN_ERROR = 0.1  # of the map's range, the brightest colour of error maps; fixed, to compare runs by eye
_LEAST_WIDTH, _MOST_WIDTH = 360, 720  # pixels a map; a narrower one has no room for its caption
_PREVIEW_WIDTH = 180
_MOST_POINTS = 2**27  # of a resampled map


@dataclass
class SphereConfig:
    """Settings of a :class:`SphereSignal`."""

    name: str = "sphere"
    variable: str | None = doc("which map of the file; null takes the first", default=None)
    time: int = doc("index along the time dimension, from 0", default=0)
    level: int | None = doc("index along the level dimension, from 0; null takes the first", default=None)
    area_weights: bool = doc("squared errors count by the area of their cell in training", default=True)
    max_points: int | None = doc("keep every k-th row and column so that no more are left", default=None)

    def __post_init__(self) -> None:
        if self.max_points is not None and self.max_points < 4:
            raise ValueError(f"max_points must be at least 4, got {self.max_points}")


class SphereSignal:
    """A map scaled to [0, 1] over its range; see :class:`wsapps_signals.kinds.signal.Signal`.

    Coordinates are (cos lat cos lon, cos lat sin lon, sin lat): without a seam at the date line and
    without stretching at the poles. Weights are the areas of the points' cells, of mean 1, or None.
    ``grid`` is (H, W).

    Raises:
        UserError: the map is constant, or ``max_points`` is too few.
    """

    Config = SphereConfig

    peak = 1.0

    def __init__(self, field: SphereMap, config: SphereConfig, title: str, where: str | None = None):
        self.native_bits = field.bits * field.values.size
        self.title, self.config = title, config
        self.map = thinned(field, config.max_points) if config.max_points is not None else field
        if self.map is not field:
            self.native_bits = field.bits * self.map.values.size
        self.low, self.high = float(self.map.values.min()), float(self.map.values.max())
        if not self.high - self.low > 1e-12 * max(abs(self.low), abs(self.high)):
            raise UserError(
                f"{where or title}: {field.variable} is {self.low:g} everywhere; a constant map has no range "
                f"to fit, choose another signal.variable= or signal.time="
            )
        height, width = self.map.values.shape
        self.grid: tuple[int, ...] | None = (height, width)
        self.coordinates = torch.from_numpy(unit_vectors(self.map.latitudes, self.map.longitudes))
        scaled = (self.map.values - self.low) / (self.high - self.low)
        self.values = torch.from_numpy(scaled.astype(np.float32).reshape(-1, 1))
        areas = cell_areas(self.map.latitudes, self.map.longitudes).ravel()
        self._areas = torch.from_numpy(areas / areas.mean())
        self.weights = self._areas.float() if config.area_weights else None

    @classmethod
    def from_config(cls, config: SphereConfig, path: str | Path | None) -> SphereSignal:
        if path is None:
            return cls(wave_map(), config, TITLE)
        path = Path(path)
        field = read_map(path, config.variable, config.time, config.level)
        return cls(field, config, path.stem, named(path))

    def scores(self, predict: Predict) -> dict[str, float]:
        """``psnr`` over the grid's points, ``psnr_area`` over the sphere's area, ``rmse`` in physical units.

        The paper's table has the first, a plain mean in which points near the poles count as much as others.
        """
        values = predict(self.coordinates)
        squared = (values.double() - self.values.double()).square()[:, 0]
        return {
            "psnr": psnr(values, self.values, self.peak),
            "psnr_area": psnr_from_mse(float((squared * self._areas).mean()), self.peak),
            "rmse": float(squared.mean().sqrt()) * (self.high - self.low),
        }

    def write(self, folder: Path, predict: Predict) -> list[Figure]:
        """Write ``reconstruction.nc`` (physical units) and ``map.png``: truth, field and error."""
        folder = Path(folder)
        field = predict(self.coordinates).double().reshape(self.map.values.shape).numpy()
        check_finite_field(field, self.title)
        write_map(
            folder / "reconstruction.nc", self._physical(self.map.latitudes, self.map.longitudes, field)
        )
        truth = self.values.double().reshape(field.shape).numpy()
        span = _SHOWN_ERROR * (self.high - self.low)
        panels: list[Any] = [
            (f"truth, {self.low:.4g} to {self.high:.4g} {self.map.units}", _coloured(truth)),
            ("field, same colours", _coloured(field)),
            (
                f"|error|, 0 to {span:.3g} {self.map.units}",
                _coloured(np.abs(field - truth), _SHOWN_ERROR, "magma"),
            ),
        ]
        save_png(folder / "map.png", side_by_side(panels))
        units = f" {self.map.units}" if self.map.units else ""
        name = ", ".join(filter(None, [self.map.long_name or self.map.variable, self.map.selection]))
        caption = (
            f"{name}: truth and field from {self.low:.6g} to {self.high:.6g}{units}, |error| from 0 to "
            f"{span:.3g}{units}; in physical units: reconstruction.nc"
        )
        return [Figure("map.png", caption)]

    def resample(self, folder: Path, predict: Predict, size: tuple[int, ...]) -> list[Path]:
        """Write the field on an even grid of ``size = (H, W)`` over the map's extent as ``resampled_HxW.nc``.

        Raises:
            UserError: not two sizes from 2 up, or too many points.
        """
        if len(size) != 2 or min(size) < 2 or np.prod(size, dtype=float) > _MOST_POINTS:
            raise UserError(
                f"the size of a map must be two numbers, latitudes and longitudes, from 2 up and with a "
                f"product of at most {_MOST_POINTS}, got {tuple(size)}"
            )
        latitudes, longitudes = regular_axes(self.map, *size)
        values = _sampled(predict, latitudes, longitudes)
        check_finite_field(values, self.title)
        path = Path(folder) / f"resampled_{size[0]}x{size[1]}.nc"
        write_map(path, self._physical(latitudes, longitudes, values))
        return [path]

    def preview(self, predict: Predict) -> Tensor:
        """The field as a coloured map, at most 180 pixels wide: ``(H', W', 3)``."""
        height, width = self.map.values.shape
        shrink = max(1.0, width / _PREVIEW_WIDTH)
        axes = regular_axes(self.map, max(2, round(height / shrink)), max(2, round(width / shrink)))
        return torch.from_numpy(colourize(_sampled(predict, *axes), 0.0, 1.0))

    def _physical(self, latitudes: NDArray, longitudes: NDArray, scaled_HW: NDArray) -> SphereMap:
        values = self.low + scaled_HW * (self.high - self.low)
        return replace(self.map, latitudes=latitudes, longitudes=longitudes, values=values)


def _sampled(predict: Predict, latitudes: NDArray, longitudes: NDArray) -> NDArray[np.float64]:
    """A field on a grid, ``(H, W)``, some rows at a time."""
    rows = max(1, (1 << 18) // len(longitudes))
    blocks = []
    for start in range(0, len(latitudes), rows):
        points = torch.from_numpy(unit_vectors(latitudes[start : start + rows], longitudes))
        blocks.append(predict(points)[:, 0].double().reshape(-1, len(longitudes)).numpy())
    return np.concatenate(blocks)


def _coloured(scaled_HW: NDArray, high: float = 1.0, colormap: str = "turbo") -> NDArray[np.float32]:
    """A map as a picture, north up, of a width that suits a page."""
    width = scaled_HW.shape[1]
    step, times = -(-width // _MOST_WIDTH), -(-_LEAST_WIDTH // width)
    shown = colourize(scaled_HW[::step, ::step], 0.0, high, colormap=colormap)
    return shown.repeat(times, axis=0).repeat(times, axis=1)
