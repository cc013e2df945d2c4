"""The layer of deep weight space networks: maps between all pairs of weights and biases, pooled by maxima.

Source: Navon et al., Equivariant architectures for learning in deep weight spaces, ICML 2023.
"""

from __future__ import annotations

from torch import nn

from wsapps_weightspace.layers.folding import fold, folded_channels, unfold
from wsapps_weightspace.layers.set_graph import Pool, SetGraphLinear
from wsapps_weightspace.layers.weight_features import WeightFeatures
from wsapps_weightspace.weights import Architecture


class DwsLayer(nn.Module):
    """Features ``C`` to features ``out``, equivariant to permutations of the hidden neurons.

    Each output is a sum over all weights and biases: of those that share an axis with it through the pool
    over the other axis, of those that share none through the pool over all of them. A sum of affine maps is
    one affine map of the parts side by side, and is computed as that. Navon et al. have affine maps and
    maxima.
    """

    def __init__(self, architecture: Architecture, channels: int, out: int, pool: Pool = "max"):
        super().__init__()
        self.architecture, self.out = architecture, out
        before, after = folded_channels(architecture, channels), folded_channels(architecture, out)
        self.linear = SetGraphLinear(before, after, pool)

    def forward(self, features: WeightFeatures) -> WeightFeatures:
        return unfold(self.linear(fold(features)), self.architecture, self.out)
