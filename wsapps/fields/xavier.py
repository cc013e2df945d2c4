"""Sine network with Xavier-uniform weights: what happens without an initialisation made for sines."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from wsapps.config import doc
from wsapps.fields.network import LayeredField, check_positive
from wsapps.fields.sinusoidal import SineLayer


@dataclass
class XavierConfig:
    """Settings of an :class:`XavierField`."""

    name: str = "xavier"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("sine layers after the first", default=3)
    omega_0: float = doc("frequency factor of the first sine", default=30.0)
    omega_hidden: float = doc("frequency factor of the other sines", default=30.0)


class XavierField(LayeredField):
    """A sine network drawn by Xavier's rule: coordinates ``(..., in_features)`` to ``(..., out_features)``.

    Every weight matrix, the last one too, is U(-b, b) with b = sqrt(6 / (fan_in + fan_out)); biases are
    PyTorch's default. A hidden sine sees arguments of variance omega^2 / 2: at omega 30 it turns three
    times within one standard deviation, and the field starts as noise.

    Source: Glorot & Bengio, AISTATS 2010, equation 16; as a baseline for sines: Yeom et al., ICLR 2025.

    Raises:
        ValueError: a size below 1, or a factor that is not positive.
    """

    Config = XavierConfig

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        hidden_layers: int = 3,
        omega_0: float = 30.0,
        omega_hidden: float = 30.0,
    ):
        check_positive(omega_0=omega_0, omega_hidden=omega_hidden)

        def make_layer(fan_in: int, fan_out: int, index: int) -> SineLayer:
            layer = SineLayer(fan_in, fan_out, omega_hidden if index else omega_0)
            nn.init.xavier_uniform_(layer.linear.weight)
            return layer

        super().__init__(in_features, out_features, width, hidden_layers, make_layer)
        nn.init.xavier_uniform_(self.output.weight)
