"""What tests share: where they compute, and the logging of commands."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from accelerate.state import AcceleratorState

# Tests compute on the CPU, also on a machine with a GPU, in other processes too. Those with on_gpu undo it.
os.environ["ACCELERATE_USE_CPU"] = "true"


@pytest.fixture
def fresh_logging():
    """Each test's stderr is another one, and a command's handlers hold the last one's."""
    logger = logging.getLogger("wsapps")
    logger.handlers.clear()
    yield
    logger.handlers.clear()
    logger.propagate = True


@pytest.fixture
def on_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Accelerate takes the GPU, and in the next test the CPU again."""
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
