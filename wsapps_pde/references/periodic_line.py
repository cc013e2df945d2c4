"""Evolution equations u_t = L u + N(u) on a periodic interval, by Fourier series and ETDRK4.

Shapes: K = modes / 2 + 1 coefficients of a real field of ``modes`` nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.references.etdrk4 import etdrk4
from wsapps_pde.references.fourier import Spectrum, line_fields, line_spectrum
from wsapps_pde.references.refinement import refined_spectral
from wsapps_pde.references.settings import resolution
from wsapps_pde.references.solution import ReferenceSolution

Array = NDArray[np.float64]
_FINER = 16  # how much finer the initial value is sampled


@dataclass(frozen=True)
class PeriodicLine:
    """``modes`` nodes of the periodic interval from ``low`` to ``high``."""

    low: float
    high: float
    modes: int

    @property
    def nodes(self) -> Array:
        """``(modes,)``; the right end, which is the left one again, is left out."""
        return np.linspace(self.low, self.high, self.modes, endpoint=False)

    @property
    def wavenumbers(self) -> Array:
        """``(K,)``: 0, 1, ... times ``2 pi / (high - low)``."""
        return 2.0 * math.pi / (self.high - self.low) * np.arange(self.modes // 2 + 1.0)

    @property
    def dealiased(self) -> Array:
        """``(K,)``: 1 for the lower two thirds of the wavenumbers, else 0.

        A product of two fields cut so has no aliases among them (Orszag 1971).
        """
        return (np.arange(self.modes // 2 + 1) < self.modes / 3).astype(np.float64)


@dataclass(frozen=True)
class LineEquation:
    """An equation on a periodic line.

    Args:
        symbol: line to L's symbol ``(K,)``.
        nonlinear: line to N, from ``(K,)`` to ``(K,)``.
        initial: u at time 0, of ``(n,)`` nodes.
    """

    low: float
    high: float
    symbol: Callable[[PeriodicLine], NDArray]
    nonlinear: Callable[[PeriodicLine], Callable[[Spectrum], Spectrum]]
    initial: Callable[[Array], Array]


def advection(line: PeriodicLine, speed: float = 1.0) -> Callable[[Spectrum], Spectrum]:
    """N(u) = -speed u u_x in conservative form, dealiased."""
    factor = -0.5j * speed * line.wavenumbers * line.dealiased
    cut = line.dealiased
    return lambda u: factor * line_spectrum(line_fields(cut * u, line.modes) ** 2)


def evolve(equation: LineEquation, modes: int, times: Array, steps: int, nodes: int | None = None) -> Array:
    """u at each time on ``nodes`` nodes, ``(nodes, T)``; ``modes`` unless more are asked for.

    Args:
        times: ``(T,)``, the first one that of the initial value.
        steps: in each interval between two times.
    """
    line = PeriodicLine(equation.low, equation.high, modes)
    nodes = modes if nodes is None else nodes
    dt = float(np.diff(times).max()) / steps
    # A kink's aliases would disturb all coefficients by its last one: cut a finer series instead.
    finer = PeriodicLine(equation.low, equation.high, _FINER * modes)
    start = line_spectrum(equation.initial(finer.nodes))[: modes // 2 + 1] / _FINER
    start[-1] = 0.0
    states = etdrk4(equation.symbol(line), equation.nonlinear(line), start, times, dt)
    if nodes > modes:
        states[:, -1] = 0.0  # the highest cosine, whose sine the nodes did not see
    u = np.ascontiguousarray(line_fields(states, nodes).T) * (nodes / modes)
    u[:, 0] = equation.initial(PeriodicLine(equation.low, equation.high, nodes).nodes)
    return u


def solve_line(
    name: str,
    equation: LineEquation,
    *,
    points: int,
    times: int,
    horizon: float,
    modes: int,
    dt: float,
    description: str,
) -> ReferenceSolution:
    """u on ``points + 1`` nodes (both ends) and ``times`` times from 0 to the horizon, with its error.

    Raises:
        UserError: settings out of range; modes that are no multiple of the points.
    """
    points, modes, t, steps = resolution(name, points, times, horizon, modes, dt)

    def solve(used: int, steps: int) -> dict[str, Array]:
        u = evolve(equation, used, t, steps, modes)[:: modes // points]
        return {"u": np.concatenate([u, u[:1]])}

    values, errors = refined_spectral(solve, modes, steps)
    x = np.linspace(equation.low, equation.high, points + 1)
    text = f"{description}; Fourier and ETDRK4, {modes} modes, dt = {t[1] / steps:.3g}"
    return ReferenceSolution({"x": x, "t": t}, None, values, errors, text)
