"""Which conditions a solution satisfies by construction, so that they need no term in the loss."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.smoothness import is_smooth
from wsapps_pde.problems.conditions import Condition, Periodic
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.time_windows import continued_orders
from wsapps_pde.problems.unknowns import Unknown
from wsapps_pde.solution.construction import Construction, FaceData
from wsapps_pde.solution.construction_checks import fits
from wsapps_pde.solution.continuation import Continuation

if TYPE_CHECKING:
    from wsapps_pde.solution.field import SolutionField

Built = Construction | Continuation

_Kind = tuple[tuple[str, str], ...]  # (variable, "lower" | "upper" | "rate"), or (("around", ""),)
_Chosen = list[tuple[Condition, _Kind]]


def constructions(problem: Problem) -> dict[str, Construction]:
    """Unknown -> its construction, of those that have one."""
    found = {unknown.name: construct(problem, unknown) for unknown in problem.unknowns}
    return {name: construction for name, construction in found.items() if construction is not None}


def continued(problem: Problem, before: SolutionField, by_construction: bool) -> dict[str, Built]:
    """Unknown -> how it is built in a time window, given the solution of the window before.

    Of the conditions on the boundary those are built in that were so in ``before``: others its end need not
    satisfy.
    """
    found: dict[str, Built] = {}
    for unknown in problem.unknowns:
        orders = continued_orders(problem, unknown.name)
        construction = construct(problem, unknown, before.constructed) if by_construction else None
        if orders:
            found[unknown.name] = Continuation(problem.domain, unknown, before, orders, construction)
        elif construction is not None:
            found[unknown.name] = construction
    return found


def built_in(problem: Problem) -> frozenset[str]:
    """The conditions, as ``str(condition)``, that solutions satisfy by construction; periodic ones, too."""
    values = {str(c) for each in constructions(problem).values() for c in each.conditions}
    return frozenset(values | {str(c) for c in problem.conditions if isinstance(c, Periodic)})


def construct(
    problem: Problem, unknown: Unknown, among: Collection[str] | None = None
) -> Construction | None:
    """The construction that satisfies as many conditions of an unknown as it can; None if none.

    Taken are values on whole faces of a box, or one value on the whole boundary of another shape, and initial
    values and rates; given by smooth expressions in the variables and constants. Where the data contradict
    each other at corners, so that no continuous function has them all, conditions are taken one by one as
    long as they fit together: the initial ones first, then those with the most faces.

    Args:
        among: the conditions to choose from, as ``str(condition)``; None for all.
    """
    found: _Chosen = [
        (condition, kind)
        for condition in problem.conditions
        if isinstance(condition, Condition)
        and (among is None or str(condition) in among)
        and (kind := _kind(condition, unknown, problem))
    ]
    construction = _fitting(problem, unknown, found)
    if construction is not None:
        return construction
    chosen: _Chosen = []
    for candidate in sorted(found, key=_precedence):
        more = _fitting(problem, unknown, [*chosen, candidate])
        if more is not None and candidate[0] in more.conditions:
            chosen, construction = [*chosen, candidate], more
    return construction


def _precedence(candidate: tuple[Condition, _Kind]) -> tuple[bool, bool, int]:
    """For sorting: initial values, initial rates, then the conditions with the most faces."""
    _, kind = candidate
    return kind != (("t", "lower"),), kind != (("t", "rate"),), -len(kind)


def _kind(condition: Condition, unknown: Unknown, problem: Problem) -> _Kind | None:
    """What part of a construction a condition can be, or None."""
    right, constants = condition.right, problem.constants
    known = right.names <= {*unknown.variables, *constants}
    if condition.weight == 0 or not known or not is_smooth(right, unknown.variables, constants):
        return None
    name, location = condition.left.single_name, condition.location
    faces = location.faces()
    if name == f"{unknown.name}_t" and faces == (("t", "lower"),):
        return (("t", "rate"),)
    if name != unknown.name:
        return None
    if faces is not None and all(variable in unknown.variables for variable, _ in faces):
        return tuple(faces)
    whole = problem.domain.geometry is not None and not problem.domain.has_seam
    if whole and set(problem.domain.space) <= set(unknown.variables) and location.is_whole_boundary():
        return (("around", ""),)
    return None


def _fitting(problem: Problem, unknown: Unknown, chosen: _Chosen) -> Construction | None:
    """The construction of some conditions, if there is one."""
    construction = _build(problem, chosen)
    return construction if construction is not None and fits(problem, unknown, construction) else None


def _build(problem: Problem, chosen: _Chosen) -> Construction | None:
    """The construction of some conditions; a rate is left out if it has no initial value beside it."""
    if not any(("t", "lower") in kind for _, kind in chosen):
        chosen = [(condition, kind) for condition, kind in chosen if kind != (("t", "rate"),)]
    data: dict[str, dict[str, Expression]] = {}
    around: Expression | None = None
    for condition, kind in chosen:
        for variable, side in kind:
            if variable == "around":
                around = condition.right
            else:
                data.setdefault(variable, {})[side] = condition.right
    if not data and around is None:
        return None
    order = sorted(data, key=lambda variable: (variable != "t", problem.variables.index(variable)))
    faces = {variable: FaceData(**data[variable]) for variable in order}
    conditions = tuple(condition for condition, _ in chosen)
    return Construction(problem.domain, problem.constants, faces, around, conditions)
