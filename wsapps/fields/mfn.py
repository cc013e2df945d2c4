"""Multiplicative filter networks: FourierNet and GaborNet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Gamma
from torch.nn import functional as F

from wsapps.config import doc
from wsapps.fields.network import ConfiguredField, check_positive, check_sizes


@dataclass
class MultiplicativeFilterConfig:
    """Settings of a :class:`MultiplicativeFilterField`."""

    name: str = "mfn"
    width: int = doc("filters a layer", default=256)
    hidden_layers: int = doc("products after the first filter", default=3)
    filters: Literal["fourier", "gabor"] = doc(
        "sines, or sines under Gaussians of their own", default="gabor"
    )
    input_scale: float = doc("factor on the frequencies of the filters, all together", default=256.0)
    weight_scale: float = doc("s in U(-sqrt(s / width), +) of the hidden weights", default=1.0)
    gamma_shape: float = doc("gabor: Gamma law of the Gaussians' inverse variances, its shape", default=6.0)
    gamma_rate: float = doc("gabor: the rate of that law", default=1.0)


class FourierFilter(nn.Module):
    """``sin(W x + b)``: ``(..., D)`` to ``(..., width)``.

    W is PyTorch's U(-1/sqrt(D), +) times ``frequency_scale``, b is U(-pi, pi).
    """

    def __init__(self, in_features: int, width: int, frequency_scale: float):
        super().__init__()
        self.linear = nn.Linear(in_features, width)
        with torch.no_grad():
            self.linear.weight.mul_(frequency_scale)
            self.linear.bias.uniform_(-math.pi, math.pi)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.linear(x))


class GaborFilter(nn.Module):
    """``sin(W x + b) exp(-gamma |x - mu|^2 / 2)``: ``(..., D)`` to ``(..., width)``.

    The inverse variances gamma are drawn from a Gamma law, the centres mu from U(-1, 1)^D; W is that of a
    Fourier filter times sqrt(gamma), so that narrow Gaussians carry high frequencies.
    """

    def __init__(self, in_features: int, width: int, frequency_scale: float, shape: float, rate: float):
        super().__init__()
        self.sine = FourierFilter(in_features, width, frequency_scale)
        self.mu = nn.Parameter(2 * torch.rand(width, in_features) - 1)
        law = Gamma(shape, rate, validate_args=False)
        # The device "meta", on which fields are only counted, has no such draw before torch 2.13.
        self.gamma = nn.Parameter(torch.empty(width) if self.mu.is_meta else law.sample((width,)))
        with torch.no_grad():
            self.sine.linear.weight.mul_(self.gamma.sqrt()[:, None])

    def forward(self, x: Tensor) -> Tensor:
        # -gamma |x - mu|^2 / 2 is linear in (x, |x|^2): one product, no (..., width, D) in between.
        lifted = torch.cat([x, x.square().sum(dim=-1, keepdim=True)], dim=-1)
        return self.sine(x) * torch.exp(F.linear(lifted, *self.exponent()))

    def exponent(self) -> tuple[Tensor, Tensor]:
        """Weight ``(width, D + 1)`` and bias of the exponent, as a function of (x, |x|^2)."""
        weight = torch.cat([self.gamma[:, None] * self.mu, -0.5 * self.gamma[:, None]], dim=1)
        return weight, -0.5 * self.gamma * self.mu.square().sum(dim=1)


class MultiplicativeFilterField(ConfiguredField):
    """MFN: coordinates ``(..., in_features)`` to values ``(..., out_features)``.

    z_0 = g_0(x), z_i = (W_i z_(i-1) + b_i) g_i(x) for i = 1 .. hidden_layers, and a linear output; g_i are
    sines (FourierNet) or sines under Gaussians (GaborNet). A product of sines is a sum of sines, so that
    the whole field is a linear combination of sines whose frequencies are sums and differences, one from
    each filter. Each filter's frequencies, and the shape of its Gamma law, get a share of the scales that
    are given, so that the sums have about these.

    The defaults are the published ones (input_scale 256, weight_scale 1, Gamma(6, 1)). Yeom et al., ICLR
    2025, do not say which of the two networks they ran; their table lists MFN under wavelets, so GaborNet is
    the default. It has ``(hidden_layers + 1) width (in_features + 1)`` parameters more.

    Source: Fathony et al., *Multiplicative Filter Networks*, ICLR 2021; the scales are those of their code.

    Args:
        in_features: coordinates a point, in [-1, 1].
        out_features: values a point.
        width: filters a layer.
        hidden_layers: products after the first filter, at least 0.
        filters: "fourier" or "gabor".
        input_scale: the filters' weights are multiplied by input_scale / sqrt(hidden_layers + 1).
        weight_scale: hidden weights are U(-sqrt(weight_scale / width), +).
        gamma_shape, gamma_rate: gamma of a filter is Gamma(gamma_shape / (hidden_layers + 1), gamma_rate).

    Raises:
        ValueError: a size below 1, a scale that is not positive, or unknown ``filters``.
    """

    Config = MultiplicativeFilterConfig

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        hidden_layers: int = 3,
        filters: Literal["fourier", "gabor"] = "gabor",
        input_scale: float = 256.0,
        weight_scale: float = 1.0,
        gamma_shape: float = 6.0,
        gamma_rate: float = 1.0,
    ):
        check_sizes(in_features, out_features, width, hidden_layers)
        check_positive(
            input_scale=input_scale,
            weight_scale=weight_scale,
            gamma_shape=gamma_shape,
            gamma_rate=gamma_rate,
        )
        if filters not in ("fourier", "gabor"):
            raise ValueError(f"filters must be fourier or gabor, got {filters!r}")
        super().__init__()
        self.in_features, self.out_features, self.width = in_features, out_features, width
        count = hidden_layers + 1
        frequency_scale = input_scale / math.sqrt(count)
        self.filters = nn.ModuleList(
            FourierFilter(in_features, width, frequency_scale)
            if filters == "fourier"
            else GaborFilter(in_features, width, frequency_scale, gamma_shape / count, gamma_rate)
            for _ in range(count)
        )
        linears = [nn.Linear(width, width) for _ in range(hidden_layers)]
        bound = math.sqrt(weight_scale / width)
        for linear in linears:
            nn.init.uniform_(linear.weight, -bound, bound)
        self.layers = nn.ModuleList(linears)
        self.output = nn.Linear(width, out_features)

    def features(self, coordinates: Tensor) -> Tensor:
        """The last product, ``(..., width)``."""
        first, *others = self.filters
        hidden = first(coordinates)
        for layer, filter_ in zip(self.layers, others, strict=True):
            hidden = layer(hidden) * filter_(coordinates)
        return hidden

    def forward(self, coordinates: Tensor) -> Tensor:
        return self.output(self.features(coordinates))
