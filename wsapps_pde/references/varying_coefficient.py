"""Poisson's and the heat equation in the unit square with a conductivity k(x, y) that varies.

    poisson_2d_varying:          -div(k grad u) = amplitude s_1(x) s_2(y)
    heat_varying_coefficient: u_t - div(k grad u) = amplitude s_1(x) s_2(y) sin(waves_t pi t),  u = 0 at t = 0
    s_1(x) = sin(waves_x pi x), s_2(y) = sin(waves_y pi y), u = 0 on the boundary

PINNacle's problems of that kind read k from a data file and multiply Lap u by it. Ours is a smooth function,
so that a problem file can write it down:

    k = exp(contrast sin(pi x) cos(2 pi y))
    div(k grad u) = k (u_xx + u_yy + contrast pi (cos(pi x) cos(2 pi y) u_x - 2 sin(pi x) sin(2 pi y) u_y))
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from wsapps_pde.references.box_operator import BoxOperator, Coefficient
from wsapps_pde.references.finite_differences import Sparse, solve
from wsapps_pde.references.refinement import Values, extrapolated
from wsapps_pde.references.settings import LONGEST_SIDE, count, number, positive
from wsapps_pde.references.solution import ReferenceSolution, relative_l2

Array = NDArray[np.float64]
_SMOOTH = 15.0  # what the change of a fourth-order extrapolant is times its error


def conductivity(contrast: float) -> Coefficient:
    """k(x, y) = exp(contrast sin(pi x) cos(2 pi y))."""
    return lambda x, y: np.exp(contrast * np.sin(np.pi * x) * np.cos(2.0 * np.pi * y))


def poisson_2d_varying(
    *, contrast: float = 1.0, amplitude: float = 10.0, waves_x: int = 1, waves_y: int = 2, cells: int = 96
) -> ReferenceSolution:
    """u on ``cells + 1`` x ``cells + 1`` nodes, extrapolated from that grid and one twice as fine.

    Raises:
        UserError: a setting out of range.
    """
    name = "poisson_2d_varying"
    source = _waves(name, amplitude, waves_x, waves_y)
    k, cells = (
        conductivity(number(name, "contrast", contrast)),
        count(name, "cells", cells, 8, multiple=2, most=LONGEST_SIDE),
    )
    values, before = extrapolated(lambda n: {"u": solve_poisson(k, source, n)}, cells)
    text = f"-div(k grad u), contrast = {contrast:g}; finite differences, extrapolated"
    return _square(name, values, before, cells, None, text)


def heat_varying_coefficient(
    *,
    contrast: float = 1.0,
    amplitude: float = 200.0,
    waves_x: int = 1,
    waves_y: int = 5,
    waves_t: float = 1.0,
    horizon: float = 5.0,
    times: int = 51,
    cells: int = 96,
    steps: int = 8,
) -> ReferenceSolution:
    """u on ``cells + 1`` x ``cells + 1`` x ``times`` nodes, extrapolated in space and time together.

    Args:
        steps: of Crank-Nicolson in each interval between two times, on the grid of ``cells``; the finer
            grid takes twice as many.

    Raises:
        UserError: a setting out of range.
    """
    name = "heat_varying_coefficient"
    shape = _waves(name, amplitude, waves_x, waves_y)
    rate = math.pi * number(name, "waves_t", waves_t)
    k, cells = (
        conductivity(number(name, "contrast", contrast)),
        count(name, "cells", cells, 8, multiple=2, most=LONGEST_SIDE),
    )
    steps = count(name, "steps", steps, 2, multiple=2)
    t = np.linspace(0.0, positive(name, "horizon", horizon), count(name, "times", times, 2))

    def solved(n: int) -> Values:
        u = solve_heat(
            k,
            lambda x, y, at: shape(x, y) * math.sin(rate * at),
            lambda x, y: 0.0 * x * y,
            n,
            t,
            steps * n // cells,
        )
        return {"u": u}

    values, before = extrapolated(solved, cells)
    text = f"u_t - div(k grad u), contrast = {contrast:g}; finite differences, Crank-Nicolson, extrapolated"
    return _square(name, values, before, cells, t, text)


def solve_poisson(k: Coefficient, source: Callable[[Array, Array], Array], cells: int) -> Array:
    """-div(k grad u) = source in the unit square, u = 0 around: ``(cells + 1, cells + 1)``, second order."""
    box = BoxOperator((0.0, 0.0), (1.0, 1.0), (cells, cells), k)
    x, y = box.axes
    matrix = box.matrix()[:, box.interior]
    right = np.broadcast_to(source(x[:, None], y), (len(x), len(y)))[1:-1, 1:-1]
    return np.pad(solve(matrix, right.ravel()).reshape(right.shape), 1)


def solve_heat(
    k: Coefficient,
    source: Callable[[Array, Array, float], Array],
    initial: Callable[[Array, Array], Array],
    cells: int,
    times: Array,
    steps: int,
) -> Array:
    """u_t - div(k grad u) = source(x, y, t) in the unit square, u = 0 around, by Crank-Nicolson.

    Args:
        initial: u at ``times[0]``.
        times: ``(T,)``, equally spaced.
        steps: in each interval.

    Returns:
        ``(cells + 1, cells + 1, T)``, of second order in the cell and the step.
    """
    box = BoxOperator((0.0, 0.0), (1.0, 1.0), (cells, cells), k)
    x, y = box.axes[0][1:-1, None], box.axes[1][1:-1]
    step = float(times[1] - times[0]) / steps
    matrix = box.matrix()[:, box.interior].tocsc()
    unit = sparse.identity(matrix.shape[0], format="csc")
    implicit: Sparse = (unit + 0.5 * step * matrix).tocsc()
    solver, explicit = splu(implicit), (unit - 0.5 * step * matrix).tocsr()
    shape = (cells - 1, cells - 1)
    u = np.broadcast_to(initial(x, y), shape).ravel()
    states = [u]
    for start in times[:-1]:
        for index in range(steps):
            middle = float(start) + (index + 0.5) * step
            u = solver.solve(explicit @ u + step * np.broadcast_to(source(x, y, middle), shape).ravel())
        states.append(u)
    return np.pad(np.stack([state.reshape(shape) for state in states], axis=-1), ((1, 1), (1, 1), (0, 0)))


def _waves(name: str, amplitude: float, waves_x: int, waves_y: int) -> Callable[[Array, Array], Array]:
    """amplitude sin(waves_x pi x) sin(waves_y pi y); whole waves: it must vanish in the corners."""
    size = number(name, "amplitude", amplitude)
    m, n = (count(name, key, value, 1) for key, value in (("waves_x", waves_x), ("waves_y", waves_y)))
    return lambda x, y: size * np.sin(m * np.pi * x) * np.sin(n * np.pi * y)


def _square(
    name: str, values: Values, before: Values, cells: int, times: Array | None, text: str
) -> ReferenceSolution:
    axis = np.linspace(0.0, 1.0, cells + 1)
    axes = {"x": axis, "y": axis.copy()} | ({} if times is None else {"t": times})
    errors = {key: relative_l2(before[key], field[::2, ::2]) / _SMOOTH for key, field in values.items()}
    return ReferenceSolution(axes, None, values, errors, f"{text} from {cells}^2 and {2 * cells}^2 cells")
