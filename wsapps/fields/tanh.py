"""Tanh network: the usual field of physics-informed solvers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from wsapps.config import doc
from wsapps.fields.network import ActivatedLinear, LayeredField


@dataclass
class TanhConfig:
    """Settings of a :class:`TanhField`."""

    name: str = "tanh"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("tanh layers after the first", default=3)


class TanhField(LayeredField):
    """A tanh network drawn by Glorot's rule: coordinates ``(..., in_features)`` to ``(..., out_features)``.

    Every weight matrix is N(0, 2 / (fan_in + fan_out)); biases are zero.

    Source: Glorot & Bengio, AISTATS 2010; as the field of physics-informed solvers: Raissi, Perdikaris &
    Karniadakis, J. Comput. Phys. 378, 2019, and the libraries after it.

    Raises:
        ValueError: a size below 1.
    """

    Config = TanhConfig

    def __init__(self, in_features: int, out_features: int, width: int = 256, hidden_layers: int = 3):
        super().__init__(in_features, out_features, width, hidden_layers, tanh_layer)
        _glorot_(self.output)


def tanh_layer(in_features: int, out_features: int, index: int) -> ActivatedLinear:
    """``tanh(W x + b)``, the same whatever its place in the network."""
    layer = ActivatedLinear(in_features, out_features, torch.tanh)
    _glorot_(layer)
    return layer


def _glorot_(layer: nn.Linear) -> None:
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
