"""What the fields share: their contract, size checks, and hidden layers one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

_F = TypeVar("_F", bound="ConfiguredField")


class Field(Protocol):
    """What applications ask of a field: coordinates ``(..., in_features)`` to values ``(..., out_features)``.

    Its values are ``output(features(coordinates))``; an application may put other heads on the features.
    ``width`` is the size of a feature vector, which may differ from the ``width`` that was configured.
    """

    in_features: int
    out_features: int
    width: int

    @property
    def output(self) -> nn.Module:
        """The layer from features ``(..., width)`` to values ``(..., out_features)``."""
        ...

    def features(self, coordinates: Tensor) -> Tensor:
        """The last hidden activations, ``(..., width)``."""
        ...


class Encoding(nn.Module):
    """Coordinates ``(..., in_features)`` to what a first layer sees, ``(..., out_features)``."""

    out_features: int


class ActivatedLinear(nn.Linear):
    """``activation(W x + b)``: ``(..., in_features)`` to ``(..., out_features)``, PyTorch's default draws."""

    def __init__(self, in_features: int, out_features: int, activation: Callable[[Tensor], Tensor]):
        super().__init__(in_features, out_features)
        self.activation = activation

    def forward(self, input: Tensor) -> Tensor:
        return self.activation(super().forward(input))


class ConfiguredField(nn.Module):
    """A field whose arguments, besides its sizes, are the entries of its ``Config`` of the same names."""

    Config: type

    @classmethod
    def from_config(cls: type[_F], in_features: int, out_features: int, config: Any) -> _F:
        """The field that a ``cls.Config`` describes. Raises ValueError as the class does."""
        settings = {f.name: getattr(config, f.name) for f in fields(config) if f.name != "name"}
        return cls(in_features, out_features, **settings)


class LayeredField(ConfiguredField):
    """An encoding or none, ``1 + hidden_layers`` layers of one width, and a linear output.

    Args:
        in_features: coordinates a point.
        out_features: values a point.
        width: neurons a layer.
        hidden_layers: layers after the first, at least 0.
        make_layer: ``make_layer(fan_in, width, index)`` makes layer 0 .. hidden_layers, activation included.
            It is called in order and before the output is made, so that draws follow the order of layers.
        encoding: what the first layer sees; by default the coordinates.

    Raises:
        ValueError: a size below 1, or ``hidden_layers`` below 0.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int,
        hidden_layers: int,
        make_layer: Callable[[int, int, int], nn.Module],
        encoding: Encoding | None = None,
    ):
        check_sizes(in_features, out_features, width, hidden_layers)
        super().__init__()
        self.in_features, self.out_features, self.width = in_features, out_features, width
        self.encoding = encoding
        encoded = in_features if encoding is None else encoding.out_features
        fan_ins = [encoded] + [width] * hidden_layers
        self.layers = nn.ModuleList(make_layer(fan_in, width, index) for index, fan_in in enumerate(fan_ins))
        self.output = nn.Linear(width, out_features)

    def features(self, coordinates: Tensor) -> Tensor:
        """The last hidden activations, ``(..., width)``: what an output head stands on."""
        hidden = coordinates if self.encoding is None else self.encoding(coordinates)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden

    def forward(self, coordinates: Tensor) -> Tensor:
        return self.output(self.features(coordinates))


def check_sizes(in_features: int, out_features: int, width: int, hidden_layers: int) -> None:
    """Refuse sizes that make no network. Raises ValueError: a size below 1, ``hidden_layers`` below 0."""
    for name, value, least in (
        ("in_features", in_features, 1),
        ("out_features", out_features, 1),
        ("width", width, 1),
        ("hidden_layers", hidden_layers, 0),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")


def check_positive(**factors: float) -> None:
    """Refuse factors by name. Raises ValueError: one that is not finite and positive."""
    for name, factor in factors.items():
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"{name} must be finite and positive, got {factor}")
