"""What every kind of signal gives to the commands: points to fit, scores, and pictures.

Shapes: N points, D coordinates, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from torch import Tensor

from wsapps.report import Figure

#: A fitted field as a function on the CPU: coordinates ``(M, D)`` to values ``(M, C)``, any M, in batches.
Predict = Callable[[Tensor], Tensor]


class Signal(Protocol):
    """A signal in memory, on the CPU.

    A class of this kind owns a dataclass ``Config`` with a field ``name: str`` (its key in
    :data:`wsapps_signals.kinds.all_kinds.SIGNALS`) and a class method ``from_config(config, path)``, where
    ``path`` is the user's file, or None for the embedded sample.

    Attributes:
        title: for headings and run folders: the file's stem, or the sample's name.
        coordinates: ``(N, D)`` float32.
        values: ``(N, C)`` float32, what the field is fitted to.
        weights: ``(N,)`` float32 of mean 1 by which squared errors count, or None for equal ones.
        grid: sizes of the regular grid whose points, in row-major order, the N points are; their product
            is N. None for scattered points.
        peak: the signal's peak value in PSNRs.
        native_bits: bits that the signal has as it was sampled (samples times bits a sample), for the
            ratio of sizes; 0 where it has no such number.
    """

    title: str
    coordinates: Tensor
    values: Tensor
    weights: Tensor | None
    grid: tuple[int, ...] | None
    peak: float
    native_bits: int

    def scores(self, predict: Predict) -> dict[str, float]:
        """Scores of a field over the whole signal: ``psnr`` or ``iou``, and what else is usual."""
        ...

    def write(self, folder: Path, predict: Predict) -> list[Figure]:
        """Write the reconstruction beside the signal: pictures, and a file in the signal's own format."""
        ...

    def resample(self, folder: Path, predict: Predict, size: tuple[int, ...]) -> list[Path]:
        """Write the field sampled on another grid, ``size`` in the order of ``grid``, in the signal's format.

        Raises:
            UserError: the size has the wrong length, or cannot be made.
        """
        ...

    def preview(self, predict: Predict) -> Tensor:
        """One small picture ``(H, W, 3)`` in [0, 1] of the reconstruction, for tables and TensorBoard."""
        ...
