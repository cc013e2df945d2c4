"""What a build shows and remembers while it fits: fields a second, PSNR, time left, and seconds so far."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from wsapps.atomic import explained, write_json
from wsapps.errors import UserError
from wsapps.interrupt import Interrupted, InterruptWatch
from wsapps.progress import Progress
from wsapps.run import Run
from wsapps_weightspace.fitting import Fitted

_SAY_EVERY = 30.0  # seconds
_FILE = "fitting_rank{}.json"


class BuildProgress:
    """The progress of one rank; a context manager in which SIGINT and SIGTERM stop at the next tick.

    Args:
        run: the build.
        fields: of the whole dataset.
        done: fields that were there when it began.
    """

    def __init__(self, run: Run, fields: int, done: int):
        self.run, self.fields = run, fields
        self._already, self._ticked = done, 0.0
        self._began = self._shard_began = self._said = time.monotonic()
        self._psnr: list[float] = []
        self._interrupts = InterruptWatch()
        self._file = run.folder.path / _FILE.format(run.accelerator.process_index)
        self._shards = read_fitting(self._file)
        self._bar = Progress(fields, None, run.is_main, unit="fields")

    def __enter__(self) -> BuildProgress:
        self._interrupts.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.close()
        self._interrupts.__exit__(*error)

    def tick(self, fields: float) -> None:
        """So many fields' worth of work was done by this rank.

        Raises:
            Interrupted: a signal has come.
        """
        self._ticked += fields
        self._show()
        if self._interrupts.received:
            raise Interrupted(self._interrupts.received, str(self.run.folder.path))

    def finish(self, shard: str, fitted: Fitted) -> None:
        """A shard is fitted, and about to be written: remember how long it took."""
        now = time.monotonic()
        self._shards[shard] = {
            # As if the ranks' seconds were one after the other: their sum is the time of the build.
            "seconds": (now - self._shard_began) / self.run.accelerator.num_processes,
            "fields": len(fitted.psnr),
            "steps": int(fitted.steps.sum()),
        }
        self._shard_began = now
        self._psnr.append(float(fitted.psnr.mean()))
        write_json(self._file, self._shards)
        self._show()

    def _show(self) -> None:
        seconds = time.monotonic() - self._began
        done = self._ticked * self.run.accelerator.num_processes  # the other ranks are about as fast
        rate = done / max(seconds, 1e-9)
        figures: dict[str, float] = {}
        if self._psnr:
            figures["psnr"] = sum(self._psnr) / len(self._psnr)
        self._bar.update(min(self.fields, int(self._already + done)), seconds, figures)
        if time.monotonic() - self._said < _SAY_EVERY:
            return
        self._said = time.monotonic()
        left = max(0.0, self.fields - self._already - done) / max(rate, 1e-9)
        self._bar.clear()
        self.run.say(
            "%d of %d fields, %s, %.1f fields/s, %s left",
            min(self.fields, int(self._already + done)), self.fields,
            f"{figures['psnr']:.2f} dB" if "psnr" in figures else "the first shard", rate,
            tqdm.format_interval(left),
        )  # fmt: skip


def read_fitting(path: Path) -> dict[str, dict[str, float]]:
    """What :meth:`BuildProgress.finish` wrote; nothing where there is no file.

    Raises:
        UserError: it is damaged.
    """
    if not path.is_file():
        return {}
    with explained("read", path):
        text = path.read_bytes()
    try:
        told = json.loads(text)
        return {
            str(shard): {name: float(entry[name]) for name in ("seconds", "fields", "steps")}
            for shard, entry in told.items()
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged; delete it, and the time of the build is not known") from error


def fitting_totals(folder: Path) -> dict[str, float]:
    """Seconds, fields and steps of all ranks of a build, over its interruptions."""
    total = {"seconds": 0.0, "fields": 0.0, "steps": 0.0}
    for path in sorted(folder.glob(_FILE.format("*"))):
        for entry in read_fitting(path).values():
            for name in total:
                total[name] += entry[name]
    return total
