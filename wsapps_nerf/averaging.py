"""A running mean of a field's weights: steadier than the last step's, and what pictures then show."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from wsapps.config import doc


@dataclass
class AverageConfig:
    """Settings of the mean."""

    decay: float = doc(
        "of the running mean of the weights that pictures show, a step; 0.999 is usual, 0 for none",
        default=0.0,
    )

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {self.decay}")


def running_mean(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of a module whose ``update_parameters(module)`` takes it a step towards the module.

    Of n updates the decay is ``min(decay, (1 + n) / (10 + n))``, as TensorFlow's moving averages have it, so
    that the start is forgotten soon. The copy is not trained.
    """

    def average(mean: Tensor, now: Tensor, updates: Tensor | int) -> Tensor:
        count = torch.as_tensor(updates).to(mean)
        return torch.lerp(now.detach(), mean, ((1 + count) / (10 + count)).clamp(max=decay))

    averaged = AveragedModel(module, avg_fn=average)
    averaged.requires_grad_(False)
    return averaged
