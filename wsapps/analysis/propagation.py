"""Signals through depth at initialisation: sines' arguments and activations, against what theory says.

Proposition 1 of Yeom et al., ICLR 2025: with weight scaling the arguments of hidden sines become normal and
the activations arcsine-distributed, at any depth. Variances follow the law of :mod:`wsapps.mean_field`.

Shapes: N points, D coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.analysis.trace import trace
from wsapps.mean_field import arcsine_cdf


@dataclass(frozen=True)
class SineStatistics:
    """One sine layer, over all points and units.

    Attributes:
        variance: mean square of the sine's arguments, omega included.
        normal_distance: Kolmogorov-Smirnov distance of the arguments to N(0, variance).
        arcsine_distance: that of the activations to the arcsine law on (-1, 1).
    """

    variance: float
    normal_distance: float
    arcsine_distance: float


def sine_statistics(network: nn.Module, coordinates_ND: Tensor) -> list[SineStatistics]:
    """Statistics of every sine layer, the first one first.

    Distances are of a sample of N times width dependent values: those below about
    ``1 / sqrt(N width)`` say nothing.

    Raises:
        ValueError: the network has no sine.
    """
    sines = trace(_trainable(network), coordinates_ND).sines
    if not sines:
        raise ValueError(f"{type(network).__name__} has no sines, so there are no arguments to look at")
    return [_statistics(call.arguments.detach(), call.outputs.detach()) for call in sines]


def variances_through_depth(
    first: float, alpha: float, omega_hidden: float, width: int, layers: int, *, uniform_bias: bool = True
) -> list[float]:
    """What theory says of the variances of sines' arguments, layer by layer.

    ``sigma_i^2 = alpha^2 (1 - E cos(2 a_(i-1))) + omega_h^2 / (3 n)``, iterated from the first layer's
    variance; the fixed point is :func:`wsapps.mean_field.preactivation_variance`. The first layer's arguments
    count as normal, which is an approximation for few coordinates.

    Args:
        first: variance of the first layer's arguments, as measured.
        alpha, omega_hidden, width: of the field; biases are PyTorch's.
        layers: how many values are wanted, the first one included.
        uniform_bias: treat biases as uniform, which they are, instead of normal.
    """
    bias_variance = omega_hidden**2 / (3 * width)
    bound = omega_hidden / math.sqrt(width)
    factor = math.sin(2 * bound) / (2 * bound) if uniform_bias else math.exp(-2 * bias_variance)
    cosine, variances = math.exp(-2 * first), [first]
    while len(variances) < layers:
        weights = alpha**2 * (1 - cosine)
        variances.append(weights + bias_variance)
        cosine = factor * math.exp(-2 * weights)
    return variances[:layers]


def distance_to_law(sample: Tensor, cdf: Callable[[Tensor], Tensor]) -> float:
    """Kolmogorov-Smirnov distance of a sample, any shape, to a law with distribution function ``cdf``."""
    ordered = sample.flatten().double().sort().values
    law = cdf(ordered)
    steps = torch.arange(1, len(ordered) + 1, dtype=torch.float64, device=ordered.device) / len(ordered)
    return float(torch.maximum(steps - law, law - steps + 1 / len(ordered)).max())


def _trainable(network: nn.Module) -> nn.Module:
    """Of a frozen network a copy that is none, for what is fixed in it counts as an encoding."""
    if any(parameter.requires_grad for parameter in network.parameters()):
        return network
    return deepcopy(network).requires_grad_(True)


def _statistics(arguments: Tensor, activations: Tensor) -> SineStatistics:
    variance = float(arguments.double().square().mean())
    deviation = math.sqrt(variance) or 1.0
    return SineStatistics(
        variance,
        distance_to_law(arguments, lambda x: torch.special.ndtr(x / deviation)),
        distance_to_law(activations, arcsine_cdf),
    )
