"""Perceptrons, as the models use them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def mlp(sizes: Sequence[int], norm: bool = False, dropout: float = 0.0, last: bool = True) -> nn.Sequential:
    """Affine layers ``(..., sizes[0])`` to ``(..., sizes[-1])`` with SiLU between them.

    Args:
        sizes: features of the input, of each hidden layer, of the output.
        norm: LayerNorm before each SiLU.
        dropout: part of the features that is dropped after each SiLU while training.
        last: False puts norm, SiLU and dropout behind the last affine layer, too.
    """
    layers: list[nn.Module] = []
    for index, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        layers.append(nn.Linear(fan_in, fan_out))
        if last and index == len(sizes) - 2:
            break
        if norm:
            layers.append(nn.LayerNorm(fan_out))
        layers.append(nn.SiLU())
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)
