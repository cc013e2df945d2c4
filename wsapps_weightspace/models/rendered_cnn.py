"""A convolutional network on the fields' values on a grid: what is lost against the pictures themselves.

Shape suffixes: B fields, D coordinates, C values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.errors import UserError
from wsapps_weightspace.models.classifier import FieldClassifier
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_MOST_POINTS = 2**18


@dataclass
class RenderedCnnConfig:
    """Settings of a :class:`RenderedCnn`."""

    name: str = "rendered_cnn"
    resolution: int = doc("grid points along each coordinate", default=28)
    channels: int = doc("channels of the first convolutions; twice as many after each halving", default=32)
    width: int = doc("features that are classified", default=256)
    dropout: float = doc("part of these features dropped while training", default=0.3)

    def __post_init__(self) -> None:
        at_least_one(self, "channels", "width")
        if self.resolution < 4:
            raise ValueError(f"resolution must be at least 4, got {self.resolution}")


class RenderedCnn(FieldClassifier):
    """Values on a regular grid over [-1, 1]^D, ends included; convolutions, halved twice; a linear output.

    A function-space model: it sees the picture that a field is of, not how.

    Raises:
        UserError: more than 3 coordinates, or a grid of very many points.
    """

    Config = RenderedCnnConfig
    function_space = True
    grid_QD: Tensor

    def __init__(self, architecture: Architecture, classes: int, config: RenderedCnnConfig):
        super().__init__(config.width, classes)
        self.architecture, self.side = architecture, config.resolution
        dimensions, values = architecture.sizes[0], architecture.sizes[-1]
        if dimensions not in _CONVOLUTIONS or config.resolution**dimensions > _MOST_POINTS:
            raise UserError(
                f"rendered_cnn renders fields of 1 to 3 coordinates on at most {_MOST_POINTS} points; got "
                f"{dimensions} coordinates and resolution={config.resolution}"
            )
        axis = torch.linspace(-1, 1, config.resolution)
        grid = torch.stack(torch.meshgrid(*[axis] * dimensions, indexing="ij"), dim=-1)
        self.register_buffer("grid_QD", grid.reshape(-1, dimensions), persistent=False)
        first, second = config.channels, 2 * config.channels
        convolution, pool = _CONVOLUTIONS[dimensions], _POOLS[dimensions]
        self.convolutions = nn.Sequential(
            convolution(values, first, 3, padding=1),
            nn.GroupNorm(1, first),
            nn.SiLU(),
            pool(2),
            convolution(first, second, 3, padding=1),
            nn.GroupNorm(1, second),
            nn.SiLU(),
            pool(2),
            convolution(second, second, 3, padding=1),
            nn.SiLU(),
            nn.Flatten(),
        )
        left = (config.resolution // 4) ** dimensions
        self.read = nn.Sequential(
            nn.Linear(second * left, config.width), nn.SiLU(), nn.Dropout(config.dropout)
        )

    def render(self, fields: FieldWeights) -> Tensor:
        """``(B, C, side, ...)``."""
        values_BQC = evaluate(fields, self.architecture, self.grid_QD)
        shape = [self.side] * self.architecture.sizes[0]
        return values_BQC.transpose(1, 2).unflatten(2, shape)

    def features(self, fields: FieldWeights) -> Tensor:
        return self.read(self.convolutions(self.render(fields)))
