"""Runs of many parts that several processes may share: the same command, started again beside the first.

Each part is a run folder of its own, which the process that is at it keeps locked. One process a GPU, or a
core, is more than all of them at one small part after the other::

    with share_run(config, "signals", "paper-quick", accelerator) as whole:
        do_each(cells, lambda cell: do_part(cell.config, "signals", cell.title, whole, fit), whole)
        write_alone(whole, write_tables)
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from accelerate import Accelerator

from wsapps.accelerator import on_main
from wsapps.lock import Busy
from wsapps.run import Run, one_of_many, open_run

T = TypeVar("T")
_log = logging.getLogger("wsapps")
_PAUSE = 2.0  # seconds until a folder that was locked is looked at again


@contextlib.contextmanager
def share_run(config: Any, application: str, name: str, accelerator: Accelerator) -> Iterator[Run]:
    """Open the run folder of all parts, as :func:`~wsapps.run.open_run` does, without keeping others out.

    Where another process is writing to it at this moment, that is waited for.

    Raises:
        UserError: as :meth:`RunFolder.open`, but for the lock.
    """
    with contextlib.ExitStack() as stack:
        told = False
        while True:
            try:
                run = stack.enter_context(open_run(config, application, name, accelerator))
                break
            except Busy as error:
                if not told and accelerator.is_main_process:
                    _log.info("waiting: %s", _who(error))
                told = True
                time.sleep(_PAUSE)
        run.folder.close()
        yield run


def do_part(
    config: Any, application: str, title: str, whole: Run, work: Callable[[Run], None], number: str = "part"
) -> None:
    """Do a part in a run folder of its own, unless it is finished; the metric ``diverged`` where it diverges.

    Args:
        config: of the part, with its ``out``.
        number: which part it is, for the log: "cell 3 of 50".

    Raises:
        Busy: another process is at it.
        UserError: as :func:`~wsapps.run.open_run` and ``work``.
    """
    with open_run(config, application, title, whole.accelerator) as run:
        if run.folder.status != "finished":
            whole.say("%s: %s", number, title)
            with one_of_many(run):
                work(run)
        whole.accelerator.wait_for_everyone()


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
                reason = _who(error)
        if len(busy) == len(waiting):
            if not told:
                run.say("waiting: %s", reason)
                told = True
            time.sleep(_PAUSE)
        waiting = busy


def write_alone(run: Run, write: Callable[[], None]) -> None:
    """Write what the parts came to, ``metrics.json`` last, on the first rank and in one process at a time.

    A process that has waited for another one finds it done, for all have the same parts.
    """
    waited = False

    def write_locked() -> None:
        with run.folder.locked():
            if not (waited and run.folder.metrics_path.is_file()):
                write()

    while True:
        try:
            on_main(run.accelerator, write_locked)
            break
        except Busy:
            waited = True
            time.sleep(_PAUSE)
    run.say("tables and pictures: %s", run.folder.path / "index.html")


def _who(error: Busy) -> str:
    """What is busy, and with whom, without the advice."""
    return str(error).partition(";")[0]
