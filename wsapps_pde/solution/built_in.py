"""Which conditions a solution can satisfy by construction, so that they need no term in the loss."""

from __future__ import annotations

from wsapps_pde.conditions import Condition, Periodic
from wsapps_pde.problem import Problem


def can_be_built_in(problem: Problem, condition: Condition | Periodic) -> bool:
    """Whether a constraint by construction is possible, of this condition taken alone.

    * A value of an unknown, ``u: g``, on whole faces of the box (the initial time is one), or on the whole
      boundary of a shape whose level is zero nowhere inside; g depends on variables and parameters alone.
    * The first derivative in time at its start, where the value there is given, too.
    * A periodic variable.
    """
    if isinstance(condition, Periodic):
        return True
    known = {*problem.variables, *problem.parameters}
    if not condition.right.names <= known:
        return False
    if is_value(problem, condition):
        if condition.location.faces() is not None:
            return True
        return condition.location.is_whole_boundary() and not problem.domain.has_seam
    if is_initial_rate(problem, condition):
        values = (c for c in problem.conditions if isinstance(c, Condition) and is_value(problem, c))
        return any(c.left.single_name == _unknown(condition) and _is_initial(c) for c in values)
    return False


def is_value(problem: Problem, condition: Condition) -> bool:
    """Whether the condition gives an unknown itself a value."""
    return condition.left.single_name in problem.names.unknowns


def is_initial_rate(problem: Problem, condition: Condition) -> bool:
    """Whether the condition gives ``u_t`` of an unknown at exactly the start of the time."""
    name = condition.left.single_name or ""
    return name.endswith("_t") and _unknown(condition) in problem.names.unknowns and _is_initial(condition)


def _unknown(condition: Condition) -> str:
    return (condition.left.single_name or "").removesuffix("_t")


def _is_initial(condition: Condition) -> bool:
    return condition.location.faces() == (("t", "lower"),)
