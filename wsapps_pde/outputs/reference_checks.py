"""Is a solver's or a file's solution one of this problem? Where it is seen not to be, a warning says so.

An exact solution is compared with the conditions where the problem is read; one on a grid is interpolated
first, so that only what differs by much is told.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wsapps_pde.problems.conditions import Condition
from wsapps_pde.problems.problem import Problem
from wsapps_pde.references.solution import ReferenceSolution
from wsapps_pde.space.drawing import PointSource

_TRIED = 256  # points of a condition's place
_DIFFERENT = 0.02  # median difference, relative to the reference's largest value
_MISSING = 0.03  # of an axis of the domain, that a reference may leave out


def mismatches(problem: Problem, reference: ReferenceSolution) -> list[str]:
    """A line for each condition that the reference does not have, and each axis that it leaves half out."""
    return [*_uncovered(problem, reference), *_different(problem, reference)]


def _uncovered(problem: Problem, reference: ReferenceSolution) -> Iterator[str]:
    points = reference.coordinates()
    for variable, column, (low, high) in zip(problem.variables, points.T, problem.domain.bounds, strict=True):
        if column.min() - low > _MISSING * (high - low) or high - column.max() > _MISSING * (high - low):
            yield (
                f"the reference is known from {variable} = {column.min():.4g} to {column.max():.4g}, and the "
                f"domain reaches from {low:.4g} to {high:.4g}: errors are those of that part"
            )


def _different(problem: Problem, reference: ReferenceSolution) -> Iterator[str]:
    known = {*problem.variables, *problem.constants}
    for condition in problem.conditions:
        if not isinstance(condition, Condition) or not condition.right.names <= known:
            continue
        name = condition.left.single_name
        if name not in reference.values or name in _levels(problem):
            continue
        points, _ = condition.location.draw(_TRIED, PointSource("sobol", 0, "reference"))
        values = {**problem.constants, **dict(zip(problem.variables, points.T, strict=True))}
        wanted = condition.right.on_arrays(values, len(points)).astype(float)
        found = reference.interpolated(points)[name]
        both = np.isfinite(found) & np.isfinite(wanted)
        scale = max(np.nanmax(np.abs(reference.values[name])), np.abs(wanted[both]).max(initial=0.0))
        if both.any() and scale > 0:
            difference = float(np.median(np.abs(found - wanted)[both])) / scale
            if difference > _DIFFERENT:
                yield (
                    f"the reference ({reference.description}) is not the solution of this problem: "
                    f"{condition.text} at {condition.location.text} is missed by {difference:.0%} of its size"
                )


def _levels(problem: Problem) -> tuple[str, ...]:
    return problem.reference.up_to_constant if problem.reference else ()
