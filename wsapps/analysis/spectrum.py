"""Spectra of fields: how much power they have at which frequency, along lines through the domain.

Frequencies are in cycles a unit of coordinate.

Shapes: L lines, P points a line, F frequencies, D coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsapps.seeding import generator


@dataclass(frozen=True)
class Spectrum:
    """One-sided power spectrum: frequencies ``(F,)`` and power ``(F,)``, whose sum is the variance."""

    frequencies: NDArray[np.float64]
    power: NDArray[np.float64]

    @property
    def centroid(self) -> float:
        """Mean frequency, weighted by power."""
        return float((self.frequencies * self.power).sum() / self.power.sum())

    def part_above(self, frequency: float) -> float:
        """The part of the power at higher frequencies than this."""
        return float(self.power[self.frequencies > frequency].sum() / self.power.sum())

    def rolloff(self, part: float = 0.95) -> float:
        """The frequency below which this part of the power lies."""
        total = np.cumsum(self.power) / self.power.sum()
        return float(self.frequencies[min(int(np.searchsorted(total, part)), len(total) - 1)])


def line_spectrum(samples_LP: NDArray[np.float64], length: float) -> Spectrum:
    """The spectrum of samples at equal steps on lines, the mean over lines.

    The mean of each line is taken off, and a Hann window laid over it, so that a frequency spreads over
    three bins and not over all of them.

    Args:
        samples_LP: ``(L, P)``, at least 4 points a line.
        length: of a line in units of coordinate, P steps.

    Raises:
        ValueError: not that shape.
    """
    samples_LP = np.asarray(samples_LP, np.float64)
    if samples_LP.ndim != 2 or samples_LP.shape[1] < 4:
        raise ValueError(f"samples must be (lines, points >= 4), got {samples_LP.shape}")
    points = samples_LP.shape[1]
    window_P = np.hanning(points + 1)[:-1]
    centred_LP = samples_LP - samples_LP.mean(axis=1, keepdims=True)
    transform_LF = np.fft.rfft(centred_LP * window_P, axis=1)
    power_F = np.square(np.abs(transform_LF)).mean(axis=0) / (points * np.square(window_P).sum())
    power_F[1 : (points + 1) // 2] *= 2  # both signs of a frequency; the last one of an even number is one
    return Spectrum(np.fft.rfftfreq(points, length / points), power_F)


def field_spectrum(
    field: Callable[[Tensor], Tensor],
    in_features: int,
    *,
    half_side: float = 1.0,
    lines: int = 32,
    points: int = 2048,
    seed: int = 0,
) -> Spectrum:
    """The spectrum of a field along lines parallel to the coordinates' axes, at random places of a cube.

    Args:
        field: ``(M, D)`` to ``(M, C)``; channels count as lines.
        in_features: D.
        half_side: the cube is [-half_side, half_side]^D.
        lines: taken from the axes in turn.
        points: a line; frequencies reach to points / (4 half_side), and what a field has above is folded
            back.
        seed: of the places.
    """
    draws = generator(seed, "lines")
    places_LD = (2 * torch.rand(lines, in_features, generator=draws) - 1) * half_side
    steps_P = (2 * torch.arange(points, dtype=torch.float64) / points - 1) * half_side
    coordinates_LPD = places_LD[:, None, :].repeat(1, points, 1)
    for line in range(lines):
        coordinates_LPD[line, :, line % in_features] = steps_P.float()
    parameters = field.parameters() if isinstance(field, nn.Module) else iter(())
    like = next(parameters, coordinates_LPD)  # the precision and the device that the field has
    with torch.no_grad():
        values_LPC = torch.stack([field(line_PD.to(like)) for line_PD in coordinates_LPD])
    samples = values_LPC.double().movedim(2, 1).reshape(-1, points).cpu().numpy()
    return line_spectrum(samples, 2 * half_side)


def grid_spectrum(values_NC: Tensor, grid: tuple[int, ...], length: float = 2.0, axis: int = -1) -> Spectrum:
    """The spectrum of samples on a regular grid along an axis; all other axes and channels count as lines.

    Args:
        values_NC: the samples, row-major.
        grid: their numbers along every axis, along this one 4 at least.
        length: from the first to the last of that axis, in units of coordinate.
    """
    count = grid[axis]
    lines_LP = values_NC.double().reshape(*grid, -1).movedim(axis % len(grid), -1).reshape(-1, count)
    return line_spectrum(lines_LP.cpu().numpy(), length * count / max(count - 1, 1))
