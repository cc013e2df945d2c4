"""The one gradient-descent loop, on Accelerate."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor

from wsapps import checkpoint
from wsapps.accelerator import make_accelerator
from wsapps.clock import Agreement, TrainingClock, agree
from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.finite import Diverged, FiniteWatch
from wsapps.gradient import accumulate_gradient
from wsapps.interrupt import Interrupted, InterruptWatch
from wsapps.objective import Batch, Objective
from wsapps.optimizer import OptimizerConfig, learning_rate, make_optimizer, set_learning_rate
from wsapps.progress import Progress
from wsapps.seeding import seed_global
from wsapps.tracking import Tracker

_log = logging.getLogger("wsapps")

BatchSource = Callable[[int, int, int], Batch]  # (step, rank, world) -> dict of tensors
Evaluate = Callable[[], Mapping[str, Any]]  # name -> number, or picture (H, W, 3) in [0, 1]


@dataclass
class TrainerConfig:
    """Settings of the :class:`Trainer`; they mean the same in every application."""

    max_steps: int | None = doc("stop after this many steps", default=None)
    max_seconds: float | None = doc("stop after this much training time", default=None, unit="s")
    seed: int = doc("seed of everything that is drawn", default=0)
    accumulate: int = doc("micro-batches a step", default=1)
    mixed_precision: Literal["no", "bf16", "fp16"] = doc("autocast precision", default="no")
    compile: bool = doc("compile the objective with torch.compile", default=False)
    num_threads: int = doc("CPU threads a rank; 0 shares the cores among the ranks", default=0)
    log_every: int = doc("steps between log lines, TensorBoard points and NaN checks", default=50)
    evaluate_every: int = doc("steps between evaluations, 0 for none", default=0)
    evaluate_seconds: float = doc("training time between evaluations, 0 for none", default=0.0, unit="s")
    checkpoint_seconds: float = doc("time between checkpoints", default=60.0, unit="s")
    agree_every: int = doc("steps between agreements of several ranks on time and signals", default=10)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)

    def __post_init__(self) -> None:
        for name in ("accumulate", "log_every", "agree_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("max_steps", "max_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive or null, got {value}")
        if self.max_steps is None and self.max_seconds is None:
            raise ValueError("max_steps and max_seconds are both null: the run would never end")


@dataclass(frozen=True)
class FitResult:
    """How a run ended: steps done, seconds of training, and the last figures."""

    steps: int
    seconds: float
    figures: dict[str, float]


class Trainer:
    """Minimises an :class:`~wsapps.objective.Objective`.

    Args:
        config: the settings.
        objective: what is minimised; it is trained in place.
        batch: ``batch(step, rank, world)`` returns a dict of tensors, drawn from a generator seeded by
            its arguments, so that resuming and the number of ranks change nothing.
        evaluate: called on all ranks with the objective in eval mode, when due; returns numbers and
            pictures ``(H, W, 3)``, which go to TensorBoard.
        checkpoints: folder of checkpoints; None keeps everything in memory. The newest valid one there
            is continued.
        tensorboard: folder of TensorBoard events; None writes none.
        accelerator: by default one made from the config.
    """

    def __init__(
        self,
        config: TrainerConfig,
        objective: Objective,
        batch: BatchSource,
        evaluate: Evaluate | None = None,
        checkpoints: Path | None = None,
        tensorboard: Path | None = None,
        accelerator: Accelerator | None = None,
        show_progress: bool = True,
    ):
        self.config, self.objective, self.batch, self.evaluate = config, objective, batch, evaluate
        self.checkpoints = checkpoints
        self.accelerator = accelerator or make_accelerator(
            config.mixed_precision, objective.find_unused_parameters
        )
        objective.to(self.accelerator.device)
        self.optimizer = make_optimizer(config.optimizer, objective)
        self.step = 0
        self.clock = TrainingClock()
        self.figures: dict[str, float] = {}
        self.history: list[dict[str, float]] = []  # what was logged and evaluated, for learning curves
        self._totals: Mapping[str, Tensor] | None = None
        self.tracker = Tracker(tensorboard if self.accelerator.is_main_process else None)
        self._show_progress = show_progress and self.accelerator.is_main_process
        self._watch = FiniteWatch()
        self._last_save = self._last_evaluation = 0.0
        if checkpoints is not None:
            self._restore(checkpoints)
        if config.compile:
            objective.compile_()
        self._model, self._wrapped_optimizer = self.accelerator.prepare(objective, self.optimizer)

    def fit(self) -> FitResult:
        """Train until ``max_steps`` or ``max_seconds``, from where the newest checkpoint stands.

        Raises:
            Diverged: a term of the loss became NaN or infinite; the last good checkpoint stays.
            Interrupted: SIGINT or SIGTERM; the state has been saved first.
            UserError: the checkpoints cannot be read or written.
        """
        config = self.config
        progress = Progress(config.max_steps, config.max_seconds, self._show_progress)
        now = Agreement(self.clock.seconds)
        self._last_save, self._last_evaluation = time.monotonic(), self.clock.seconds
        with InterruptWatch() as interrupts:
            try:
                self.clock.start()
                while not self._finished(now):
                    self._train_step(now)
                    if self._agreement_due():
                        now = self._agree(interrupts.received)
                        self._act(now, progress)
                self.clock.pause()
                self._look()
                self.save()
            finally:
                progress.close()
                self.tracker.close()
        return FitResult(self.step, self.clock.seconds, dict(self.figures))

    def save(self) -> None:
        """Write a checkpoint, after making sure that the state is finite."""
        self._watch.check()
        if self.checkpoints is not None and self.accelerator.is_main_process:
            checkpoint.save(self.checkpoints, self.step, self._state())
        self.accelerator.wait_for_everyone()
        self._last_save = time.monotonic()

    def _finished(self, now: Agreement) -> bool:
        steps, seconds = self.config.max_steps, self.config.max_seconds
        return (steps is not None and self.step >= steps) or (seconds is not None and now.seconds >= seconds)

    def _progress(self, now: Agreement) -> float:
        """Part of the run done: by steps or by time, whichever limit is nearer."""
        steps, seconds = self.config.max_steps, self.config.max_seconds
        return max(self.step / steps if steps else 0.0, now.seconds / seconds if seconds else 0.0)

    def _train_step(self, now: Agreement) -> None:
        config, accelerator = self.config, self.accelerator
        rank, world = accelerator.process_index, accelerator.num_processes
        self.objective.train()
        set_learning_rate(self.optimizer, learning_rate(config.optimizer, self.step, self._progress(now)))
        seed_global(config.seed, "before_step", self.step)
        self.objective.before_step(self.step)
        first = self.step * config.accumulate
        batches = [self.batch(first + micro, rank, world) for micro in range(config.accumulate)]
        seed_global(config.seed, "forward", self.step, rank)
        self._wrapped_optimizer.zero_grad(set_to_none=True)
        totals = accumulate_gradient(accelerator, self._model, batches)
        watched = dict(totals)
        if config.optimizer.clip_norm > 0:
            norm = accelerator.clip_grad_norm_(self._model.parameters(), config.optimizer.clip_norm)
            if config.mixed_precision != "fp16" and norm is not None:  # fp16 scaling overflows now and then
                watched["gradient norm"] = norm.to(totals["count"])
        self._wrapped_optimizer.step()
        self._watch.note(self.step, watched)
        self.objective.after_step(self.step, totals)
        self._totals = totals
        self.step += 1

    def _agreement_due(self) -> bool:
        one_rank = self.accelerator.num_processes == 1
        return one_rank or self.step % self.config.agree_every == 0 or self.step == self.config.max_steps

    def _agree(self, signal: int) -> Agreement:
        config, seconds = self.config, self.clock.read()
        return agree(
            self.accelerator,
            seconds,
            signal,
            save_due=time.monotonic() - self._last_save >= config.checkpoint_seconds,
            evaluate_due=0 < config.evaluate_seconds <= seconds - self._last_evaluation,
        )

    def _act(self, now: Agreement, progress: Progress) -> None:
        """Do what the ranks agreed is due after a step."""
        config = self.config
        if self.step % config.log_every == 0:
            self._look()
        progress.update(self.step, now.seconds, self.figures)
        if now.signal:
            self.clock.pause()
            self.save()
            raise Interrupted(now.signal, str(self.checkpoints) if self.checkpoints else None)
        due = now.evaluate_due or (config.evaluate_every and self.step % config.evaluate_every == 0)
        if due and self.evaluate is not None:
            self._last_evaluation = now.seconds
            self._evaluate()
        if now.save_due and self.checkpoints is not None:
            self.clock.pause()
            self.save()
            self.clock.start()

    def _look(self) -> None:
        """Read the step's scalars back from the device: check, log, remember."""
        self._watch_or_explain()
        if self._totals is None:
            return
        totals = {name: float(value) for name, value in self._totals.items()}
        figures = {"loss": totals["loss_sum"] / totals["count"], **self.objective.metrics(totals)}
        self._remember(figures)
        rate = self.optimizer.param_groups[0]["lr"]
        self.tracker.scalars({f"train/{name}": value for name, value in figures.items()}, self.step)
        self.tracker.scalars({"train/lr": rate, "train/seconds": self.clock.read()}, self.step)
        if self.accelerator.is_main_process:
            shown = ", ".join(f"{name} {value:.5g}" for name, value in figures.items())
            _log.debug("step %d, %.1f s: %s, lr %.3g", self.step, self.clock.read(), shown, rate)

    def _remember(self, figures: Mapping[str, float]) -> None:
        self.figures |= figures
        self.history.append({"step": self.step, "seconds": self.clock.read(), **figures})

    def _watch_or_explain(self) -> None:
        try:
            self._watch.check()
        except Diverged as error:
            kept = "nothing was saved"
            if self.checkpoints is not None and (latest := checkpoint.load_latest(self.checkpoints)):
                kept = f"the last good state is {latest.path}"
            raise Diverged(f"{error}; {kept}; try a smaller trainer.optimizer.lr or alpha") from None

    def _evaluate(self) -> None:
        self.clock.pause()
        self._look()
        self.objective.eval()
        with torch.no_grad():
            results = self.evaluate() if self.evaluate else {}
        numbers = {name: float(value) for name, value in results.items() if isinstance(value, (int, float))}
        pictures = {name: value for name, value in results.items() if name not in numbers}
        self._remember(numbers)
        self.tracker.scalars(numbers, self.step)
        self.tracker.pictures(pictures, self.step)
        if self.accelerator.is_main_process:
            shown = ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())
            _log.info("step %d, %.1f s of training: %s", self.step, self.clock.seconds, shown)
        self.clock.start()

    def _state(self) -> dict[str, Any]:
        scaler = self.accelerator.scaler
        return {
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "seconds": self.clock.read(),
            "history": self.history,
        }

    def _restore(self, folder: Path) -> None:
        latest = checkpoint.load_latest(folder)
        if latest is None:
            return
        state = latest.state
        if not {"objective", "optimizer", "seconds"} <= state.keys():
            raise UserError(f"{latest.path} is not a checkpoint of a training run; choose another out=")
        checkpoint.copy_into(self.objective, state["objective"], str(latest.path))
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("scaler") and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.step, self.clock.seconds = latest.step, float(state["seconds"])
        self.history = list(state.get("history", []))
        if not math.isfinite(self.clock.seconds):
            raise UserError(f"{latest.path} says {self.clock.seconds} seconds of training; it is damaged")
        if self.accelerator.is_main_process:
            _log.info("continuing from step %d (%.1f s of training)", self.step, self.clock.seconds)
