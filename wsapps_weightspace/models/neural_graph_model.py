"""The neural graph transformer.

Shape suffixes: B fields, I inputs, n neurons of a layer, V channels of a node.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps_weightspace.layers.embeddings import FieldEmbedding
from wsapps_weightspace.layers.mlp import mlp
from wsapps_weightspace.layers.neural_graph import Graph, NeuralGraphLayer
from wsapps_weightspace.models.classifier import FieldClassifier
from wsapps_weightspace.symmetry.canonical import canonicalise
from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass
class NeuralGraphConfig:
    """Settings of a :class:`NeuralGraphModel`."""

    name: str = "neural_graph"
    nodes: int = doc("features a neuron", default=64)
    edges: int = doc("features a weight", default=16)
    attention: int = doc("width of the attention, over all heads", default=32)
    heads: int = doc("heads of the attention; its width is a multiple", default=4)
    blocks: int = doc("layers of the transformer", default=3)
    frequencies: int = doc("random Fourier features of each weight and bias", default=8)
    width: int = doc("neurons of the perceptron that reads the pooled features", default=256)
    dropout: float = doc("part of the features dropped while training", default=0.1)
    canonical: bool = doc("bring the phase and the sign of each neuron into one form first", default=True)

    def __post_init__(self) -> None:
        at_least_one(self, "nodes", "edges", "attention", "heads", "blocks", "width")
        not_negative(self, "frequencies")
        if self.attention % self.heads:
            raise ValueError(f"attention must be a multiple of heads, got {self.attention} and {self.heads}")


class NeuralGraphModel(FieldClassifier):
    """Neurons as nodes, weights as edges, a relational transformer, an invariant pool, a perceptron.

    Invariant to permutations of hidden neurons; with ``canonical`` also to flips and shifts. Kofinas et al.
    read the output nodes alone; here the inputs' and the hidden layers' means and maxima are read, too.
    """

    Config = NeuralGraphConfig

    def __init__(self, architecture: Architecture, classes: int, config: NeuralGraphConfig):
        super().__init__(config.width, classes)
        self.architecture, self.canonical = architecture, config.canonical
        self.embedding = FieldEmbedding(architecture, config.edges, config.frequencies, nodes=config.nodes)
        self.input_IV = nn.Parameter(torch.randn(architecture.sizes[0], config.nodes))
        self.layers = nn.ModuleList(
            NeuralGraphLayer(
                config.nodes,
                config.edges,
                config.attention,
                config.heads,
                config.dropout,
                last=block == config.blocks - 1,
            )
            for block in range(config.blocks)
        )
        inputs, *hidden, outputs = architecture.sizes
        self.norm = nn.LayerNorm(config.nodes)
        sizes = [config.nodes * (inputs + 2 * len(hidden) + outputs), config.width, config.width]
        self.hidden = mlp(sizes, norm=True, dropout=config.dropout, last=False)

    def prepare(self, fields: FieldWeights) -> None:
        self.embedding.prepare(self._normal(fields))

    def trunk(self, fields: FieldWeights) -> Graph:
        """Nodes ``(B, n, V)`` of all layers and edges between them, for fields in their normal form."""
        features = self.embedding(self._normal(fields))
        graph = [self.input_IV.expand(len(fields), -1, -1), *features.biases], list(features.weights)
        for layer in self.layers:
            graph = layer(graph)
        return graph

    def features(self, fields: FieldWeights) -> Tensor:
        nodes, _ = self.trunk(fields)
        first, *hidden, last = [self.norm(x) for x in nodes]
        pools = [pool for x in hidden for pool in (x.mean(dim=1), x.amax(dim=1))]
        return self.hidden(torch.cat([first.flatten(1), *pools, last.flatten(1)], dim=1))

    def _normal(self, fields: FieldWeights) -> FieldWeights:
        return canonicalise(fields, self.architecture, sort=False) if self.canonical else fields
