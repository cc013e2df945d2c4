"""Sites: where terms of the loss are evaluated. The interior, each condition, the measurements.

Shapes: N points, D variables, S space variables, Q measured quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps_pde.language.functions import Functions
from wsapps_pde.language.symbols import Wanted, derivative_name, normal_name
from wsapps_pde.problems.conditions import Condition
from wsapps_pde.problems.linear_parts import LinearPart, split_residuals
from wsapps_pde.problems.problem import Problem
from wsapps_pde.space.drawing import PointSource

Values = Mapping[str, Any]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class LossTerm:
    """One equation at a site: its name, its weight, and ``(values, functions) -> what is driven to zero``."""

    name: str
    weight: float
    evaluate: Callable[[Values, Functions], Any]


@dataclass(frozen=True)
class Site:
    """A set of points and what is to hold there.

    Args:
        name: of the points: "interior", "data", or the first condition that holds there.
        terms: what is to hold.
        wanted: unknown -> the derivatives that the terms need, in all variables.
        parts: sums of derivatives that they need as such.
        draw: ``(count, source) -> points (N, D), normals (N, S) or None``; None where the points are fixed.
        fixed: of measurements, the points ``(M, D)`` and the values ``(M, Q)``.
    """

    name: str
    terms: tuple[LossTerm, ...]
    wanted: Wanted
    draw: Callable[[int, PointSource], tuple[Points, Points | None]] | None = None
    fixed: tuple[Points, Points] | None = None
    parts: tuple[LinearPart, ...] = ()


def make_sites(problem: Problem, constructed: frozenset[str]) -> tuple[Site, ...]:
    """All sites of a problem, the interior first.

    Args:
        constructed: the conditions, as ``str(condition)``, that hold by construction.
    """
    sites = [_interior(problem)] if problem.residuals else []
    names: set[str] = set()
    left = [c for c in problem.conditions if isinstance(c, Condition) and str(c) not in constructed]
    for together in _by_location(left):
        terms = []
        for condition in together:
            name = f"{condition.text} at {condition.location.text}"
            terms.append(_condition(condition, str(condition) if name in names else name))
            names.add(name)
        wanted = _wanted(problem, together)
        sites.append(Site(str(together[0]), tuple(terms), wanted, together[0].location.draw))
    if problem.data is not None:
        sites.append(_measurements(problem))
    return tuple(sites)


def _by_location(conditions: Sequence[Condition]) -> list[list[Condition]]:
    """Those that hold at the same points together, so that one evaluation of the networks serves them."""
    groups: dict[int, list[Condition]] = {}
    for condition in conditions:
        groups.setdefault(id(condition.location), []).append(condition)
    return list(groups.values())


def _interior(problem: Problem) -> Site:
    split = split_residuals(problem)
    weights = problem.residual_weights or (1.0,) * len(split)
    terms = tuple(
        LossTerm("residual" if len(split) == 1 else f"residual {number}", weight, residual.evaluate)
        for number, (residual, weight) in enumerate(zip(split, weights, strict=True), start=1)
    )
    absorbed = {name for residual in split for name in residual.absorbed}
    wanted = {
        unknown.name: frozenset(
            index
            for index in problem.wanted(unknown.name)
            if derivative_name(unknown.name, index, problem.variables) not in absorbed
        )
        for unknown in problem.unknowns
    }

    def draw(count: int, source: PointSource) -> tuple[Points, None]:
        return problem.domain.draw(count, source), None

    return Site("interior", terms, wanted, draw, parts=tuple(p for residual in split for p in residual.parts))


def _condition(condition: Condition, name: str) -> LossTerm:
    def evaluate(values: Values, functions: Functions) -> Any:
        return condition.left.evaluate(values, functions) - condition.right.evaluate(values, functions)

    return LossTerm(name, condition.weight, evaluate)


def _measurements(problem: Problem) -> Site:
    data = problem.data
    assert data is not None

    def term(number: int) -> LossTerm:
        quantity = data.quantities[number]

        def evaluate(values: Values, functions: Functions) -> Any:
            return quantity.evaluate(values, functions) - values[target_name(number)]

        return LossTerm(f"data {quantity.text}", data.weight, evaluate)

    terms = tuple(term(number) for number in range(len(data.quantities)))
    return Site("data", terms, _wanted(problem, data.quantities), fixed=(data.points, data.values))


def _wanted(problem: Problem, terms: Any) -> Wanted:
    pairs = [pair for term in terms for pair in term.derivatives(problem.names.unknowns, problem.variables)]
    return {
        unknown.name: frozenset(index for name, index in pairs if name == unknown.name)
        for unknown in problem.unknowns
    }


def target_name(number: int) -> str:
    """The name under which a measured value stands among the values of its site."""
    return f"measured {number}"


def known_values(problem: Problem, coordinates: Tensor, extra: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a site's points bring along: variables, components of normals, measured values.

    Args:
        coordinates: ``(N, D)``.
        extra: perhaps ``normals (N, S)`` and ``targets (N, Q)``.
    """
    values = dict(zip(problem.variables, coordinates.unbind(-1), strict=True))
    if "normals" in extra:
        names = map(normal_name, problem.domain.space)
        values.update(zip(names, extra["normals"].unbind(-1), strict=False))
    if "targets" in extra:
        values.update({target_name(n): column for n, column in enumerate(extra["targets"].unbind(-1))})
    return values


def site_tensors(site: Site, count: int, source: PointSource, dtype: torch.dtype) -> dict[str, Tensor]:
    """Points of a site: ``coordinates (N, D)`` and perhaps ``normals`` or ``targets``."""
    if site.fixed is not None:
        names, arrays = ("coordinates", "targets"), site.fixed
    else:
        assert site.draw is not None
        names, arrays = ("coordinates", "normals"), site.draw(count, source)
    return {
        name: torch.as_tensor(array, dtype=dtype)
        for name, array in zip(names, arrays, strict=True)
        if array is not None
    }
