"""ReLU or tanh network on random Fourier features (FFN)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from wsapps.config import doc
from wsapps.fields.network import Encoding, LayeredField, check_positive
from wsapps.fields.relu_pe import relu_layer
from wsapps.fields.tanh import tanh_layer

LAYERS = {"relu": relu_layer, "tanh": tanh_layer}


@dataclass
class FourierFeatureConfig:
    """Settings of a :class:`FourierFeatureField`."""

    name: str = "ffn"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("ReLU layers after the first", default=3)
    frequencies: int = doc("random frequencies, each with a sine and a cosine", default=256)
    sigma: float = doc(
        "standard deviation of the frequencies", default=10.0, unit="cycles a unit of coordinate"
    )
    activation: Literal["relu", "tanh"] = doc(
        "tanh for residual losses: second derivatives of relu are zero", default="relu"
    )


class FourierFeatures(Encoding):
    """``x`` to ``(cos(2 pi B x), sin(2 pi B x))``, the entries of B drawn from N(0, sigma^2) and kept.

    Inner products of encodings, divided by ``frequencies``, approximate the Gaussian kernel
    exp(-2 pi^2 sigma^2 |x - y|^2). B comes from the global generator and is a buffer that is saved: a
    field that is loaded back must have the same one.

    Source: Tancik et al., NeurIPS 2020. ``(..., D)`` to ``(..., 2 frequencies)``.

    Raises:
        ValueError: ``in_features`` or ``frequencies`` below 1, or a ``sigma`` that is not positive.
    """

    matrix: Tensor  # (frequencies, D), cycles a unit of coordinate

    def __init__(self, in_features: int, frequencies: int, sigma: float):
        check_positive(sigma=sigma)
        if min(in_features, frequencies) < 1:
            raise ValueError(
                f"in_features and frequencies must be at least 1, got {in_features} and {frequencies}"
            )
        super().__init__()
        self.out_features = 2 * frequencies
        self.register_buffer("matrix", sigma * torch.randn(frequencies, in_features))

    def forward(self, x: Tensor) -> Tensor:
        phases = F.linear(x, 2 * math.pi * self.matrix)
        return torch.cat([torch.cos(phases), torch.sin(phases)], dim=-1)


class FourierFeatureField(LayeredField):
    """FFN: coordinates ``(..., in_features)`` to values ``(..., out_features)``.

    Random Fourier features, then ``1 + hidden_layers`` ReLU layers (PyTorch's default initialisation) or tanh
    layers (Glorot's), and a linear output. Sigma 10 and 256 frequencies are the values published for images.

    Source: Tancik et al., *Fourier Features Let Networks Learn High Frequency Functions in Low
    Dimensional Domains*, NeurIPS 2020. Their images lie in [0, 1]^2; on [-1, 1]^2 the same sigma is twice
    as many cycles an image.

    Raises:
        ValueError: a size below 1, a ``sigma`` that is not positive, or an unknown ``activation``.
    """

    Config = FourierFeatureConfig

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        hidden_layers: int = 3,
        frequencies: int = 256,
        sigma: float = 10.0,
        activation: Literal["relu", "tanh"] = "relu",
    ):
        if activation not in LAYERS:
            raise ValueError(f"activation must be one of {', '.join(LAYERS)}, got {activation!r}")
        encoding = FourierFeatures(in_features, frequencies, sigma)
        super().__init__(in_features, out_features, width, hidden_layers, LAYERS[activation], encoding)
