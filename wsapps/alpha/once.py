"""Choosing once a run: what was chosen stays in its folder, and a run that goes on does not choose again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wsapps.alpha.curve import Curve
from wsapps.alpha.record import RECORD, read_record, told, write_record
from wsapps.alpha.rule import Choice
from wsapps.run import Run

#: What a choice rests on: the verdicts, the curves, and notes for the record.
Found = tuple[Choice, Sequence[Curve], Mapping[str, Any]]


def chosen_once(run: Run, choose: Callable[[], Found]) -> float:
    """The alpha of a run: what an earlier process chose, or what ``choose`` finds now.

    The first rank says what was tried and writes ``alpha.json`` and ``alpha.png`` into the run folder. Where
    several ranks call it, each gets its own choice: take the first one's
    (:func:`wsapps.accelerator.on_main`).

    Raises:
        UserError: the record in the run folder is damaged.
    """
    record = read_record(run.folder.path)
    if record is not None:
        run.say("alpha=%g was chosen before, see %s", record["alpha"], run.folder.path / RECORD)
        return float(record["alpha"])
    began = time.monotonic()
    choice, curves, notes = choose()
    seconds = time.monotonic() - began
    if run.is_main:
        for line in told(choice):
            run.say("%s", line)
        write_record(run.folder.path, choice, curves, {"seconds": seconds, **notes})
    run.say("alpha=auto chose %g in %.1f s", choice.alpha, seconds)
    return choice.alpha
