"""The one gradient-descent loop, on Accelerate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch import Tensor

from wsapps.accelerator import make_accelerator, prepare
from wsapps.clock import Agreement, TrainingClock, agree
from wsapps.finite import Diverged, FiniteWatch, not_finite
from wsapps.gradient import accumulate_gradient
from wsapps.history import History
from wsapps.interrupt import InterruptWatch, stop_for
from wsapps.objective import Batch, Objective
from wsapps.optimizer import make_optimizer, set_rates
from wsapps.progress import Progress
from wsapps.seeding import seed_global
from wsapps.trainer_config import TrainerConfig
from wsapps.training_state import RunState, load_training, save_training

BatchSource = Callable[[int, int, int], Batch]  # (step, rank, world) -> dict of tensors
Evaluate = Callable[[], Mapping[str, Any]]  # name -> number, or picture (H, W, 3) in [0, 1]


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
        batch: ``batch(micro_step, rank, world)`` returns a dict of tensors, which are moved to the device
            if they are not there. ``micro_step`` counts micro-batches: ``step * accumulate + i``. It is to
            depend on its arguments alone, so that resuming and the number of ranks change nothing: draw
            from ``wsapps.seeding.generator(seed, name, micro_step, rank)``. Torch's global generator also
            does, being seeded from (seed, step, rank) before the batches of a step are drawn; a DataLoader's
            iterator does not, see :class:`~wsapps.loader.LoaderBatches`.
        evaluate: called without gradients on all ranks, with the objective in eval mode, when due; returns
            numbers and pictures ``(H, W, 3)``, which go to TensorBoard. Its time is not training time.
        checkpoints: folder of checkpoints; None keeps everything in memory. The newest valid one there
            is continued. Only the first rank reads and writes it.
        tensorboard: folder of TensorBoard events; None writes none.
        accelerator: by default one made from the config.
        schedule: of whose run this is a part, which its learning rate follows; the config itself by default.

    Raises:
        UserError: the newest checkpoint belongs to something else; the objective is as it was.
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
        schedule: TrainerConfig | None = None,
    ):
        self.schedule = schedule or config
        self.config, self.objective, self.batch, self.evaluate = config, objective, batch, evaluate
        self.checkpoints = checkpoints
        self.accelerator = accelerator or make_accelerator(config.mixed_precision)
        objective.to(self.accelerator.device)
        self.optimizer = make_optimizer(config.optimizer, objective)
        run = load_training(self.accelerator, checkpoints, objective, self.optimizer)
        self.step, self._saved_step = run.step, run.step or None
        self.clock = TrainingClock(run.seconds)
        self._evaluated_step, self._evaluated_seconds = run.evaluated_step, run.evaluated_seconds
        is_main = self.accelerator.is_main_process
        self._history = History(run.history, tensorboard, run.step, is_main)
        self._progress = Progress(config.last_step, config.max_seconds, show_progress and is_main)
        self._totals: Mapping[str, Tensor] | None = None  # of the last step, until they are looked at
        self._watch = FiniteWatch()
        self._last_save = time.monotonic()
        if config.compile:  # before DDP wraps it, whose hooks then stay outside the compiled graph
            objective.compile_()
        self._model, self._wrapped_optimizer = prepare(self.accelerator, objective, self.optimizer)

    @property
    def history(self) -> list[dict[str, float]]:
        """What was logged and evaluated, with ``step`` and ``seconds``, for learning curves."""
        return self._history.entries

    @property
    def figures(self) -> dict[str, float]:
        """The last value of every figure."""
        return self._history.figures

    def fit(self) -> FitResult:
        """Train until ``last_step`` or ``max_seconds``, from where the newest checkpoint stands.

        Raises:
            Diverged: a term of the loss became NaN or infinite; the last good checkpoint stays.
            Interrupted: SIGINT or SIGTERM; the state has been saved first.
            UserError: the checkpoints cannot be written.
        """
        now, config = Agreement(self.clock.seconds), self.config
        self._last_save = time.monotonic()
        with InterruptWatch() as interrupts:
            try:
                self.clock.start()
                if self._evaluated_step != self.step and self._evaluation_step():
                    self._evaluate()  # a signal came between this step and its evaluation
                while config.part_done(self.step, now.seconds) < 1:
                    self._train_step(now)
                    now = (
                        self._agree(interrupts.received) if self._agreement_due() else Agreement(now.seconds)
                    )
                    self._act(now)
                self._look()
                self.clock.pause()
                self.save()
                now = self._agree(interrupts.received)  # a signal may have come since the last step
                stop_for(now.signal, self.checkpoints)
            finally:
                self._progress.close()
                self._history.close()
        return FitResult(self.step, self.clock.seconds, self.figures)

    def save(self) -> None:
        """Write a checkpoint, after making sure that the state is finite.

        Raises:
            Diverged: it is not; nothing is written.
            UserError: it cannot be written, on all ranks.
        """
        self._check()
        if bad := not_finite(self.objective.named_parameters()):
            raise self._diverged(f"step {self.step - 1}: {' and '.join(bad[:3])} became NaN or infinite")
        if self.checkpoints is not None:
            run = RunState(
                self.step, self.clock.read(), self._evaluated_step, self._evaluated_seconds, self.history
            )
            save_training(self.accelerator, self.checkpoints, run, self.objective, self.optimizer)
            self._saved_step = self.step
        self._last_save = time.monotonic()

    def _train_step(self, now: Agreement) -> None:
        config, accelerator = self.config, self.accelerator
        self.objective.train()
        part = self.schedule.part_done(self.step, now.seconds)
        set_rates(self.optimizer, config.optimizer, self.step, part)
        seed_global(config.seed, "before_step", self.step)
        self.objective.before_step(self.step)
        batches = self._batches()
        seed_global(config.seed, "forward", self.step, accelerator.process_index)
        self._wrapped_optimizer.zero_grad(set_to_none=True)
        totals = accumulate_gradient(accelerator, self._model, batches)
        watched = {**totals, "1 / count": 1 / totals["count"]}
        if config.optimizer.clip_norm > 0:
            norm = accelerator.clip_grad_norm_(self._model.parameters(), config.optimizer.clip_norm)
            if accelerator.scaler is None and norm is not None:  # fp16 scaling overflows now and then
                watched["gradient norm"] = norm.to(totals["count"])
        self._wrapped_optimizer.step()
        self._watch.note(self.step, watched)
        if accelerator.scaler is not None:  # it has read this back from the device anyway
            self._watch.note_overflow(self.step, self._wrapped_optimizer.step_was_skipped)
        self.objective.after_step(self.step, totals)
        self._totals = totals
        self.step += 1

    def _batches(self) -> list[Batch]:
        """The micro-batches of the step, on the device."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        seed_global(self.config.seed, "batch", self.step, rank)
        first = self.step * self.config.accumulate
        micro_steps = range(first, first + self.config.accumulate)
        return [send_to_device(self.batch(i, rank, world), self.accelerator.device) for i in micro_steps]

    def _agreement_due(self) -> bool:
        one_rank = self.accelerator.num_processes == 1
        return one_rank or self.step % self.config.agree_every == 0 or self.step == self.config.last_step

    def _evaluation_step(self) -> bool:
        every = self.config.evaluate_every
        return self.evaluate is not None and every > 0 and self.step > 0 and self.step % every == 0

    def _agree(self, signal: int) -> Agreement:
        config, seconds = self.config, self.clock.read()
        return agree(
            self.accelerator,
            seconds,
            signal,
            save_due=time.monotonic() - self._last_save >= config.checkpoint_seconds,
            evaluate_due=0 < config.evaluate_seconds <= seconds - self._evaluated_seconds,
        )

    def _act(self, now: Agreement) -> None:
        """Do what is due after a step: by the step's number, or by what the ranks agreed on."""
        if self.step % self.config.log_every == 0 or self._evaluation_step():
            self._look()
        self._progress.update(self.step, now.seconds, self.figures)
        if now.signal:
            self._pause()
            self.save()
            stop_for(now.signal, self.checkpoints)
        if now.evaluate_due or self._evaluation_step():
            self._evaluate()
        if now.save_due and self.checkpoints is not None:
            self._pause()
            self.save()
            self.clock.start()

    def _pause(self) -> None:
        """Stop the clock, once the device has done what was asked of it."""
        self._check()
        self.clock.pause()

    def _look(self) -> None:
        """Read the step's scalars back from the device, once: check, log, remember."""
        self._check()
        if self._totals is None:
            return
        values = torch.stack(list(self._totals.values())).tolist()
        totals = dict(zip(self._totals, values, strict=True))
        self._totals = None
        figures = {"loss": totals["loss_sum"] / totals["count"], **self.objective.metrics(totals)}
        self._history.add_training(
            self.step, self.clock.read(), figures, self.optimizer.param_groups[0]["lr"]
        )

    def _evaluate(self) -> None:
        if self.evaluate is None:
            return
        self._look()
        self.clock.pause()
        self._progress.clear()
        self._evaluated_step, self._evaluated_seconds = self.step, self.clock.seconds
        self.objective.eval()
        with torch.no_grad():
            results = self.evaluate()
        self._history.add_evaluation(self.step, self.clock.seconds, results)
        self.clock.start()

    def _check(self) -> None:
        try:
            self._watch.check()
        except Diverged as error:
            raise self._diverged(str(error)) from None

    def _diverged(self, what: str) -> Diverged:
        kept = "nothing was saved"
        if self._saved_step is not None:
            kept = f"the last good state, of step {self._saved_step}, is kept in {self.checkpoints}"
        return Diverged(f"{what}; {kept}; try a smaller trainer.optimizer.lr or alpha")
