"""What fields of pictures show.

Shape suffixes: N fields, H and W pixels, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.learning.inference import outputs_of
from wsapps_weightspace.weights import Architecture, evaluate

_SIDE = 28  # pixels, where it is not known how the field was fitted


@dataclass(frozen=True)
class Canvas:
    """Where fields are evaluated for a picture, and which values are black and white.

    Args:
        coordinates: ``(H W, 2)``, row by row.
        size: ``(H, W)``.
        low, high: values shown as 0 and 1.
    """

    coordinates: Tensor
    size: tuple[int, int]
    low: float
    high: float

    def shown(self, values_NQC: Tensor) -> Tensor:
        """Values ``(N, H W, C)`` as pictures ``(N, H, W, C)``, 0 to 1 between low and high, not clamped."""
        return ((values_NQC - self.low) / (self.high - self.low)).unflatten(1, self.size)

    def render(self, flat_NP: Tensor, architecture: Architecture) -> Tensor:
        """Pictures ``(N, H, W, C)`` of fields, clamped to [0, 1]; what is not finite is black."""
        values = outputs_of(
            lambda fields: evaluate(fields, architecture, self.coordinates), flat_NP, architecture
        )
        return self.shown(values).nan_to_num(0.0, 0.0, 0.0).clamp(0, 1)


def canvas_of(architecture: Architecture, about: ShardAbout | None) -> Canvas | None:
    """Where fields of pictures show what they were fitted to; None where fields are of something else."""
    if architecture.sizes[0] != 2 or architecture.sizes[-1] not in (1, 3):
        return None
    if about is None:  # from elsewhere: fit-a-nef's fields show values from -1 to 1 on [-1, 1]^2
        axis = torch.linspace(-1, 1, _SIDE)
        # Its first coordinate runs along a row, unlike ours.
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
        return Canvas(grid.flatten(0, 1), (_SIDE, _SIDE), -1.0, 1.0)
    if about.grid is None or len(about.grid) != 2 or about.coordinates is None:
        return None
    return Canvas(about.coordinates, (about.grid[0], about.grid[1]), about.low, about.high)
