"""After a divergence: a run whose alpha was chosen for the user begins anew with a smaller one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from wsapps.accelerator import on_main
from wsapps.alpha.config import with_alpha
from wsapps.alpha.once import CHECKPOINTS
from wsapps.alpha.record import RECORD, read_record
from wsapps.atomic import explained, write_json
from wsapps.finite import Diverged
from wsapps.run import Run

C = TypeVar("C")
R = TypeVar("R")


def with_fallback(attempt: Callable[[C], R], config: C, run: Run, states: Sequence[str] = CHECKPOINTS) -> R:
    """What ``attempt`` returns for a configuration, or for the first smaller alpha that does not diverge.

    Args:
        config: with a ``method.alpha``.
        run, states: as of :func:`smaller_alpha`.

    Raises:
        Diverged: the smallest alpha does, too.
    """
    settings: Any = config
    while True:
        try:
            return attempt(settings)
        except Diverged as error:
            settings = with_alpha(settings, smaller_alpha(run, settings.method.alpha, error, states))


def smaller_alpha(run: Run, alpha: float, error: Diverged, states: Sequence[str] = CHECKPOINTS) -> float:
    """The next smaller alpha that was looked at, with which the run begins anew; says so.

    The last good state of that alpha is its first one: a trained state of the larger alpha is none of its
    field, so that checkpoints go.

    Args:
        run: on all ranks alike.
        alpha: that diverged.
        error: how.
        states: folders below the run's that hold trained states.

    Raises:
        Diverged: the error itself, where no smaller alpha was looked at.
    """
    record = on_main(run.accelerator, lambda: read_record(run.folder.path))
    verdicts = [] if record is None else record["verdicts"]
    below = [float(verdict["alpha"]) for verdict in verdicts if verdict["alpha"] < alpha]
    if record is None or not below:
        raise error
    following = max(below)
    run.say("%s; alpha=auto starts anew with alpha = %g in place of %g", error, following, alpha)
    record["diverged"] = [*record.get("diverged", []), alpha]
    on_main(run.accelerator, lambda: _begin_anew(run, {**record, "alpha": following}, states))
    run.forget()
    return following


def _begin_anew(run: Run, record: Mapping[str, Any], states: Sequence[str]) -> None:
    for folder in (run.folder.path / name for name in states):
        with explained("remove", folder):
            if folder.exists():
                shutil.rmtree(folder)
    write_json(run.folder.path / RECORD, record)
