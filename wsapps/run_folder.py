"""The folder of one run: what it holds, who may write to it, and how a second start finds it."""

from __future__ import annotations

import contextlib
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsapps.atomic import explained, is_temporary, write_json, write_text
from wsapps.errors import UserError
from wsapps.lock import Lock

Status = Literal["new", "resume", "finished"]
_CONFIG = "config.yaml"
_METRICS = "metrics.json"
_LOCK = ".lock"
_TEXT_METRICS = ("device", "version")
_SHOWN_DIFFERENCES = 5
_ABANDONED = 86_400.0  # seconds after which nobody writes to a temporary file any more


@dataclass(frozen=True, eq=False)
class RunFolder:
    """The folder of one run: config.yaml, checkpoint/, log.txt, metrics.json, tensorboard/, pictures and
    index.html.

    ``status`` is what was found when it was opened: "new", "resume" (begun, no metrics.json yet) or
    "finished". Made by :meth:`open` (to write, locked until :meth:`close` or the end of the process) or
    :meth:`existing` (to read, not locked).
    """

    path: Path
    status: Status
    lock: Lock | None = None

    @classmethod
    def open(cls, path: Path, config_yaml: str, differences: Callable[[str], list[str]]) -> RunFolder:
        """Begin a run at `path`, or continue the one that is there. Only the main process calls this.

        ``differences(old_yaml)`` lists how the configuration in the folder differs from the present one, as
        ``"trainer.seed: 0 in the run folder, 1 now"``; it is asked for a begun or finished run only.

        Raises :class:`UserError`, and leaves the folder as it was, when the configuration differs, when the
        folder holds something else than a run, when another process is writing to it (:class:`Busy`), or
        when it cannot be written.
        """
        path = Path(path)
        with explained("use the run folder", path):
            _check_ours(path)
            path.mkdir(parents=True, exist_ok=True)
            lock = Lock(path / _LOCK)
        try:
            with explained("use the run folder", path):
                _check_ours(path)  # again: another process may have come first
                status = _status(path)
                old_yaml = _read(path / _CONFIG) if status != "new" else None
            if old_yaml is None:
                write_text(path / _CONFIG, config_yaml)
            else:
                _refuse_differences(path, differences(old_yaml))
            _remove_leftovers(path)
        except BaseException:
            lock.close()
            raise
        return cls(path, status, lock)

    @classmethod
    def existing(
        cls, path: Path, command: str = "accelerate launch -m wsapps_<application>.train"
    ) -> RunFolder:
        """The run at `path`, to evaluate or render; `command` is the one that makes runs, for the message.

        Raises :class:`UserError` when there is no run, or none with a checkpoint yet.
        """
        path = Path(path)
        with explained("read the run folder", path):
            if not path.is_dir():
                missing = "is a file, not a run folder" if path.exists() else "does not exist"
            elif not (path / _CONFIG).is_file():
                missing = f"is not a run folder: it has no {_CONFIG}"
            elif _status(path) != "finished" and not has_checkpoint(path):
                missing = "has no checkpoint yet"
            else:
                return cls(path, _status(path))
        raise UserError(f"{path} {missing}; `{command} out={path}` makes one")

    @property
    def config_yaml(self) -> str:
        """The text of config.yaml, the resolved configuration of the run."""
        with explained("read", self.path / _CONFIG):
            return _read(self.path / _CONFIG)

    @property
    def checkpoints(self) -> Path:
        """The folder for :func:`wsapps.checkpoint.save` and ``load_latest``."""
        return self.path / "checkpoint"

    @property
    def metrics_path(self) -> Path:
        """metrics.json, whose presence says that the run is finished."""
        return self.path / _METRICS

    @property
    def log_path(self) -> Path:
        """log.txt."""
        return self.path / "log.txt"

    @property
    def tensorboard(self) -> Path:
        """The folder of the TensorBoard events."""
        return self.path / "tensorboard"

    def write_metrics(self, metrics: Mapping[str, float | str]) -> None:
        """Write metrics.json, flat: name -> number ("device" and "version": str); NaN and infinity as null.

        Raises :class:`TypeError` for any other value, and :class:`UserError` when it cannot be written.
        """
        for name, value in metrics.items():
            if isinstance(value, str) and name in _TEXT_METRICS:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"the metric {name!r} must be an int or a float, got {value!r}")
        write_json(self.metrics_path, metrics)

    def read_metrics(self) -> dict[str, float | str]:
        """What :meth:`write_metrics` wrote; null reads as NaN.

        Raises :class:`UserError` when the file is missing or is not a flat mapping of names to numbers.
        """
        path = self.metrics_path
        with explained("read", path):
            text = _read(path)
        try:
            metrics = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} is not valid JSON; delete it and start the run again") from error
        if not isinstance(metrics, dict) or any(isinstance(item, (dict, list)) for item in metrics.values()):
            raise UserError(
                f"{path} is not a flat mapping of names to numbers; delete it and start the run again"
            )
        return {name: math.nan if value is None else value for name, value in metrics.items()}

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out once more, after :meth:`close`; raises :class:`Busy` as it may."""
        with explained("use the run folder", self.path):
            lock = Lock(self.path / _LOCK)
        try:
            yield
        finally:
            lock.close()

    def close(self) -> None:
        """Let other processes write to the folder; the end of the process, of whatever kind, does it too."""
        if self.lock is not None:
            self.lock.close()


def default_path(application: str, name: str, root: Path = Path("runs")) -> Path:
    """``root/application/name-YYYYmmdd-HHMMSS``, with ``-2``, ... when that is taken. Makes no folder.

    Characters of `name` that are awkward in a file name become ``-``.
    """
    safe = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    first = Path(root) / application / f"{safe}-{time.strftime('%Y%m%d-%H%M%S')}"
    path, number = first, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = first.with_name(f"{first.name}-{number}")
    return path


def _check_ours(path: Path) -> None:
    """Refuse a path that is neither free nor a run folder."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, and a run needs a folder; choose another out=")
    if not path.is_dir() or (path / _CONFIG).is_file():
        return
    others = sorted(
        item.name for item in path.iterdir() if item.name != _LOCK and not is_temporary(item.name)
    )
    if others:
        raise UserError(
            f"{path} is not a run folder: it has no {_CONFIG}, but holds {others[0]}"
            f"{f' and {len(others) - 1} more' if len(others) > 1 else ''}; choose another out="
        )


def _status(path: Path) -> Status:
    if not (path / _CONFIG).is_file():
        return "new"
    return "finished" if (path / _METRICS).is_file() else "resume"


def has_checkpoint(path: Path) -> bool:
    """Whether the run in a folder has saved something."""
    return (path / "checkpoint").is_dir() and any((path / "checkpoint").iterdir())


def _refuse_differences(path: Path, differences: list[str]) -> None:
    if not differences:
        return
    shown = "; ".join(differences[:_SHOWN_DIFFERENCES])
    if len(differences) > _SHOWN_DIFFERENCES:
        shown += f"; and {len(differences) - _SHOWN_DIFFERENCES} more"
    raise UserError(
        f"{path} holds a run with another configuration: {shown}; "
        "choose another out=, or repeat the old values"
    )


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of killed processes. Young ones may be a video that another command, which
    only reads the run and needs no lock, is writing beside it."""
    with contextlib.suppress(OSError):
        for item in path.iterdir():
            if is_temporary(item.name) and time.time() - item.stat().st_mtime > _ABANDONED:
                item.unlink()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text; restore it, or choose another folder") from error
