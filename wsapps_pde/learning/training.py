"""How a problem is trained: gradient descent, then a quasi-Newton stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from wsapps.accelerator import on_main
from wsapps.objective import Batch
from wsapps.run import Run
from wsapps.samplers import parts_for
from wsapps.stages import QuasiNewtonStage
from wsapps.trainer import FitResult, Trainer
from wsapps_pde.config import SolveConfig, descent_config, quasi_newton_config
from wsapps_pde.moving import MovingObjective

_CPU_PART = 2**15  # points of a micro-batch on a CPU: for memory; smaller ones made steps slower


@dataclass(frozen=True)
class Trained:
    """How training ended, and its learning curve."""

    result: FitResult
    history: Sequence[Mapping[str, float]]


def train(config: SolveConfig, objective: MovingObjective, run: Run) -> Trained:
    """Train a problem's unknowns in an open run folder, and continue what is there.

    Raises:
        Diverged, Interrupted, UserError: as the trainer and the stage do.
    """
    accelerator, folder, parts = run.accelerator, run.folder, config.trainer.accumulate
    if parts == 1:
        parts = parts_for(config.points.interior, accelerator.device, _CPU_PART)
    result, history = FitResult(0, 0.0, {}), []
    descent = descent_config(config)
    if descent is not None:

        def batch(micro_step: int, rank: int, world: int) -> Batch:
            return objective.batch(micro_step % parts * world + rank, parts * world)

        trainer = Trainer(
            replace(descent, accumulate=parts), objective, batch,
            checkpoints=folder.checkpoints, tensorboard=folder.tensorboard, accelerator=accelerator,
        )  # fmt: skip
        result, history = trainer.fit(), trainer.history
    # Each rank has a clock of its own, and all must know alike whether there is a stage.
    seconds = on_main(accelerator, lambda: result.seconds)
    stage_config = quasi_newton_config(config, result.steps, seconds)
    if stage_config is not None:
        frozen = _frozen(objective, parts, result.steps == 0)
        stage = QuasiNewtonStage(
            stage_config, objective, frozen, score=objective.noted_score,
            checkpoints=folder.path / "quasi_newton", tensorboard=folder.tensorboard,
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
