"""Runs of many parts that several processes may share: the same command, started again beside the first.

Each part is a run folder of its own, which the process that is at it keeps locked. One process a GPU, or a
core, is more than all of them at one small part after the other::

    with share_run(config, "signals", "paper-quick", accelerator) as run:
        do_each(cells, fit_cell, run)
        write_alone(run, write_tables)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from accelerate import Accelerator

from wsapps.accelerator import on_main
from wsapps.lock import Busy
from wsapps.run import Run, open_run

T = TypeVar("T")
_PAUSE = 2.0  # seconds until a folder that was locked is looked at again


@contextlib.contextmanager
def share_run(config: Any, application: str, name: str, accelerator: Accelerator) -> Iterator[Run]:
    """Open the run folder of all parts, as :func:`~wsapps.run.open_run` does, without keeping others out.

    Where another process is writing to it at this moment, that is waited for.

    Raises:
        UserError: as :meth:`RunFolder.open`, but for the lock.
    """
    with contextlib.ExitStack() as stack:
        while True:
            try:
                run = stack.enter_context(open_run(config, application, name, accelerator))
                break
            except Busy:
                time.sleep(_PAUSE)
        run.folder.close()
        yield run


def do_each(parts: Sequence[T], do: Callable[[T], None], run: Run) -> None:
    """Do all parts; those that another process is at come last, are waited for, and done where it dies.

    Args:
        parts: the same in every process.
        do: does a part that is not finished, in its own folder; it raises Busy where that is locked.
        run: that the parts belong to.
    """
    waiting, told, reason = list(parts), False, ""
    while waiting:
        busy: list[T] = []
        for part in waiting:
            try:
                do(part)
            except Busy as error:
                busy.append(part)
                reason = str(error).partition(";")[0]
        if len(busy) == len(waiting):
            if not told:
                run.say("waiting: %s", reason)
                told = True
            time.sleep(_PAUSE)
        waiting = busy


def write_alone(run: Run, write: Callable[[], None]) -> None:
    """Write what the parts came to, on the first rank of one process.

    A process that finds another one at it leaves it to that one, which has the same parts.
    """

    def write_locked() -> None:
        with run.folder.locked():
            write()

    try:
        on_main(run.accelerator, write_locked)
        run.say("tables and pictures: %s", run.folder.path / "index.html")
    except Busy as error:
        run.say("tables and pictures: %s", str(error).partition(";")[0])
