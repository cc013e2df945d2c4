"""What an analysis depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from wsapps.config import choice, doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps.fields import SinusoidalConfig
from wsapps.trainer import TrainerConfig
from wsapps_signals.kinds.all_kinds import SIGNALS


@dataclass
class AnalyzeConfig:
    """Settings of an analysis; configs/signals/analyze.yaml fills it."""

    out: str | None = doc("run folder; by default runs/signals/analysis-<name>-<time>", default=None)
    path: str | None = doc("the signal's file; null is the embedded sample of its kind", default=None)
    signal: Any = choice(SIGNALS, default="image", text="the kind of signal")
    sizes: dict[str, list[str]] = doc(
        "settings that make a signal of each kind small; what is given on the command line counts over them",
        default_factory=dict,
    )
    method: SinusoidalConfig = field(default_factory=SinusoidalConfig)
    factors: list[float] = doc(
        "alphas of weight scaling, and first-layer gains of frequency scaling, beside 1",
        default_factory=lambda: [1.25, 1.5, 2.0, 2.5, 3.0, 4.0],
    )
    seeds: int = doc("fields a factor that are trained", default=2)
    tolerance: float = doc("held-out PSNR that a faster field may lose against SIREN", default=0.5, unit="dB")
    kernel_points: int = doc("samples at which the tangent kernel is looked at", default=512)
    kernel_every: int = doc("steps between looks at it", default=30)
    hessian_points: int = doc("samples of the Hessian's loss", default=512)
    hessian_steps: int = doc("steps of Lanczos' iteration", default=30)
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(default_steps=150, log_every=1))

    def __post_init__(self) -> None:
        at_least_one(self, "seeds", "kernel_points", "kernel_every", "hessian_points", "hessian_steps")
        not_negative(self, "tolerance")
        if self.method.name != SinusoidalConfig.name:
            raise ValueError(
                f"method={self.method.name}: an analysis is of sinusoidal fields; choose weight_scaling"
            )
        if not self.factors or not all(math.isfinite(factor) and factor > 0 for factor in self.factors):
            raise ValueError(f"factors must be finite and positive, and not empty, got {self.factors}")
        if max(self.factors) <= 1:
            raise ValueError(f"factors must hold one above 1, which is SIREN's, got {self.factors}")
        if self.trainer.max_seconds is not None:
            raise ValueError("trainer.max_seconds cannot be given: fields are compared at equal steps")
        if self.trainer.last_step is None:
            raise ValueError("trainer.max_steps must be given: fields are compared at equal steps")
