"""Settings of the trainer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps.optimizer import OptimizerConfig
from wsapps.run_limits import check_limits, last_step

_MOST_THREADS = 1024  # OpenMP crashes on very many


@dataclass
class TrainerConfig:
    """Settings of the :class:`Trainer`; they mean the same in every application.

    A run ends at ``max_steps`` or ``max_seconds``, whichever comes first. Where neither is given it takes
    ``default_steps``, which an application's own file sets: whoever asks for 900 seconds gets 900, and
    not the steps that its authors thought usual.
    """

    max_steps: int | None = doc("stop after this many steps", default=None)
    max_seconds: float | None = doc("stop after this much training time", default=None, unit="s")
    default_steps: int | None = doc("max_steps, where neither it nor max_seconds is given", default=None)
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
        at_least_one(self, "accumulate", "log_every", "agree_every")
        if not 0 <= self.num_threads <= _MOST_THREADS:
            raise ValueError(f"num_threads must be 0 to {_MOST_THREADS}, got {self.num_threads}")
        not_negative(self, "evaluate_every", "evaluate_seconds", "checkpoint_seconds")
        check_limits(self, "run")

    @property
    def last_step(self) -> int | None:
        """Steps after which a run ends: max_steps; default_steps where no limit was given; or None."""
        return last_step(self)

    def part_done(self, step: int, seconds: float) -> float:
        """Part of the run that is done, by steps or by time, whichever limit is nearer; 1 at the end."""
        parts = [(step, self.last_step), (seconds, self.max_seconds)]
        return max(done / limit for done, limit in parts if limit is not None)
