"""Holding samples out: a field that memorises its samples is not the better field."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps.seeding import generator

Holdout = Literal["none", "every_other", "random", "downsample"]


def training_mask(
    holdout: Holdout, count: int, grid: tuple[int, ...] | None, seed: int, kept: float = 0.5
) -> Tensor:
    """Which of N samples a field is fitted to, ``(N,)`` bool; the others are for the test.

    * ``none``: all.
    * ``every_other``: those whose grid indices have an even sum: a chessboard on pictures, every second
      sample of a sound.
    * ``random``: a part ``kept`` of the samples, drawn by ``seed``.
    * ``downsample``: every second one along each axis of the grid: a quarter of a picture's pixels.

    Args:
        count: N.
        grid: sizes of the grid on which the samples lie in row-major order, or None for scattered ones.

    Raises:
        UserError: a grid is needed and there is none, or nothing is left on one of the sides.
    """
    if holdout == "none":
        return torch.ones(count, dtype=torch.bool)
    if holdout == "random":
        chosen = torch.randperm(count, generator=generator(seed, "holdout"))[: round(kept * count)]
        mask = torch.zeros(count, dtype=torch.bool)
        mask[chosen] = True
    elif grid is None:
        raise UserError(
            f"holdout={holdout} needs a signal on a grid, and this one has scattered samples; "
            "choose holdout=random"
        )
    else:
        mask = _grid_mask(holdout, grid)
    if not bool(mask.any()) or bool(mask.all()):
        raise UserError(f"holdout={holdout} leaves nothing on one side of {count} samples; choose another")
    return mask


def _grid_mask(holdout: Holdout, grid: tuple[int, ...]) -> Tensor:
    axes = torch.meshgrid(*(torch.arange(size) for size in grid), indexing="ij")
    odd = torch.stack([axis.flatten() % 2 for axis in axes])
    return odd.sum(dim=0) % 2 == 0 if holdout == "every_other" else odd.sum(dim=0) == 0
