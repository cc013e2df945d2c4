"""Labelled samples, each to be fitted by a field of its own."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from wsapps.errors import UserError


@dataclass(frozen=True)
class LabelledSamples:
    """N labelled samples of one kind in memory, as coordinates and values.

    Args:
        name: of the dataset, for messages and folders.
        coordinates: ``(Q, D)`` in [-1, 1], the same for all samples, or ``(N, Q, D)`` (point clouds).
        values: ``(N, Q, C)``, uint8 as stored or float32; :meth:`targets` gives what is fitted.
        labels: ``(N,)`` int64, indices into ``classes``.
        classes: the names of the classes.
        test: ``(N,)`` bool, samples of the test split.
        grid: ``(height, width)`` where the Q points are a picture's pixels, row by row; else None.
        low, high: the range of the values as fitted; ``high - low`` is the peak of the PSNR.
    """

    name: str
    coordinates: Tensor
    values: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    test: Tensor
    grid: tuple[int, ...] | None = None
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        count = len(self.values)
        if not count:
            raise UserError(f"{self.name} has no samples")
        if len(self.labels) != count or len(self.test) != count:
            raise UserError(
                f"{self.name}: {count} samples, but {len(self.labels)} labels and {len(self.test)} marks of "
                "the split; one of each is needed for every sample"
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise UserError(
                f"{self.name} has labels from {low} to {high}, but {len(self.classes)} classes, from 0; "
                "samples without a label, as -1, cannot be used: leave them out"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def peak(self) -> float:
        """The peak value of the PSNR."""
        return self.high - self.low

    def targets(self, index: Tensor | slice) -> Tensor:
        """What the fields of some samples fit, ``(B, Q, C)`` float32: bytes are mapped to [low, high]."""
        values = self.values[index]
        if values.is_floating_point():
            return values.float()
        return values.float() * ((self.high - self.low) / 255) + self.low
