"""A network for the unknowns that depend on the same variables, and its derivatives in one pass.

Shapes: N points, D variables of the problem, V of the network, C unknowns of it, S derivatives of a jet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from wsapps import jets
from wsapps.derivatives import autograd_derivatives
from wsapps.jets import Jet, JetSpace, field_jet, has_jet
from wsapps_pde.language.symbols import MultiIndex, Wanted
from wsapps_pde.problems.conditions import Periodic
from wsapps_pde.problems.linear_parts import LinearPart
from wsapps_pde.problems.problem import Problem

MakeNetwork = Callable[[int, int], nn.Module]


class Network(nn.Module):
    """One network for the unknowns that depend on the same variables.

    Variables are scaled to [-1, 1]; a periodic one goes in as cosine and sine, so that the network is
    periodic with all its derivatives (Dong & Ni, 2021).
    """

    low: Tensor
    high: Tensor

    def __init__(
        self, variables: tuple[str, ...], unknowns: tuple[str, ...], problem: Problem, make: MakeNetwork
    ):
        super().__init__()
        self.variables, self.unknowns = variables, unknowns
        self.columns = [problem.variables.index(variable) for variable in variables]
        periodic = {each.variable for each in problem.conditions if isinstance(each, Periodic)}
        self.periodic = tuple(variable in periodic for variable in variables)
        bounds = torch.as_tensor(problem.domain.bounds[self.columns], dtype=torch.float64)
        self.register_buffer("low", bounds[:, 0])
        self.register_buffer("high", bounds[:, 1])
        self.field = make(len(variables) + sum(self.periodic), len(unknowns))

    def space(self, wanted: Wanted, parts: Sequence[LinearPart] = ()) -> JetSpace:
        """The derivatives in its own variables that ``wanted`` and ``parts``, in all variables, need."""
        found = {self.own(index) for unknown in self.unknowns for index in wanted.get(unknown, ())}
        operators = list({self._operator(part): None for part in parts if part.unknown in self.unknowns})
        return JetSpace.of(
            len(self.variables), found | {(0,) * len(self.variables)}, [dict(items) for items in operators]
        )

    def part(self, jet: Jet, part: LinearPart) -> Tensor:
        """The value of a linear part of an unknown, from the unknown's jet."""
        operators = [tuple(operator.items()) for operator in jet.space.operators]
        return jet.operator(operators.index(self._operator(part)))

    def _operator(self, part: LinearPart) -> tuple[tuple[MultiIndex, float], ...]:
        return tuple(sorted((self.own(index), value) for index, value in part.operator.items()))

    def own(self, index: MultiIndex) -> MultiIndex:
        """A multi-index in all variables as one in its own."""
        return tuple(index[column] for column in self.columns)

    def coordinates(self, coordinates_ND: Tensor, space: JetSpace) -> dict[str, Jet]:
        """Its variables as jets."""
        found = Jet.coordinates(space, coordinates_ND[:, self.columns])
        return dict(zip(self.variables, found, strict=True))

    def jet(self, coordinates_ND: Tensor, space: JetSpace) -> Jet:
        """The outputs, a jet of values ``(N, C)``."""
        coordinates = coordinates_ND[:, self.columns]
        if has_jet(self.field):
            return field_jet(self.field, self._inputs(coordinates, space))

        def outputs(points: Tensor) -> Tensor:
            return self.field(self._inputs(points, JetSpace(len(self.variables), ())).value)

        operators = {str(number): operator for number, operator in enumerate(space.operators)}
        found = autograd_derivatives(outputs, coordinates, space.indices, operators)
        streams = [
            found[index] / factor for index, factor in zip(space.indices, space.factorials, strict=True)
        ]
        return Jet(space, [*streams, *(found[name] for name in operators)])

    def _inputs(self, coordinates_NV: Tensor, space: JetSpace) -> Jet:
        """What the network sees, a jet of values ``(N, inputs)``."""
        scale_V = 2.0 / (self.high - self.low)
        scaled = (Jet.identity(space, coordinates_NV) - self.low) * scale_V - 1.0
        if not any(self.periodic):
            return scaled
        inputs = []
        for axis, periodic in enumerate(self.periodic):
            one = scaled[..., axis]
            inputs += [jets.cos(one * math.pi), jets.sin(one * math.pi)] if periodic else [one]
        return jets.stack(inputs)
