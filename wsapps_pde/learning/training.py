"""How a problem is trained: gradient descent, then a quasi-Newton stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from wsapps.accelerator import on_main
from wsapps.objective import Batch
from wsapps.samplers import parts_for
from wsapps.stages import QuasiNewtonStage
from wsapps.trainer import BatchSource, FitResult, Trainer
from wsapps_pde.config import SolveConfig, descent_config, quasi_newton_config
from wsapps_pde.learning.moving import MovingObjective

_CPU_PART = 2**15  # points of a micro-batch on a CPU: for memory; smaller ones made steps slower
_LEAST_PART = 0.1  # of max_seconds, what training gets however long it took to compile


@dataclass(frozen=True)
class Trained:
    """How training ended, and its learning curve."""

    result: FitResult
    history: Sequence[Mapping[str, float]]


def train(
    config: SolveConfig, objective: MovingObjective, accelerator: Accelerator, folder: Path, tensorboard: Path
) -> Trained:
    """Train a problem's unknowns, and continue what is there.

    Args:
        folder: of checkpoints, ``checkpoint`` and ``quasi_newton``.
        tensorboard: folder of its events.

    Raises:
        Diverged, Interrupted, UserError: as the trainer and the stage do.
    """
    config = replace(config, stages=config.stages.suited(objective))
    parts = micro_batches(config, objective, accelerator)
    if not config.trainer.compile:
        return _train(config, objective, accelerator, folder, tensorboard, parts)
    spent = _compiled(objective, accelerator, parts)
    trained = _train(_after(config, spent), objective, accelerator, folder, tensorboard, parts)
    result = replace(trained.result, seconds=trained.result.seconds + spent)
    return Trained(result, [{**each, "seconds": each["seconds"] + spent} for each in trained.history])


def micro_batches(config: SolveConfig, objective: MovingObjective, accelerator: Accelerator) -> int:
    """Into how many parts a step is divided: as configured, or for memory."""
    if config.trainer.accumulate > 1:
        return config.trainer.accumulate
    most = max(len(points) for points in objective.points)  # measurements may be many
    return parts_for(most, accelerator.device, _CPU_PART)


def batches(objective: MovingObjective, parts: int) -> BatchSource:
    """The objective's points, of which each of so many micro-batches a step, and each rank, has its own."""

    def batch(micro_step: int, rank: int, world: int) -> Batch:
        return objective.batch(micro_step % parts * world + rank, parts * world)

    return batch


def _compiled(objective: MovingObjective, accelerator: Accelerator, parts: int) -> float:
    """Compile the loss and its gradient by a first call, and return the seconds that it took.

    Otherwise the time would be gradient descent's, whose part of a short run is less than it.
    """
    began = time.monotonic()
    objective.to(accelerator.device).train().compile_()
    batch = objective.batch(accelerator.process_index, parts * accelerator.num_processes)
    objective(batch)["loss_sum"].backward()
    objective.zero_grad(set_to_none=True)
    return on_main(accelerator, lambda: time.monotonic() - began)


def _after(config: SolveConfig, spent: float) -> SolveConfig:
    """The configuration of what is left of the time, with nothing more to compile."""
    trainer = replace(config.trainer, compile=False)
    if trainer.max_seconds is not None:
        trainer = replace(
            trainer, max_seconds=max(trainer.max_seconds - spent, _LEAST_PART * trainer.max_seconds)
        )
    return replace(config, trainer=trainer)


def _train(
    config: SolveConfig,
    objective: MovingObjective,
    accelerator: Accelerator,
    folder: Path,
    tensorboard: Path,
    parts: int,
) -> Trained:
    result, history = FitResult(0, 0.0, {}), []
    descent = descent_config(config)
    if descent is not None:
        trainer = Trainer(
            replace(descent, accumulate=parts), objective, batches(objective, parts),
            checkpoints=folder / "checkpoint", tensorboard=tensorboard, accelerator=accelerator,
        )  # fmt: skip
        result, history = trainer.fit(), trainer.history
    # Each rank has a clock of its own, and all must know alike whether there is a stage.
    seconds = on_main(accelerator, lambda: result.seconds)
    stage_config = quasi_newton_config(config, result.steps, seconds)
    if stage_config is not None:
        frozen = _frozen(objective, parts, result.steps == 0)
        stage = QuasiNewtonStage(
            stage_config, objective, frozen, score=objective.noted_score,
            checkpoints=folder / "quasi_newton", tensorboard=tensorboard,
            accelerator=accelerator, history=history, step=result.steps, seconds=seconds,
        )  # fmt: skip
        result, history = stage.fit(), stage.history
    return Trained(result, history)


def _frozen(objective: MovingObjective, parts: int, first: bool) -> Callable[[int, int, int], list[Batch]]:
    """The stage's batches: new points, balanced anew, at every refresh; ``first``: nothing was before."""

    def frozen(refresh: int, rank: int, world: int) -> list[Batch]:
        objective.refresh(refresh, first=first and refresh == 0)
        return [objective.batch(part * world + rank, parts * world) for part in range(parts)]

    return frozen
