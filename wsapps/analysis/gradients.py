"""Gradients through depth: how much more earlier layers get, and what theory says of it.

Shapes: N points, D coordinates, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.analysis.trace import trace
from wsapps.mean_field import backward_gain


@dataclass(frozen=True)
class GradientNorms:
    """Sizes of a loss's gradients, layer by layer, the first layer first.

    Attributes:
        arguments: root mean square, over points and units, of the gradient by the sines' arguments.
        weights: Frobenius norm of the gradient by each trainable weight matrix, the output's included.
        names: of the weights.
    """

    arguments: list[float]
    weights: list[float]
    names: list[str]


@torch.enable_grad()
def gradient_norms(
    network: nn.Module, coordinates_ND: Tensor, loss: Callable[[Tensor], Tensor]
) -> GradientNorms:
    """Sizes of the gradients of ``loss(values (N, C))`` in a network.

    Gradients by arguments follow the law point by point. Those by weights are sums over points, in which
    what differs in sign from point to point cancels: they follow it where the residuals of different points
    are unrelated.

    Raises:
        ValueError: no linear layer is trainable.
    """
    traced = trace(network, coordinates_ND)
    layers = [call for call in traced.linear if call.weight.requires_grad]
    if not layers:
        raise ValueError(f"{type(network).__name__} has no trainable linear layer")
    weights = [call.weight for call in layers]
    arguments = [call.arguments for call in traced.sines]
    gradients = torch.autograd.grad(loss(traced.values), [*arguments, *weights])
    by_arguments, by_weights = gradients[: len(arguments)], gradients[len(arguments) :]
    return GradientNorms(
        [float(gradient.double().square().mean().sqrt()) for gradient in by_arguments],
        [float(gradient.double().norm()) for gradient in by_weights],
        [call.name for call in layers],
    )


def expected_growth(
    alpha: float, omega_hidden: float, width: int, layers: int, *, uniform_bias: bool = True
) -> list[float]:
    """Gradients by arguments, in units of the last sine's: ``gain^(layers behind)``, the first layer first.

    The gain is :func:`wsapps.mean_field.backward_gain`, about alpha from alpha = 1.5 on, and 1 at alpha = 1
    with the usual widths. It is that of layers deep in a network: where the first layer's variance is another
    one, so is the gain from the second to it.
    """
    gain = backward_gain(alpha, omega_hidden, width, uniform_bias=uniform_bias)
    return [gain ** (layers - 1 - index) for index in range(layers)]
