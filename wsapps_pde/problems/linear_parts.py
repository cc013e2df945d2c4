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
from torch import Tensor

from wsapps.seeding import generator
from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.functions import TORCH_FUNCTIONS, Functions
from wsapps_pde.language.python_term import Term
from wsapps_pde.language.symbols import MultiIndex, derivative_name
from wsapps_pde.problems.problem import Problem
from wsapps_pde.space.drawing import PointSource

_POINTS = 16
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

    A derivative is absorbed if no other residual uses it, and if the residual's slope by it is one number
    at random values of everything else: for analytic expressions that means everywhere. Residuals that
    compare, or are written in Python, stay whole; so do those for which it saves nothing.
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
    """The derivative of a residual by one of its values, if it is the same number everywhere."""
    if not isinstance(term, Expression) or any(step.op in _NOT_ANALYTIC for step in term.steps):
        return None
    values = _random_values(problem, term)
    values[name].requires_grad_()
    result = term.evaluate(values, TORCH_FUNCTIONS)
    (slopes,) = torch.autograd.grad(result.sum(), values[name])
    first = float(slopes[0])
    same = bool(((slopes - first).abs() <= 1e-12 * max(1.0, abs(first))).all())
    return first if same and first != 0 else None


def _random_values(problem: Problem, term: Term) -> dict[str, Tensor]:
    """Points of the domain, and random numbers for everything but constants."""
    points = torch.as_tensor(problem.domain.draw(_POINTS, PointSource("random", 0, "linear parts")))
    values: dict[str, Any] = {
        **problem.constants,
        **dict(zip(problem.variables, points.unbind(-1), strict=True)),
    }
    numbers = generator(0, "linear parts")
    for name in sorted(term.names - set(values)):
        values[name] = torch.randn(_POINTS, generator=numbers, dtype=torch.float64)
    return values
