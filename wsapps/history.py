"""The figures of a run: remembered for learning curves, logged, and given to TensorBoard."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from torch import Tensor

from wsapps.tracking import Tracker

_log = logging.getLogger("wsapps")

Entry = dict[str, float]


def is_entry(entry: Any) -> bool:
    """Whether what was read from a checkpoint is one."""
    return (
        isinstance(entry, Mapping)
        and {"step", "seconds"} <= entry.keys()
        and all(isinstance(value, (int, float)) for value in entry.values())
    )


class History:
    """What was logged and evaluated, a dict with ``step`` and ``seconds`` an entry.

    Every rank remembers; only the first one logs and writes events.

    Args:
        entries: of the run so far, when it is continued.
        tensorboard: folder of events, or None.
        step: where the run stands.
        is_main: whether this is the first rank.
    """

    def __init__(self, entries: Sequence[Entry], tensorboard: Path | None, step: int, is_main: bool):
        self.entries = [dict(entry) for entry in entries]
        self.figures: dict[str, float] = {}  # the last value of each
        for entry in self.entries:
            self._note(entry)
        self._is_main = is_main
        self._tracker = Tracker(tensorboard if is_main else None, step)

    def add_training(self, step: int, seconds: float, figures: Mapping[str, float], rate: float) -> None:
        """Figures of a training step, and its learning rate."""
        self._remember(step, seconds, figures)
        self._tracker.scalars({f"train/{name}": value for name, value in figures.items()}, step)
        self._tracker.scalars({"train/lr": rate, "train/seconds": seconds}, step)
        if self._is_main:
            shown = ", ".join(f"{name} {value:.5g}" for name, value in figures.items())
            _log.debug("step %d, %.1f s: %s, lr %.3g", step, seconds, shown, rate)

    def add_evaluation(self, step: int, seconds: float, results: Mapping[str, Any]) -> None:
        """Results of an evaluation: numbers (also 0-dimensional tensors), and pictures ``(H, W, 3)``."""
        numbers = {name: float(value) for name, value in results.items() if _is_number(value)}
        pictures = {name: value for name, value in results.items() if name not in numbers}
        self._remember(step, seconds, numbers)
        self._tracker.scalars(numbers, step)
        self._tracker.pictures(pictures, step)
        if self._is_main:
            shown = ", ".join(f"{name} {_shown(value)}" for name, value in numbers.items())
            _log.info("step %d, %.1f s of training: %s", step, seconds, shown)

    def close(self) -> None:
        self._tracker.close()

    def _remember(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        self.entries.append({"step": step, "seconds": seconds, **figures})
        self._note(figures)

    def _note(self, figures: Mapping[str, float]) -> None:
        self.figures |= {name: value for name, value in figures.items() if name not in ("step", "seconds")}


def _shown(value: float) -> str:
    """Four decimals, or four digits of what would be lost by that."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.1 else f"{value:.4g}"


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) or (isinstance(value, Tensor) and value.dim() == 0)
