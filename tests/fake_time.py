"""Time that goes on only where a test says so: what a slow machine takes long for changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from noisy_objective import ragged_batch

from wsapps.trainer import BatchSource


class FakeTime:
    """The clock of training, of which a test may put others on it.

    Args:
        a_reading: seconds that it goes on by with each reading of the clock of training.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, a_reading: float = 0.0):
        self.now, self._a_reading = 1000.0, a_reading
        self._patch = monkeypatch
        self.instead_of("wsapps.clock.time", self._read)

    def instead_of(self, name: str, read: Callable[[], float] | None = None) -> None:
        """Let the module that is named ``name`` have this time, for ``time``."""
        self._patch.setattr(name, SimpleNamespace(monotonic=read or (lambda: self.now)))

    def _read(self) -> float:
        self.now += self._a_reading
        return self.now

    def batch_of_a_second(self, batch: BatchSource = ragged_batch) -> Any:
        """Batches of which two, a step's micro-batches, take a second."""

        def source(micro_step, rank, world):
            self.now += 0.5
            return batch(micro_step, rank, world)

        return source
