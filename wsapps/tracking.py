"""TensorBoard events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wsapps.atomic import explained, reason

_log = logging.getLogger("wsapps")


class Tracker:
    """Writes scalars and pictures for TensorBoard, or nothing where ``folder`` is None.

    TensorBoard's own writer rather than Accelerate's wrapper: that one keeps the configuration of a
    process-wide state, and only the first rank writes here. When the events cannot be written any
    more (disk full) it says so once and gives up: curves are worth less than the run.

    Args:
        folder: of the events; made if need be.
        step: where the run stands. What an earlier process wrote of later steps is hidden.

    Raises:
        UserError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path | None, step: int = 0):
        self._writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import

            with explained("write TensorBoard events to", folder):
                self._writer = SummaryWriter(str(folder), purge_step=step + 1)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self._write(lambda name=name, value=value: self._writer.add_scalar(name, value, step))

    def pictures(self, pictures: Mapping[str, Any], step: int) -> None:
        """Pictures ``(H, W, 3)`` in [0, 1]."""
        for name, picture in pictures.items():
            pixels = np.clip(np.asarray(picture), 0, 1)
            self._write(
                lambda name=name, pixels=pixels: self._writer.add_image(name, pixels, step, dataformats="HWC")
            )

    def close(self) -> None:
        self._write(lambda: self._writer.flush())
        self._write(lambda: self._writer.close())

    def _write(self, action: Callable[[], None]) -> None:
        if self._writer is None:
            return
        try:
            action()
        except OSError as error:
            self._writer = None
            _log.warning("TensorBoard events are no longer written: %s", reason(error))
