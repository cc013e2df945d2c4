"""What a problem leaves open: conditions that its derivatives call for and that nobody gives.

A count of orders, not a theory: it finds what was forgotten in the usual problems.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.language.symbols import derivative_name
from wsapps_pde.problems.conditions import Condition, Periodic
from wsapps_pde.problems.unknowns import Unknown
from wsapps_pde.space.boundary import BoundaryPart
from wsapps_pde.space.drawing import PointSource, check_points
from wsapps_pde.space.locations import Location
from wsapps_pde.space.places import Place

if TYPE_CHECKING:
    from wsapps_pde.problems.problem import Problem

Points = NDArray[np.float64]

_TRIED = 256  # points of a face
_GAP = 0.01  # part of a face that may be without a condition: corners, rounding


def missing(problem: Problem) -> list[str]:
    """A line for each condition, equation or use that seems to be missing."""
    found = [*_of_the_whole(problem), *_unused(problem), *_without_boundary(problem), *_inside(problem)]
    found += _without_level(problem)
    measured = problem.data.unknowns(problem.names) if problem.data else set()
    coefficients = max(0, len(problem.unknowns) - len(problem.residuals))
    for unknown in problem.unknowns:
        needs = _Needs(problem, unknown)
        if not problem.wanted(unknown.name) or unknown.name in measured:
            continue
        if needs.conditions or needs.periodic or max(needs.orders.values()) >= 2:
            found += [*_initial(needs), *_faces(needs)]
        elif coefficients:
            coefficients -= 1  # a coefficient such as k(x, y) has no conditions
        elif problem.conditions:
            found.append(f"no condition holds the unknown {unknown.name}, which may be left undetermined")
    return found


@dataclass(frozen=True)
class _Needs:
    """What is known of one unknown."""

    problem: Problem
    unknown: Unknown

    @cached_property
    def orders(self) -> dict[str, int]:
        """Variable -> the highest order of a derivative in it."""
        indices = list(self.problem.wanted(self.unknown.name))
        return dict(zip(self.problem.variables, np.max(indices, axis=0).tolist(), strict=True))

    @cached_property
    def periodic(self) -> set[str]:
        return {c.variable for c in self.problem.conditions if isinstance(c, Periodic)}

    @cached_property
    def conditions(self) -> list[Condition]:
        """Those in which the unknown occurs."""
        found = [c for c in self.problem.conditions if isinstance(c, Condition)]
        return [condition for condition in found if self.time_orders(condition)]

    def time_orders(self, condition: Condition) -> set[int]:
        """The orders in time of the derivatives of the unknown in a condition."""
        time = self.problem.domain.time
        pairs = condition.derivatives(self.problem.names.unknowns, self.problem.variables)
        own = [index for name, index in pairs if name == self.unknown.name]
        return {0 if time is None else index[time] for index in own}


def _of_the_whole(problem: Problem) -> Iterator[str]:
    if not problem.conditions and problem.data is None:
        yield "there is no condition and no data: nothing but the equations determines the solution"
    equations, unknowns = len(problem.residuals), len(problem.unknowns)
    if equations < unknowns and problem.data is None:
        yield (
            f"{equations} residual{'s' * (equations != 1)} for {unknowns} unknowns: an inverse problem, and "
            "there is no data"
        )
    elif problem.trainable and problem.data is None:
        yield f"there is no data from which to find {', '.join(problem.trainable)}"


def _unused(problem: Problem) -> Iterator[str]:
    terms = [*problem.residuals, *(c for c in problem.conditions if isinstance(c, Condition))]
    terms += problem.data.quantities if problem.data else ()
    used = {name for term in terms for name in term.names}
    for name in problem.trainable:
        if name not in used:
            yield f"the trainable parameter {name} is not used"
    for unknown in problem.unknowns:
        if not any(problem.wanted(unknown.name, of) for of in ("residuals", "conditions", "data")):
            yield f"the unknown {unknown.name} is not used"


def _without_level(problem: Problem) -> Iterator[str]:
    """Unknowns to which a constant may be added."""
    free = problem.reference.up_to_constant if problem.reference else ()
    for unknown in problem.unknowns:
        asked = set().union(*(problem.wanted(unknown.name, of) for of in ("residuals", "conditions", "data")))
        if asked and all(sum(index) for index in asked) and unknown.name not in free:
            yield (
                f"only derivatives of {unknown.name} are asked for, so that any constant may be added; "
                "give a value at some place"
            )


def _inside(problem: Problem) -> Iterator[str]:
    """Walls named by a plane that runs on inside a domain which is no box."""
    for condition in problem.conditions:
        location = condition.location if isinstance(condition, Condition) else None
        if not isinstance(location, Location) or not any(place.part for place in location.places):
            continue
        slices = [p for p in location.places if p.part is None and {*p.fixed} != {problem.domain.time}]
        if slices:
            measure = sum(place.measure for place in slices)
            yield (
                f"{condition} is asked for on the boundary and, {measure:.4g} of {location.measure:.4g}, "
                "inside the domain; add 'and boundary' if the wall alone is meant"
            )


def _without_boundary(problem: Problem) -> Iterator[str]:
    """Parts of a shape that change nothing: a hole beside the domain, a part inside another one."""
    shape = problem.domain.geometry
    if shape is None or len(shape.primitives) < 2:
        return
    seen = {id(part.primitive) for part in problem.domain.boundary}
    for primitive in shape.primitives:
        if id(primitive) not in seen:
            named = primitive.describe(problem.domain.space)
            yield f"{named} has no part of the domain's boundary: it lies apart from the rest, or within it"


def _initial(needs: _Needs) -> Iterator[str]:
    """For order m in the time, the derivatives of the orders below m are needed at its start."""
    domain = needs.problem.domain
    if domain.time is None or "t" in needs.periodic:
        return
    start = float(domain.bounds[domain.time, 0])
    points = domain.draw(_TRIED, PointSource("sobol", 0, "initial"))
    points[:, domain.time] = start
    open_ = list(_open_at_start(needs, points, start))
    yield from open_[_count_at_end(needs, points) :]


def _open_at_start(needs: _Needs, points: Points, start: float) -> Iterator[str]:
    domain = needs.problem.domain
    for order in range(needs.orders["t"]):
        stated = [c for c in needs.conditions if order in needs.time_orders(c)]
        free = _without(points, stated)
        if free.mean() > _GAP:
            index = tuple(order * (axis == domain.time) for axis in range(len(domain.variables)))
            what = derivative_name(needs.unknown.name, index, domain.variables)
            part = "" if free.mean() > 1 - _GAP else f" on {100 * free.mean():.0f} % of the domain"
            yield (
                f"no initial condition for {what} at t = {start:.4g}{part}, and the equations are of order "
                f"{needs.orders['t']} in t"
            )


def _count_at_end(needs: _Needs, points: Points) -> int:
    """Conditions at the end of the time alone: some problems state what is there, in place of a start."""
    end = points.copy()
    end[:, needs.problem.domain.time] = needs.problem.domain.bounds[needs.problem.domain.time, 1]
    return sum(
        bool(c.location.holds(end).mean() > 1 - _GAP and not c.location.holds(points).any())
        for c in needs.conditions
    )


def _faces(needs: _Needs) -> Iterator[str]:
    """Order 2 or more across a part of the boundary calls for a condition there; order m for m in all."""
    domain, counts = needs.problem.domain, dict.fromkeys(needs.problem.domain.space, 0)
    gaps = set()
    for part in domain.boundary:
        points, normals = _points_on(needs.problem, part)
        across = [v for v, n in zip(domain.space, normals.T, strict=False) if np.abs(n).max(initial=0) > 1e-9]
        asked = [v for v in across if needs.orders[v] >= 2 and v not in needs.periodic]
        if not asked:
            continue
        for variable in asked:
            counts[variable] += sum(bool(c.location.holds(points).mean() > 0.5) for c in needs.conditions)
        free = _without(points, needs.conditions)
        if free.mean() > _GAP and not _is_initial_value_problem(needs):
            gaps.update(asked)
            yield (
                f"no condition for {needs.unknown.name} {_place(needs.problem, part, points, free)}, and the "
                f"equations are of order {needs.orders[asked[0]]} in {asked[0]}"
            )
    for variable, count in counts.items():
        order = needs.orders[variable]
        open_ends = variable not in needs.periodic and variable not in gaps
        if order > 2 and count < order and open_ends and domain.geometry is None:
            yield (
                f"{count} conditions for {needs.unknown.name} on the two faces of {variable}, and the "
                f"equations are of order {order} in {variable}, which calls for {order}"
            )


def _is_initial_value_problem(needs: _Needs) -> bool:
    """Whether, of one variable, one face has as many conditions as the equations' order asks for in all."""
    domain = needs.problem.domain
    if len(domain.variables) != 1 or domain.geometry is not None:
        return False
    order = needs.orders[domain.variables[0]]
    faces = [np.full((1, 1), bound) for bound in domain.bounds.ravel()]
    return any(sum(bool(c.location.holds(face).all()) for c in needs.conditions) >= order for face in faces)


def _points_on(problem: Problem, part: BoundaryPart) -> tuple[Points, Points]:
    """Points ``(n, D)`` and normals ``(n, D)`` of a part of the boundary, at all times."""
    place = Place(problem.domain, {}, part)
    points, normals, keep = place.propose(check_points(_TRIED, len(problem.domain.bounds)))
    assert normals is not None
    return points[keep], normals[keep]


def _without(points: Points, conditions: list[Condition]) -> NDArray[np.bool_]:
    """``(n,)``: at which points none of the conditions holds."""
    free = np.ones(len(points), bool)
    for condition in conditions:
        free &= ~condition.location.holds(points)
    return free


def _place(problem: Problem, part: BoundaryPart, points: Points, free: NDArray[np.bool_]) -> str:
    plane = part.piece.plane
    where = f"at {problem.variables[plane[0]]} = {plane[1]:.4g}" if plane else "on a part of the boundary"
    if plane and free.mean() > 1 - _GAP and problem.domain.geometry is None:
        return where
    pairs = zip(problem.variables, points[np.argmax(free)], strict=True)
    return f"{where} (as at {', '.join(f'{v} = {x:.4g}' for v, x in pairs)})"
