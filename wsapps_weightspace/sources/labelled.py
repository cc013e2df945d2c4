"""What the readers share: labels as classes, test samples, and arrays of pictures as samples.

Shapes: N samples, H rows, W columns, C values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps.errors import UserError
from wsapps.grid import regular_grid
from wsapps.seeding import generator
from wsapps_weightspace.samples import LabelledSamples

MOST_BYTES = 1 << 32  # of the values of a dataset, as stored
MOST_CLASSES = 100_000


def classes_of(labels: Sequence[object] | NDArray) -> tuple[Tensor, tuple[str, ...]]:
    """``(N,)`` int64 indices into the sorted distinct labels, and these as text."""
    names, index = np.unique(np.asarray(labels), return_inverse=True)
    return torch.from_numpy(index.astype(np.int64).reshape(-1)), tuple(str(name) for name in names.tolist())


def drawn_test(count: int, fraction: float) -> Tensor:
    """``(N,)`` bool, a share of the samples for the test where the data do not say; the same in every run."""
    test = torch.zeros(count, dtype=torch.bool)
    drawn = torch.randperm(count, generator=generator("test samples", count))
    test[drawn[: round(fraction * count)]] = True
    return test


def chosen(count: int, limit: int | None) -> Tensor:
    """Which of so many samples are taken, in order: all, or ``limit`` drawn ones; the same in every run."""
    if limit is None or limit >= count:
        return torch.arange(count)
    return torch.randperm(count, generator=generator("limit", count))[:limit].sort().values


def picture_samples(
    name: str,
    pictures: NDArray,
    labels: Tensor,
    classes: tuple[str, ...],
    test: Tensor,
) -> LabelledSamples:
    """Samples of pictures of one size.

    Args:
        name: of the dataset.
        pictures: ``(N, H, W)`` or ``(N, H, W, C)``; bytes, or floats in [0, 1].

    Raises:
        UserError: other shapes or types, floats outside [0, 1], or pictures and labels of different numbers.
    """
    if pictures.ndim == 3:
        pictures = pictures[..., None]
    if pictures.ndim != 4 or 0 in pictures.shape:
        raise UserError(f"{name}: pictures must be (N, H, W) or (N, H, W, C), got {pictures.shape}")
    if len(pictures) != len(labels):
        raise UserError(
            f"{name}: {len(pictures)} pictures but {len(labels)} labels; give one label a picture"
        )
    count, height, width, channels = pictures.shape
    if pictures.dtype == np.uint8:
        values = torch.from_numpy(np.ascontiguousarray(pictures))
    else:
        values = torch.from_numpy(unit_floats(name, pictures)) * 2 - 1
    return LabelledSamples(
        name=name,
        coordinates=regular_grid((height, width)),
        values=values.reshape(count, height * width, channels),
        labels=labels,
        classes=classes,
        test=test,
        grid=(height, width),
    )


def unit_floats(name: str, values: NDArray) -> NDArray[np.float32]:
    """Numbers in [0, 1] as float32. Raises UserError for any others."""
    if values.dtype.kind not in "fiu":
        raise UserError(f"{name}: values must be numbers, got the type {values.dtype}")
    values = values.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN, too
        raise UserError(
            f"{name}: values are bytes from 0 to 255 or numbers from 0 to 1, got {low:g} to {high:g}; scale "
            "them"
        )
    return values
