"""A small command as applications write it, for tests/test_command.py: ``small_command.py WHAT FOLDER``.

It says "training" on stdout when its third step begins.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from noisy_objective import make_trainer, ragged_batch

from wsapps.command import log_to_file, run_command
from wsapps.objective import Batch


def body(arguments: Sequence[str]) -> None:
    what, folder = arguments[0], Path(arguments[1])
    log_to_file(folder / "log.txt")

    def batch(micro_step: int, rank: int, world: int) -> Batch:
        if micro_step == 4:
            print("training", flush=True)
        if what == "stuck" and micro_step >= 4:
            wait_for_a_second_signal()
        return ragged_batch(micro_step, rank, world)

    make_trainer(folder / "checkpoint", batch, max_steps=None, max_seconds=600.0).fit()


def wait_for_a_second_signal() -> None:
    """A step that never ends; says "noted" when the first signal has been."""
    watch = signal.getsignal(signal.SIGINT).__self__
    while not watch.received:
        time.sleep(0.01)
    print("noted", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    sys.exit(run_command(body))
