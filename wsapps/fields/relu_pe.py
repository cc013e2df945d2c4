"""ReLU network on a positional encoding (NeRF's field)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from wsapps.config import doc


@dataclass
class ReluPositionalConfig:
    """Settings of a :class:`ReluPositionalField`."""

    name: str = "relu_pe"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("ReLU layers after the first", default=3)
    octaves: int = doc("frequencies pi 2^k, k = 0 .. octaves - 1, of each coordinate", default=10)


class PositionalEncoding(nn.Module):
    """``x`` to ``(x, sin(pi 2^k x), cos(pi 2^k x))`` for k < octaves, each coordinate by itself.

    Source: Mildenhall et al., ECCV 2020, equation 4; the coordinate itself is kept, as in their code.
    ``(..., D)`` to ``(..., D (1 + 2 octaves))``.
    """

    frequencies: Tensor  # (octaves,)

    def __init__(self, in_features: int, octaves: int):
        super().__init__()
        self.out_features = in_features * (1 + 2 * octaves)
        frequencies = math.pi * 2.0 ** torch.arange(octaves)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        phases = (x[..., None] * self.frequencies).flatten(start_dim=-2)
        return torch.cat([x, torch.sin(phases), torch.cos(phases)], dim=-1)


class ReluPositionalField(nn.Module):
    """ReLU + P.E.: coordinates ``(..., in_features)`` in [-1, 1] to values ``(..., out_features)``.

    The rival that most radiance fields use (Mildenhall et al., ECCV 2020): positional encoding, then
    ``1 + hidden_layers`` ReLU layers and a linear output, PyTorch's default initialisation.

    Raises:
        ValueError: a size below 1.
    """

    Config = ReluPositionalConfig

    def __init__(
        self, in_features: int, out_features: int, width: int = 256, hidden_layers: int = 3, octaves: int = 10
    ):
        super().__init__()
        if min(in_features, out_features, width, octaves) < 1 or hidden_layers < 0:
            raise ValueError(
                f"sizes must be at least 1 (hidden_layers 0): in_features={in_features}, "
                f"{out_features=}, width={width}, hidden_layers={hidden_layers}, octaves={octaves}"
            )
        self.encoding = PositionalEncoding(in_features, octaves)
        widths = [self.encoding.out_features] + [width] * (hidden_layers + 1)
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths))
        self.output = nn.Linear(width, out_features)
        self.in_features, self.out_features, self.width = in_features, out_features, width

    @classmethod
    def from_config(
        cls, in_features: int, out_features: int, config: ReluPositionalConfig
    ) -> ReluPositionalField:
        return cls(in_features, out_features, config.width, config.hidden_layers, config.octaves)

    def features(self, coordinates: Tensor) -> Tensor:
        """The last hidden activations, ``(..., width)``."""
        hidden = self.encoding(coordinates)
        for layer in self.layers:
            hidden = torch.relu(layer(hidden))
        return hidden

    def forward(self, coordinates: Tensor) -> Tensor:
        return self.output(self.features(coordinates))
