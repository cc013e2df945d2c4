"""Collocation points: how many, when they are drawn anew, and where residuals are large.

Shapes: N points, M candidates, D variables.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps.seeding import generator
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.space.drawing import PointSource


@dataclass
class CollocationConfig:
    """Points of the sites."""

    interior: int = doc("in the domain", default=4096)
    condition: int = doc("of each condition", default=512)
    every: int = doc("gradient-descent steps on the same points, 0 for the same always", default=500)
    adaptive: float = doc(
        "RAD (Wu et al., 2023): the density of interior points grows with this power of the residual; 0 for "
        "even points",
        default=1.0,
    )
    uniform: float = doc("RAD's constant c: how much of the density is even", default=1.0)
    candidates: int = doc("candidates a point", default=4)

    def __post_init__(self) -> None:
        at_least_one(self, "interior", "condition", "candidates")
        not_negative(self, "every", "adaptive", "uniform")
        if self.adaptive > 0 and self.uniform == 0 and self.candidates == 1:
            raise ValueError("candidates=1 leaves nothing to choose; take more, or adaptive=0")


def redraw(objective: PDEObjective, config: CollocationConfig, number: int) -> None:
    """Draw the points of all sites anew: those of redraw ``number``, the same on every rank."""
    for site, points in zip(objective.sites, objective.points, strict=True):
        source = PointSource("sobol", objective.seed, site.name, number)
        if site.name != "interior" or config.adaptive == 0:
            points.redraw(objective.solution, source)
            continue
        candidates = objective.solution.problem.domain.draw(config.candidates * len(points), source)
        candidates_MD = torch.as_tensor(candidates, dtype=objective.dtype, device=points.weights.device)
        size_M = objective.interior_residual(candidates_MD)
        chosen = chosen_by_residual(
            size_M, len(points), config.adaptive, config.uniform, objective.seed, number
        )
        points.replace(objective.solution, {"coordinates": candidates_MD[chosen]})


def chosen_by_residual(
    size_M: Tensor, count: int, power: float, uniform: float, seed: int, number: int
) -> Tensor:
    """``(count,)`` different candidates, drawn with probabilities ``|r|^k / mean |r|^k + c``.

    Source: Wu et al., *A comprehensive study of non-adaptive and residual-based adaptive sampling for
    physics-informed neural networks*, CMAME 2023, eq. 2 (RAD).
    """
    density = size_M.pow(power)
    mean = density.mean()
    density = density / mean + uniform if float(mean) > 0 else torch.ones_like(density)
    # A race of exponential clocks is a draw without replacement, for any number of candidates.
    clocks = torch.empty(len(density), dtype=torch.float64)
    clocks.exponential_(generator=generator(seed, "candidates", number))
    return (clocks.to(density.device) / density).topk(count, largest=False).indices
