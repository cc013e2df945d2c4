"""A field as plain layers, which a page in a browser evaluates (wsapps/web/evaluator.js).

Shapes: M members (fields of one architecture: the tiles of a tiled field, or one), O neurons, I inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wsapps.errors import UserError
from wsapps.fields import FIELDS
from wsapps.fields.ffn import FourierFeatureField
from wsapps.fields.gauss import GaussField
from wsapps.fields.nfsl import NfslField
from wsapps.fields.relu_pe import ReluPositionalField
from wsapps.fields.sinc import SincField
from wsapps.fields.sinusoidal import SineLayer, SinusoidalField
from wsapps.fields.tanh import TanhField
from wsapps.fields.xavier import XavierField
from wsapps.tiling import TiledField

Activation = Literal["linear", "sine", "relu", "tanh", "gauss", "sinc"]
Extra = Literal["point", "direction"]

MOST_INPUTS = 3  # a point is a texel: three coordinates, and whether it is wanted
MOST_OUTPUTS = 4  # values are a texel
MOST_NUMBERS = 2**24  # weights; every WebGL 2 has textures of 2048^2 texels of four
WIDEST = 2048  # neurons a layer, for blocks of at least four rows


@dataclass(frozen=True)
class Layer:
    """``activation(factor (W x + b))`` of the layer before's neurons and, if asked, of three more numbers.

    Attributes:
        weight: ``(O, I)``, or ``(O, I + 3)`` with ``extra``.
        bias: ``(O,)``.
        activation: of a sine the argument is in radians; sinc is sin(pi z) / (pi z), gauss exp(-z^2).
        factor: a sine layer's omega.
        extra: "point": the layer also sees the coordinates; "direction": the direction of view.
    """

    weight: Tensor
    bias: Tensor
    activation: Activation = "linear"
    factor: float = 1.0
    extra: Extra | None = None

    @property
    def inputs(self) -> int:
        return self.weight.shape[1] - (3 if self.extra else 0)


@dataclass(frozen=True)
class Network:
    """Members of one architecture, each a list of layers.

    Raises:
        UserError: more than a page can hold or show.
    """

    members: Sequence[Sequence[Layer]]

    def __post_init__(self) -> None:
        inputs, outputs = self.members[0][0].inputs, len(self.members[0][-1].bias)
        if inputs > MOST_INPUTS or outputs > MOST_OUTPUTS:
            raise UserError(
                f"a page shows fields of at most {MOST_INPUTS} coordinates and {MOST_OUTPUTS} values, and "
                f"this one has {inputs} and {outputs}"
            )
        if (count := self.numbers) > MOST_NUMBERS:
            raise UserError(f"a page holds at most {MOST_NUMBERS:,} weights, and this field has {count:,}")
        if (widest := max(len(layer.bias) for layer in self.members[0])) > WIDEST:
            raise UserError(
                f"a page evaluates layers of at most {WIDEST} neurons, and this field has {widest}"
            )

    @property
    def numbers(self) -> int:
        """Weights and biases, of all members."""
        return sum(layer.weight.numel() + layer.bias.numel() for layers in self.members for layer in layers)

    def description(self) -> dict[str, Any]:
        """What the page must know beside :meth:`floats`, as plain JSON."""
        first, at, layers = self.members[0], 0, []
        for layer in first:
            layers.append(
                {
                    "inputs": layer.inputs,
                    "outputs": len(layer.bias),
                    "activation": layer.activation,
                    "factor": layer.factor,
                    "weight": at,
                    "bias": at + layer.weight.numel(),
                    "extra": layer.extra,
                }
            )
            at += layer.weight.numel() + layer.bias.numel()
        return {
            "inputs": first[0].inputs,
            "outputs": len(first[-1].bias),
            "members": len(self.members),
            "stride": at,
            "layers": layers,
        }

    def floats(self) -> NDArray[np.float32]:
        """All members' weights and biases, layer by layer, weights by rows."""
        tensors = [t for layers in self.members for layer in layers for t in (layer.weight, layer.bias)]
        return torch.cat([t.detach().float().cpu().flatten() for t in tensors]).numpy()


def network_of(field: nn.Module) -> Network:
    """The network of a field, or of all tiles of a tiled one.

    Raises:
        UserError: the field's method has no layers of this kind, or the page could not show it.
    """
    fields = (
        [field.ensemble.member(i) for i in range(len(field.ensemble))]
        if isinstance(field, TiledField)
        else [field]
    )
    return Network([[*feature_layers(one), linear_layer(one.output)] for one in fields])


def feature_layers(field: nn.Module) -> list[Layer]:
    """The layers below a field's output, from coordinates to features; raises as :func:`network_of`."""
    for kind, layers in _KINDS.items():
        if isinstance(field, kind):
            return layers(field)
    known = ", ".join(name for name, kind in FIELDS.items() if kind in _KINDS)
    raise UserError(f"a page cannot evaluate a {type(field).__name__}; it can evaluate the methods {known}")


def linear_layer(linear: Any, activation: Activation = "linear", factor: float = 1.0) -> Layer:
    """An ``nn.Linear`` with an activation behind it."""
    return Layer(linear.weight, linear.bias, activation, factor)


def _sine_layers(field: Any) -> list[Layer]:
    def of(layer: SineLayer) -> Layer:
        return linear_layer(layer.linear, "sine", layer.omega)

    return [of(layer) for layer in field.layers]


def _activated(activation: Activation, setting: str | None = None) -> Callable[[Any], list[Layer]]:
    """Layers of one activation, whose factor is a keyword of their activation function."""

    def layers(field: Any) -> list[Layer]:
        return [
            linear_layer(layer, activation, layer.activation.keywords[setting] if setting else 1.0)
            for layer in field.layers
        ]

    return layers


def _fourier_layers(field: Any) -> list[Layer]:
    """Cosines are sines a quarter turn ahead."""
    matrix = field.encoding.matrix
    ahead = torch.cat([torch.full((len(matrix),), 0.25), torch.zeros(len(matrix))])
    encoding = Layer(torch.cat([matrix, matrix]), ahead, "sine", 2 * math.pi)
    activation = "tanh" if field.layers[0].activation is torch.tanh else "relu"
    return [encoding, *_activated(activation)(field)]


def _positional_layers(field: Any) -> list[Layer]:
    """Sines and cosines of each coordinate by itself; the next layer sees the coordinates too."""
    inputs, octaves = field.in_features, len(field.encoding.frequencies)
    rows = torch.zeros(inputs * octaves, inputs)
    for d in range(inputs):
        rows[d * octaves : (d + 1) * octaves, d] = 2.0 ** torch.arange(octaves)
    ahead = torch.cat([torch.zeros(len(rows)), torch.full((len(rows),), 0.5)])
    encoding = Layer(torch.cat([rows, rows]), ahead, "sine", math.pi)
    first, *others = _activated("relu")(field)
    own = torch.zeros(len(first.bias), 3)
    own[:, :inputs] = first.weight[:, :inputs].detach().cpu()
    seen = torch.cat([first.weight[:, inputs:].detach().cpu(), own], dim=1)
    return [encoding, replace(first, weight=seen, extra="point"), *others]


_KINDS: dict[type, Callable[[Any], list[Layer]]] = {
    SinusoidalField: _sine_layers,
    XavierField: _sine_layers,
    NfslField: _sine_layers,
    TanhField: _activated("tanh"),
    GaussField: _activated("gauss", "scale"),
    SincField: _activated("sinc", "omega"),
    FourierFeatureField: _fourier_layers,
    ReluPositionalField: _positional_layers,
}
