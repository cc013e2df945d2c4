"""How a solution goes on from one time window to the next: exactly from where the last one ended.

With B the lift of what is built in on the boundary (0 without such), and v the last window's u - B, at t0,

    u(x, t) = B(x, t) + v(x, t0) + (t - t0) v_t(x, t0) + factor(x, t) network(x, t)

where the middle ones vanish on that boundary as v does, and the rate is there for equations of second order
in time alone. v is taken at fixed points, where it is a number; it is not trained again.

Shapes: N points, D variables, S derivatives of a jet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wsapps import jets
from wsapps.jets import Jet, JetSpace
from wsapps_pde.language.functions import Functions
from wsapps_pde.language.symbols import MultiIndex, derivative_name
from wsapps_pde.problems.conditions import Condition
from wsapps_pde.problems.unknowns import Unknown
from wsapps_pde.solution.construction import Construction
from wsapps_pde.space.domain import Domain

if TYPE_CHECKING:
    from wsapps_pde.solution.field import SolutionField


@dataclass(frozen=True, eq=False)
class Continuation:
    """How an unknown is built from its network and from its past; in place of a :class:`Construction`.

    Args:
        domain: the window.
        unknown: which.
        before: the solution of the last window, of which nothing is trained any more.
        orders: 1 to go on from the value, 2 from the rate, too.
        boundary: what is built in on the boundary, without the time; in ``before`` it is, too.
    """

    domain: Domain
    unknown: Unknown
    before: SolutionField
    orders: int
    boundary: Construction | None = None

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Those that hold by construction."""
        return self.boundary.conditions if self.boundary else ()

    def lift(self, values: Mapping[str, Any], functions: Functions) -> Any:
        """Has the values of the past at the start of the window, and those of the boundary on it.

        Args:
            values: variable -> jet of the coordinate itself, as of ``Jet.coordinates``.
            functions: of jets.
        """
        value, rate = self._past(values)
        lift = value if rate is None else value + rate * (values["t"] - self._start)
        return lift if self.boundary is None else lift + self.boundary.lift(values, functions)

    def factor(self, values: Mapping[str, Any], functions: Functions) -> Any:
        """Vanishes at the start of the window, with its rate where that goes on, and on the boundary."""
        assert self.domain.duration is not None
        low, high = self.domain.duration
        s = (values["t"] - low) / (high - low)
        factor = s if self.orders == 1 else s * s
        return factor if self.boundary is None else factor * self.boundary.factor(values, functions)

    @property
    def _start(self) -> float:
        assert self.domain.duration is not None
        return self.domain.duration[0]

    def _past(self, values: Mapping[str, Jet]) -> tuple[Jet, Jet | None]:
        """v and v_t at the start, functions of space, as jets in all variables."""
        own = self.unknown.variables
        space, time = values["t"].space, own.index("t")
        points_NV = torch.stack([values[name].value.expand(values["t"].shape) for name in own], dim=-1)
        points_NV[:, time] = self._start
        still = [index for index in _needed(space) if index[time] == 0]
        wanted = [_later(index, time, order) for index in still for order in range(self.orders)]
        derivatives = self._derivatives(points_NV, wanted)
        found = [
            _jet(space, {index: derivatives[_later(index, time, order)] for index in still}, points_NV)
            for order in range(self.orders)
        ]
        return found[0], found[1] if self.orders == 2 else None

    def _derivatives(self, points_NV: Tensor, wanted: list[MultiIndex]) -> dict[MultiIndex, Tensor]:
        """Derivatives ``(N,)`` of the last window's u - B, by multi-indices in the unknown's variables."""
        found, own = self._of_last_window(points_NV, wanted), self.unknown.variables
        if self.boundary is not None:
            space = JetSpace.of(len(own), wanted)
            coordinates = dict(zip(own, Jet.coordinates(space, points_NV), strict=True))
            lift = self.boundary.lift(coordinates, jets.FUNCTIONS)
            if not isinstance(lift, Jet):
                lift = Jet.constant(space, points_NV.new_full(points_NV.shape[:1], float(lift)))
            found = {index: value - lift.derivative(index) for index, value in found.items()}
        return found

    def _of_last_window(self, points_NV: Tensor, wanted: list[MultiIndex]) -> dict[MultiIndex, Tensor]:
        variables, own, name = self.before.problem.variables, self.unknown.variables, self.unknown.name
        parameter = next(self.before.parameters())
        low = [float(bound) for bound in self.before.problem.domain.bounds[:, 0]]
        columns = [
            points_NV[:, own.index(variable)] if variable in own else torch.full_like(points_NV[:, 0], bound)
            for variable, bound in zip(variables, low, strict=True)
        ]
        whole = {index: tuple(index[own.index(v)] if v in own else 0 for v in variables) for index in wanted}
        with torch.no_grad():
            points = torch.stack(columns, dim=-1).to(parameter)
            values = self.before(points, {name: frozenset(whole.values())})
        return {
            index: values[derivative_name(name, full, variables)].to(points_NV)
            for index, full in whole.items()
        }


def _needed(space: JetSpace) -> list[MultiIndex]:
    """The indices of a space, and those in its operators."""
    return list(dict.fromkeys([*space.indices, *(index for terms in space.operators for index in terms)]))


def _later(index: MultiIndex, time: int, order: int) -> MultiIndex:
    return tuple(o + order * (axis == time) for axis, o in enumerate(index))


def _jet(space: JetSpace, derivatives: Mapping[MultiIndex, Tensor], like_NV: Tensor) -> Jet:
    """A jet from the derivatives that do not vanish."""
    streams: list[Tensor | None] = [
        derivatives[index] / factor if index in derivatives else None
        for index, factor in zip(space.indices, space.factorials, strict=True)
    ]
    for operator in space.operators:
        total = like_NV.new_zeros(len(like_NV))
        for index, scale in operator.items():
            if index in derivatives:
                total = total + scale * derivatives[index]
        streams.append(total)
    return Jet(space, streams)
