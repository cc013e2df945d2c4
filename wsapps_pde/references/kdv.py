"""The Korteweg-de Vries equation in the setting of Zabusky & Kruskal, Phys. Rev. Lett. 15 (1965).

u_t + speed u u_x + delta^2 u_xxx = 0,  u(x, 0) = cos(pi x),  periodic on [-1, 1]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.references.periodic_line import LineEquation, advection, solve_line
from wsapps_pde.references.settings import non_negative, number
from wsapps_pde.references.solution import ReferenceSolution

_NAME = "kdv"


def kdv(
    *,
    delta: float = 0.022,
    speed: float = 1.0,
    horizon: float = 1.0,
    points: int = 512,
    times: int = 201,
    modes: int = 1024,
    dt: float = 2e-4,
) -> ReferenceSolution:
    """u on ``points + 1`` x ``times`` nodes.

    Raises:
        UserError: a setting out of range.
    """
    equation = kdv_equation(
        non_negative(_NAME, "delta", delta),
        number(_NAME, "speed", speed),
        -1.0,
        1.0,
        lambda x: np.cos(np.pi * x),
    )
    return solve_line(
        _NAME,
        equation,
        points=points,
        times=times,
        horizon=horizon,
        modes=modes,
        dt=dt,
        description=f"Korteweg-de Vries, delta = {delta:g}, speed = {speed:g}",
    )


def kdv_equation(
    delta: float,
    speed: float,
    low: float,
    high: float,
    initial: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> LineEquation:
    """The equation on a periodic interval with an initial value of one's own."""
    return LineEquation(
        low=low,
        high=high,
        symbol=lambda line: 1j * delta**2 * line.wavenumbers**3,
        nonlinear=lambda line: advection(line, speed),
        initial=initial,
    )
