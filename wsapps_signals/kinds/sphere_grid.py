"""Grids of latitudes and longitudes: their points on the unit sphere, and the areas of their cells.

Shapes: H latitudes, W longitudes; degrees unless radians are named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError

_TOLERANCE = 1e-4  # degrees; float32 coordinates are that far off


@dataclass(frozen=True)
class SphereMap:
    """A map in physical units.

    Attributes:
        latitudes: ``(H,)`` float64, from north to south.
        longitudes: ``(W,)`` float64, rising eastwards, over 360 degrees at most.
        values: ``(H, W)`` float64.
        variable, units, long_name: as the file names them; units and long_name may be empty.
        selection: the time and the level, in words; may be empty.
        bits: bits a value in the file.
    """

    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]
    values: NDArray[np.float64]
    variable: str
    units: str = ""
    long_name: str = ""
    selection: str = ""
    bits: int = 32


def oriented(raw: SphereMap, where: str) -> SphereMap:
    """The map with its rows from north to south and its columns from west to east.

    Longitudes that jump at the date line or at Greenwich (..., 179, -180, ...) are continued across it.

    Raises:
        UserError: too few rows or columns; latitudes beyond 90 degrees; coordinates that are not in order,
            or go around more than once. ``where`` names the file.
    """
    latitudes, longitudes = raw.latitudes, raw.longitudes
    if min(raw.values.shape) < 2:
        raise UserError(f"{where}: a map needs 2 latitudes and 2 longitudes at least, got {raw.values.shape}")
    if np.abs(latitudes).max() > 90.0 + _TOLERANCE:
        raise UserError(
            f"{where}: latitudes reach from {latitudes.min():g} to {latitudes.max():g}, beyond 90 degrees; "
            f"they must be degrees north"
        )
    longitudes = np.unwrap(longitudes, period=360.0)
    values = raw.values
    if latitudes[0] < latitudes[-1]:
        latitudes, values = latitudes[::-1], values[::-1]
    if longitudes[0] > longitudes[-1]:
        longitudes, values = longitudes[::-1], values[:, ::-1]
    for name, steps in (("latitudes", -np.diff(latitudes)), ("longitudes", np.diff(longitudes))):
        if not steps.min() > 0:
            at = int(np.argmin(steps))
            raise UserError(
                f"{where}: its {name} are not in order, near entry {at} (step {steps[at]:g} degrees)"
            )
    if longitudes[-1] - longitudes[0] > 360.0 + _TOLERANCE:
        raise UserError(
            f"{where}: longitudes reach from {longitudes[0]:g} to {longitudes[-1]:g}, more than once around"
        )
    turns = np.floor((longitudes[-1] - _TOLERANCE) / 360.0) * 360.0
    if longitudes[0] - turns < -180.0:  # 20 to 370 is no better as -340 to 10
        turns -= 360.0
    return replace(
        raw,
        latitudes=latitudes.clip(-90.0, 90.0),
        longitudes=longitudes - max(turns, 0.0),
        values=np.ascontiguousarray(values),
    )


def thinned(field: SphereMap, most: int) -> SphereMap:
    """Every k-th row and column, from the first, with the least k that leaves at most ``most`` points.

    The points that are kept keep their values; a mean over blocks would smooth the field and lose the
    poles.

    Raises:
        UserError: fewer than 2 rows or columns would be left.
    """
    height, width = field.values.shape
    k = max(1, int(np.sqrt(height * width / most)))
    while -(-height // k) * -(-width // k) > most:
        k += 1
    if k == 1:
        return field
    if min(-(-height // k), -(-width // k)) < 2:
        raise UserError(f"signal.max_points={most} leaves no map of {height}x{width} points; allow more")
    values = np.ascontiguousarray(field.values[::k, ::k])
    return replace(field, latitudes=field.latitudes[::k], longitudes=field.longitudes[::k], values=values)


def unit_vectors(latitudes: NDArray, longitudes: NDArray) -> NDArray[np.float32]:
    """``(cos lat cos lon, cos lat sin lon, sin lat)`` of a grid's points in row-major order: ``(H W, 3)``.

    Longitudes that differ by whole turns give equal points, so that the date line is no seam.
    """
    # Reduced in degrees: sin(pi) and sin(-pi) differ in floating point.
    lat, lon = np.radians(latitudes)[:, None], np.radians(np.mod(longitudes, 360.0))[None, :]
    parts = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat) + 0.0 * lon]
    return np.stack(parts, axis=-1).reshape(-1, 3).astype(np.float32)


def is_global(longitudes: NDArray[np.float64]) -> bool:
    """Whether the gap from the last longitude around to the first is no wider than others."""
    steps = np.diff(longitudes)
    return bool(longitudes[0] + 360.0 - longitudes[-1] <= 1.5 * steps.max() + _TOLERANCE)


def cell_areas(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas ``(H, W)`` in steradians of the cells around the points of an oriented grid.

    Cells end half-way between neighbours, so that a row at a pole has the small cap around it, where
    cos(latitude) would give nothing. The area is exact: the difference of the sines of the bounding
    latitudes times the width in radians. The cells of a global grid with poles add up to 4 pi.
    """
    between = (latitudes[:-1] + latitudes[1:]) / 2.0
    ends = 2.0 * latitudes[[0, -1]] - between[[0, -1]]
    edges = np.concatenate([ends[:1], between, ends[1:]]).clip(-90.0, 90.0)
    heights = -np.diff(np.sin(np.radians(edges)))
    steps = np.diff(longitudes)
    around = longitudes[0] + 360.0 - longitudes[-1] if is_global(longitudes) else None
    before, after = (steps[0], steps[-1]) if around is None else (max(around, 0.0),) * 2
    widths = (np.concatenate([[before], steps]) + np.concatenate([steps, [after]])) / 2.0
    return heights[:, None] * np.radians(widths)[None, :]


def regular_axes(
    field: SphereMap, height: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Evenly spaced latitudes ``(height,)`` and longitudes ``(width,)`` over the extent of a map.

    A map that goes around is divided without repeating its first longitude.
    """
    latitudes = np.linspace(field.latitudes[0], field.latitudes[-1], height)
    first, last = field.longitudes[0], field.longitudes[-1]
    if is_global(field.longitudes) and last - first < 360.0 - _TOLERANCE:
        return latitudes, first + np.arange(width) * (360.0 / width)
    return latitudes, np.linspace(first, last, width)
