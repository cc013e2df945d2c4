"""The configuration of a fit, and what is built from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from wsapps.config import choice, doc
from wsapps.errors import UserError
from wsapps.fields import FIELDS, SinusoidalField, make_field, matched_width, parameter_count
from wsapps.samplers import PointSampler, parts_for, step_in_parts
from wsapps.seeding import seed_global
from wsapps.trainer import TrainerConfig
from wsapps_signals.holdout import Holdout
from wsapps_signals.signal import Signal
from wsapps_signals.signals import SIGNALS


@dataclass
class PointsConfig:
    """Which points a step takes."""

    per_step: int | None = doc(
        "points a step, drawn at random; null takes all of them, or 65,536 where there are more than most",
        default=None,
    )
    most: int = doc("most points that every step takes all of", default=2**18)

    def __post_init__(self) -> None:
        if (self.per_step is not None and self.per_step < 1) or self.most < 1:
            raise ValueError(f"per_step and most must be at least 1, got {self.per_step} and {self.most}")

    def drawn(self, count: int) -> int | None:
        """Points to draw in every step for a signal of so many; None for all of them."""
        if self.per_step is not None:
            return self.per_step if self.per_step < count else None
        return None if count <= self.most else 2**16


@dataclass
class FitConfig:
    """Everything that a fit depends on; configs/signals/fit.yaml fills it."""

    out: str | None = doc("run folder; by default runs/signals/<name>-<time>", default=None)
    path: str | None = doc("the signal's file; null is the embedded sample of its kind", default=None)
    signal: Any = choice(SIGNALS, default="image", text="the kind of signal")
    method: Any = choice(FIELDS, default="weight_scaling", text="the field that is fitted")
    match_width: int | None = doc(
        "choose method.width so that the field has as many parameters as a sine network of this width",
        default=None,
    )
    points: PointsConfig = field(default_factory=PointsConfig)
    holdout: Holdout = doc(
        "samples kept for the test: every_other grid point, a random half, all but every second one along "
        "each axis (downsample)",
        default="none",
    )
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(default_steps=500))


def build_field(config: FitConfig, in_features: int, out_features: int) -> tuple[nn.Module, Any]:
    """The field, drawn from the configured seed, and its own configuration with the width that it has.

    Raises:
        UserError: no width gives the wanted number of parameters, or a setting is out of range.
    """
    method = config.method
    if config.match_width is not None:
        with torch.device("meta"):
            like = SinusoidalField(in_features, out_features, config.match_width, method.hidden_layers)
        try:
            kind = FIELDS[method.name]
            width = matched_width(kind, in_features, out_features, method, parameter_count(like))
        except ValueError as error:
            raise UserError(f"match_width={config.match_width}: {error}") from error
        method = replace(method, width=width)
    seed_global(config.trainer.seed, "init")
    return make_field(in_features, out_features, method), method


def build_sampler(
    config: FitConfig, signal: Signal, mask: torch.Tensor, device: torch.device
) -> tuple[PointSampler, TrainerConfig]:
    """Batches of the training samples, and the trainer's settings with the micro-batches that suit them."""
    tensors = [signal.coordinates, signal.values]
    if signal.weights is not None:
        tensors.append(signal.weights)
    if not bool(mask.all()):
        tensors = [tensor[mask] for tensor in tensors]
    weights = tensors[2] if len(tensors) > 2 else None
    count, seed, trainer = len(tensors[0]), config.trainer.seed, config.trainer
    drawn = config.points.drawn(count)
    if trainer.accumulate == 1:
        trainer = replace(trainer, accumulate=parts_for(drawn or count, device))
    sampler = step_in_parts(tensors[0], tensors[1], drawn, trainer.accumulate, seed, weights)
    return sampler.to(device), trainer
