"""What the ranks must agree on before a step: time spent, signals, and what is due."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor


@dataclass(frozen=True)
class Agreement:
    """The same on every rank.

    Attributes:
        seconds: training time so far, evaluation and saving left out; the first rank's clock.
        signal: number of the signal that asks to stop, or 0.
        save_due: the checkpoint cadence has passed.
        evaluate_due: the evaluation cadence in seconds has passed.
    """

    seconds: float = 0.0
    signal: int = 0
    save_due: bool = False
    evaluate_due: bool = False


@dataclass
class TrainingClock:
    """Counts training time, compilation in and pauses out; resumes from ``seconds``."""

    seconds: float = 0.0
    _started: float | None = field(default=None, init=False)

    def start(self) -> None:
        """Go on counting; does nothing while it counts."""
        if self._started is None:
            self._started = time.monotonic()

    def pause(self) -> None:
        """Stop counting."""
        self.seconds = self.read()
        self._started = None

    def read(self) -> float:
        """Seconds so far."""
        return self.seconds + (time.monotonic() - self._started if self._started is not None else 0.0)


def agree(
    accelerator: Accelerator, seconds: float, signal: int, save_due: bool, evaluate_due: bool
) -> Agreement:
    """One small collective: the first rank's clock and cadences, anybody's signal."""
    if accelerator.num_processes == 1:
        return Agreement(seconds, signal, save_due, evaluate_due)
    mine = [0.0, float(signal), 0.0, 0.0]
    if accelerator.is_main_process:
        mine = [seconds, float(signal), float(save_due), float(evaluate_due)]
    gathered = accelerator.gather(torch.tensor([mine], dtype=torch.float32, device=accelerator.device))
    largest = cast(Tensor, gathered).amax(dim=0).tolist()
    return Agreement(largest[0], int(largest[1]), bool(largest[2]), bool(largest[3]))
