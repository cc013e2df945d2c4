"""The configuration of a fit, and what is built from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import nn

from wsapps.alpha import AutoAlphaConfig, check_has_alpha, with_auto_alpha
from wsapps.alpha.by_samples import CANDIDATES
from wsapps.config import choice, default_config_dir, doc, load_config
from wsapps.errors import UserError
from wsapps.fields import FIELDS, SinusoidalField, make_field, matched_width, parameter_count
from wsapps.optimizer import fitting_optimizer
from wsapps.projection import ProjectionConfig
from wsapps.samplers import CPU_PART, PointSampler, parts_for, step_in_parts
from wsapps.seeding import seed_global
from wsapps.tiling import CPU_PART as TILED_CPU_PART
from wsapps.tiling import MOST_TILES, TiledField, tiles_of, whole_blocks
from wsapps.trainer import TrainerConfig
from wsapps_signals.holdout import Holdout
from wsapps_signals.kinds.all_kinds import SIGNALS
from wsapps_signals.kinds.signal import Signal

ALPHA, RATE = "method.alpha", "trainer.optimizer.lr"  # what alpha=auto and lr=auto choose


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
class LargeConfig:
    """Settings for signals that are too large for the usual ones; see :mod:`wsapps_signals.large`."""

    above: int = doc("signals of more points than this are large", default=500_000)
    settings: dict[str, list[str]] = doc(
        "settings by kind of signal; what is given on the command line counts over them", default_factory=dict
    )


@dataclass
class FitConfig:
    """Everything that a fit depends on; configs/signals/fit.yaml fills it."""

    out: str | None = doc("run folder; by default runs/signals/<name>-<time>", default=None)
    path: str | None = doc("the signal's file; null is the embedded sample of its kind", default=None)
    signal: Any = choice(SIGNALS, default="image", text="the kind of signal")
    method: Any = choice(FIELDS, default="weight_scaling", text="the field that is fitted")
    alpha: Literal["auto"] | None = doc(
        "auto chooses method.alpha for the signal; null takes method.alpha, as method=, method.alpha= do",
        default="auto",
    )
    auto_alpha: AutoAlphaConfig = field(default_factory=lambda: AutoAlphaConfig(list(CANDIDATES)))
    lr: Literal["auto"] | None = doc(
        "auto chooses trainer.optimizer.lr by the width and by what the field explains before it is trained, "
        "where its output layer is solved for; null takes trainer.optimizer.lr, as that setting does",
        default=None,
    )
    match_width: int | None = doc(
        "choose method.width so that the field has as many parameters as a sine network of this width",
        default=None,
    )
    tiles: list[int] | None = doc(
        "tiles along each coordinate, each with a field of its own; for signals too large for one field, as "
        "in tiles=[9,16] method.width=64",
        default=None,
    )
    tile_points: int | None = doc(
        "in place of tiles: as many as give each tile about so many points of the signal's grid", default=None
    )
    points: PointsConfig = field(default_factory=PointsConfig)
    large: LargeConfig = field(default_factory=LargeConfig)
    holdout: Holdout = doc(
        "samples kept for the test: every_other grid point, a random half, all but every second one along "
        "each axis (downsample)",
        default="none",
    )
    projection: ProjectionConfig = field(default_factory=ProjectionConfig)
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(default_steps=150, optimizer=fitting_optimizer())
    )

    def __post_init__(self) -> None:
        if self.tile_points is not None and self.tile_points < 1:
            raise ValueError(f"tile_points must be at least 1, got {self.tile_points}")
        check_has_alpha(self.alpha, self.method, "weight_scaling")


def fit_config(arguments: Sequence[str]) -> FitConfig:
    """The configuration that ``wsapps_signals.fit`` has with these ``key=value``; raises UserError."""
    overrides = with_choices(arguments)
    return load_config(FitConfig, "fit", config_dir=default_config_dir("signals"), overrides=overrides)


def with_choices(arguments: Sequence[str]) -> list[str]:
    """Arguments of a fit in which ``alpha`` and ``lr`` are null where what they choose is given.

    Raises:
        UserError: a learning rate is given, and it is to be chosen as well.
    """
    arguments = with_auto_alpha(["lr=auto" if each == f"{RATE}=auto" else each for each in arguments], ALPHA)
    given = {key: value for key, _, value in (argument.partition("=") for argument in arguments)}
    chosen = given.get("lr", "null" if RATE in given else "auto")
    if chosen not in ("auto", "null"):
        raise UserError(f"lr={chosen}: lr is auto or null; {RATE}={chosen} sets the learning rate")
    if chosen == "auto" and RATE in given:
        raise UserError(f"lr=auto chooses {RATE}, which is {given[RATE]} here; leave one of them out")
    return arguments if "lr" in given or chosen == "auto" else [*arguments, "lr=null"]


def build_field(config: FitConfig, signal: Signal) -> tuple[nn.Module, Any]:
    """The field, drawn from the configured seed, and its own configuration with the width that it has.

    Raises:
        UserError: no width gives the wanted number of parameters, or a setting is out of range.
    """
    in_features, out_features = signal.coordinates.shape[1], signal.values.shape[1]
    method = _with_matched_width(config, in_features, out_features)
    seed_global(config.trainer.seed, "init")
    tiles = _tiles(config, signal)
    if tiles is None:
        return make_field(in_features, out_features, method), method
    fields = [make_field(in_features, out_features, method) for _ in range(math.prod(tiles))]
    low, high = signal.coordinates.amin(dim=0).tolist(), signal.coordinates.amax(dim=0).tolist()
    return TiledField(fields, tiles, low, high), method


def _tiles(config: FitConfig, signal: Signal) -> list[int] | None:
    """Tiles along each coordinate, given or chosen; None for one field."""
    tiles = config.tiles
    if tiles is None and config.tile_points is not None:
        if signal.grid is None:
            raise UserError(f"tile_points: {signal.title} has no grid of points; give tiles=")
        if len(signal.grid) != signal.coordinates.shape[1]:
            raise UserError(
                f"tile_points: {signal.title} has {signal.coordinates.shape[1]} coordinates, and a grid of "
                f"{len(signal.grid)} axes; give tiles="
            )
        tiles = tiles_of(signal.grid, config.tile_points)
    if tiles is None:
        return None
    if len(tiles) != signal.coordinates.shape[1] or min(tiles) < 1 or math.prod(tiles) > MOST_TILES:
        raise UserError(
            f"tiles: expected {signal.coordinates.shape[1]} positive numbers for the coordinates of "
            f"{signal.title}, at most {MOST_TILES} tiles in all, got {tiles}"
        )
    return None if math.prod(tiles) == 1 and config.tiles is None else tiles


def _with_matched_width(config: FitConfig, in_features: int, out_features: int) -> Any:
    method = config.method
    if config.match_width is None:
        return method
    try:
        with torch.device("meta"):
            like = SinusoidalField(in_features, out_features, config.match_width, method.hidden_layers)
        kind = FIELDS[method.name]
        width = matched_width(kind, in_features, out_features, method, parameter_count(like))
    except ValueError as error:
        raise UserError(f"match_width={config.match_width}: {error}") from error
    return replace(method, width=width)


def build_sampler(
    config: FitConfig, signal: Signal, mask: torch.Tensor, field: nn.Module, device: torch.device
) -> tuple[PointSampler, TrainerConfig]:
    """Batches of the training samples, and the trainer's settings with the micro-batches that suit them.

    Where the field is tiled, a micro-batch holds the points of a few tiles, and not a few points of each.
    """
    tensors = [signal.coordinates, signal.values]
    if signal.weights is not None:
        tensors.append(signal.weights)
    if not bool(mask.all()):
        tensors = [tensor[mask] for tensor in tensors]
    tiled = isinstance(field, TiledField)
    if tiled:
        order = field.tile_of(tensors[0]).argsort(stable=True)
        tensors = [tensor[order] for tensor in tensors]
    weights = tensors[2] if len(tensors) > 2 else None
    count, seed, trainer = len(tensors[0]), config.trainer.seed, config.trainer
    drawn = config.points.drawn(count)
    if isinstance(field, TiledField) and drawn is not None and config.points.per_step is None:
        drawn = whole_blocks(drawn, len(field.ensemble))
    if trainer.accumulate == 1:
        parts = parts_for(drawn or count, device, TILED_CPU_PART if tiled else CPU_PART)
        trainer = replace(trainer, accumulate=parts)
    sampler = step_in_parts(
        tensors[0], tensors[1], drawn, trainer.accumulate, seed, weights, stratified=tiled
    )
    return sampler.to(device), trainer
