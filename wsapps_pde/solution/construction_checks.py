"""Whether a construction does what it is for, seen at points: its formulas, evaluated as a solution does it.

Shapes: N points, D variables, S derivatives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps import jets
from wsapps.jets import Jet, JetSpace
from wsapps_pde.language.symbols import derivative_of
from wsapps_pde.problems.conditions import Condition, Periodic
from wsapps_pde.problems.unknowns import Unknown
from wsapps_pde.space.drawing import PointSource

if TYPE_CHECKING:
    from wsapps_pde.problems.problem import Problem
    from wsapps_pde.solution.construction import Construction, Formula

Points = NDArray[np.float64]

_CHECKED = 256  # points a condition, and in the domain
_TOLERANCE = 1e-8  # relative to the largest value
_ZERO = 1e-6  # of factors, which are of the order of 1
_SEAM = 3e-3  # of a derivative's largest value


def fits(problem: Problem, unknown: Unknown, construction: Construction) -> bool:
    """Whether the lift has the data of all conditions, the factor is zero there, and both fit the domain.

    They do if they are finite inside it, and periodic with their derivatives where the solution is to be.
    """
    try:
        scale = max(float(_wanted(problem, each)[1].abs().max()) for each in construction.conditions)
        return (
            all(_holds(problem, unknown, construction, each, scale) for each in construction.conditions)
            and _is_finite(problem, construction)
            and _is_periodic(problem, unknown, construction)
        )
    except (ArithmeticError, ValueError):  # numbers that have no logarithm, division by zero
        return False


def _wanted(problem: Problem, condition: Condition) -> tuple[Points, Tensor]:
    """Points of a condition, and the values that it gives there."""
    points, _ = condition.location.draw(_CHECKED, PointSource("sobol", 0, "construction", str(condition)))
    values = {**problem.constants, **dict(zip(problem.variables, points.T, strict=True))}
    return points, torch.as_tensor(np.array(condition.right.on_arrays(values, len(points)), np.float64))


def _holds(
    problem: Problem, unknown: Unknown, construction: Construction, condition: Condition, scale: float
) -> bool:
    points, wanted = _wanted(problem, condition)
    known = derivative_of(str(condition.left.single_name), [unknown.name], problem.variables)
    assert known is not None
    index = known[1]
    space = JetSpace.of(len(problem.variables), [index])
    lift, factor = (
        coefficients(formula, problem, points, space) for formula in (construction.lift, construction.factor)
    )
    fits = (lift[space.position(index)] - wanted).abs() <= _TOLERANCE * (scale or 1.0)
    return bool(fits.all()) and bool((factor.abs() <= _ZERO).all())


def _is_finite(problem: Problem, construction: Construction) -> bool:
    points = problem.domain.draw(_CHECKED, PointSource("sobol", 0, "construction"))
    space = JetSpace.of(len(problem.variables), [(0,) * len(problem.variables)])
    return all(
        bool(coefficients(formula, problem, points, space).isfinite().all())
        for formula in (construction.lift, construction.factor)
    )


def _is_periodic(problem: Problem, unknown: Unknown, construction: Construction) -> bool:
    """Whether all derivatives that the residuals need agree on the two faces of a periodic variable.

    The network cannot mend what jumps there, and no residual sees it. Jumps of some thousandths of what a
    derivative is elsewhere (a bell curve that does not quite end) are let pass: data in the loss cost more.
    """
    dims = len(problem.variables)
    points = problem.domain.draw(_CHECKED, PointSource("sobol", 0, "construction"))
    for condition in problem.conditions:
        if not isinstance(condition, Periodic) or condition.variable not in unknown.variables:
            continue
        axis = problem.variables.index(condition.variable)
        first = tuple(int(axis == other) for other in range(dims))
        space = JetSpace.of(dims, [*problem.wanted(unknown.name), first])
        lower, upper = points.copy(), points.copy()
        lower[:, axis], upper[:, axis] = problem.domain.bounds[axis]
        for formula in (construction.lift, construction.factor):
            a, b, inside = (
                coefficients(formula, problem, places, space) for places in (lower, upper, points)
            )
            scale_S1 = inside.abs().amax(dim=1, keepdim=True)
            if not bool(((a - b).abs() <= _SEAM * scale_S1 + _TOLERANCE * scale_S1.max()).all()):
                return False
    return True


def coefficients(formula: Formula, problem: Problem, points: Points, space: JetSpace) -> Tensor:
    """A formula's jet at points ``(N, D)``: ``(S, N)``, also where it is a plain number."""
    coordinates = torch.as_tensor(points, dtype=torch.float64)
    values = dict(zip(problem.variables, Jet.coordinates(space, coordinates), strict=True))
    return jet_coefficients(formula(values, jets.FUNCTIONS), space, coordinates)


def jet_coefficients(value: Jet | Tensor | float, space: JetSpace, like_ND: Tensor) -> Tensor:
    """A jet's coefficients ``(S, N)``, or those of a plain number, in the dtype of ``like_ND``."""
    if isinstance(value, Jet):
        return value.coefficients.expand(len(space), len(like_ND)).detach().clone()
    found = like_ND.new_zeros(len(space), len(like_ND))
    found[0] = value
    return found
