"""Systems u_t = L u + N(u) on a periodic square, by Fourier series and ETDRK4.

Shapes: F fields, n = modes along each axis, K = n / 2 + 1, T times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.references.etdrk4 import etdrk4
from wsapps_pde.references.fourier import Spectrum, square_fields, square_spectrum
from wsapps_pde.references.refinement import refined_spectral
from wsapps_pde.references.settings import LONGEST_SIDE, resolution
from wsapps_pde.references.solution import ReferenceSolution

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PeriodicSquare:
    """``modes`` x ``modes`` nodes of the periodic square from ``low`` to ``high``."""

    low: float
    high: float
    modes: int

    @property
    def nodes(self) -> tuple[Array, Array]:
        """x and y, each ``(n, n)``; the right and upper edges are left out."""
        line = np.linspace(self.low, self.high, self.modes, endpoint=False)
        x, y = np.meshgrid(line, line, indexing="ij")
        return x, y

    @property
    def wavenumbers(self) -> tuple[Array, Array]:
        """k_x ``(n, 1)`` and k_y ``(1, K)``; the highest, whose derivative has no sine, counts as 0."""
        unit = 2.0 * math.pi / (self.high - self.low)
        index = self._numbers
        index[self.modes // 2] = 0.0
        return unit * index[:, None], unit * np.abs(index[None, : self.modes // 2 + 1])

    @property
    def laplacian(self) -> Array:
        """``(n, K)``: the symbol -|k|^2, highest wavenumbers included."""
        unit = 2.0 * math.pi / (self.high - self.low)
        index = self._numbers
        return -(unit**2) * (index[:, None] ** 2 + index[None, : self.modes // 2 + 1] ** 2)

    @property
    def dealiased(self) -> Array:
        """``(n, K)``: 1 for the lower two thirds of the wavenumbers in both axes, else 0."""
        index = np.abs(self._numbers)
        low = index < self.modes / 3
        return (low[:, None] & low[None, : self.modes // 2 + 1]).astype(np.float64)

    @property
    def _numbers(self) -> Array:
        """``(n,)``: 0, 1, ..., -2, -1 as the transforms have them."""
        return np.asarray(np.fft.fftfreq(self.modes, 1.0 / self.modes), np.float64)

    def spectrum(self, fields: Array) -> Spectrum:
        """``(..., n, n)`` to ``(..., n, K)``."""
        return square_spectrum(fields)

    def fields(self, spectrum: Spectrum) -> Array:
        """``(..., n, K)`` to ``(..., n, n)``."""
        return square_fields(spectrum, self.modes)


@dataclass(frozen=True)
class SquareSystem:
    """A system on a periodic square.

    Args:
        symbol: square to L's symbol, ``(F, n, K)`` or what broadcasts to it.
        nonlinear: square to N, from ``(F, n, K)`` to ``(F, n, K)``.
        initial: x and y ``(n, n)`` to the fields at time 0, ``(F, n, n)``.
        unknowns: square and spectrum ``(F, n, K)`` to the fields asked for by name, ``(n, n)`` each.
    """

    low: float
    high: float
    symbol: Callable[[PeriodicSquare], NDArray]
    nonlinear: Callable[[PeriodicSquare], Callable[[Spectrum], Spectrum]]
    initial: Callable[[Array, Array], Array]
    unknowns: Callable[[PeriodicSquare, Spectrum], dict[str, Array]]


def evolve(
    system: SquareSystem, modes: int, times: Array, steps: int, nodes: int | None = None, stride: int = 1
) -> dict[str, Array]:
    """Name to values at each time on every ``stride``-th of ``nodes`` nodes, ``(nodes / stride, ..., T)``.

    Args:
        times: ``(T,)``, the first one that of the initial value.
        steps: in each interval between two times.
        nodes: along each axis, ``modes`` unless more are asked for.
    """
    square = PeriodicSquare(system.low, system.high, modes)
    finer = square if nodes is None else PeriodicSquare(system.low, system.high, nodes)
    dt = float(np.diff(times).max()) / steps
    start = square.spectrum(system.initial(*square.nodes))
    states = etdrk4(system.symbol(square), system.nonlinear(square), start, times, dt)
    found = [system.unknowns(finer, _padded(state, modes, finer.modes)) for state in states]
    return {
        name: np.stack([fields[name][::stride, ::stride] for fields in found], axis=-1) for name in found[0]
    }


def _padded(spectrum: Spectrum, modes: int, nodes: int) -> Spectrum:
    """``(..., n, K)`` of ``modes`` to that of the same function on more nodes."""
    if nodes == modes:
        return spectrum
    half = modes // 2
    padded = np.zeros((*spectrum.shape[:-2], nodes, nodes // 2 + 1), np.complex128)
    padded[..., :half, :half] = spectrum[..., :half, :half]
    padded[..., -half + 1 :, :half] = spectrum[..., -half + 1 :, :half]
    return padded * (nodes / modes) ** 2


def solve_square(
    name: str,
    system: SquareSystem,
    *,
    points: int,
    times: int,
    horizon: float,
    modes: int,
    dt: float,
    description: str,
) -> ReferenceSolution:
    """The unknowns on ``points + 1`` nodes along x and y and ``times`` times, with their errors.

    Raises:
        UserError: settings out of range; modes that are no multiple of the points.
    """
    points, modes, t, steps = resolution(name, points, times, horizon, modes, dt, most=LONGEST_SIDE)

    def solve(used: int, steps: int) -> dict[str, Array]:
        found = evolve(system, used, t, steps, modes, modes // points)
        around = ((0, 1), (0, 1), (0, 0))  # the right and upper edges are the left and lower ones
        return {unknown: np.pad(values, around, mode="wrap") for unknown, values in found.items()}

    values, errors = refined_spectral(solve, modes, steps)
    line = np.linspace(system.low, system.high, points + 1)
    text = f"{description}; Fourier and ETDRK4, {modes} x {modes} modes, dt = {t[1] / steps:.3g}"
    return ReferenceSolution({"x": line, "y": line.copy(), "t": t}, None, values, errors, text)
