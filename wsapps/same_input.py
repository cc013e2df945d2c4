"""What a run was begun with besides its configuration, so that it is not continued on something else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np

from wsapps.accelerator import on_main
from wsapps.atomic import explained, write_json
from wsapps.errors import UserError
from wsapps.run import Run
from wsapps.run_folder import has_checkpoint

_INPUT_JSON = "data.json"


def keep_input(run: Run, what: str, now: Mapping[str, int | str]) -> None:
    """Note in a new run, in ``data.json``, what it learns from, and refuse to continue one on anything else.

    Args:
        what: it is, in the plural, for the message: "fields".
        now: how many there are of each kind, and :func:`fingerprint` as ``sha256``.

    Raises:
        UserError: on all ranks.
    """
    on_main(run.accelerator, lambda: _keep(run, what, dict(now)))


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """SHA-256 of the bytes of arrays, one after the other."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _keep(run: Run, what: str, now: dict[str, int | str]) -> None:
    path = run.folder.path / _INPUT_JSON
    if not path.is_file():
        if not has_checkpoint(path.parent):  # else begun before this was noted: what it was is not known
            write_json(path, now)
        return
    with explained("read", path):
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        before = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON; choose another out=") from error
    if before != now:
        raise UserError(
            f"{path.parent} holds a run on other {what}: {_counts(before)} then, {_counts(now)} now; "
            "restore them, or choose another out="
        )


def _counts(kept: object) -> str:
    if not isinstance(kept, Mapping):
        return "unknown ones"
    counts = ", ".join(f"{value} {name}" for name, value in kept.items() if name != "sha256")
    return f"{counts} (sha256 {str(kept.get('sha256'))[:8]})"
