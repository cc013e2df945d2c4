"""Points that no training step sees."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.learning.point_set import PointSet
from wsapps_pde.space.drawing import PointSource

_HELD_OUT = -1  # where training counts its redraws from 0


class HeldOut:
    """Points of all sites that no training step sees."""

    def __init__(self, objective: PDEObjective):
        self.objective = objective
        self.points = [
            PointSet(
                site,
                objective.solution,
                len(points),
                PointSource("sobol", objective.seed, site.name, _HELD_OUT),
                objective.dtype,
            ).to(points.weights.device)
            for site, points in zip(objective.sites, objective.points, strict=True)
        ]

    @torch.no_grad()
    def mean_squares(self) -> dict[str, float]:
        """Term -> mean squared residual."""
        found: dict[str, Tensor] = {}
        for site, points in zip(self.objective.sites, self.points, strict=True):
            for term, residual in zip(
                site.terms, self.objective.residuals(site, points.batch(0, 1)), strict=True
            ):
                found[term.name] = residual.square().mean()
        return {name: float(value) for name, value in found.items()}

    def score(self, mean_squares: Mapping[str, float] | None = None) -> float:
        """The loss at these points, with the terms' weights and without their balance.

        Args:
            mean_squares: what :meth:`mean_squares` gave; None computes it.
        """
        values = self.mean_squares() if mean_squares is None else mean_squares
        weights = dict(zip(self.objective.term_names, self.objective.term_weights, strict=True))
        return sum(weights[name] * value for name, value in values.items())
