"""What of a residual is linear in derivatives with constant coefficients: it costs one stream in a jet.

Of ``u_t + u*u_x - nu*u_xx`` it is ``u_t - nu*u_xx``: where a network's derivatives are carried forward, this
sum is carried as one, in place of both (:class:`wsapps.jets.JetSpace`): three streams for four here, and five
for seven with a Laplacian in three dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.functions import TORCH_FUNCTIONS, Functions
from wsapps_pde.language.python_term import Term
from wsapps_pde.language.symbols import MultiIndex, derivative_name
from wsapps_pde.problems.problem import Problem

_NOT_ANALYTIC = {"where", "abs", "<", "<=", ">", ">=", "==", "and", "or", "not"}


@dataclass(frozen=True, eq=False)
class LinearPart:
    """A sum of derivatives of one unknown.

    Args:
        name: under which its value stands among the values of a site.
        unknown: of which.
        operator: multi-index in all variables -> coefficient.
    """

    name: str
    unknown: str
    operator: Mapping[MultiIndex, float]


@dataclass(frozen=True, eq=False)
class SplitTerm:
    """A residual as its linear parts and the rest.

    Args:
        term: the whole.
        parts: at most one for each unknown.
        absorbed: names of the derivatives that are in the parts, and nowhere in the rest.
    """

    term: Term
    parts: tuple[LinearPart, ...]
    absorbed: frozenset[str]

    def evaluate(self, values: Mapping[str, Any], functions: Functions) -> Any:
        """The residual, from values that hold the parts in place of the absorbed derivatives."""
        result = self.term.evaluate({**values, **dict.fromkeys(self.absorbed, 0.0)}, functions)
        for part in self.parts:
            result = result + values[part.name]
        return result


def split_residuals(problem: Problem) -> list[SplitTerm]:
    """The residuals of a problem, each with its linear parts.

    A derivative is absorbed if no other residual uses it, and if it goes into the residual through sums and
    constant factors alone, as it is written. Residuals that compare, or are written in Python, stay whole; so
    do those for which it saves nothing.
    """
    parts = [_parts(problem, number) for number in range(len(problem.residuals))]
    for variables in {unknown.variables for unknown in problem.unknowns}:
        parts = _worthwhile(problem, variables, parts)
    found = []
    for term, mine in zip(problem.residuals, parts, strict=True):
        absorbed = [
            derivative_name(part.unknown, i, problem.variables) for part in mine for i in part.operator
        ]
        found.append(SplitTerm(term, tuple(mine), frozenset(absorbed)))
    return found


def _parts(problem: Problem, number: int) -> list[LinearPart]:
    """All that could be carried as linear parts of a residual."""
    term = problem.residuals[number]
    others = {name for n, other in enumerate(problem.residuals) if n != number for name in other.names}
    parts: dict[str, dict[MultiIndex, float]] = {}
    for unknown, index in sorted(term.derivatives(problem.names.unknowns, problem.variables)):
        name = derivative_name(unknown, index, problem.variables)
        slope = _constant_slope(problem, term, name) if any(index) and name not in others else None
        if slope is not None:
            parts.setdefault(unknown, {})[index] = slope
    return [LinearPart(f"linear part {number} of {name}", name, parts[name]) for name in parts]


def _worthwhile(
    problem: Problem, variables: tuple[str, ...], parts: list[list[LinearPart]]
) -> list[list[LinearPart]]:
    """Without the parts that save the network of these variables no stream."""
    names = {unknown.name for unknown in problem.unknowns if unknown.variables == variables}

    def needed(kept: list[list[LinearPart]]) -> set[MultiIndex]:
        """The indices that have streams of their own."""
        absorbed = {(part.unknown, index) for mine in kept for part in mine for index in part.operator}
        wanted = [i for name in names for i in problem.wanted(name) if (name, i) not in absorbed]
        strictly_below = [
            lower
            for mine in kept for part in mine if part.unknown in names
            for index in part.operator for lower in _below(index) if lower != index
        ]  # fmt: skip
        return {lower for index in [*wanted, *strictly_below] for lower in _below(index)}

    def without(dropped: Callable[[LinearPart], bool]) -> list[list[LinearPart]]:
        return [[part for part in mine if part.unknown not in names or not dropped(part)] for mine in parts]

    own = needed(parts)
    parts = without(lambda part: set(part.operator) <= own)
    operators = {
        tuple(sorted(part.operator.items())) for mine in parts for part in mine if part.unknown in names
    }
    nothing = without(lambda part: True)
    if len(needed(parts)) + len(operators) >= len(needed(nothing)):
        return nothing
    return parts


def _below(index: MultiIndex) -> list[MultiIndex]:
    """All multi-indices up to one."""
    return list(product(*(range(order + 1) for order in index)))


def _constant_slope(problem: Problem, term: Term, name: str) -> float | None:
    """The derivative of a residual by one of its values, where that is the same number whatever they are."""
    if not isinstance(term, Expression) or any(step.op in _NOT_ANALYTIC for step in term.steps):
        return None
    if not is_linear_with_constant_factor(term, name, problem.constants):
        return None
    # Whatever the others are, this is the slope.
    values: dict[str, Any] = {other: torch.ones((), dtype=torch.float64) for other in term.names}
    values |= problem.constants
    values[name] = torch.ones((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(term.evaluate(values, TORCH_FUNCTIONS), values[name])
    return float(slope) if slope.isfinite() and slope != 0 else None


def is_linear_with_constant_factor(term: Expression, name: str, constants: Mapping[str, float]) -> bool:
    """Whether a name goes into the result through sums and constant factors alone."""
    kinds: list[str] = []
    for step in term.steps:
        if step.op == "name":
            kinds.append(
                "linear" if step.value == name else "constant" if step.value in constants else "free"
            )
        elif step.op == "number":
            kinds.append("constant")
        else:
            kinds.append(_kind(step.op, [kinds[arg] for arg in step.args]))
    return kinds[-1] == "linear"


def _kind(op: str, args: list[str]) -> str:
    """ "linear" in the name, "free" of it, "constant", or "other", of an operation on such parts."""
    if "other" in args or "linear" not in args:
        return "other" if "other" in args else "constant" if set(args) == {"constant"} else "free"
    if op in ("+", "-", "neg"):
        return "linear"
    if (op == "*" and "constant" in args) or (op == "/" and args == ["linear", "constant"]):
        return "linear"
    return "other"
