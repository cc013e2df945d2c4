"""Do the conditions of a problem contradict each other, or the exact solution?

Found numerically: places where two conditions hold at once are sampled, and their values compared.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.language.expressions import Expression
from wsapps_pde.problems.conditions import Condition, Periodic
from wsapps_pde.space.drawing import PointSource, check_points
from wsapps_pde.space.geometry import inside
from wsapps_pde.space.places import Place

if TYPE_CHECKING:
    from wsapps_pde.problems.problem import Problem

Points = NDArray[np.float64]

_TRIED = 128  # points of a place
_AGREE = 1e-6  # relative to the largest value that is given to the same thing


def contradictions(problem: Problem) -> list[str]:
    """A line for each pair of conditions that give one thing two values at one place."""
    known = [c for c in problem.conditions if isinstance(c, Condition) and _is_known(c, problem)]
    stated = [c for c in known if c.left.single_name is not None]
    placed = [c for c in stated if c.location.places]
    found = []
    for first, second in itertools.combinations(known, 2):
        if first.left.steps == second.left.steps:
            found += _worst(
                first.right, second.right, _shared(first, second), problem.constants, problem.variables,
                f"{first} and {second} contradict each other: {first.left.text}",
                _scale(known, first, problem),
            )  # fmt: skip
    for first, second in itertools.product(stated, known):
        found += _against_value(first, second, problem, known)
    for periodic in (c for c in problem.conditions if isinstance(c, Periodic)):
        for first, second in itertools.product(placed, placed):
            if first.left.steps == second.left.steps:
                scale = _scale(known, first, problem)
                found += _not_periodic(periodic, first, second, problem, scale)
    return [*found, *_against_exact(stated, problem), *_outside(problem)]


def _outside(problem: Problem) -> Iterator[str]:
    """Data and oriented points outside the domain."""
    if problem.data is not None:
        out = ~problem.domain.contains(problem.data.points)
        if out.any():
            point = ", ".join(f"{x:.4g}" for x in problem.data.points[np.argmax(out)])
            yield (
                f"{out.sum()} of {len(out)} points of {problem.data.file.name} lie outside the domain, "
                f"the first at ({point})"
            )
    if problem.points is not None:
        shape, points = problem.domain.shape, problem.points.surface.points
        out = ~inside(shape, points)
        if out.any():
            source = problem.points.source
            yield f"{out.sum()} of {len(out)} points of {source} lie outside the domain; set points.fit"


def _is_known(condition: Condition, problem: Problem) -> bool:
    """Whether it gives something a value that does not depend on the solution."""
    return condition.right.names <= set(problem.variables) | set(problem.constants)


def _scale(known: list[Condition], like: Condition, problem: Problem) -> float:
    """The largest value that conditions give to what this one is about; 1 where all are zero."""
    largest = 0.0
    for condition in known:
        if condition.left.steps == like.left.steps:
            for place in condition.location.places:
                values = _values(condition.right, _sample(place), problem.constants, problem.variables)
                largest = max(largest, np.abs(values[np.isfinite(values)]).max(initial=0.0))
    return largest or 1.0


def _shared(first: Condition, second: Condition) -> Points:
    """``(n, D)`` points, perhaps none, that lie at both locations.

    Where normals matter only those count that have the same one: at corners there are two.
    """
    has_normal = any(name.startswith("normal_") for name in first.left.names)
    found = [np.empty((0, len(first.location.domain.bounds)))]
    for a, b in itertools.product(first.location.places, second.location.places):
        if has_normal and a.part is not b.part:
            continue
        for place, other in ((a, b), (b, a)):
            points = _sample(place)
            for index, value in _planes(other).items():
                points[:, index] = value
            found.append(points[place.holds(points) & other.holds(points)])
    return np.concatenate(found)


def _sample(place: Place) -> Points:
    """Points before any filter."""
    uniform = check_points(_TRIED, len(place.domain.bounds))
    return place.without_filter().propose(uniform)[0].copy()


def _planes(place: Place) -> dict[int, float]:
    """The coordinates that are constant at a place."""
    plane = place.part.piece.plane if place.part is not None else None
    return {**place.fixed, **({} if plane is None else dict([plane]))}


def _worst(
    first: Expression,
    second: Expression,
    points: Points,
    constants: Mapping[str, Any],
    variables: tuple[str, ...],
    start: str,
    scale: float,
    other_points: Points | None = None,
) -> Iterator[str]:
    """The line, if two expressions differ somewhere; the second may be taken at other points."""
    if len(points) == 0:
        return
    a = _values(first, points, constants, variables)
    b = _values(second, points if other_points is None else other_points, constants, variables)
    with np.errstate(invalid="ignore"):  # infinite ones, left out in the next line
        difference = np.abs(a - b) / np.maximum(scale, np.maximum(np.abs(a), np.abs(b)))
    difference = np.where(np.isfinite(difference), difference, 0.0)
    worst = int(np.argmax(difference))
    if difference[worst] > _AGREE:
        place = ", ".join(f"{v} = {x:.4g}" for v, x in zip(variables, points[worst], strict=True))
        yield f"{start} = {a[worst]:.4g} and {b[worst]:.4g} at {place}"


def _values(
    expression: Expression, points: Points, constants: Mapping[str, Any], variables: tuple[str, ...]
) -> NDArray[np.float64]:
    values = {**constants, **dict(zip(variables, points.T, strict=True))}
    return expression.on_arrays(values, len(points)).astype(float)


def _against_value(
    first: Condition, second: Condition, problem: Problem, known: list[Condition]
) -> Iterator[str]:
    """The line, if a value that is given breaks another condition on it, as u = 0 does 2*u = 4."""
    name = first.left.single_name
    zeroth = (name, (0,) * len(problem.variables))
    if second.left.single_name or second.derivatives(problem.names.unknowns, problem.variables) != {zeroth}:
        return
    assert name is not None
    points = _shared(first, second)
    value = _values(first.right, points, problem.constants, problem.variables)
    values = {**problem.constants, name: value}
    yield from _worst(
        second.left, second.right, points, values, problem.variables,
        f"{first} and {second} contradict each other: {second.left.text}", _scale(known, first, problem),
    )  # fmt: skip


def _not_periodic(
    periodic: Periodic, first: Condition, second: Condition, problem: Problem, scale: float
) -> Iterator[str]:
    """Values of ``first`` on the lower face against those of ``second`` on the upper one."""
    index = problem.variables.index(periodic.variable)
    low, high = problem.domain.bounds[index]
    unknown = first.left.derivatives(problem.names.unknowns, problem.variables)
    if any(periodic.variable not in problem.names.unknowns[name] for name, _ in unknown):
        return
    lower = np.concatenate([_sample(place) for place in first.location.places])
    lower[:, index] = low
    upper = lower.copy()
    upper[:, index] = high
    both = first.location.holds(lower) & second.location.holds(upper)
    yield from _worst(
        first.right, second.right, lower[both], problem.constants, problem.variables,
        f"{periodic} contradicts {first}" + ("" if first is second else f" with {second}")
        + f": {first.left.text} at {periodic.variable} = {low:.4g} and {high:.4g}", scale, upper[both],
    )  # fmt: skip


def _against_exact(stated: list[Condition], problem: Problem) -> Iterator[str]:
    exact = problem.reference.exact if problem.reference else {}
    free = problem.reference.up_to_constant if problem.reference else ()
    for condition in stated:
        name = condition.left.single_name or ""
        solution = exact.get(name) if name not in free else None  # its level is not compared
        if solution is None or not solution.names <= {*problem.variables, *problem.true_parameters}:
            continue
        points, _ = condition.location.draw(_TRIED, PointSource("sobol", 0, "exact"))
        yield from _worst(
            condition.right, solution, points, problem.true_parameters, problem.variables,
            f"{condition} contradicts the exact solution: {condition.left.text}",
            _scale(stated, condition, problem),
        )  # fmt: skip
