"""One representative for all weights of the same function.

Shape suffixes: N fields, I and O neurons before and after a layer, H neurons of a hidden layer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wsapps_weightspace.symmetry.group import LayerElement, act_on_layer
from wsapps_weightspace.weights import Architecture, FieldWeights

_SMALL_PHASE = 1e-4  # radians; a bias whose phase is smaller does not decide its neuron's sign


def canonicalise(fields: FieldWeights, architecture: Architecture, sort: bool = True) -> FieldWeights:
    """The fields with phases in [0, pi/2] and, where asked for, with the neurons of each layer in order.

    Layer by layer: k = round(omega b / pi) half-turns are taken off the bias, which multiplies the outgoing
    weights by (-1)^k; the sign of what is left of the bias (where it is about 0, of the largest incoming
    weight) is divided out of the incoming weights, the bias and the outgoing weights; neurons are sorted by
    their bias. What upstream layers were does not matter to the order, only in ties.

    Fields that differ by a symmetry become equal, except where a phase is a whole multiple of pi/2 within
    rounding, or two biases of a layer are equal. The map is not continuous there: see ``phasors``.
    """
    for layer in range(architecture.layers - 1):
        omega = architecture.omega(layer)
        element = _canonical_layer(fields.weights[layer], fields.biases[layer], omega, sort)
        fields = act_on_layer(element, fields, layer, omega)
    return fields


def _canonical_layer(w_NIH: Tensor, b_NH: Tensor, omega: float, sort: bool) -> LayerElement:
    turns_NH = torch.round(b_NH * (omega / math.pi))
    rest_NH = b_NH - turns_NH * (math.pi / omega)
    largest_NH = w_NIH.gather(1, w_NIH.abs().argmax(dim=1, keepdim=True))[:, 0]
    decides_NH = torch.where((omega * rest_NH).abs() > _SMALL_PHASE, rest_NH, largest_NH)
    sign_NH = torch.where(decides_NH < 0, -1, 1)
    if sort:
        source_NH = (rest_NH * sign_NH).argsort(dim=1, stable=True)
    else:
        source_NH = torch.arange(b_NH.shape[1], device=b_NH.device).expand_as(sign_NH)
    shift_NH = (-turns_NH).to(torch.int64) * sign_NH  # b' = sign (b - turns pi / omega)
    return LayerElement(source_NH, sign_NH.gather(1, source_NH), shift_NH.gather(1, source_NH))
