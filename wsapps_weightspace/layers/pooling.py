"""Invariant summaries of features.

Shape suffixes: B fields, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsapps_weightspace.layers.weight_features import WeightFeatures
from wsapps_weightspace.weights import Architecture


class InvariantPool(nn.Module):
    """Means and maxima over hidden neurons, side by side: ``(B, size(C))``.

    Inputs and outputs are no sets: what belongs to them keeps its place.
    """

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.inputs, self.outputs = architecture.sizes[0], architecture.sizes[-1]
        self.layers = architecture.layers

    def size(self, channels: int) -> int:
        """Numbers a field, of features with so many channels."""
        weights = self.inputs + self.outputs + self.layers - 2
        return channels * (2 * (weights + self.layers - 1) + self.outputs)

    def forward(self, features: WeightFeatures) -> Tensor:
        pools = [_both(b, (1,)) for b in features.biases[:-1]]
        for layer, w in enumerate(features.weights):
            hidden = [axis for axis, kept in ((1, layer == 0), (2, layer == self.layers - 1)) if not kept]
            pools.append(_both(w, tuple(hidden)))
        return torch.cat([*pools, features.biases[-1].flatten(1)], dim=1)


def _both(values: Tensor, axes: tuple[int, ...]) -> Tensor:
    return torch.cat([values.mean(dim=axes).flatten(1), values.amax(dim=axes).flatten(1)], dim=1)
