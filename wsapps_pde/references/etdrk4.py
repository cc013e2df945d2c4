"""Exponential time differencing, Runge-Kutta of fourth order, for u_t = L u + N(u) with diagonal L.

Cox & Matthews, J. Comput. Phys. 176 (2002), eqs. 26-29; the coefficients by contour integrals as in
Kassam & Trefethen, SIAM J. Sci. Comput. 26 (2005), sec. 3: their closed forms cancel where h L is small.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsapps.errors import UserError
from wsapps_pde.references.fourier import Spectrum

_CONTOUR = 32  # points on the unit circle: the trapezoid rule is exact to rounding there


@dataclass(frozen=True)
class _Coefficients:
    """For one step h: ``exp(h L)``, ``exp(h L / 2)``, and the weights of the stages."""

    step: float
    whole: NDArray
    half: NDArray
    stage: NDArray
    first: NDArray
    middle: NDArray
    last: NDArray


def etdrk4(
    linear_symbol: ArrayLike,
    nonlinear: Callable[[Spectrum], Spectrum],
    u0: ArrayLike,
    times: ArrayLike,
    dt: float,
) -> Spectrum:
    """The solution at each of ``times``, ``(len(times), *u0.shape)``.

    Args:
        linear_symbol: L, real or complex, of a shape that broadcasts to ``u0``'s: for u_xx the array -k^2.
        nonlinear: N in the same (spectral) space as ``u0``; it dealiases where it needs to.
        u0: the state at ``times[0]``, real or complex.
        times: ascending.
        dt: the longest step; each interval between two times is divided into equal steps.

    Raises:
        ValueError: times that do not ascend, or a dt not above 0.
        UserError: the solution is no longer finite: the step is too long, or the solution ends there.
    """
    times = np.asarray(times, np.float64)
    if times.ndim != 1 or len(times) == 0 or (np.diff(times) <= 0).any() or not dt > 0:
        raise ValueError(f"ascending times and dt > 0 are needed, got {times} and dt = {dt}")
    state = np.array(u0, np.complex128)
    symbol = np.asarray(linear_symbol)
    states = np.empty((len(times), *state.shape), np.complex128)
    states[0] = state
    known = None
    for index, interval in enumerate(np.diff(times), start=1):
        steps = max(1, math.ceil(interval / dt * (1.0 - 1e-9)))
        step = interval / steps
        if known is None or abs(step - known.step) > 1e-12 * step:  # equal intervals differ by rounding
            known = _coefficients(symbol, step)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                state = _step(state, nonlinear, known)
        if not np.isfinite(state).all():
            raise UserError(
                f"the spectral reference is no longer finite at t = {times[index]:.6g} with steps of "
                f"{step:.3g}: choose a smaller dt, or a shorter horizon if the solution ends there"
            )
        states[index] = state
    return states


def _step(u: Spectrum, nonlinear: Callable[[Spectrum], Spectrum], c: _Coefficients) -> Spectrum:
    n_u = nonlinear(u)
    half = c.half * u
    a = half + c.stage * n_u
    n_a = nonlinear(a)
    b = half + c.stage * n_a
    n_b = nonlinear(b)
    n_c = nonlinear(c.half * a + c.stage * (2.0 * n_b - n_u))
    return c.whole * u + c.first * n_u + c.middle * (n_a + n_b) + c.last * n_c


def _coefficients(symbol: NDArray, h: float) -> _Coefficients:
    z_0 = h * symbol
    sums = [np.zeros(np.shape(symbol), np.complex128) for _ in range(4)]
    for index in range(_CONTOUR):
        z = z_0 + np.exp(2j * math.pi * (index + 0.5) / _CONTOUR)
        e = np.exp(z)
        sums[0] += (np.exp(z / 2) - 1.0) / z
        sums[1] += (-4.0 - z + e * (4.0 - 3.0 * z + z**2)) / z**3
        sums[2] += (4.0 + 2.0 * z + e * (2.0 * z - 4.0)) / z**3
        sums[3] += (-4.0 - 3.0 * z - z**2 + e * (4.0 - z)) / z**3
    means = [h * total / _CONTOUR for total in sums]
    if not np.iscomplexobj(symbol):
        means = [mean.real for mean in means]
    return _Coefficients(h, np.exp(z_0), np.exp(z_0 / 2), *means)
