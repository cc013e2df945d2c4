"""Axes of inputs and outputs folded into the channels: what is left is permuted freely.

The first weights become features of the first hidden neurons, the last weights of the last ones, and the
output biases features of the whole.
"""

from __future__ import annotations

import torch

from wsapps_weightspace.layers.set_graph import Channels, SetGraph
from wsapps_weightspace.layers.weight_features import WeightFeatures
from wsapps_weightspace.weights import Architecture


def folded_channels(architecture: Architecture, channels: int) -> Channels:
    """Channels of the folded graph of features with so many channels."""
    inputs, *hidden, outputs = architecture.sizes
    nodes = [channels] * len(hidden)
    nodes[0] += channels * inputs
    nodes[-1] += channels * outputs
    return Channels(tuple(nodes), channels, channels * outputs)


def fold(features: WeightFeatures) -> SetGraph:
    """The hidden layers as sets of nodes ``(bias, first weights, last weights)``, the edges between them."""
    nodes = list(features.biases[:-1])
    nodes[0] = torch.cat([nodes[0], features.weights[0].transpose(1, 2).flatten(2)], dim=-1)
    nodes[-1] = torch.cat([nodes[-1], features.weights[-1].flatten(2)], dim=-1)
    return SetGraph(tuple(nodes), features.weights[1:-1], features.biases[-1].flatten(1))


def unfold(graph: SetGraph, architecture: Architecture, channels: int) -> WeightFeatures:
    """The inverse of :func:`fold`, for features with so many channels."""
    inputs, outputs = architecture.sizes[0], architecture.sizes[-1]
    nodes = list(graph.nodes)
    nodes[-1], last = nodes[-1].tensor_split([nodes[-1].shape[-1] - channels * outputs], dim=-1)
    nodes[0], first = nodes[0].tensor_split([channels], dim=-1)
    first = first.unflatten(2, (inputs, channels)).transpose(1, 2)
    last = last.unflatten(2, (outputs, channels))
    return WeightFeatures(
        (first, *graph.edges, last), (*nodes, graph.whole.unflatten(1, (outputs, channels)))
    )
