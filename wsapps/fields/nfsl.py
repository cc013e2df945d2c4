"""Sine network with the output layer of "Scaling Insights for Optimizing Neural Fields" (NFSL)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from wsapps.config import doc
from wsapps.fields.network import LayeredField, check_positive
from wsapps.fields.sinusoidal import SineLayer, siren_layer


@dataclass
class NfslConfig:
    """Settings of an :class:`NfslField`."""

    name: str = "nfsl"
    width: int = doc("neurons a layer", default=256)
    hidden_layers: int = doc("sine layers after the first", default=3)
    omega_0: float = doc("frequency factor of the first sine", default=30.0)
    omega_hidden: float = doc("frequency factor of the other sines", default=30.0)


class NfslField(LayeredField):
    """NFSL: coordinates ``(..., in_features)`` in [-1, 1] to values ``(..., out_features)``.

    A SIREN whose last weights are U(-n^(-3/4), n^(-3/4)), n = ``width``. With the same seed, everything
    below the output equals :class:`~wsapps.fields.SinusoidalField` with ``alpha=1``.

    Source: Saratchandran, Ramasinghe & Lucey, *From Activation to Initialization: Scaling Insights for
    Optimizing Neural Fields*, CVPR 2024. Their rule draws W_l of variance of the order 1/n_(l-1), and the
    last layer's of a variance smaller by 1/sqrt(n); it is given as normal, N(0, 1/n) and last
    N(0, 2/n^(3/2)), and as uniform, U(-n^(-1/2), +) and last U(-n^(-3/4), +), whose last variances differ
    6 times. **What follows is our reading**: the script of Yeom et al. (ICLR 2025) lacks this baseline.

    * Taken literally below a sine of omega 30, N(0, 1/n) makes arguments of standard deviation
      omega / sqrt(2), 20 times SIREN's and equal to Xavier's, and the uniform form 12 times. In Yeom et
      al.'s table Xavier fails, and NFSL equals SIREN within 0.6 dB on every signal. So the first and hidden
      layers must be SIREN's (dividing by omega as well cost 2.6 dB against SIREN on a photograph), and
      the rule applies to the last layer, where it differs from others.
    * The uniform form, as every other layer of a SIREN is uniform. Fitting two photographs of 128x128
      (width 256, rate 1e-4, one seed) it was above SIREN by 0.2 and 0.5 dB at step 50 and 25 and
      below by 1.0 dB at steps 150 and 100; the normal form, on one of them, below at steps 50, 100 and 150.

    Raises:
        ValueError: a size below 1, or a factor that is not positive.
    """

    Config = NfslConfig

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
            return siren_layer(fan_in, fan_out, omega_hidden if index else omega_0, first=index == 0)

        super().__init__(in_features, out_features, width, hidden_layers, make_layer)
        bound = width**-0.75
        nn.init.uniform_(self.output.weight, -bound, bound)
