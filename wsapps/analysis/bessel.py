"""The initial function of a sine network of width 1, as a series: Yeom et al., ICLR 2025, and its bounds.

By the Jacobi-Anger expansion, with a = omega_h W_2 and t = omega_0 W_1 x,

    f(x) = W_3 sin(a sin(t)) = 2 W_3 sum over odd l >= 1 of J_l(a) sin(l t).

Scaling the first layer moves all frequencies and leaves the amplitudes; scaling the hidden layer changes
the amplitudes of the harmonics against one another. How fast, the paper says by

    a^2 / ((2l + 2)(2l + 4)) < J_(l+2)(a) / J_l(a) < a^2 / ((2l + 1)(2l + 3)).

The ratio begins as the lower bound, so that harmonic l + 2 grows as alpha^2 against harmonic l (its power
as alpha^4) while a is small. :func:`bound_range` says how far each bound holds.

Shapes: T values of t, L harmonics l = 1, 3, 5, ...
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import jn_zeros, jv


def odd_orders(count: int) -> NDArray[np.int64]:
    """The first ``count`` odd numbers ``(L,)``: 1, 3, 5, ..."""
    return 2 * np.arange(count) + 1


def amplitudes(argument: float, count: int) -> NDArray[np.float64]:
    """Amplitudes ``2 J_l(a)`` of the harmonics ``sin(l t)`` in ``sin(a sin t)``, ``(L,)``."""
    return 2 * jv(odd_orders(count), argument)


def series(argument: float, angles: ArrayLike, count: int) -> NDArray[np.float64]:
    """The first ``count`` harmonics of ``sin(a sin t)`` summed, at angles t ``(T,)``.

    What is left out is at most :func:`remainder`.
    """
    angles_T = np.asarray(angles, np.float64)
    return np.sin(np.outer(angles_T, odd_orders(count))) @ amplitudes(argument, count)


def remainder(argument: float, count: int) -> float:
    """A bound of ``|sin(a sin t) - series|``, from ``|J_l(a)| <= (|a| / 2)^l / l!`` (DLMF 10.14.4).

    The sum over l = 2 count + 1, 2 count + 3, ... is bounded by a geometric one; infinite where that does
    not converge, with too few terms for so large an argument.
    """
    first, half = 2 * count + 1, abs(argument) / 2
    ratio = half**2 / ((first + 1) * (first + 2))
    if ratio >= 1:
        return math.inf
    if half == 0:
        return 0.0
    return 2 * math.exp(first * math.log(half) - math.lgamma(first + 1)) / (1 - ratio)


def ratio(order: int, argument: ArrayLike) -> NDArray[np.float64]:
    """``J_(l+2)(a) / J_l(a)``, any shape; infinite at the zeros of J_l."""
    argument = np.asarray(argument, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return jv(order + 2, argument) / jv(order, argument)


def ratio_bounds(order: int, argument: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The paper's lower and upper bound of :func:`ratio`, any shape."""
    square = np.square(np.asarray(argument, np.float64))
    return square / ((2 * order + 2) * (2 * order + 4)), square / ((2 * order + 1) * (2 * order + 3))


@dataclass(frozen=True)
class BoundRange:
    """Up to which positive argument the bounds of ``J_(l+2) / J_l`` hold.

    Attributes:
        order: l.
        lower: of the lower bound: the first zero of J_l, where the ratio jumps from +infinity to -infinity.
        upper: of the upper bound: where the ratio crosses it.
    """

    order: int
    lower: float
    upper: float


def bound_range(order: int) -> BoundRange:
    """Where the paper's bounds hold: the lower for 0 < a < ``lower``, the upper for 0 < a < ``upper``.

    On (0, first zero) the ratio over a^2 rises from the lower bound's constant to infinity, so that it
    crosses the upper one once. Beyond the zero the ratio is negative and the lower bound fails.

    Raises:
        ValueError: an order that is not odd and positive.
    """
    if order < 1 or order % 2 == 0:
        raise ValueError(f"the harmonics have odd orders from 1 on, got {order}")
    zero = float(jn_zeros(order, 1)[0])

    def excess(argument: float) -> float:
        return float(ratio(order, argument) - ratio_bounds(order, argument)[1])

    crossing = brentq(excess, 0.05 * zero, zero * (1 - 1e-9), xtol=1e-12)
    return BoundRange(order, zero, float(crossing))  # type: ignore[arg-type]
