"""Factors that balance the terms of the loss, and weights of single points.

Shapes: K terms, N points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps.seeding import generator
from wsapps_pde.learning.objective import PDEObjective

_MOST = 1e4  # no term counts more than so many times another by its balance


@dataclass
class BalanceConfig:
    """How the terms of the loss are balanced."""

    kind: Literal["none", "gradient", "ntk"] = doc(
        "none; gradient: terms with gradients of one norm (Wang et al., 2023, algorithm 1); ntk: terms with "
        "kernels of one trace (Wang, Yu & Perdikaris, 2022)",
        default="gradient",
    )
    every: int = doc("steps between updates", default=100)
    memory: float = doc("how much of the old factors an update keeps", default=0.9)

    def __post_init__(self) -> None:
        at_least_one(self, "every")
        if not 0 <= self.memory < 1:
            raise ValueError(f"memory must be in [0, 1), got {self.memory}")


@dataclass
class PointWeightsConfig:
    """Weights of single collocation points; they are set anew with the terms' balance."""

    causal_epsilon: float = doc(
        "causal weighting: times count only once the earlier ones are solved (Wang, Sankaran & Perdikaris, "
        "2024, eq. 20), the more strictly the larger; 0 for none",
        default=0.0,
    )
    causal_chunks: int = doc("parts of the time for it", default=32)
    attention: float = doc(
        "residual-based attention: the rate at which points with large residuals gain weight "
        "(Anagnostopoulos et al., 2024); 0 for none",
        default=0.0,
    )
    attention_memory: float = doc("how much of the old attention an update keeps", default=0.999)

    def __post_init__(self) -> None:
        not_negative(self, "causal_epsilon", "attention")
        if self.causal_chunks < 2:
            raise ValueError(f"causal_chunks must be at least 2, got {self.causal_chunks}")
        if not 0 <= self.attention_memory <= 1:
            raise ValueError(f"attention_memory must be in [0, 1], got {self.attention_memory}")


def update_balance(objective: PDEObjective, config: BalanceConfig, step: int, first: bool) -> None:
    """Set the objective's ``balance`` from gradients at all its points; the same on every rank."""
    if config.kind == "none" or len(objective.term_names) < 2:
        return
    sizes = torch.stack(
        [_size(objective, config.kind, number, step) for number in range(len(objective.balance))]
    )
    target = sizes.mean() / sizes.clamp_min(sizes.max() / _MOST)
    if not bool(target.isfinite().all()):  # nothing depends on anything yet, or the loss itself is not finite
        return
    memory = 0.0 if first else config.memory
    with torch.no_grad():
        objective.balance.mul_(memory).add_(target, alpha=1.0 - memory)


def _size(objective: PDEObjective, kind: str, number: int, step: int) -> Tensor:
    """Of a term: the norm of its gradient, or an estimate of its kernel's trace, a mean over the points."""
    parameters = [p for network in objective.solution.networks for p in network.parameters()]
    with torch.enable_grad():
        residual, weights = objective.term(number)
        if kind == "gradient":
            value = (weights * residual.square()).mean()
        else:  # E |grad sum_i s_i r_i|^2 = sum_i |grad r_i|^2 for random signs s (Hutchinson)
            signs = torch.randint(
                0, 2, residual.shape, generator=generator(objective.seed, "ntk", step, number)
            )
            value = ((2 * signs - 1).to(residual) * residual).sum() / len(residual) ** 0.5
        gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    norm = torch.stack([g.square().sum() for g in gradients if g is not None]).sum()
    return norm.sqrt() if kind == "gradient" else norm


def update_point_weights(objective: PDEObjective, config: PointWeightsConfig) -> None:
    """Set the weights of the interior's points from their residuals."""
    if not objective.sites or objective.sites[0].name != "interior":
        return
    if config.causal_epsilon == 0 and config.attention == 0:
        return
    points, size = objective.points[0], objective.interior_residual()
    weights = torch.ones_like(size)
    if config.attention > 0:
        largest = size.max().clamp_min(torch.finfo(size.dtype).tiny)
        attention = config.attention_memory * points.attention + config.attention * size / largest
        points.attention.copy_(attention)
        weights = attention.square()
    time = objective.solution.problem.domain.time
    if config.causal_epsilon > 0 and time is not None:
        weights = weights * causal_weights(
            points.coordinates[:, time], size.square(), config.causal_epsilon, config.causal_chunks
        )
    points.weights.copy_(weights)


def causal_weights(times: Tensor, squares: Tensor, epsilon: float, chunks: int) -> Tensor:
    """``exp(-epsilon sum of the earlier chunks' mean squares)`` of each point ``(N,)``.

    Chunks hold equally many points, in the order of time. Source: Wang, Sankaran & Perdikaris, *Respecting
    causality for training physics-informed neural networks*, CMAME 2024.
    """
    order = times.argsort(stable=True)
    chunk = torch.empty_like(order)
    chunk[order] = torch.arange(len(times), device=times.device) * chunks // len(times)
    totals = squares.new_zeros(chunks).index_add(0, chunk, squares)
    means = totals / torch.bincount(chunk, minlength=chunks).clamp_min(1)
    earlier = means.cumsum(0) - means
    return torch.exp(-epsilon * earlier)[chunk]
