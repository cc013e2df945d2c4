"""Conditions that hold by construction: ``u = lift + factor * network`` (Lagaris, Likas & Fotiadis, 1998).

The lift satisfies the conditions, and the factor vanishes where they hold, so that the network is free. On a
box the lift is a transfinite interpolation (Gordon & Hall, 1973): variable by variable, what is still missing
on the faces is blended into the domain. Where the whole boundary of a shape has one datum, that is the lift,
and the factor is the shape's level.

Both are formulas over the coordinates, evaluated on arrays or on derivative jets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.functions import NUMPY_FUNCTIONS, Functions
from wsapps_pde.problems.conditions import Condition
from wsapps_pde.space.domain import Domain
from wsapps_pde.space.drawing import PointSource

Values = Mapping[str, Any]
Formula = Callable[[Values, Functions], Any]


@dataclass(frozen=True)
class FaceData:
    """What an unknown is on the two faces of a variable, and its rate at the lower one."""

    lower: Expression | None = None
    upper: Expression | None = None
    rate: Expression | None = None


@dataclass(frozen=True)
class Construction:
    """How an unknown is built from its network.

    Args:
        domain: of the problem.
        constants: the parameters that expressions may use.
        faces: variable -> data on its faces, the time first.
        around: the value on the whole boundary of a shape that is no box, or None.
        conditions: those that hold by construction.
    """

    domain: Domain
    constants: Mapping[str, float]
    faces: Mapping[str, FaceData]
    around: Expression | None
    conditions: tuple[Condition, ...] = field(repr=False)

    def lift(self, values: Values, functions: Functions) -> Any:
        """Satisfies the conditions; 0 where there is none.

        Args:
            values: variable -> array, tensor or jet.
            functions: the table that fits them.
        """
        return self._formula()({**self.constants, **values}, functions)

    def factor(self, values: Values, functions: Functions) -> Any:
        """Vanishes where the conditions hold, of the order of 1 inside."""
        product: Any = 1.0
        for variable, data in self.faces.items():
            low, high = self._range(variable)
            product = product * _vanishing((values[variable] - low) / (high - low), data)
        if self.around is not None:
            level = self.domain.shape.level([values[name] for name in self.domain.space], functions)
            product = product * (level / self._depth)
        return product

    def _formula(self) -> Formula:
        formula = _of(self.around) if self.around is not None else _zero
        for variable, data in self.faces.items():
            formula = self._corrected(formula, variable, data)
        return formula

    def _corrected(self, formula: Formula, variable: str, data: FaceData) -> Formula:
        """The formula plus what it lacks on a variable's faces, blended between them.

        Linearly; beside a rate, which is the slope at the lower face, by what has no slope there.
        """
        low, high = self._range(variable)

        def lacking(expression: Expression, at: float, values: Values, functions: Functions) -> Any:
            there = {**values, variable: at}
            return expression.evaluate(there, functions) - formula(there, functions)

        def corrected(values: Values, functions: Functions) -> Any:
            s = (values[variable] - low) / (high - low)
            rise = s if data.rate is None else s * s
            result = formula(values, functions)
            if data.lower is not None:
                blend = 1.0 - rise if data.upper is not None else 1.0
                result = result + lacking(data.lower, low, values, functions) * blend
            if data.upper is not None:
                blend = rise if data.lower is not None else 1.0
                result = result + lacking(data.upper, high, values, functions) * blend
            if data.rate is not None:
                blend = s - rise if data.upper is not None else s
                rate = data.rate.evaluate({**values, variable: low}, functions)
                result = result + rate * (high - low) * blend
            return result

        return corrected

    def _range(self, variable: str) -> tuple[float, float]:
        low, high = self.domain.bounds[self.domain.variables.index(variable)]
        return float(low), float(high)

    @cached_property
    def _depth(self) -> float:
        """The largest level among some points."""
        points = self.domain.draw(1024, PointSource("sobol", 0, "depth"))
        level = self.domain.shape.level(list(points.T[: len(self.domain.space)]), NUMPY_FUNCTIONS)
        return float(np.max(level))


def _vanishing(s: Any, data: FaceData) -> Any:
    """0 on the faces (s = 0, 1) that have data, with no slope where the rate is given; 1 at the most."""
    if data.lower is None:
        return 1.0 - s
    if data.rate is None:
        return 4.0 * s * (1.0 - s) if data.upper is not None else s
    return 6.75 * s * s * (1.0 - s) if data.upper is not None else s * s


def _of(expression: Expression) -> Formula:
    return expression.evaluate


def _zero(values: Values, functions: Functions) -> Any:
    return 0.0
