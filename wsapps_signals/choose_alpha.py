"""``alpha=auto`` for signals: the largest alpha with which samples say what is between them.

:func:`chosen` is called in an open run; what it found stays in the run folder, so that a run that is
continued does not choose again.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from wsapps.alpha import (
    REFERENCE,
    Choice,
    Found,
    alpha_by_samples,
    chosen_once,
    untried,
    with_alpha,
)
from wsapps.alpha.by_samples import PATCHES, POINTS, VALUE_PATCHES, looked_at
from wsapps.fields import make_field
from wsapps.run import Run
from wsapps.tiling import TiledField
from wsapps_signals.config import FitConfig
from wsapps_signals.kinds.signal import Signal
from wsapps_signals.steps_in_time import steps_in

# What a sample of a patch costs, in points that a run passes forward and backward; and where no places
# between samples are asked for.
_PREDICTION, _VALUES_ALONE = 8, 4
_CPU = torch.device("cpu")


def chosen(config: FitConfig, signal: Signal, mask: Tensor, field: nn.Module, run: Run) -> FitConfig:
    """The configuration with ``method.alpha`` chosen, now or by an earlier process.

    Where alpha 1 does not interpolate, solving for the output layer would memorise most, and is switched off.

    All ranks call it alike and take the first one's choice. ``alpha.json`` and ``alpha.png`` go into the run
    folder.

    Args:
        config: of the run.
        signal, mask: its samples, ``(N,)`` True where the run may see them.
        field: as the configuration without a choice gives it; of it the tiles are taken, and its speed.

    Raises:
        UserError: the record in the run folder is damaged, or missing where there is a trained state.
    """

    def look() -> Found:
        choice, cost = choose_alpha(config, signal, mask, field, run.accelerator.device)
        return choice, [], {"part_of_the_run": cost}

    record = chosen_once(run, look)
    if record.get("memorises") and config.projection.enabled is None:
        run.say("the samples are too sparse for alpha 1: the output layer is trained, and not solved for")
        config = replace(config, projection=replace(config.projection, enabled=False))
    return with_alpha(config, record["alpha"])


def choose_alpha(
    config: FitConfig, signal: Signal, mask: Tensor, field: nn.Module, device: torch.device = _CPU
) -> tuple[Choice, float]:
    """Look at all candidates and take the largest that will do; also the cost as a part of the run.

    A small run looks at as many of the smallest as it can afford, since few samples are memorised by larger
    ones anyway; one that can afford none keeps alpha = 1. Args as :func:`chosen`, and where the run trains.
    """
    part, alphas = config.auto_alpha.part, looked_at(config.auto_alpha.candidates)
    samples = int(mask.sum())
    points = config.points.drawn(samples) or samples
    run = float(points * _steps_of_run(config, signal, field, points, device))
    affordable = [count for count in range(1, len(alphas) + 1) if _cost(count, samples) <= part * run]
    if not affordable:
        return untried(f"looking at samples would cost more than {part:g} of so small a run"), 0.0
    alphas = alphas[: max(affordable)]  # of 1 alone it is known whether samples are too sparse for it
    tiles = field.tiles if isinstance(field, TiledField) else None
    sizes = signal.coordinates.shape[1], signal.values.shape[1]

    def make(alpha: float) -> nn.Module:
        return make_field(*sizes, with_alpha(config, alpha).method)

    seen, seed = (signal.coordinates[mask], signal.values[mask]), config.trainer.seed
    choice = alpha_by_samples(make, *seen, alphas, tiles, seed, POINTS)
    if alphas == [REFERENCE]:
        fate = f"chosen; looking at others would cost more than {part:g} of so small a run"
        choice = replace(choice, verdicts=[replace(choice.chosen, fate=fate)])
    return choice, _cost(len(choice.verdicts), samples) / run


def _cost(alphas: int, samples: int) -> float:
    """What looking at so many alphas costs, in points of a run."""
    values_alone = _VALUES_ALONE * VALUE_PATCHES if alphas > 1 else 0
    return min(POINTS, samples) * (_PREDICTION * PATCHES * alphas + values_alone)


def _steps_of_run(
    config: FitConfig, signal: Signal, field: nn.Module, points: int, device: torch.device
) -> int:
    """The run's steps, timed where it is limited by time."""
    limits = [] if config.trainer.last_step is None else [config.trainer.last_step]
    if config.trainer.max_seconds is not None:
        limits.append(steps_in(config.trainer.max_seconds, field, signal.coordinates, points, device))
    return min(limits)
