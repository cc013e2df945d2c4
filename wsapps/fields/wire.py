"""Network of complex Gabor wavelets (WIRE), in real arithmetic.

Complex numbers are kept as real and imaginary parts, side by side in the last dimension: ``[Re, Im]``.
Matrix products are then ordinary real ones, which compile and follow autocast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsapps.config import doc
from wsapps.fields.network import LayeredField, check_positive


@dataclass
class WireConfig:
    """Settings of a :class:`WireField`."""

    name: str = "wire"
    width: int = doc(
        "neurons a layer of a real network of that size; width / sqrt(2) complex ones", default=256
    )
    hidden_layers: int = doc("wavelet layers after the first", default=3)
    omega: float = doc("frequency of the wavelets", default=10.0)
    scale: float = doc("s in the envelope exp(-|s z|^2): the larger, the narrower", default=10.0)


class RealWaveletLayer(nn.Module):
    """``exp(j omega z - |scale z|^2)`` of z = W x + b, all real: ``(..., fan_in)`` to ``[Re, Im]``.

    The first layer. ``(..., fan_in)`` to ``(..., 2 units)``, PyTorch's initialisation.
    """

    def __init__(self, fan_in: int, units: int, omega: float, scale: float):
        super().__init__()
        self.linear = nn.Linear(fan_in, units)
        self.omega, self.scale = omega, scale

    def forward(self, x: Tensor) -> Tensor:
        z = self.linear(x)
        phase = self.omega * z
        envelope = torch.exp(-(self.scale**2) * z.square())
        return torch.cat([envelope * torch.cos(phase), envelope * torch.sin(phase)], dim=-1)


class ComplexWaveletLayer(nn.Module):
    """``exp(j omega z - |scale z|^2)`` of z = W h + b, all complex: ``[Re, Im]`` to ``[Re, Im]``.

    ``(..., 2 fan_in)`` to ``(..., 2 units)``. Real and imaginary parts of weights and biases are
    U(-1/sqrt(fan_in), +), as PyTorch draws those of a complex ``nn.Linear``.
    """

    def __init__(self, fan_in: int, units: int, omega: float, scale: float):
        super().__init__()
        bound = 1 / math.sqrt(fan_in)
        self.real = nn.Parameter(torch.empty(units, fan_in).uniform_(-bound, bound))
        self.imaginary = nn.Parameter(torch.empty(units, fan_in).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(2 * units).uniform_(-bound, bound))
        self.omega, self.scale = omega, scale

    def forward(self, h: Tensor) -> Tensor:
        # (A + jB)(u + jv) = (Au - Bv) + j(Bu + Av), as one product with [u, v].
        weight = torch.cat(
            [
                torch.cat([self.real, -self.imaginary], dim=1),
                torch.cat([self.imaginary, self.real], dim=1),
            ]
        )
        a, b = F.linear(h, weight, self.bias).chunk(2, dim=-1)
        phase = self.omega * a
        # |exp(j omega (a + jb))| = exp(-omega b)
        envelope = torch.exp(-(self.scale**2) * (a.square() + b.square()) - self.omega * b)
        return torch.cat([envelope * torch.cos(phase), envelope * torch.sin(phase)], dim=-1)


class WireField(LayeredField):
    """WIRE: coordinates ``(..., in_features)`` to real values ``(..., out_features)``.

    One wavelet layer on real weights, ``hidden_layers`` complex ones, and the real part of a complex
    linear layer. A complex weight is two numbers, so there are ``int(width / sqrt(2))`` complex units:
    as many parameters as a real network of ``width``. Features are their real and imaginary parts, hence
    ``field.width`` is ``2 int(width / sqrt(2))``; the output layer is a real one on them, which is all that
    the real part of a complex layer can see.

    Source: Saragadam et al., *WIRE: Wavelet Implicit Neural Representations*, CVPR 2023. Omega and scale
    10 are the choice of Yeom et al., ICLR 2025.

    Raises:
        ValueError: a size below 1, a ``width`` below 2, or a factor that is not positive.
    """

    Config = WireConfig

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        hidden_layers: int = 3,
        omega: float = 10.0,
        scale: float = 10.0,
    ):
        check_positive(omega=omega, scale=scale)
        if width < 2:
            raise ValueError(f"width must be at least 2 to have a complex unit, got {width}")
        units = int(width / math.sqrt(2))

        def make_layer(fan_in: int, fan_out: int, index: int) -> nn.Module:
            if index == 0:
                return RealWaveletLayer(fan_in, fan_out // 2, omega, scale)
            return ComplexWaveletLayer(fan_in // 2, fan_out // 2, omega, scale)

        super().__init__(in_features, out_features, 2 * units, hidden_layers, make_layer)
        # The bound of a complex layer of that many units, not of a real layer of twice as many.
        bound = 1 / math.sqrt(units)
        with torch.no_grad():
            self.output.weight.uniform_(-bound, bound)
            self.output.bias.uniform_(-bound, bound)
