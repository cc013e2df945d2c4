"""Helmholtz's equation with a source that has no closed-form solution, by sine series.

    u_xx + u_yy + k^2 u = amplitude exp(-((x - c_x)^2 + (y - c_y)^2) / (2 width^2)),  u = 0 around [-1, 1]^2

The sines sin(m pi (x + 1) / 2) are the eigenfunctions, so each coefficient is the source's over
``k^2 - (m^2 + n^2) pi^2 / 4``. Problems whose solution is a product of sines need no solver.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dst

from wsapps.errors import UserError
from wsapps_pde.references.settings import LONGEST_SIDE, count, number, numbers_of, positive
from wsapps_pde.references.solution import ReferenceSolution, relative_l2

Array = NDArray[np.float64]
_NAME = "helmholtz_2d"


def helmholtz_2d(
    *,
    k: float = 10.0,
    amplitude: float = 100.0,
    centre: Sequence[float] = (0.3, -0.2),
    width: float = 0.1,
    points: int = 128,
    modes: int = 512,
) -> ReferenceSolution:
    """u on ``points + 1`` x ``points + 1`` nodes; the error is the change from half the modes to all.

    Raises:
        UserError: a setting out of range, or a k that is an eigenvalue: there is no solution then.
    """
    points = count(_NAME, "points", points, 4)
    modes = count(_NAME, "modes", modes, 16, multiple=2 * points, most=LONGEST_SIDE)
    k, amplitude = number(_NAME, "k", k), number(_NAME, "amplitude", amplitude)
    c_x, c_y = numbers_of(_NAME, "centre", list(centre) if isinstance(centre, tuple) else centre, 2)
    width = positive(_NAME, "width", width)

    def solve(modes: int) -> Array:
        nodes = np.linspace(-1.0, 1.0, modes + 1)[1:-1]
        along_x, along_y = (np.exp(-((nodes - c) ** 2) / (2.0 * width**2)) for c in (c_x, c_y))
        spectrum = np.outer(_sine_coefficients(along_x), _sine_coefficients(along_y))
        u = _from_sines(spectrum * (amplitude / _symbol(k, modes)))
        stride = modes // points
        return np.pad(u, 1)[::stride, ::stride]

    u = solve(modes)
    error = relative_l2(solve(modes // 2), u)
    axis = np.linspace(-1.0, 1.0, points + 1)
    text = f"Helmholtz, k = {k:g}, Gaussian source; {modes} x {modes} sines"
    return ReferenceSolution({"x": axis, "y": axis.copy()}, None, {"u": u}, {"u": error}, text)


def _symbol(k: float, modes: int) -> Array:
    """``(modes - 1, modes - 1)``: k^2 minus the eigenvalues of -Lap."""
    square = (0.5 * math.pi * np.arange(1, modes)) ** 2
    symbol = k**2 - square[:, None] - square
    nearest = float(np.abs(symbol).min())
    if nearest < 1e-6 * max(1.0, k**2):
        m, n = np.unravel_index(np.abs(symbol).argmin(), symbol.shape)
        raise UserError(
            f"reference {_NAME}: k = {k:.8g} is the eigenvalue of the mode ({m + 1}, {n + 1}), at which "
            "there is no solution; choose another k"
        )
    return symbol


def _sine_coefficients(values: Array) -> Array:
    """``(n,)`` values at the interior nodes to those of sin(m pi (x + 1) / 2), m = 1 ... n."""
    return np.asarray(dst(values, type=1)) / (len(values) + 1)


def _from_sines(coefficients: Array) -> Array:
    """Coefficients ``(n, n)`` to values at the interior nodes."""
    return np.asarray(dst(dst(coefficients, type=1, axis=0), type=1, axis=1)) / 4.0
