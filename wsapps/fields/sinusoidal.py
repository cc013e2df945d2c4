"""Sinusoidal neural field (SIREN), with weight-scaled initialisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.fields.network import LayeredField, check_positive
from wsapps.init import frequency_scaling_, siren_first_, siren_hidden_, weight_scaling_


@dataclass
class SinusoidalConfig:
    """Settings of a :class:`SinusoidalField`."""

    name: str = "sinusoidal"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("sine layers after the first", default=3)
    omega_0: float = doc("frequency factor of the first sine", default=30.0)
    omega_hidden: float = doc("frequency factor of the other sines", default=30.0)
    alpha: float = doc("weight scaling; 1 is SIREN", default=2.5)
    frequency_gain: float = doc("frequency scaling: a factor on the first weights alone", default=1.0)


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


class SinusoidalField(LayeredField):
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
        frequency_gain: frequency scaling, the rival of weight scaling that multiplies the first
            layer's weights alone. 1 changes nothing; it comes on top of ``alpha``.

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
        frequency_gain: float = 1.0,
    ):
        check_positive(omega_0=omega_0, omega_hidden=omega_hidden)

        def make_layer(fan_in: int, fan_out: int, index: int) -> SineLayer:
            return siren_layer(fan_in, fan_out, omega_hidden if index else omega_0, first=index == 0)

        super().__init__(in_features, out_features, width, hidden_layers, make_layer)
        siren_hidden_(self.output.weight, omega_hidden)
        self.alpha, self.frequency_gain = alpha, frequency_gain
        weight_scaling_(self, alpha, last=self.output)
        frequency_scaling_(self, frequency_gain)


def siren_layer(in_features: int, out_features: int, omega: float, first: bool) -> SineLayer:
    """A sine layer drawn by SIREN's rule, as the first layer or as one of the others."""
    layer = SineLayer(in_features, out_features, omega)
    if first:
        siren_first_(layer.linear.weight)
    else:
        siren_hidden_(layer.linear.weight, omega)
    return layer
