"""The unknowns as a module: networks, what holds by construction, and trainable parameters.

Shapes: N points, D variables, V variables of a network, C unknowns of it, S derivatives of a jet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from wsapps import jets
from wsapps.derivatives import autograd_derivatives
from wsapps.jets import Jet, JetSpace, field_jet, has_jet
from wsapps_pde.conditions import Periodic
from wsapps_pde.construction import Construction, construct
from wsapps_pde.construction_checks import jet_coefficients
from wsapps_pde.inverse_parameters import BoundedParameters
from wsapps_pde.linear_parts import LinearPart
from wsapps_pde.problem import Problem
from wsapps_pde.sites import Wanted
from wsapps_pde.symbols import MultiIndex, derivative_name

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


class SolutionField(nn.Module):
    """All unknowns of a problem.

    Args:
        problem: what is solved.
        make: ``make(in_features, out_features)`` makes a network.
        by_construction: whether conditions are built in where that can be done.
    """

    def __init__(self, problem: Problem, make: MakeNetwork, by_construction: bool = True):
        super().__init__()
        self.problem = problem
        groups: dict[tuple[str, ...], list[str]] = {}
        for unknown in problem.unknowns:
            groups.setdefault(unknown.variables, []).append(unknown.name)
        self._networks = nn.ModuleList(
            Network(variables, tuple(names), problem, make) for variables, names in groups.items()
        )
        self.parameters_ = BoundedParameters(problem.trainable)
        self.constructions: dict[str, Construction] = {}
        for unknown in problem.unknowns:
            found = construct(problem, unknown) if by_construction else None
            if found is not None:
                self.constructions[unknown.name] = found

    @property
    def networks(self) -> list[Network]:
        return cast(list[Network], list(self._networks))

    @property
    def constructed(self) -> frozenset[str]:
        """The conditions that hold by construction."""
        return frozenset(str(c) for each in self.constructions.values() for c in each.conditions)

    def constants(self) -> dict[str, Any]:
        """Name -> value of all parameters; trainable ones as tensors."""
        return {**self.problem.constants, **self.parameters_.values()}

    def prepare(
        self, coordinates_ND: Tensor, wanted: Wanted, parts: Sequence[LinearPart] = ()
    ) -> dict[str, Tensor]:
        """What the constructions need at some points: jets of lifts and factors, ``(S, N)`` each.

        They do not depend on what is trained, so that they are computed once for a set of points.
        """
        found = {}
        for network in self.networks:
            space = network.space(wanted, parts)
            coordinates = network.coordinates(coordinates_ND, space)
            for name in network.unknowns:
                if construction := self.constructions.get(name):
                    for part in ("lift", "factor"):
                        jet = getattr(construction, part)(coordinates, jets.FUNCTIONS)
                        found[f"{part} {name}"] = jet_coefficients(jet, space, coordinates_ND)
        return found

    def forward(
        self,
        coordinates_ND: Tensor,
        wanted: Wanted,
        prepared: Mapping[str, Tensor] | None = None,
        parts: Sequence[LinearPart] = (),
    ) -> dict[str, Tensor]:
        """``u_xt`` and so on -> ``(N,)``: the derivatives that are wanted, and linear parts by their names.

        Args:
            prepared: what :meth:`prepare` gave for these points; None computes it.
        """
        if prepared is None:
            prepared = self.prepare(coordinates_ND, wanted, parts)
        values = {}
        for network in self.networks:
            mine = [part for part in parts if part.unknown in network.unknowns]
            if not mine and not any(wanted.get(name) for name in network.unknowns):
                continue
            space = network.space(wanted, mine)
            outputs = network.jet(coordinates_ND, space)
            for column, name in enumerate(network.unknowns):
                jet = outputs[..., column]
                if f"lift {name}" in prepared:
                    lift, factor = (Jet(space, prepared[f"{part} {name}"]) for part in ("lift", "factor"))
                    jet = lift + factor * jet
                for index in wanted.get(name, ()):
                    key = derivative_name(name, index, self.problem.variables)
                    values[key] = jet.derivative(network.own(index))
                values.update({part.name: network.part(jet, part) for part in mine if part.unknown == name})
        return values


def unknown_values(solution: SolutionField, coordinates_ND: Tensor) -> dict[str, Tensor]:
    """Unknown -> ``(N,)``, without derivatives, at points anywhere."""
    zero = frozenset([(0,) * len(solution.problem.variables)])
    return solution(coordinates_ND, {unknown.name: zero for unknown in solution.problem.unknowns})
