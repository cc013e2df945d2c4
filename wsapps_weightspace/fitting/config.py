"""How fields are fitted: settings, and what follows from them for every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.optimizer import OptimizerConfig, learning_rate

Engine = Literal["auto", "native", "compiled", "eager"]


@dataclass
class FittingConfig:
    """Adam on the mean squared error over all points of a sample, in every step."""

    steps: int = doc("steps of every field, or the most of them where there is target_psnr", default=100)
    target_psnr: float | None = doc(
        "a field that has reached it stops; null gives every field all steps", default=None, unit="dB"
    )
    lr: float = doc("learning rate at its highest", default=2e-3)
    schedule: Literal["constant", "cosine", "exponential"] = doc("how the rate decays", default="cosine")
    final_lr_factor: float = doc("rate at the last step, as a part of lr", default=0.1)
    beta1: float = doc("Adam's decay of the first moment", default=0.9)
    beta2: float = doc("Adam's decay of the second moment", default=0.999)
    eps: float = doc("Adam's epsilon", default=1e-8)
    engine: Engine = doc(
        "native: our C++ kernel, on CPUs; compiled: torch.compile; eager: plain PyTorch; auto: the first of "
        "them that works here",
        default="auto",
    )
    chunk: int = doc("fields at once where the engine is compiled or eager", default=256)

    def __post_init__(self) -> None:
        at_least_one(self, "steps", "chunk")
        if self.target_psnr is not None and not math.isfinite(self.target_psnr):
            raise ValueError(f"target_psnr must be a number of dB or null, got {self.target_psnr}")
        self._adam()  # its settings are checked there

    def _adam(self) -> OptimizerConfig:
        return OptimizerConfig(
            lr=self.lr,
            schedule=self.schedule,
            final_lr_factor=self.final_lr_factor,
            beta1=self.beta1,
            beta2=self.beta2,
            eps=self.eps,
        )

    def enough(self, peak: float) -> float:
        """The mean squared error at which a field is done; -1, which is never reached, without a target."""
        return -1.0 if self.target_psnr is None else peak**2 * 10 ** (-self.target_psnr / 10)

    def rates(self) -> NDArray[np.float64]:
        """``(steps,)``, the learning rate of each step over Adam's correction ``1 - beta1^t``."""
        adam, last = self._adam(), max(1, self.steps - 1)
        rates = np.array([learning_rate(adam, step, step / last) for step in range(self.steps)])
        return rates / (1 - self.beta1 ** np.arange(1, self.steps + 1))

    def roots(self) -> NDArray[np.float64]:
        """``(steps,)``, the factor ``1 / sqrt(1 - beta2^t)`` of the root of the second moment."""
        return 1 / np.sqrt(1 - self.beta2 ** np.arange(1, self.steps + 1))
