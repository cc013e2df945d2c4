"""What the benchmarks of weight space share: commands that can be stopped and called again."""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn


class Pieces:
    """Runs commands one after the other; a finished run folder is not repeated.

    Args:
        seconds: after so many this process ends, in the middle of a command, whose state is saved; None goes
            on to the end.
        apart: each command in a process of its own. Else in this one, which saves the start of many short
            ones; a piece then ends between two of them.
    """

    def __init__(self, seconds: float | None, apart: bool = True):
        self.apart = apart
        self.deadline = None if seconds is None else time.monotonic() + seconds

    def run(self, verb: str, out: Path, settings: Sequence[str]) -> dict[str, float]:
        """The metrics of ``python -m wsapps_weightspace.<verb> out=OUT ...``."""
        if not (out / "metrics.json").is_file():
            self.check()
            arguments = [f"out={out}", *settings]
            code = self._process(verb, arguments) if self.apart else _here(verb, arguments)
            if code:
                sys.exit(code)
        return json.loads((out / "metrics.json").read_text())

    def _process(self, verb: str, arguments: Sequence[str]) -> int:
        process = subprocess.Popen([sys.executable, "-m", f"wsapps_weightspace.{verb}", *arguments])
        try:
            return process.wait(self._left())
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            process.wait()
            self.stop()

    def check(self) -> None:
        """End here if the time is over."""
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.stop()

    def stop(self) -> NoReturn:
        sys.exit("this piece is over, what is done is kept; call the same command again")

    def _left(self) -> float | None:
        return None if self.deadline is None else max(1.0, self.deadline - time.monotonic())


def _here(verb: str, arguments: Sequence[str]) -> int:
    return importlib.import_module(f"wsapps_weightspace.{verb}").main(arguments)
