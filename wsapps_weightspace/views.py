"""Augmented views of pictures: shifted and turned a little, each to be fitted by a field of its own.

Shapes: B fields, H rows, W columns, C values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps.errors import UserError
from wsapps.seeding import generator
from wsapps_weightspace.numbering import Numbers
from wsapps_weightspace.samples import LabelledSamples


@dataclass
class ViewsConfig:
    """Settings of the views; the first one of a sample is the sample itself."""

    count: int = doc("views of each sample", default=1)
    shift: float = doc("most that a view is shifted along each axis", default=2.0, unit="pixels")
    rotation: float = doc("most that it is turned either way", default=15.0, unit="degrees")

    def __post_init__(self) -> None:
        at_least_one(self, "count")
        not_negative(self, "shift", "rotation")


def check_views(config: ViewsConfig, samples: LabelledSamples) -> None:
    """Refuse views of what is no picture. Raises UserError."""
    if config.count > 1 and (samples.grid is None or len(samples.grid) != 2):
        raise UserError(
            f"views.count={config.count}: only pictures have views, and {samples.name} holds none"
        )


def targets_of(samples: LabelledSamples, config: ViewsConfig, numbers: Numbers, seed: int) -> Tensor:
    """What fields with some numbers fit, ``(B, Q, C)`` float32.

    A view is drawn by the seed, its sample and its own number; between pixels it is bilinear, and beyond the
    picture's edge the edge goes on.
    """
    targets = samples.targets(numbers.sample)
    turned = numbers.view > 0
    if samples.grid is None or not bool(turned.any()):
        return targets
    height, width = samples.grid
    moves = [
        _inverse_move(config, samples.grid, generator(seed, "view", sample, view))
        for sample, _, view in numbers.rows()
        if view > 0
    ]
    pictures = targets[turned].unflatten(1, (height, width)).movedim(-1, 1)
    places = affine_grid(torch.stack(moves), list(pictures.shape), align_corners=True)
    moved = grid_sample(pictures, places, padding_mode="border", align_corners=True)
    targets[turned] = moved.movedim(1, -1).flatten(1, 2)
    return targets


def _inverse_move(config: ViewsConfig, grid: tuple[int, ...], drawn: torch.Generator) -> Tensor:
    """``(2, 3)``: from places (x, y) in a view, in [-1, 1], to those in the picture."""
    turn, right, down = (2 * torch.rand(3, generator=drawn) - 1).tolist()
    angle = math.radians(turn * config.rotation)
    height, width = (max(size - 1, 1) for size in grid)  # of a picture from the first to the last pixel
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor(
        [
            [cos, -sin * height / width, 2 * right * config.shift / width],
            [sin * width / height, cos, 2 * down * config.shift / height],
        ]
    )
