"""``alpha=auto`` for a problem: short descents one after the other, judged by residuals at unseen points."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from wsapps.accelerator import on_main
from wsapps.alpha import (
    Choice,
    Curve,
    choose,
    read_record,
    told,
    try_in_turn,
    untried,
    write_record,
)
from wsapps.alpha.record import RECORD
from wsapps.finite import Diverged
from wsapps.objective import Batch
from wsapps.run import Run
from wsapps.trainer import Trainer
from wsapps_pde.config import SolveConfig, make_objective
from wsapps_pde.learning.training import micro_batches
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.time_windows import time_windows

_TRIALS = 4  # at most, of equal length
_LEAST_STEPS, _LOOKS = 20, 10
# A solution is worth what its residuals are, so that nothing of them is given away for speed.
_TOLERANCE = 0.0


def chosen(config: SolveConfig, problem: Problem, run: Run) -> SolveConfig:
    """The configuration with ``method.alpha`` chosen, now or by an earlier process. All ranks call it alike.

    ``alpha.json`` and ``alpha.png`` go into the run folder.

    Raises:
        Diverged: alpha = 1 does.
        UserError: the record in the run folder is damaged.
    """
    record = read_record(run.folder.path)
    if record is not None:
        run.say("alpha=%g was chosen before, see %s", record["alpha"], run.folder.path / RECORD)
        return with_alpha(config, float(record["alpha"]))
    began = time.monotonic()
    choice, curves = choose_alpha(config, problem, run)
    seconds = time.monotonic() - began
    if run.is_main:
        for line in told(choice):
            run.say("%s", line)
        write_record(run.folder.path, choice, curves, {"seconds": seconds})
    alpha = on_main(run.accelerator, lambda: choice.alpha)
    run.say("alpha=auto chose %g in %.1f s", alpha, seconds)
    return with_alpha(config, alpha)


def choose_alpha(config: SolveConfig, problem: Problem, run: Run) -> tuple[Choice, list[Curve]]:
    """Try larger alphas until one is worse, each with its share of what trials may cost.

    A run that is too short for that keeps alpha = 1.
    """
    share, trainer = config.auto_alpha.part / _TRIALS, config.trainer
    steps = None if trainer.last_step is None else int(share * trainer.last_step)
    if steps is not None and steps < _LEAST_STEPS:
        return untried(f"trials would cost more than {config.auto_alpha.part:g} of so short a run"), []
    seconds = None if trainer.max_seconds is None else share * trainer.max_seconds
    made: list[Curve] = []

    def trial(alpha: float) -> Curve:
        # The first one says how many steps there is time for; the others get as many.
        limits = (steps, seconds) if not made else (int(made[0].steps[-1]), None)
        made.append(_trial(with_alpha(config, alpha), problem, run, *limits))
        return made[-1]

    curves = try_in_turn(trial, config.auto_alpha.candidates, _TOLERANCE, lambda tried: tried < _TRIALS)
    if curves[0].diverged:
        raise Diverged("alpha = 1 diverges in the trials of alpha=auto; try a smaller trainer.optimizer.lr")
    if curves[0].steps[-1] < _LEAST_STEPS:
        return untried(f"there was time for {curves[0].steps[-1]:g} steps only"), []
    return choose(curves, _TOLERANCE), curves


def with_alpha(config: SolveConfig, alpha: float) -> SolveConfig:
    """The configuration with another ``method.alpha``."""
    return replace(config, method=replace(config.method, alpha=alpha))


def _trial(
    config: SolveConfig, problem: Problem, run: Run, steps: int | None, seconds: float | None
) -> Curve:
    """Descent on the first time window; scores are -10 log10 of the unbalanced loss at unseen points."""
    objective = make_objective(config, time_windows(problem, config.windows.count)[0])
    parts = micro_batches(config, objective, run.accelerator)
    settings = replace(
        config.trainer, max_steps=steps, max_seconds=seconds, accumulate=parts, compile=False,
        evaluate_every=0 if steps is None else max(1, steps // _LOOKS),
        evaluate_seconds=0.0 if seconds is None else seconds / _LOOKS,
    )  # fmt: skip
    curve = Curve(config.method.alpha, averaged=1)

    def batch(micro_step: int, rank: int, world: int) -> Batch:
        return objective.batch(micro_step % parts * world + rank, parts * world)

    def look() -> dict[str, float]:
        loss = objective.held_out.score()
        score = math.nan if math.isnan(loss) else -10 * math.log10(max(loss, 1e-300))
        curve.add(trainer.step, score, score)
        return {}

    trainer = Trainer(settings, objective, batch, look, accelerator=run.accelerator, show_progress=False)
    try:
        ended = trainer.fit()
        if not curve.steps or curve.steps[-1] < ended.steps:
            look()
    except Diverged:
        curve.add(trainer.step, math.nan, math.nan)
    run.forget()
    return curve
