"""Fields brought as near to a reference field as their symmetries allow.

Shape suffixes: N fields, I and O neurons before and after a layer, H and R neurons of a hidden layer of the
fields and of the reference, S the four pairs of a flip and a shift's parity.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from wsapps_weightspace.symmetry.group import LayerElement, act_on_layer
from wsapps_weightspace.weights import Architecture, FieldWeights

_FLIPS, _PARITIES = (1, -1, 1, -1), (0, 0, 1, 1)  # S
_CHUNK = 1024  # fields whose costs are in memory at once


def align(
    fields: FieldWeights, reference: FieldWeights, architecture: Architecture, sweeps: int = 2
) -> FieldWeights:
    """Permute, flip and shift the neurons of each field so that its weights come near to the reference's.

    One pass over the hidden layers matches neurons by what comes in; then each sweep matches them by all that
    they have, layer after layer, each with the best pairing (the Hungarian method) over the best flip and
    shift of each pair. A sweep never moves a field away from the reference, in the distance of
    :func:`misfit`. Neurons of a field that is the reference up to a symmetry are found again in the first
    pass.

    Args:
        fields: N of them.
        reference: one field.
        sweeps: after the first pass.

    Raises:
        ValueError: the reference is not one field.
    """
    if len(reference) != 1:
        raise ValueError(f"the reference is one field, got {len(reference)}")
    if len(fields) == 0:
        return fields
    parts = [
        _align_part(fields[start : start + _CHUNK], reference, architecture, sweeps)
        for start in range(0, len(fields), _CHUNK)
    ]
    weights = tuple(torch.cat(layers) for layers in zip(*(part.weights for part in parts), strict=True))
    biases = tuple(torch.cat(layers) for layers in zip(*(part.biases for part in parts), strict=True))
    return FieldWeights(weights, biases)


def misfit(fields: FieldWeights, reference: FieldWeights) -> Tensor:
    """``(N,)``: squared distances to one reference, of each layer over its mean square in the reference.

    Weights and biases of a layer count as one layer each.
    """
    total = torch.zeros(len(fields), dtype=fields.weights[0].dtype, device=fields.weights[0].device)
    for mine, theirs in zip(fields, reference, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            total = total + (a - b).square().flatten(1).sum(dim=1) / _mean_square(b)
    return total


def _align_part(
    fields: FieldWeights, reference: FieldWeights, architecture: Architecture, sweeps: int
) -> FieldWeights:
    for sweep in range(sweeps + 1):
        for layer in range(architecture.layers - 1):
            omega = architecture.omega(layer)
            element = _best_layer(fields, reference, layer, omega, outgoing=sweep > 0)
            fields = act_on_layer(element, fields, layer, omega)
    return fields


def _best_layer(
    fields: FieldWeights, reference: FieldWeights, layer: int, omega: float, outgoing: bool
) -> LayerElement:
    """What brings one hidden layer nearest to the reference's, the others as they are."""
    w, b, u = fields.weights[layer], fields.biases[layer], fields.weights[layer + 1]
    w_ref, b_ref, u_ref = reference.weights[layer], reference.biases[layer], reference.weights[layer + 1]
    flips_S = torch.tensor(_FLIPS, device=b.device)
    parities_S = torch.tensor(_PARITIES, device=b.device)
    shift_NHRS, bias_cost_NHRS = _best_shifts(b, b_ref, omega, flips_S, parities_S)
    incoming_NHR = torch.einsum("nih,ir->nhr", w, w_ref[0]) / _mean_square(w_ref)
    # Squared distances less what neither flip nor pairing changes.
    cost_NHRS = bias_cost_NHRS / _mean_square(b_ref) - 2 * flips_S * incoming_NHR[..., None]
    if outgoing:
        outgoing_NHR = torch.einsum("nho,ro->nhr", u, u_ref[0]) / _mean_square(u_ref)
        cost_NHRS = cost_NHRS - 2 * flips_S * (1 - 2 * parities_S) * outgoing_NHR[..., None]
    cost_NHR, choice_NHR = cost_NHRS.min(dim=-1)
    source_NR = _pairing(cost_NHR)
    picked_NR = choice_NHR.gather(1, source_NR[:, None, :])[:, 0]
    shift_NRS = shift_NHRS.gather(1, source_NR[:, None, :, None].expand(-1, 1, -1, len(_FLIPS)))[:, 0]
    shift_NR = shift_NRS.gather(2, picked_NR[..., None])[..., 0]
    return LayerElement(source_NR, flips_S[picked_NR], shift_NR)


def _best_shifts(
    b_NH: Tensor, b_ref: Tensor, omega: float, flips_S: Tensor, parities_S: Tensor
) -> tuple[Tensor, Tensor]:
    """For each pair, flip and parity: the shift of that parity that is nearest, and its squared distance."""
    half_turn = math.pi / omega
    gap_NHRS = b_ref[0][None, None, :, None] - b_NH[:, :, None, None] * flips_S
    turns_NHRS = 2 * torch.round((gap_NHRS / half_turn - parities_S) / 2) + parities_S
    return turns_NHRS.to(torch.int64), (gap_NHRS - turns_NHRS * half_turn).square()


def _pairing(cost_NHR: Tensor) -> Tensor:
    """The neuron of each field for each neuron of the reference, ``(N, R)``."""
    costs = cost_NHR.transpose(1, 2).double().cpu().numpy()  # rows of the reference
    rows = np.stack([linear_sum_assignment(cost)[1] for cost in costs])
    return torch.from_numpy(rows.astype(np.int64)).to(cost_NHR.device)


def _mean_square(reference: Tensor) -> Tensor:
    """Of one layer of the reference; 1 for a layer of zeros."""
    value = reference.square().mean()
    return torch.where(value > 0, value, torch.ones_like(value))
