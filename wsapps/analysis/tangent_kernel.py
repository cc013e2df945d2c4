"""The empirical neural tangent kernel of a network of linear layers, layer by layer.

The Jacobian of a network by the matrix of one of its linear layers is, for one point, an outer product:
``df/dW_l = delta_l a_l^T`` and ``df/db_l = delta_l``, with a_l what goes into the layer and delta_l the
derivative of the value by what comes out of it. So the Gram matrix of all Jacobians is

    K = J J^T = sum over l of (delta_l delta_l^T) * (a_l a_l^T + 1),

``*`` entry by entry: two thin products a layer in place of one with a row of all parameters for each point.

Source: Jacot, Gabriel & Hongler, NeurIPS 2018, for the kernel; the outer products are backpropagation's.

Shapes: N points, M other points, D coordinates, C channels, H width of a layer. A row of the kernel is a
point's channel: row ``n C + c``.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.analysis.trace import LinearCall, Trace, trace, uncovered

_CHECKED = 16  # points at which it is checked that layers' outer products are gradients
_FORWARD_BATCH = 4096  # points whose graph is in memory at once


def tangent_kernel(
    network: nn.Module,
    coordinates_ND: Tensor,
    *,
    dtype: torch.dtype = torch.float64,
    block: int = 1024,
) -> Tensor:
    """The Gram matrix ``(N C, N C)`` of a network's Jacobians by its trainable parameters.

    Beside the matrix itself it takes memory for activations and sensitivities of all layers, (1 + C) H
    numbers a point and layer, and for a few blocks.

    Args:
        network: ``(N, D)`` to ``(N, C)``, each point by itself, whose trainable parameters all belong to
            linear layers that are used once: the fields but WIRE and MFN's Gabor filters.
        coordinates_ND: the points.
        dtype: of the computation; the network is copied into it. In float32 small eigenvalues are noise.
        block: points a side of the blocks that the matrix is made of.

    Raises:
        ValueError: other trainable parameters or none, or one that is used twice; such networks are for
            :func:`wsapps.analysis.tangent_kernel_reference`.
    """
    factors = jacobian_factors(network, coordinates_ND, dtype)
    rows, channels = len(coordinates_ND) * factors[0].channels, factors[0].channels
    kernel = torch.empty(rows, rows, dtype=dtype, device=factors[0].inputs.device)
    pieces = [slice(start, start + block) for start in range(0, len(coordinates_ND), block)]
    for index, left in enumerate(pieces):
        for right in pieces[index:]:
            part = sum_of_products(factors, left, right)
            here = _rows(left, channels), _rows(right, channels)
            kernel[here[0], here[1]] = part
            if left is not right:
                kernel[here[1], here[0]] = part.T
    return kernel


@dataclass(frozen=True)
class LayerFactors:
    """The Jacobians by one layer's parameters at all points, as factors.

    Attributes:
        name: of the weight.
        inputs: ``(N, H_in)``, a_l; sensitivities: ``(N, C, H_out)``, delta_l.
        by_weight, by_bias: which parameters are there and trainable.
    """

    name: str
    inputs: Tensor
    sensitivities: Tensor
    by_weight: bool
    by_bias: bool

    @property
    def channels(self) -> int:
        return self.sensitivities.shape[1]


def jacobian_factors(
    network: nn.Module, coordinates_ND: Tensor, dtype: torch.dtype = torch.float64
) -> list[LayerFactors]:
    """The Jacobians of a network by the parameters of all its linear layers.

    Raises:
        ValueError: as :func:`tangent_kernel`.
    """
    network = deepcopy(network).to(dtype)
    device = next(network.parameters()).device
    _check(network, coordinates_ND[:_CHECKED].to(device, dtype))
    parts = [
        _factors_of_batch(network, batch.to(device, dtype)) for batch in coordinates_ND.split(_FORWARD_BATCH)
    ]
    return [_joined(layer) for layer in zip(*parts, strict=True)]


def sum_of_products(factors: list[LayerFactors], left: slice, right: slice) -> Tensor:
    """A block of the kernel: points ``left`` by points ``right``, ``(n C, m C)``."""
    total: Tensor | None = None
    for layer in factors:
        part = _product(layer, left, right)
        total = part if total is None else total.add_(part)
    assert total is not None  # jacobian_factors has checked that there are layers
    return total


def _product(layer: LayerFactors, left: slice, right: slice) -> Tensor:
    one, two = layer.sensitivities[left], layer.sensitivities[right]
    sensitivities = one.flatten(0, 1) @ two.flatten(0, 1).T
    if not layer.by_weight:
        return sensitivities
    inputs = layer.inputs[left] @ layer.inputs[right].T
    if layer.by_bias:
        inputs += 1
    if layer.channels > 1:
        inputs = inputs.repeat_interleave(layer.channels, 0).repeat_interleave(layer.channels, 1)
    return sensitivities.mul_(inputs)


@torch.enable_grad()
def _factors_of_batch(network: nn.Module, coordinates_ND: Tensor) -> list[LayerFactors]:
    traced = trace(network, coordinates_ND)
    calls = _trainable_calls(traced)
    sensitivities = list(_sensitivities(traced.values, [call.outputs for call in calls]))
    return [
        LayerFactors(call.name, call.inputs.detach(), torch.stack(by_channel, dim=1), *_trainable(call))
        for call, by_channel in zip(calls, zip(*sensitivities, strict=True), strict=True)
    ]


def _sensitivities(values_NC: Tensor, outputs: list[Tensor]) -> Iterator[tuple[Tensor, ...]]:
    """For each channel the derivatives by all layers' outputs. Points do not mix, so one backward pass is
    all points' own."""
    for channel in range(values_NC.shape[1]):
        yield torch.autograd.grad(values_NC[:, channel].sum(), outputs, retain_graph=True)


def _trainable_calls(traced: Trace) -> list[LinearCall]:
    return [call for call in traced.linear if any(_trainable(call))]


def _trainable(call: LinearCall) -> tuple[bool, bool]:
    return call.weight.requires_grad, call.bias is not None and call.bias.requires_grad


@torch.enable_grad()
def _check(network: nn.Module, coordinates_ND: Tensor) -> None:
    """That the layers' outer products are the gradients of a few points' values."""
    what, traced = type(network).__name__, trace(network, coordinates_ND)
    if others := uncovered(network, traced):
        raise ValueError(
            f"{what} has trainable parameters outside of linear layers ({', '.join(others[:3])}); the "
            f"reference by torch.func knows any network"
        )
    calls = _trainable_calls(traced)
    if not calls:
        raise ValueError(f"{what} has no trainable linear layer")
    total = traced.values.sum()
    sensitivities = torch.autograd.grad(total, [call.outputs for call in calls], retain_graph=True)
    by_layers: list[tuple[Tensor, Tensor]] = []
    for call, by_output_NH in zip(calls, sensitivities, strict=True):
        by_weight, by_bias = _trainable(call)
        if by_weight:
            by_layers.append((call.weight, by_output_NH.T @ call.inputs))
        if by_bias and call.bias is not None:
            by_layers.append((call.bias, by_output_NH.sum(dim=0)))
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    gradients = torch.autograd.grad(total, [parameter for parameter, _ in by_layers])
    twice = {
        names.get(id(parameter), "a parameter"): None
        for (parameter, found), gradient in zip(by_layers, gradients, strict=True)
        if not torch.allclose(found, gradient, rtol=1e-3, atol=1e-3 * float(gradient.abs().max()))
    }
    if twice:
        raise ValueError(f"{what} uses {', '.join(twice)} more than once; the reference knows any network")


def _joined(parts: tuple[LayerFactors, ...]) -> LayerFactors:
    first = parts[0]
    return LayerFactors(
        first.name,
        torch.cat([part.inputs for part in parts]),
        torch.cat([part.sensitivities for part in parts]),
        first.by_weight,
        first.by_bias,
    )


def _rows(points: slice, channels: int) -> slice:
    return slice(points.start * channels, points.stop * channels)
