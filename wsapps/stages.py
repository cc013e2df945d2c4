"""Optimisation that is not the trainer's loop: quasi-Newton or Levenberg-Marquardt on a frozen global batch.

Gradient descent first and this afterwards make one resumable run with one history::

    trainer = Trainer(
        config.trainer, objective, batch, checkpoints=folder.checkpoints, accelerator=accelerator
    )
    trained = trainer.fit()
    stage = QuasiNewtonStage(
        config.quasi_newton, objective, frozen_batch, score=held_out_residual,
        checkpoints=folder.path / "quasi_newton", accelerator=accelerator,
        history=trainer.history, step=trained.steps, seconds=trained.seconds,
    )
    result = stage.fit()

A second start finds the trainer's last checkpoint, so that its ``fit`` returns at once, and after it the
stage's own. The objective is the same module; where more than about six digits are wanted, its parameters
should be float64.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from wsapps.accelerator import make_accelerator, on_main
from wsapps.clock import Agreement, TrainingClock, agree
from wsapps.errors import UserError
from wsapps.finite import Diverged
from wsapps.history import History
from wsapps.interrupt import InterruptWatch, stop_for
from wsapps.minimizers import make_minimizer
from wsapps.module_state import copy_into
from wsapps.objective import Batch, Objective
from wsapps.progress import Progress
from wsapps.quasi_newton.config import QuasiNewtonConfig
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps.quasi_newton.minimizer import Step
from wsapps.quasi_newton.stage_state import StageState, load_stage, save_stage, snapshot
from wsapps.seeding import seed_global
from wsapps.trainer import Evaluate, FitResult

FrozenBatch = Callable[[int, int, int], Sequence[Batch]]  # (refresh, rank, world) -> micro-batches
Score = Callable[[], float]
_log = logging.getLogger("wsapps")


class QuasiNewtonStage:
    """Minimises an :class:`~wsapps.objective.Objective` over all its trainable parameters, as one vector.

    Value and gradient are sums over the micro-batches of all ranks, divided by the count of all. The batch
    stays the same for ``refresh_every`` steps, or for all.

    Args:
        config: the settings.
        objective: trained in place; its ``before_step`` and ``after_step`` are not called.
        batch: ``batch(refresh, rank, world)`` returns the micro-batches of this rank, as many on every rank,
            for the refresh of that number, from 0. It may depend on the objective as it is at that moment
            (points where the residual is large), write its buffers (loss weights), and compute with the
            other ranks; on nothing else: a resumed run puts the objective into that state and asks again.
        score: a figure to be low, such as the residual at held-out points; asked for at the beginning, before
            every refresh and at the end. With ``keep_best`` the stage ends with the parameters and buffers
            of the lowest one.
        evaluate: as the trainer's.
        checkpoints: folder of the stage's own checkpoints; None keeps everything in memory.
        tensorboard: folder of TensorBoard events; None writes none.
        accelerator: by default one made here. Without autocast.
        history, step, seconds: what was done before, continued by the stage.

    Raises:
        UserError: the newest checkpoint belongs to something else (the objective is as it was); autocast.
    """

    def __init__(
        self,
        config: QuasiNewtonConfig,
        objective: Objective,
        batch: FrozenBatch,
        score: Score | None = None,
        evaluate: Evaluate | None = None,
        checkpoints: Path | None = None,
        tensorboard: Path | None = None,
        accelerator: Accelerator | None = None,
        history: Sequence[Mapping[str, float]] = (),
        step: int = 0,
        seconds: float = 0.0,
        show_progress: bool = True,
    ):
        self.config, self.objective, self.batch = config, objective, batch
        self.score, self.evaluate, self.checkpoints = score, evaluate, checkpoints
        self._warned = False
        self.accelerator = accelerator or make_accelerator()
        if self.accelerator.mixed_precision != "no":
            raise UserError(
                f"trainer.mixed_precision={self.accelerator.mixed_precision}: quasi-Newton steps need the "
                "parameters' own precision; choose no"
            )
        objective.to(self.accelerator.device)
        self._function = FrozenObjective(self.accelerator, objective, config.seed)
        self.minimizer = make_minimizer(config, self._function, objective, self.accelerator)
        past = [dict(entry) for entry in history]
        seconds = on_main(self.accelerator, lambda: seconds)  # each rank has a clock of its own
        self._state = StageState(step, seconds, seconds, history=past)
        loaded = load_stage(self.accelerator, checkpoints, self._state, objective, self.minimizer)
        self._new, self._state = loaded is None, loaded or self._state
        self._saved_step = None if self._new else self.step
        self.clock = TrainingClock(self._state.seconds)
        is_main = self.accelerator.is_main_process
        self._history = History(self._state.history, tensorboard, self.step, is_main)
        self._progress = Progress(
            config.last_step, config.max_seconds, show_progress and is_main, f"{self.minimizer.method} "
        )
        self._last_save = time.monotonic()
        if config.compile:
            objective.compile_()

    @property
    def step(self) -> int:
        """Steps done, those before the stage included."""
        return self._state.first_step + self.minimizer.steps

    @property
    def history(self) -> list[dict[str, float]]:
        """What was logged and evaluated, with ``step`` and ``seconds``, before the stage too."""
        return self._history.entries

    @property
    def best(self) -> tuple[int, float] | None:
        """Step and value of the lowest score."""
        return (
            (self._state.first_step + self._state.best_at, self._state.best_score)
            if self._state.best
            else None
        )

    def fit(self) -> FitResult:
        """Minimise until a limit, or until there is nothing more to gain; go on from the newest checkpoint.

        Raises:
            Diverged: the loss is not finite where the stage or a new batch begins; the last checkpoint stays.
            Interrupted: SIGINT or SIGTERM; the state has been saved first.
            UserError: the checkpoints cannot be written.
        """
        now = Agreement(self.clock.seconds)
        self._last_save = time.monotonic()
        with InterruptWatch() as interrupts:
            try:
                self.clock.start()
                self._begin()
                while not (reason := self._limit(now)):
                    if self._refresh_due():
                        self._refresh()
                    if reason := self.minimizer.finished:
                        break
                    step = self.minimizer.step()
                    now = self._agree(interrupts.received)
                    self._act(step, now)
                self._score()
                self.clock.pause()
                self.save()
                now = self._agree(interrupts.received)  # a signal may have come since the last step
                stop_for(now.signal, self.checkpoints)
                self._end(reason)
            finally:
                self._progress.close()
                self._history.close()
        return FitResult(self.step, self.clock.seconds, self._history.figures)

    def save(self) -> None:
        """Write a checkpoint; raises UserError on all ranks where that fails."""
        self._function.assign(self.minimizer.x)
        if self.checkpoints is not None:
            self._state.seconds, self._state.history = self.clock.read(), self.history
            save_stage(self.accelerator, self.checkpoints, self._state, self.objective, self.minimizer)
            self._saved_step = self.step
        self._last_save = time.monotonic()

    def _begin(self) -> None:
        """Take the batch: the first one, or the one in use when the checkpoint was written."""
        if self._new:
            self._take_batch(keep_inverse=True)
            self._new = False
            self._score()
            return
        current = snapshot(self.objective)
        copy_into(self.objective, self._state.refreshed, "the state at the last refresh")
        self._freeze()
        copy_into(self.objective, current, "the present state")
        if self._evaluation_step() and self._state.evaluated_at != self.minimizer.steps:
            self._evaluate()  # a signal came between this step and its evaluation

    def _refresh_due(self) -> bool:
        """After so many steps, or as soon as the present batch has no more to give."""
        since, every = self.minimizer.steps - self._state.refreshed_at, self.config.refresh_every
        return every > 0 and since > 0 and (since >= every or bool(self.minimizer.finished))

    def _refresh(self) -> None:
        self._score()
        self._state.refresh += 1
        self._state.refreshed_at = self.minimizer.steps
        self._function.assign(self.minimizer.x)
        self._take_batch(self.config.keep_inverse)

    def _take_batch(self, keep_inverse: bool) -> None:
        self._state.refreshed = snapshot(self.objective)
        self._freeze()
        self.minimizer.start(keep_inverse)
        if math.isfinite(self.minimizer.value) and math.isfinite(self.minimizer.norm):
            return
        kept = "nothing was saved"
        if self._saved_step is not None:
            kept = f"the last good state, of step {self._saved_step}, is kept in {self.checkpoints}"
        self._function.terms(self.minimizer.x, self.minimizer.gradient)
        bad = " and ".join(self._function.bad_terms()[:3]) or "the loss"
        raise Diverged(f"step {self.step}: {bad} is NaN or infinite on batch {self._state.refresh}; {kept}")

    def _freeze(self) -> None:
        accelerator, number = self.accelerator, self._state.refresh
        seed_global(self.config.seed, "batch", number, accelerator.process_index)
        batches = self.batch(number, accelerator.process_index, accelerator.num_processes)
        self._function.freeze(batches, number)

    def _limit(self, now: Agreement) -> str:
        config, seconds = self.config, now.seconds - self._state.first_seconds
        if config.last_step is not None and self.minimizer.steps >= config.last_step:
            return f"{self.minimizer.steps} steps are done"
        if config.max_seconds is not None and seconds >= config.max_seconds:
            return f"{seconds:.1f} s are over"
        return ""

    def _agree(self, signal: int) -> Agreement:
        config, seconds = self.config, self.clock.read()
        since_evaluation = seconds - max(self._state.evaluated_seconds, self._state.first_seconds)
        return agree(
            self.accelerator,
            seconds,
            signal,
            save_due=time.monotonic() - self._last_save >= config.checkpoint_seconds,
            evaluate_due=0 < config.evaluate_seconds <= since_evaluation,
        )

    def _act(self, step: Step, now: Agreement) -> None:
        """Do what is due after a step: by its number, or by what the ranks agreed on."""
        if step.accepted and (self.minimizer.steps % self.config.log_every == 0 or self._evaluation_step()):
            self._look(step)
        own_seconds = now.seconds - self._state.first_seconds
        self._progress.update(self.minimizer.steps, own_seconds, self._history.figures)
        if now.signal:
            self.clock.pause()
            self.save()
            stop_for(now.signal, self.checkpoints)
        if now.evaluate_due or (step.accepted and self._evaluation_step()):
            self._evaluate()
        if now.save_due and self.checkpoints is not None:
            self.clock.pause()
            self.save()
            self.clock.start()

    def _look(self, step: Step) -> None:
        """Log an accepted step; the length along its direction goes where the trainer has its rate."""
        minimizer = self.minimizer
        terms = self._function.terms(minimizer.x, minimizer.gradient)
        figures = {"loss": minimizer.value, **self.objective.metrics(terms), "gradient_norm": minimizer.norm}
        self._history.add_training(self.step, self.clock.read(), figures, step.length)

    def _evaluation_step(self) -> bool:
        every, steps = self.config.evaluate_every, self.minimizer.steps
        return self.evaluate is not None and every > 0 and steps > 0 and steps % every == 0

    def _evaluate(self) -> None:
        if self.evaluate is not None:
            self._state.evaluated_at, self._state.evaluated_seconds = self.minimizer.steps, self.clock.read()
            self._outside(self.evaluate)

    def _score(self) -> None:
        """Ask for the score, once a step, and keep the best."""
        state, score = self._state, self.score
        if score is None or state.scored_at == self.minimizer.steps:
            return
        state.scored_at = self.minimizer.steps

        def named() -> dict[str, float]:
            seed_global(self.config.seed, "score")
            value = self.minimizer.x.new_tensor([float(score())])
            return {"score": self._function.from_first(value).item()}

        value = self._outside(named)["score"]
        if not math.isfinite(value) and not self._warned and self.accelerator.is_main_process:
            _log.warning(
                "warning: step %d: the score became NaN or infinite, at points that are not trained on; of "
                "all steps the best before is kept", self.step,
            )  # fmt: skip
        self._warned |= not math.isfinite(value)
        if value < state.best_score:
            state.best_score, state.best_at = value, self.minimizer.steps
            state.best = snapshot(self.objective)

    def _outside(self, ask: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Something about the objective as it is now, without gradients; not training time."""
        self.clock.pause()
        self._progress.clear()
        self._function.assign(self.minimizer.x)
        self.objective.eval()
        with torch.no_grad():
            results = ask()
        self._history.add_evaluation(self.step, self.clock.seconds, results)
        self.clock.start()
        return results

    def _end(self, reason: str) -> None:
        """Say why it ended, and put the best parameters in."""
        steps, evaluations = self.minimizer.steps, self.minimizer.evaluations
        if self.accelerator.is_main_process:
            method = self.minimizer.method
            _log.info("%s: %d steps, %d evaluations; ended as %s", method, steps, evaluations, reason)
        if self.config.keep_best and self.best is not None:
            copy_into(self.objective, self._state.best, "the best state")
            if self.accelerator.is_main_process:
                _log.info("the parameters are those of step %d, with the lowest score %.4g", *self.best)
