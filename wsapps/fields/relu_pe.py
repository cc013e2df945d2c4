"""ReLU network on a positional encoding (NeRF's field)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.fields.network import ActivatedLinear, Encoding, LayeredField


@dataclass
class ReluPositionalConfig:
    """Settings of a :class:`ReluPositionalField`."""

    name: str = "relu_pe"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("ReLU layers after the first", default=3)
    octaves: int = doc("frequencies pi 2^k, k = 0 .. octaves - 1, of each coordinate", default=10)


class PositionalEncoding(Encoding):
    """``x`` to ``(x, sin(pi 2^k x), cos(pi 2^k x))`` for k < octaves, each coordinate by itself.

    Source: Mildenhall et al., ECCV 2020, equation 4; the coordinate itself is kept, as in their code.
    ``(..., D)`` to ``(..., D (1 + 2 octaves))``.

    Raises:
        ValueError: ``octaves`` below 1.
    """

    frequencies: Tensor  # (octaves,)

    def __init__(self, in_features: int, octaves: int):
        if octaves < 1:
            raise ValueError(f"octaves must be at least 1, got {octaves}")
        super().__init__()
        self.out_features = in_features * (1 + 2 * octaves)
        frequencies = math.pi * 2.0 ** torch.arange(octaves)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        phases = (x[..., None] * self.frequencies).flatten(start_dim=-2)
        return torch.cat([x, torch.sin(phases), torch.cos(phases)], dim=-1)


class ReluPositionalField(LayeredField):
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
        encoding = PositionalEncoding(in_features, octaves)
        super().__init__(in_features, out_features, width, hidden_layers, relu_layer, encoding)


def relu_layer(in_features: int, out_features: int, index: int) -> ActivatedLinear:
    """``relu(W x + b)``, the same whatever its place in the network."""
    return ActivatedLinear(in_features, out_features, torch.relu)
