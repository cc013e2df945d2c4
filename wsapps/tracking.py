"""TensorBoard events."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from wsapps.atomic import explained, reason

_log = logging.getLogger("wsapps")


class Tracker:
    """Writes scalars and pictures for TensorBoard, or nothing where ``folder`` is None.

    TensorBoard's records, but neither Accelerate's wrapper, which keeps the configuration of a
    process-wide state, nor torch's SummaryWriter, whose thread dies with a traceback on a full disk. When
    the events cannot be written any more this says so once and gives up: curves are worth less than
    the run.

    Args:
        folder: of the events; made if need be.
        step: where the run stands. What an earlier process wrote of later steps is hidden.

    Raises:
        UserError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path | None, step: int = 0):
        self._file: FileIO | None = None
        if folder is None:
            return
        # Readers take the files in the order of their names.
        name = f"events.out.tfevents.{time.time_ns() // 1000:016d}.{platform.node()}.{os.getpid()}"
        with explained("write TensorBoard events to", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(folder / name, "xb", buffering=0)  # noqa: SIM115
        from tensorboard.compat.proto.event_pb2 import SessionLog  # type: ignore[attr-defined]

        self._write(0, file_version="brain.Event:2")
        self._write(step + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        if self._file is not None:
            from torch.utils.tensorboard.summary import scalar  # slow to import

            for name, value in values.items():
                self._write(step, summary=scalar(name, value))

    def pictures(self, pictures: Mapping[str, Any], step: int) -> None:
        """Pictures ``(H, W, 3)`` in [0, 1]."""
        if self._file is not None:
            from torch.utils.tensorboard.summary import image

            for name, picture in pictures.items():
                self._write(step, summary=image(name, np.clip(np.asarray(picture), 0, 1), dataformats="HWC"))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, step: int, **content: Any) -> None:
        if self._file is None:
            return
        from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[attr-defined]
        from tensorboard.summary.writer.record_writer import RecordWriter

        event = Event(wall_time=time.time(), step=step, **content)
        try:
            RecordWriter(self._file).write(event.SerializeToString())
        except OSError as error:
            _log.warning("TensorBoard events are no longer written: %s", reason(error))
            self.close()
