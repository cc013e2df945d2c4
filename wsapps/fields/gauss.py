"""Network of Gaussian activations (GaussNet)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.fields.network import ActivatedLinear, LayeredField, check_positive


@dataclass
class GaussConfig:
    """Settings of a :class:`GaussField`."""

    name: str = "gauss"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("Gaussian layers after the first", default=3)
    scale: float = doc("s in exp(-(s z)^2): the larger, the narrower", default=20.0)


class GaussField(LayeredField):
    """A Gaussian network: coordinates ``(..., in_features)`` to values ``(..., out_features)``.

    ``1 + hidden_layers`` layers exp(-(scale z)^2), z = W x + b, and a linear output, PyTorch's default
    initialisation. Features lie in [0, 1].

    Source: Ramasinghe & Lucey, *Beyond Periodicity*, ECCV 2022, where the activation is
    exp(-z^2 / (2 sigma^2)), so that scale = 1 / (sqrt(2) sigma). Scale 20 is the choice of Yeom et al.,
    ICLR 2025.

    Raises:
        ValueError: a size below 1, or a ``scale`` that is not positive.
    """

    Config = GaussConfig

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        hidden_layers: int = 3,
        scale: float = 20.0,
    ):
        check_positive(scale=scale)

        def make_layer(fan_in: int, fan_out: int, index: int) -> ActivatedLinear:
            return ActivatedLinear(fan_in, fan_out, partial(gaussian, scale=scale))

        super().__init__(in_features, out_features, width, hidden_layers, make_layer)


def gaussian(z: Tensor, scale: float) -> Tensor:
    """``exp(-(scale z)^2)``, element by element."""
    return torch.exp(-(scale * scale) * z.square())
