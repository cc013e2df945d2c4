"""The best state that a module has had, kept where checkpoints find it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class BestState(nn.Module):
    """A copy of a module's state at its highest score so far, the latest of those that are as good.

    The copy and its score are buffers, so that they are saved, resumed and moved with the objective that
    holds them, and no optimiser sees them.

    Attributes:
        highest: the highest score that was offered.
        score, step: of the copy.
    """

    highest: Tensor
    score: Tensor
    step: Tensor

    def __init__(self, module: nn.Module):
        super().__init__()
        for name, value in module.state_dict().items():
            self.register_buffer(_flat(name), value.detach().clone())
        self.register_buffer("highest", torch.tensor(-math.inf, dtype=torch.float64))
        self.register_buffer("score", torch.tensor(-math.inf, dtype=torch.float64))
        self.register_buffer("step", torch.tensor(0))

    def offer(self, module: nn.Module, score: float, step: int, tolerance: float = 0.0) -> bool:
        """Take the module's present state if it is as good as the best so far; whether it was taken.

        Ranks must call it alike. A score that is not finite is never taken.

        Args:
            tolerance: what the score may be below the highest: such as its standard error, with which the
                highest of many is a matter of luck.
        """
        if not math.isfinite(score):
            return False
        self.highest.clamp_(min=score)
        if score < float(self.highest) - tolerance:
            return False
        self.score.fill_(score)
        self.step.fill_(step)
        with torch.no_grad():
            for name, value in module.state_dict().items():
                self.get_buffer(_flat(name)).copy_(value)
        return True

    def restore(self, module: nn.Module) -> None:
        """Put the copy into the module; nothing happens where no state was ever taken."""
        if float(self.score) == -math.inf:
            return
        with torch.no_grad():
            for name, value in module.state_dict().items():
                value.copy_(self.get_buffer(_flat(name)))


def _flat(name: str) -> str:
    return "best/" + name.replace(".", "/")  # a buffer's own name must not hold a dot
