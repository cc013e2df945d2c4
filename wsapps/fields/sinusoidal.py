"""Sinusoidal neural field (SIREN), with weight-scaled initialisation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.init import siren_first_, siren_hidden_, weight_scaling_


@dataclass
class SinusoidalConfig:
    """Settings of a :class:`SinusoidalField`."""

    name: str = "sinusoidal"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("sine layers after the first", default=3)
    omega_0: float = doc("frequency factor of the first sine", default=30.0)
    omega_hidden: float = doc("frequency factor of the other sines", default=30.0)
    alpha: float = doc("weight scaling; 1 is SIREN", default=2.5)


class SineLayer(nn.Module):
    """``sin(omega (W x + b))``: ``(..., in_features)`` to ``(..., out_features)``."""

    def __init__(self, in_features: int, out_features: int, omega: float):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * self.linear(x))

    def extra_repr(self) -> str:
        return f"omega={self.omega:g}"


class SinusoidalField(nn.Module):
    """A sinusoidal neural field: coordinates ``(..., in_features)`` to values ``(..., out_features)``.

    One first sine layer, ``hidden_layers`` more, and a linear output. Weights are drawn by SIREN's
    rule (Sitzmann et al., 2020), then all but the last are multiplied by ``alpha`` (Yeom et al.,
    2025); biases are PyTorch's default U(-1/sqrt(fan_in), +). Layers are drawn in the order of the
    original SIREN code, so that with ``alpha=1`` and the same seed the parameters equal its bit for bit.

    Args:
        in_features: coordinates a point; they should lie in [-1, 1].
        out_features: values a point.
        width: neurons a hidden layer.
        hidden_layers: sine layers after the first, at least 0.
        omega_0, omega_hidden: frequency factors of the first and of the other sines, positive.
        alpha: weight scaling. 1 is SIREN, 2.5 the paper's choice for images; deeper networks,
            radiance fields and PDEs want less.

    Raises:
        ValueError: a size below 1, or a factor that is not positive.
    """

    Config = SinusoidalConfig

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        hidden_layers: int = 3,
        omega_0: float = 30.0,
        omega_hidden: float = 30.0,
        alpha: float = 2.5,
    ):
        super().__init__()
        _check_sizes(in_features, out_features, width, hidden_layers, omega_0, omega_hidden)
        widths = [in_features] + [width] * (hidden_layers + 1)
        self.layers = nn.ModuleList()
        for index, (fan_in, fan_out) in enumerate(pairwise(widths)):
            layer = SineLayer(fan_in, fan_out, omega_0 if index == 0 else omega_hidden)
            if index == 0:
                siren_first_(layer.linear.weight)
            else:
                siren_hidden_(layer.linear.weight, omega_hidden)
            self.layers.append(layer)
        self.output = nn.Linear(width, out_features)
        siren_hidden_(self.output.weight, omega_hidden)
        self.in_features, self.out_features, self.width, self.alpha = in_features, out_features, width, alpha
        weight_scaling_(self, alpha, last=self.output)

    @classmethod
    def from_config(cls, in_features: int, out_features: int, config: SinusoidalConfig) -> SinusoidalField:
        return cls(
            in_features,
            out_features,
            width=config.width,
            hidden_layers=config.hidden_layers,
            omega_0=config.omega_0,
            omega_hidden=config.omega_hidden,
            alpha=config.alpha,
        )

    def features(self, coordinates: Tensor) -> Tensor:
        """The last hidden activations, ``(..., width)`` in [-1, 1]: what an output head stands on."""
        for layer in self.layers:
            coordinates = layer(coordinates)
        return coordinates

    def forward(self, coordinates: Tensor) -> Tensor:
        return self.output(self.features(coordinates))


def _check_sizes(
    in_features: int, out_features: int, width: int, hidden_layers: int, omega_0: float, omega_hidden: float
) -> None:
    for name, value, least in (
        ("in_features", in_features, 1),
        ("out_features", out_features, 1),
        ("width", width, 1),
        ("hidden_layers", hidden_layers, 0),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    for name, factor in (("omega_0", omega_0), ("omega_hidden", omega_hidden)):
        if not factor > 0:
            raise ValueError(f"{name} must be positive, got {factor}")
