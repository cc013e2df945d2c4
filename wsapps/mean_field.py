"""Signal propagation in wide sinusoidal networks at initialisation: the mean-field law.

Conventions. ``a_i = omega_h (W_i z_(i-1) + b_i)`` is the argument of the i-th sine, with its factor
omega, and ``z_i = sin(a_i)``. Layers are n wide, ``sigma^2`` is the mean of ``a^2`` over units (its mean is
zero), and weights are drawn by :mod:`wsapps.init`: ``Var W = 2 alpha^2 / (omega_h^2 n)``, and PyTorch's
``Var b = 1 / (3 n)``. For normal arguments ``E sin^2(a) = (1 - e^(-2 sigma^2)) / 2`` and
``E cos^2(a) = (1 + e^(-2 sigma^2)) / 2``, so

    forward    sigma_i^2 = alpha^2 (1 - e^(-2 sigma_(i-1)^2)) + omega_h^2 / (3 n)
    backward   E (dL/da_(i-1))^2 = alpha^2 (1 + e^(-2 sigma_(i-1)^2)) E (dL/da_i)^2

From any first layer a few layers reach the largest fixed point of the first line. The law holds for hidden
layers: not for the first, which sees coordinates, nor for the last, which has no sine.

The bias term of an argument is not normal, but uniform on [-B, B] with ``B = omega_h / sqrt(n)``. With v the
weights' part of sigma^2, ``E cos(2 a) = e^(-2 v) sin(2 B) / (2 B)`` then takes the place of
``e^(-2 sigma^2)``: ``uniform_bias=True``. At omega 30, n = 256, alpha = 1 this moves sigma^2 from 2.16 to
2.19 and the squared gain from 1.013 to 0.980, which is what networks show; from alpha = 1.5 on the two
forms agree to 0.3 % there.

Source: Sitzmann et al., NeurIPS 2020, theorem 1.8; Yeom, Lee & Lee, ICLR 2025, proposition 1; the bias
terms are derived here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def preactivation_variance(
    alpha: float, omega_hidden: float | None = None, width: int | None = None, *, uniform_bias: bool = False
) -> float:
    """Variance of the sines' arguments deep in a network.

    The largest fixed point of ``sigma^2 = alpha^2 (1 - e^(-2 sigma^2)) + omega_h^2 / (3 n)``. Without biases
    it is 0.80 for alpha = 1, 2.22 for 1.5, 4.00 for 2, and 0 up to alpha = 1/sqrt(2).

    Args:
        alpha: weight scaling; 1 is SIREN. Finite and positive.
        omega_hidden, width: factor omega_h of the hidden sines and neurons n a layer, for PyTorch's
            default biases. Both None: biases are zero.
        uniform_bias: treat the bias as uniform, which it is, instead of normal.

    Raises:
        ValueError: a value out of range, or only one of omega_hidden and width.
    """
    bias_variance, bias_factor = _bias(omega_hidden, width, uniform_bias)
    return _weight_variance(alpha, bias_factor) + bias_variance


def backward_gain(
    alpha: float, omega_hidden: float | None = None, width: int | None = None, *, uniform_bias: bool = False
) -> float:
    """Growth of the gradient's norm from a layer to the one before, deep in a network.

    ``sqrt(alpha^2 (1 + e^(-2 sigma^2)))``, sigma^2 from :func:`preactivation_variance`: the ratio of the
    norms of dL/da_(i-1) and dL/da_i. Close to alpha from alpha = 1.5 on, so that a layer with k hidden layers
    behind it gets gradients about ``alpha^k`` larger.

    Args and raises: as :func:`preactivation_variance`.
    """
    return alpha * math.sqrt(1.0 + mean_cosine(alpha, omega_hidden, width, uniform_bias=uniform_bias))


def mean_cosine(
    alpha: float, omega_hidden: float | None = None, width: int | None = None, *, uniform_bias: bool = False
) -> float:
    """``E cos(2 a)`` deep in a network: ``e^(-2 sigma^2)`` for normal arguments.

    It measures how far the activations are from an arcsine law, where it is 0: their mean square is
    ``(1 - E cos(2 a)) / 2``, and the Kolmogorov-Smirnov distance to arcsine is ``|E cos(2 a)| / pi`` up to
    its fourth power.

    Args and raises: as :func:`preactivation_variance`.
    """
    _, bias_factor = _bias(omega_hidden, width, uniform_bias)
    return bias_factor * math.exp(-2.0 * _weight_variance(alpha, bias_factor))


def arcsine_cdf(activations: Tensor) -> Tensor:
    """Distribution function of the arcsine law on [-1, 1]: ``F(z) = 1/2 + arcsin(z) / pi``, any shape.

    The law of ``sin(a)`` for an argument spread over many periods; 0 below -1 and 1 above 1.
    """
    return 0.5 + torch.asin(activations.clamp(-1.0, 1.0)) / math.pi


def _bias(omega_hidden: float | None, width: int | None, uniform: bool) -> tuple[float, float]:
    """Variance of ``omega_h b``, and ``E cos(2 omega_h b)``."""
    if omega_hidden is None and width is None:
        return 0.0, 1.0
    if omega_hidden is None or width is None:
        raise ValueError(
            f"the bias term needs both omega_hidden and width, got omega_hidden={omega_hidden}, width={width}"
        )
    if not (math.isfinite(omega_hidden) and omega_hidden > 0) or width < 1:
        raise ValueError(
            f"omega_hidden must be finite and positive and width at least 1, got "
            f"omega_hidden={omega_hidden}, width={width}"
        )
    variance = omega_hidden**2 / (3 * width)
    bound = omega_hidden / math.sqrt(width)
    return variance, math.sin(2 * bound) / (2 * bound) if uniform else math.exp(-2 * variance)


def _weight_variance(alpha: float, bias_factor: float) -> float:
    """The weights' part v of sigma^2: the largest root of ``v = alpha^2 (1 - c e^(-2 v))``, |c| <= 1.

    ``v - alpha^2 + alpha^2 c e^(-2 v)`` is convex for c > 0 and concave and increasing for c < 0, and
    the root lies below alpha^2 in the first case and above it in the second: from alpha^2, Newton's
    iteration approaches it from one side.
    """
    if not (math.isfinite(alpha) and alpha > 0):
        raise ValueError(f"alpha must be finite and positive, got {alpha}")
    variance = alpha**2
    for _ in range(200):
        cosine = alpha**2 * bias_factor * math.exp(-2 * variance)
        slope = 1 - 2 * cosine
        if slope <= 0:  # reached a double root, at alpha = 1/sqrt(2) without biases
            break
        step = (variance - alpha**2 + cosine) / slope
        variance -= step
        if abs(step) <= 1e-15 * abs(variance):
            break
    return max(variance, 0.0)
