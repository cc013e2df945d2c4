"""One run of a command: its folder, the same for all ranks, its log, and the figures that every run has."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

import wsapps
from wsapps.accelerator import forget_training, on_main
from wsapps.command import log_to_file
from wsapps.config import differences, from_yaml, to_yaml
from wsapps.errors import UserError
from wsapps.finite import Diverged
from wsapps.lock import Busy
from wsapps.run_folder import RunFolder, default_path
from wsapps.trainer import FitResult

_log = logging.getLogger("wsapps")


@dataclass(frozen=True)
class Run:
    """A run in progress: its folder, its ranks, and when this process began."""

    folder: RunFolder
    accelerator: Accelerator
    began: float

    @property
    def is_main(self) -> bool:
        """Whether this is the rank that writes and speaks."""
        return self.accelerator.is_main_process

    def say(self, message: str, *values: Any) -> None:
        """Log a message on the first rank."""
        if self.is_main:
            _log.info(message, *values)

    def forget(self) -> None:
        """See :func:`wsapps.accelerator.forget_training`."""
        forget_training(self.accelerator)

    def usual_metrics(self, result: FitResult) -> dict[str, float | str]:
        """The figures that metrics.json has in every application."""
        return {
            "train_seconds": result.seconds,
            "wall_seconds": time.monotonic() - self.began,
            "steps": result.steps,
            "device": describe_device(self.accelerator.device),
            "version": wsapps.__version__,
        }


@contextlib.contextmanager
def open_run(config: Any, application: str, name: str, accelerator: Accelerator) -> Iterator[Run]:
    """Open the run folder of a configuration, log into it meanwhile, and close it at the end.

    Only the first rank opens it; the others learn where it is.

    Args:
        config: the command's dataclass; its ``out`` is the folder, or None for
            ``runs/<application>/<name>-<time>``.

    Raises:
        UserError: as :meth:`RunFolder.open`, on all ranks.
    """
    began = time.monotonic()
    opened: list[RunFolder] = []

    def open_folder() -> tuple[str, Any]:
        while not opened:
            path = Path(config.out) if config.out else default_path(application, name)
            try:
                opened.append(RunFolder.open(path, to_yaml(config), partial(_changes, config, path)))
            except Busy:
                if config.out:
                    raise
                # Another process took the same name in the same second: there is a next one.
        return str(opened[0].path), opened[0].status

    path, status = on_main(accelerator, open_folder)
    folder = opened[0] if opened else RunFolder(Path(path), status)
    try:
        with contextlib.ExitStack() as stack:
            if accelerator.is_main_process and status != "finished":
                stack.callback(_stop_logging, log_to_file(folder.log_path))
            yield Run(folder, accelerator, began)
    finally:
        folder.close()


def _changes(config: Any, path: Path, old_yaml: str) -> list[str]:
    try:
        old = from_yaml(type(config), old_yaml, "config.yaml")
    except UserError as error:
        raise UserError(
            f"{path} holds a run of another command or version ({error}); choose another out="
        ) from error
    return differences(old, config)


@contextlib.contextmanager
def one_of_many(run: Run) -> Iterator[None]:
    """Around what an open run does, where it is one of many in this process.

    Divergence is a result of it, the metric ``diverged``, and nothing of it is left to the next run.
    """
    try:
        yield
    except Diverged as error:
        run.say("%s", error)
        if run.is_main:
            run.folder.write_metrics({"diverged": 1})
    run.forget()


def _stop_logging(handler: logging.Handler) -> None:
    logging.getLogger("wsapps").removeHandler(handler)
    handler.close()


def describe_device(device: torch.device) -> str:
    """The device in words: a GPU's name, or the number of CPU threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({torch.get_num_threads()} threads)"
