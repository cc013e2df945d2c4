"""The unknowns as a module: networks, what holds by construction, and trainable parameters.

Shapes: N points, D variables, S derivatives of a jet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from wsapps import jets
from wsapps.jets import Jet
from wsapps_pde.language.symbols import Wanted, derivative_name
from wsapps_pde.problems.linear_parts import LinearPart
from wsapps_pde.problems.problem import Problem
from wsapps_pde.solution.bounded_parameters import BoundedParameters
from wsapps_pde.solution.built_in import Built, constructions, continued
from wsapps_pde.solution.construction_checks import jet_coefficients
from wsapps_pde.solution.network import MakeNetwork, Network


class SolutionField(nn.Module):
    """All unknowns of a problem.

    Args:
        problem: what is solved.
        make: ``make(in_features, out_features)`` makes a network.
        by_construction: whether conditions are built in where that can be done.
        before: of a time window, the solution of the one before, from the end of which it goes on; it is
            not part of the module and not trained.
    """

    def __init__(
        self,
        problem: Problem,
        make: MakeNetwork,
        by_construction: bool = True,
        before: SolutionField | None = None,
    ):
        super().__init__()
        self.problem = problem
        groups: dict[tuple[str, ...], list[str]] = {}
        for unknown in problem.unknowns:
            groups.setdefault(unknown.variables, []).append(unknown.name)
        self._networks = nn.ModuleList(
            Network(variables, tuple(names), problem, make) for variables, names in groups.items()
        )
        self.parameters_ = BoundedParameters(problem.trainable)
        self.constructions: dict[str, Built] = {}
        if before is not None:
            self.constructions = continued(problem, before, by_construction)
        elif by_construction:
            self.constructions.update(constructions(problem))

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
