"""Regular grids of coordinates.

Shapes: N points, D coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def axis(size: int, scale: float = 1.0) -> Tensor:
    """``(size,)`` float32: equal steps from -scale to scale, both included; one point lies at -scale.

    Computed in float64 and rounded once: a song's samples are only a few float32 steps apart.
    """
    return torch.linspace(-scale, scale, size, dtype=torch.float64).float()


def regular_grid(sizes: Sequence[int], scale: float = 1.0) -> Tensor:
    """Coordinates of a regular grid in row-major order, the last axis fastest, as in the authors' script.

    Args:
        sizes: points along each of the D axes: ``(H, W)`` for a picture, with coordinates (y, x).
        scale: each axis runs from -scale to scale.

    Returns:
        ``(N, D)`` float32, N the product of the sizes.

    Raises:
        ValueError: no axis, or a size below 1.
    """
    return grid_points(sizes, 0, math.prod(sizes), scale)


def grid_points(sizes: Sequence[int], start: int, stop: int, scale: float = 1.0) -> Tensor:
    """Rows ``start`` to ``stop`` (excluded) of :func:`regular_grid`, without the others in memory.

    Raises:
        ValueError: as there, or rows that the grid does not have.
    """
    count = math.prod(sizes)
    if len(sizes) == 0 or min(sizes) < 1:
        raise ValueError(f"a grid needs sizes of at least 1, got {tuple(sizes)}")
    if not 0 <= start <= stop <= count:
        raise ValueError(f"0 <= start <= stop <= {count} is needed, got start={start}, stop={stop}")
    coordinates_ND = torch.empty(stop - start, len(sizes))
    rows_N = torch.arange(start, stop)
    repeat = count
    for d, size in enumerate(sizes):
        repeat //= size  # points between two steps along this axis
        index_N = torch.div(rows_N, repeat, rounding_mode="floor").remainder_(size)
        coordinates_ND[:, d] = axis(size, scale)[index_N]
    return coordinates_ND
