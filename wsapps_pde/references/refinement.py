"""How far a solution changes with its resolution: every reference's own error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.references.solution import relative_l2

Values = dict[str, NDArray[np.float64]]


def refined_spectral(
    solve: Callable[[int, int], Values], modes: int, steps: int, order: int = 4
) -> tuple[Values, dict[str, float]]:
    """A spectral solution, and an estimate of its relative L2 errors.

    The part of time: halving the step changes the solution by ``2^order - 1`` times what is then left; it is
    measured with three quarters of the modes, which costs less. The part of space: the whole change from
    three quarters of the modes to all, a pessimistic figure where convergence is fast.

    Args:
        solve: (modes, steps) to values on one output grid whatever the resolution.
        modes: along each axis.
        steps: in each output interval, even.
    """
    fewer = 2 * round(3 * modes / 8)
    fine = solve(modes, steps)
    coarse = solve(fewer, steps)
    slow = solve(fewer, steps // 2)
    share = 1.0 / (2**order - 1)
    errors = {
        name: relative_l2(coarse[name], fine[name]) + share * relative_l2(slow[name], coarse[name])
        for name in fine
    }
    return fine, errors


def extrapolated(solve: Callable[[int], Values], cells: int, dims: int = 2) -> tuple[Values, Values]:
    """Richardson extrapolation of a finite-difference solution of second order.

    Where its error has an expansion in even powers of the cell, ``(4 u_{h/2} - u_h) / 3`` is of fourth order.
    Solves with ``cells / 2``, ``cells`` and ``2 cells``, in this order.

    Args:
        solve: cells along each space axis to values, of ``cells + 1`` nodes along each of the first ``dims``
            axes; further axes (time) hold the same nodes for every number of cells.
        cells: even.

    Returns:
        The extrapolant of the last two on the nodes of ``cells``, and that of the first two on every second
        one of those: their difference is 15 times the error of the former where it is smooth.
    """
    coarse, middle, fine = (solve(number) for number in (cells // 2, cells, 2 * cells))
    every_second = (slice(None, None, 2),) * dims

    def extrapolant(values: Values, finer: Values) -> Values:
        return {name: (4.0 * finer[name][every_second] - values[name]) / 3.0 for name in values}

    return extrapolant(middle, fine), extrapolant(coarse, middle)
