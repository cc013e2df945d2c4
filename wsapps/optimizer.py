"""Adam, its learning rate and its momentum, as functions of progress."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative


@dataclass
class OptimizerConfig:
    """Settings of the optimiser. The rate after warm-up is ``lr * decay(progress)``."""

    lr: float = doc("learning rate at its highest", default=1e-3)
    schedule: Literal["constant", "cosine", "exponential"] = doc("how the rate decays", default="constant")
    final_lr_factor: float = doc("rate at the end, as a part of lr", default=0.1)
    warmup_steps: int = doc("steps over which the rate rises linearly from near 0", default=0)
    beta1: float = doc("Adam's decay of the first moment", default=0.9)
    beta1_first: float | None = doc(
        "beta1 of the first step, from where it rises linearly; null for beta1 throughout", default=None
    )
    beta1_steps: int = doc("steps over which beta1 rises from beta1_first", default=50)
    beta2: float = doc("Adam's decay of the second moment", default=0.999)
    eps: float = doc("Adam's epsilon", default=1e-8)
    weight_decay: float = doc("decoupled weight decay (AdamW) where it is not 0", default=0.0)
    clip_norm: float = doc("largest gradient norm, 0 for no limit", default=0.0)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise ValueError(f"lr must be finite and positive, got {self.lr}")
        if not 0 < self.final_lr_factor <= 1:
            raise ValueError(f"final_lr_factor must lie in (0, 1], got {self.final_lr_factor}")
        for name in ("beta1", "beta2", "beta1_first"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value}")
        at_least_one(self, "beta1_steps")
        not_negative(self, "warmup_steps", "weight_decay", "clip_norm")
        if not self.eps > 0:
            raise ValueError(f"eps must be positive, got {self.eps}")


def fitting_optimizer(lr: float | None = None) -> OptimizerConfig:
    """Of fits to all samples of a signal in every step; docs/experiments.md has what it was chosen from.

    Args:
        lr: None where it is neither given nor chosen (:mod:`wsapps.fitting_rate`).
    """
    lr = 2e-4 if lr is None else lr
    return OptimizerConfig(lr, schedule="cosine", final_lr_factor=0.02, beta1=0.95, beta1_first=0.5)


def make_optimizer(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """Adam over the module's trainable parameters (AdamW where weight_decay is not 0)."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    settings = {"lr": config.lr, "betas": (config.beta1, config.beta2), "eps": config.eps}
    if config.weight_decay:
        return torch.optim.AdamW(parameters, weight_decay=config.weight_decay, **settings)
    return torch.optim.Adam(parameters, **settings)


def learning_rate(config: OptimizerConfig, step: int, progress: float) -> float:
    """The rate of a step.

    A pure function, so that nothing of the schedule has to be saved.

    Args:
        config: the schedule.
        step: steps done so far; warm-up counts steps.
        progress: part of the run done, in [0, 1]; decay follows it, in steps or in seconds.
    """
    warmup = min(1.0, (step + 1) / (config.warmup_steps + 1))
    floor = config.final_lr_factor
    progress = min(1.0, max(0.0, progress))
    if config.schedule == "cosine":
        decay = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
    elif config.schedule == "exponential":
        decay = floor**progress
    else:
        decay = 1.0
    return config.lr * warmup * decay


def momentum(config: OptimizerConfig, step: int) -> float:
    """Adam's beta1 of a step: little momentum while the loss falls fast, more once it falls along valleys
    (Sutskever et al., ICML 2013). A pure function, as :func:`learning_rate` is."""
    if config.beta1_first is None:
        return config.beta1
    return config.beta1_first + (config.beta1 - config.beta1_first) * min(1.0, step / config.beta1_steps)


def set_rates(optimizer: torch.optim.Optimizer, config: OptimizerConfig, step: int, progress: float) -> None:
    """Set the learning rate and the momentum of a step in every parameter group, in place."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(config, step, progress)
        group["betas"] = (momentum(config, step), config.beta2)
