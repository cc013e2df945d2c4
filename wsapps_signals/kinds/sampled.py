"""Fields evaluated over whole signals, a piece at a time.

Shapes: N points, D coordinates, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps.grid import grid_points
from wsapps_signals.kinds.signal import Predict

PIECE = 1 << 18  # points; coordinates and values of a piece are a few megabytes
MOST_VALUES = 1 << 28  # of a signal, 1 GiB in float32


def predict_all(predict: Predict, coordinates_ND: Tensor, channels: int) -> Tensor:
    """The field at all points: ``(N, C)`` float32, the only large tensor made. NaN passes through."""
    values_NC = torch.empty(len(coordinates_ND), channels)
    for start in range(0, len(coordinates_ND), PIECE):
        values_NC[start : start + PIECE] = predict(coordinates_ND[start : start + PIECE])
    return values_NC


def mean_square(values_NC: Tensor, reference_NC: Tensor | None = None) -> float:
    """Mean over all elements of ``(values - reference)^2``, or of ``values^2``, summed in float64."""
    total = 0.0
    for start in range(0, len(values_NC), PIECE):
        part = values_NC[start : start + PIECE].double()
        if reference_NC is not None:
            part -= reference_NC[start : start + PIECE]
        total += float(part.square().sum())
    return total / values_NC.numel()


def squared_error(predict: Predict, coordinates_ND: Tensor, values_NC: Tensor) -> float:
    """Mean squared error of a field over points and channels; no prediction is kept. NaN passes through."""
    total = 0.0
    for start in range(0, len(coordinates_ND), PIECE):
        error = predict(coordinates_ND[start : start + PIECE]).double() - values_NC[start : start + PIECE]
        total += float(error.square().sum())
    return total / values_NC.numel()


def sample_grid(
    predict: Predict,
    sizes: Sequence[int],
    scale: float = 1.0,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[slice, Tensor]]:
    """The field on a regular grid, in pieces: yields (rows of the grid, values ``(M, C)``).

    Args:
        sizes, scale: as in :func:`wsapps.grid.regular_grid`.
        start, stop: the rows wanted; all of them by default.

    Raises:
        UserError: a value is NaN or infinite, which a picture would show as something plausible.
    """
    stop = math.prod(sizes) if stop is None else stop
    for first in range(start, stop, PIECE):
        last = min(first + PIECE, stop)
        values_MC = predict(grid_points(sizes, first, last, scale))
        if not bool(torch.isfinite(values_MC).all()):
            raise UserError(
                f"the fitted field is NaN or infinite on the grid {'x'.join(map(str, sizes))}: "
                f"it diverged, so there is nothing to write; fit again with a smaller trainer.optimizer.lr"
            )
        yield slice(first, last), values_MC


def check_size(size: Sequence[int], axes: Sequence[str], channels: int) -> None:
    """Refuse sizes of a resampled signal that cannot be made.

    Raises:
        UserError: not one size for each of ``axes``, one below 1, or over 2^28 values in all.
    """
    form = ", ".join(axes)
    if len(size) != len(axes):
        raise UserError(f"the new size must be {form}: {len(axes)} numbers, got {len(size)}: {list(size)}")
    if min(size) < 1:
        raise UserError(f"the new size ({form}) must be at least 1 along each axis, got {list(size)}")
    if math.prod(size) * channels > MOST_VALUES:
        raise UserError(
            f"the new size ({form}) = {list(size)} with {channels} channels is "
            f"{math.prod(size) * channels:,} values; at most {MOST_VALUES:,} are made"
        )
