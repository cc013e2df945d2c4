"""The loss of a problem: mean squared residuals of its equations, at the points of its sites.

    loss = sum over terms k of  balance_k weight_k  mean over points i of  w_i r_k(x_i)^2

Derivatives of the networks are taken in here, in closed form (:mod:`wsapps.derivatives`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from wsapps.errors import UserError
from wsapps.jets import has_jet
from wsapps.least_squares import LeastSquaresObjective, SampleRows
from wsapps.objective import Batch
from wsapps_pde.language.functions import torch_functions
from wsapps_pde.learning.point_set import PointSet, prepared_of, prepared_transposed
from wsapps_pde.learning.sites import Site, known_values, make_sites
from wsapps_pde.solution.field import SolutionField
from wsapps_pde.space.drawing import PointSource

_log = logging.getLogger("wsapps")
_AT_ONCE = 2**14  # points of an evaluation without gradients


class PDEObjective(LeastSquaresObjective):
    """Residuals of a problem.

    Batches are made by :meth:`batch`: the points of each site, and ``share``, the part of all that they are.

    Args:
        solution: the unknowns; trained in place.
        counts: site name -> points; ``None`` -> of all others.
        seed: of the points.

    Raises:
        UserError: there is nothing to be minimised.
    """

    find_unused_parameters = True  # the last bias, where only derivatives are asked for

    balance: Tensor  # (K,) factors of the terms, in the order of term_names

    def __init__(
        self, solution: SolutionField, counts: Mapping[str | None, int], seed: int, dtype: torch.dtype
    ):
        super().__init__()
        self.solution, self.seed, self.dtype = solution.to(dtype), seed, dtype
        self.sites: tuple[Site, ...] = make_sites(solution.problem, solution.constructed)
        if not self.sites:
            raise UserError(
                f"{solution.problem.name} has no residual, no data and no condition that is not built in, so "
                "that nothing is left to be minimised; add residuals, or set by_construction=false"
            )
        self._points = nn.ModuleList(
            PointSet(
                site,
                solution,
                counts.get(site.name, counts[None]),
                PointSource("sobol", seed, site.name, 0),
                dtype,
            )
            for site in self.sites
        )
        self.term_names = tuple(term.name for site in self.sites for term in site.terms)
        self.term_weights = tuple(term.weight for site in self.sites for term in site.terms)
        self.register_buffer("balance", torch.ones(len(self.term_names), dtype=dtype))
        self.functions = torch_functions(dtype)

    @property
    def points(self) -> list[PointSet]:
        """The points of each site."""
        return cast(list[PointSet], list(self._points))

    @property
    def factors(self) -> Tensor:
        """What each term's mean square is multiplied by, (K,): its balance and its weight."""
        return self.balance * self.balance.new_tensor(self.term_weights)

    @property
    def residual_count(self) -> int:
        """Squares that the loss is a sum of: the points of each site, times its terms."""
        return sum(
            len(points) * len(site.terms) for site, points in zip(self.sites, self.points, strict=True)
        )

    def batch(self, part: int, parts: int) -> Batch:
        """Micro-batch ``part`` of ``parts`` over all ranks: a share of every site's points."""
        batch: dict[str, Any] = {
            site.name: points.batch(part, parts) for site, points in zip(self.sites, self.points, strict=True)
        }
        batch["share"] = torch.full((), 1.0 / parts, dtype=self.dtype)
        return batch

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        means = self._mean_squares(batch)
        loss = torch.dot(torch.stack(means), self.factors)
        return {"loss_sum": loss, "count": batch["share"], **dict(zip(self.term_names, means, strict=True))}

    def compile_(self) -> None:
        """Compile the forward, but for fields by nested autograd, which cannot be."""
        if self.has_rows:
            super().compile_()
        else:
            _log.info("the loss is not compiled: derivatives of this method's fields are nested autograd's")

    @property
    def has_rows(self) -> bool:
        """Nested autograd, which fields without rules for jets need, cannot be differentiated so."""
        return all(has_jet(network.field) for network in self.solution.networks)

    def sample_rows(self, batch: Batch) -> list[SampleRows]:
        """The residuals at a site's points, multiplied so that their squares are the loss."""
        factors, rows = self.factors, []
        for site, points in zip(self.sites, self.points, strict=True):
            mine, factors = factors[: len(site.terms)], factors[len(site.terms) :]
            samples = prepared_transposed(batch[site.name])
            samples["scale"] = (mine * samples["weights"][:, None] / len(points)).sqrt()
            rows.append(SampleRows(samples, partial(self._scaled, site)))
        return rows

    def residuals(self, site: Site, batch: Mapping[str, Tensor]) -> list[Tensor]:
        """Each term of a site at a batch of its points, ``(N,)``."""
        coordinates = batch["coordinates"]
        unknowns = self.solution(coordinates, site.wanted, prepared_of(batch), site.parts)
        values = {
            **self.solution.constants(),
            **known_values(self.solution.problem, coordinates, batch),
            **unknowns,
        }
        found = [term.evaluate(values, self.functions) for term in site.terms]
        return [torch.as_tensor(residual).to(coordinates).expand(len(coordinates)) for residual in found]

    def term(self, number: int) -> tuple[Tensor, Tensor]:
        """A term's residuals at all points of its site, and the points' weights, ``(N,)`` each."""
        for site, points in zip(self.sites, self.points, strict=True):
            if number < len(site.terms):
                return self.residuals(site, points.batch(0, 1))[number], points.weights
            number -= len(site.terms)
        raise IndexError(number)

    @torch.no_grad()
    def interior_residual(self, coordinates: Tensor | None = None) -> Tensor:
        """The size of the interior's residual, over all its terms, at points ``(M, D)``, or at its own."""
        site, points = self.sites[0], self.points[0]
        if coordinates is None:
            batches = [points.batch(0, 1)]
        else:
            batches = [{"coordinates": part} for part in coordinates.split(_AT_ONCE)]
        factors = self.factors[: len(site.terms)]
        sizes = []
        for batch in batches:
            squares = torch.stack([residual.square() for residual in self.residuals(site, batch)], dim=-1)
            sizes.append((squares @ factors).sqrt())
        return torch.cat(sizes)

    def check_defined(self) -> None:
        """Refuse terms without a value, or with the same whatever is learned, where training begins.

        Raises:
            UserError: a term is NaN or infinite at some of its points, with the first of them, or constant;
                or its derivatives by the parameters are not finite.
        """
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        variables = self.solution.problem.variables
        for site, points in zip(self.sites, self.points, strict=True):
            residuals = self.residuals(site, points.batch(0, 1))
            for term, residual in zip(site.terms, residuals, strict=True):
                if not residual.requires_grad:
                    raise UserError(
                        f"{term.name}: it does not depend on the solution for these parameters, so that it "
                        "cannot be driven to zero; take it out"
                    )
                bad = (~residual.isfinite()).nonzero()[:, 0].tolist()
                if bad:
                    first = zip(variables, points.coordinates[bad[0]].tolist(), strict=True)
                    raise UserError(
                        f"{term.name}: NaN or infinite at {len(bad)} of {len(residual)} points before the "
                        f"first step, as at {', '.join(f'{v} = {x:.6g}' for v, x in first)}; look for a "
                        "division by zero, or a logarithm or root of what may be negative"
                    )
                slopes = torch.autograd.grad(
                    residual.square().mean(), trained, retain_graph=True, allow_unused=True
                )
                if not all(bool(slope.isfinite().all()) for slope in slopes if slope is not None):
                    raise UserError(
                        f"{term.name}: its values are finite before the first step, and its derivatives by "
                        "the parameters are not; look for a root or a broken power of what may be zero or "
                        "negative, also in the branch of where(...) that is not taken"
                    )

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        parameters = {
            f"parameter/{name}": float(value.detach())
            for name, value in self.solution.parameters_.values().items()
        }
        return {**{name: totals[name] for name in self.term_names}, **parameters}

    def _scaled(self, site: Site, samples: Mapping[str, Tensor]) -> Tensor:
        return torch.stack(self.residuals(site, prepared_transposed(samples)), dim=-1) * samples["scale"]

    def _mean_squares(self, batch: Batch) -> list[Tensor]:
        """Each term's sum of weighted squares over the batch, divided by the number of all points."""
        means: list[Tensor] = []
        for site, points in zip(self.sites, self.points, strict=True):
            here = batch[site.name]
            for residual in self.residuals(site, here):
                means.append((here["weights"] * residual.square()).sum() / len(points))
        return means
