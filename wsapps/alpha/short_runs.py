"""Trials of ``alpha=auto`` as short runs of the trainer, one after the other, each a share of the cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from wsapps.accelerator import on_main
from wsapps.alpha.config import with_alpha
from wsapps.alpha.curve import Curve
from wsapps.alpha.in_turn import try_in_turn
from wsapps.alpha.rule import Choice, choose, untried
from wsapps.finite import Diverged
from wsapps.objective import Objective
from wsapps.run import Run
from wsapps.trainer import BatchSource, Trainer
from wsapps.trainer_config import TrainerConfig

C = TypeVar("C")
_TRIALS = 4  # at most, of equal length
_LEAST_STEPS, _LOOKS = 20, 5


@dataclass(frozen=True)
class Trial:
    """What is trained for a candidate, and ``score() -> (fitted, held_out)`` in dB, higher being better.

    ``trainer`` is of the whole run, or of the descent that it begins with, whose learning rate a trial has:
    of a schedule of its own a short run would see little but the warm-up, and not what diverges at the full
    rate.
    """

    objective: Objective
    batch: BatchSource
    score: Callable[[], tuple[float, float]]
    trainer: TrainerConfig


def choose_by_short_runs(
    config: C, make: Callable[[C], Trial], tolerance: float, run: Run
) -> tuple[Choice, list[Curve]]:
    """Try larger alphas until one is worse. All ranks call it alike.

    A run that is too short for that keeps alpha = 1. Of one that is limited by time no trial begins that
    would end after its part of it, looks included.

    Args:
        config: of the run that they are for, with ``method``, ``trainer`` and ``auto_alpha``.
        make: makes the trial of a configuration; all begin alike but for alpha.
        tolerance: of the held-out score, dB.

    Raises:
        Diverged: alpha = 1 does.
    """
    whole: Any = config
    settings, trainer = whole.auto_alpha, whole.trainer
    share = settings.part / _TRIALS
    steps = None if trainer.last_step is None else int(share * trainer.last_step)
    if steps is not None and steps < _LEAST_STEPS:
        return untried(f"trials would cost more than {settings.part:g} of so short a run"), []
    seconds = None if trainer.max_seconds is None else share * trainer.max_seconds
    made: list[Curve] = []

    def trial(alpha: float) -> Curve:
        # The first one says how many steps there is time for; the others get as many.
        limits = (steps, seconds) if not made else (int(made[0].steps[-1]), None)
        made.append(_curve(alpha, make(with_alpha(config, alpha)), run, *limits))
        return made[-1]

    began = time.monotonic()

    def may_go_on(tried: int) -> bool:
        if tried >= _TRIALS or made[0].steps[-1] < _LEAST_STEPS:
            return False
        spent = time.monotonic() - began  # by looks as well
        most = math.inf if trainer.max_seconds is None else settings.part * trainer.max_seconds
        return on_main(run.accelerator, lambda: spent * (tried + 1) / tried <= most)

    curves = try_in_turn(trial, settings.candidates, tolerance, may_go_on)
    if curves[0].diverged:
        raise Diverged("alpha = 1 diverges in the trials of alpha=auto; try a smaller trainer.optimizer.lr")
    if curves[0].steps[-1] < _LEAST_STEPS:
        why = f"in a trial's part of the time alpha 1 had {curves[0].steps[-1]:g} steps only"
        return untried(f"{why}, of {_LEAST_STEPS} that tell something"), []
    if len(curves) == 1:
        return untried(f"another trial would cost more than {settings.part:g} of the run"), []
    return choose(curves, tolerance), curves


def _curve(alpha: float, trial: Trial, run: Run, steps: int | None, seconds: float | None) -> Curve:
    # Within a time, as alpha = 1 is at first, there is one look, at the end: with it others are compared.
    settings = replace(
        trial.trainer, max_steps=steps, max_seconds=seconds, compile=False, evaluate_seconds=0.0,
        evaluate_every=0 if steps is None else max(1, steps // _LOOKS),
    )  # fmt: skip
    curve = Curve(alpha, averaged=1)

    def look() -> dict[str, float]:
        curve.add(trainer.step, *trial.score())
        return {}

    trainer = Trainer(
        settings, trial.objective, trial.batch, look, accelerator=run.accelerator, show_progress=False,
        schedule=trial.trainer,
    )  # fmt: skip
    try:
        ended = trainer.fit()
        if not curve.steps or curve.steps[-1] < ended.steps:
            look()
    except Diverged:
        curve.add(trainer.step, float("nan"), float("nan"))
    run.forget()
    return curve
