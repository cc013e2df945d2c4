"""Choosing once a run: what was chosen stays in its folder, and a run that goes on does not choose again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wsapps.accelerator import on_main
from wsapps.alpha.curve import Curve
from wsapps.alpha.record import RECORD, read_record, told, write_record
from wsapps.alpha.rule import Choice
from wsapps.errors import UserError
from wsapps.run import Run

#: What a choice rests on: the verdicts, the curves, and notes for the record.
Found = tuple[Choice, Sequence[Curve], Mapping[str, Any]]


#: What below a run's folder is trained with its alpha, by name or pattern.
CHECKPOINTS = ("checkpoint",)


def chosen_once(run: Run, choose: Callable[[], Found], states: Sequence[str] = CHECKPOINTS) -> dict[str, Any]:
    """The record of a run's choice, ``alpha`` in it: an earlier process's, or of what ``choose`` finds now.

    All ranks call it alike and get the first one's, which alone reads and writes the run folder, says what
    was tried, and leaves ``alpha.json`` and ``alpha.png`` there.

    Args:
        run: an open one.
        choose: is called on all ranks.
        states: what is trained with the alpha, as :data:`CHECKPOINTS`.

    Raises:
        UserError: the record in the run folder is damaged, or missing where there is a trained state.
    """
    record = on_main(run.accelerator, lambda: _record_of(run.folder.path, states))
    if record is not None:
        run.say("alpha=%g was chosen before, see %s", record["alpha"], run.folder.path / RECORD)
        return record
    began = time.monotonic()
    choice, curves, notes = choose()
    seconds = time.monotonic() - began
    for line in told(choice):
        run.say("%s", line)

    def written() -> dict[str, Any] | None:
        write_record(run.folder.path, choice, curves, {"seconds": seconds, **notes})
        return read_record(run.folder.path)

    record = on_main(run.accelerator, written)
    assert record is not None
    run.say("alpha=auto chose %g in %.1f s", record["alpha"], seconds)
    return record


def _record_of(folder: Path, states: Sequence[str]) -> dict[str, Any] | None:
    record = read_record(folder)
    trained = [path for pattern in states for path in sorted(folder.glob(pattern))]
    if record is None and trained:
        raise UserError(
            f"{trained[0]} was trained with an alpha that {folder / RECORD} said, which is missing: delete "
            f"it too, and alpha is chosen again, or choose another out="
        )
    return record
