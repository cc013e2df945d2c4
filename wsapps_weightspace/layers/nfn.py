"""Linear layers of neural functional networks: NP, which permutes all layers, and HNP, the hidden ones alone.

Source: Zhou et al., Permutation equivariant neural functionals, NeurIPS 2023.
"""

from __future__ import annotations

from torch import nn

from wsapps_weightspace.layers.folding import fold, folded_channels, unfold
from wsapps_weightspace.layers.set_graph import Channels, SetGraph, SetGraphLinear
from wsapps_weightspace.layers.weight_features import WeightFeatures
from wsapps_weightspace.weights import Architecture


class NpLayer(nn.Module):
    """Features ``C`` to features ``out``, equivariant to permutations of every layer's neurons.

    Inputs and outputs, too, are sets: what tells them apart has to be in the features (FieldEmbedding with
    io).
    """

    def __init__(self, architecture: Architecture, channels: int, out: int):
        super().__init__()
        sets = architecture.layers
        self.linear = SetGraphLinear(
            Channels((0, *[channels] * sets), channels, 0), Channels((0, *[out] * sets), out, 0)
        )

    def forward(self, features: WeightFeatures) -> WeightFeatures:
        inputs = features.weights[0][:, :, 0, :0]  # inputs have no bias: nodes without channels
        graph = SetGraph((inputs, *features.biases), features.weights, inputs[:, 0])
        graph = self.linear(graph)
        return WeightFeatures(graph.edges, graph.nodes[1:])


class HnpLayer(nn.Module):
    """Features ``C`` to features ``out``, equivariant to permutations of the hidden neurons alone.

    The axes of inputs and outputs are folded into the channels, so that each input and output has maps of its
    own.
    """

    def __init__(self, architecture: Architecture, channels: int, out: int):
        super().__init__()
        self.architecture, self.out = architecture, out
        self.linear = SetGraphLinear(
            folded_channels(architecture, channels), folded_channels(architecture, out)
        )

    def forward(self, features: WeightFeatures) -> WeightFeatures:
        return unfold(self.linear(fold(features)), self.architecture, self.out)
