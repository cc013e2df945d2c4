"""TensorBoard events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


class Tracker:
    """Writes scalars and pictures for TensorBoard, or nothing where ``folder`` is None.

    TensorBoard's own writer rather than Accelerate's wrapper: that one keeps the configuration of a
    process-wide state, and only the first rank writes here.
    """

    def __init__(self, folder: Path | None):
        self._writer = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter  # slow to import

            self._writer = SummaryWriter(str(folder))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def pictures(self, pictures: Mapping[str, Any], step: int) -> None:
        """Pictures ``(H, W, 3)`` in [0, 1]."""
        if self._writer is not None:
            for name, picture in pictures.items():
                self._writer.add_image(name, np.clip(np.asarray(picture), 0, 1), step, dataformats="HWC")

    def close(self) -> None:
        if self._writer is not None:
            self._writer.flush()
            self._writer.close()
