"""Biases as phases: what of them the function sees."""

from __future__ import annotations

import torch
from torch import Tensor

from wsapps_weightspace.weights import Architecture, FieldWeights


def phasors(fields: FieldWeights, architecture: Architecture) -> list[tuple[Tensor, Tensor]]:
    """``(cos(omega b), sin(omega b))`` of each hidden layer, ``(N, H)`` each.

    A flip d and a shift j multiply the cosine by (-1)^j and the sine, like the activation, by (-1)^(d + j);
    both are continuous in the weights, unlike a bias brought back into one period. The neuron is
    sin(omega w x) cos(omega b) + cos(omega w x) sin(omega b).
    """
    phases = [architecture.omega(layer) * b for layer, b in enumerate(fields.biases[:-1])]
    return [(torch.cos(phase), torch.sin(phase)) for phase in phases]
