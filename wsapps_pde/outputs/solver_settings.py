"""With which coefficients a reference is solved for, in the problem's words and in the solver's."""

from __future__ import annotations

from typing import Any

from wsapps_pde.problems.problem import Problem
from wsapps_pde.references.settings import NUMERICAL
from wsapps_pde.references.solvers import chosen_solver


def solver_settings(problem: Problem, solver: str) -> dict[str, Any]:
    """Those stated, and the problem's parameters that have the names of others: nu of Burgers' equation."""
    assert problem.reference is not None
    _, settings = chosen_solver(solver)
    alike = {
        name: value
        for name, value in problem.true_parameters.items()
        if name in settings and name not in NUMERICAL
    }
    return {**alike, **problem.reference.settings}


def told_solver(problem: Problem, solver: str) -> str:
    """A reference solver with the coefficients that it takes: a problem's under other names are not among
    them.

    Raises:
        UserError: no such solver, or no such setting.
    """
    given = solver_settings(problem, solver)
    _, settings = chosen_solver(solver, given)
    taken = [f"{key} = {_short(value)}" for key, value in given.items()]
    own = [
        f"{key} = {_short(value)}"
        for key, value in settings.items()
        if key not in given and key not in NUMERICAL and value is not None
    ]
    given_words = f" with {', '.join(taken)}" if taken else ""
    return f"solver {solver}{given_words}" + (f", by its own {', '.join(own)}" if own else "")


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else str(value)
