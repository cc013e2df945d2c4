"""Training to the state that is best on the validation fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from wsapps.objective import Objective
from wsapps.run import Run
from wsapps.trainer import FitResult, Trainer
from wsapps.trainer_config import TrainerConfig
from wsapps_weightspace.learning.batches import FieldBatches
from wsapps_weightspace.learning.best_state import BestState

Figures = dict[str, float]


@dataclass(frozen=True)
class BestResult:
    """How training ended.

    Attributes:
        fit: steps and seconds of the whole training.
        history: what was logged and evaluated.
        kept, kept_step: score and step of the state that the model now has.
        last: figures of the last state, which need not be the best one.
    """

    fit: FitResult
    history: list[dict[str, float]]
    kept: float
    kept_step: int
    last: Figures


def by_epochs(config: TrainerConfig, epochs: float, batches: FieldBatches) -> TrainerConfig:
    """The trainer's settings for a number of epochs, evaluated once an epoch unless otherwise asked for.

    ``max_steps`` and ``max_seconds`` come before ``epochs``.
    """
    an_epoch = max(1, round(batches.steps_per_epoch / config.accumulate))
    every = config.evaluate_every
    if not every and not config.evaluate_seconds:
        every = an_epoch
    return replace(config, default_steps=max(1, round(epochs * an_epoch)), evaluate_every=every)


def train_to_best(
    run: Run,
    config: TrainerConfig,
    objective: Objective,
    batches: FieldBatches,
    evaluate: Callable[[], Figures],
    score: str,
    lowest: bool = False,
    tolerance: Callable[[Figures], float] = lambda _: 0.0,
) -> BestResult:
    """Train in an open run folder, and leave the objective's model in its best state, by a score.

    Args:
        objective: with a ``model`` and its ``best`` state, which is saved with it, so that resuming is exact.
        evaluate: figures of the model as it is, the same on all ranks; called without gradients.
        score: which of them is to be highest, or ``lowest``.
        tolerance: by how much of the score an evaluated state may be worse than the best one and still be
            taken, being later.

    Raises:
        Diverged, Interrupted, UserError: as :meth:`~wsapps.trainer.Trainer.fit`.
    """
    model, best = _parts(objective)
    sign = -1 if lowest else 1

    def evaluate_and_keep() -> Figures:
        figures = evaluate()
        best.offer(model, sign * figures[score], trainer.step, tolerance(figures))
        return figures

    trainer = Trainer(
        config,
        objective,
        batches,
        evaluate_and_keep,
        checkpoints=run.folder.checkpoints,
        tensorboard=run.folder.tensorboard,
        accelerator=run.accelerator,
    )
    result = trainer.fit()
    history = list(trainer.history)
    if not (history and history[-1]["step"] == result.steps and score in history[-1]):
        objective.eval()
        with torch.no_grad():
            figures = evaluate_and_keep()
        history.append({"step": result.steps, "seconds": result.seconds, **figures})
    best.restore(model)
    kept = sign * float(best.score)
    run.say("kept: %s %.4f of step %d of %d", score, kept, int(best.step), result.steps)
    return BestResult(result, history, kept, int(best.step), history[-1])


def _parts(objective: Objective) -> tuple[nn.Module, BestState]:
    model, best = objective.model, objective.best
    if not isinstance(model, nn.Module) or not isinstance(best, BestState):
        raise ValueError(f"{type(objective).__name__} must have a model and its best state")
    return model, best
