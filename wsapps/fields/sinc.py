"""Network of sinc activations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.fields.network import ActivatedLinear, LayeredField, check_positive


@dataclass
class SincConfig:
    """Settings of a :class:`SincField`."""

    name: str = "sinc"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("sinc layers after the first", default=3)
    omega: float = doc("frequency factor: sinc(omega z) = sin(pi omega z) / (pi omega z)", default=8.0)


class SincField(LayeredField):
    """A sinc network: coordinates ``(..., in_features)`` to values ``(..., out_features)``.

    ``1 + hidden_layers`` layers sinc(omega z), z = W x + b, with sinc(t) = sin(pi t) / (pi t), and a
    linear output, PyTorch's default initialisation. An activation vanishes where omega z is an integer
    other than 0.

    Source: Saratchandran et al., *A Sampling Theory Perspective on Activations for Implicit Neural
    Representations*, ICML 2024. Omega 8 is the choice of Yeom et al., ICLR 2025.

    Raises:
        ValueError: a size below 1, or an ``omega`` that is not positive.
    """

    Config = SincConfig

    def __init__(
        self,
        in_features: int,
        out_features: int,
        width: int = 256,
        hidden_layers: int = 3,
        omega: float = 8.0,
    ):
        check_positive(omega=omega)

        def make_layer(fan_in: int, fan_out: int, index: int) -> ActivatedLinear:
            return ActivatedLinear(fan_in, fan_out, partial(sinc, omega=omega))

        super().__init__(in_features, out_features, width, hidden_layers, make_layer)


def sinc(z: Tensor, omega: float) -> Tensor:
    """``sin(pi omega z) / (pi omega z)``, element by element, 1 at z = 0."""
    return torch.sinc(omega * z)
