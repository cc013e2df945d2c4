"""From weights to features: scaled values, phases of biases, and random Fourier features.

Shape suffixes: F frequencies, C channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wsapps_weightspace.layers.normalisation import LayerScale
from wsapps_weightspace.layers.weight_features import WeightFeatures
from wsapps_weightspace.symmetry.phasor import phasors
from wsapps_weightspace.weights import Architecture, FieldWeights


class FieldEmbedding(nn.Module):
    """Fields to :class:`WeightFeatures`, entry by entry: equivariant to permutations.

    Of a weight: its value over its layer's scale, and cosines and sines of it at random frequencies. Of a
    hidden bias besides: the cosine and the sine of its phase, which is all that the function sees of it. Then
    an affine map for each layer.

    Args:
        channels: C, of weights, and of biases where ``nodes`` is not given.
        frequencies: F random ones, normal of deviation ``spread``; 0 for none.
        nodes: channels of biases.
        io: add a learned vector to what belongs to each input and output, for layers that take these for
        sets.
    """

    frequencies_F: Tensor

    def __init__(
        self,
        architecture: Architecture,
        channels: int,
        frequencies: int = 8,
        spread: float = 1.0,
        io: bool = False,
        nodes: int | None = None,
    ):
        super().__init__()
        nodes = channels if nodes is None else nodes
        self.architecture = architecture
        self.scale = LayerScale(architecture)
        self.register_buffer("frequencies_F", spread * torch.randn(frequencies))
        edge, node = 1 + 2 * frequencies, 3 + 2 * frequencies
        layers = architecture.layers
        self.edges = nn.ModuleList(nn.Linear(edge, channels) for _ in range(layers))
        self.nodes = nn.ModuleList(
            nn.Linear(node if layer < layers - 1 else edge, nodes) for layer in range(layers)
        )
        self.inputs_IC = self.outputs_OC = self.output_biases_OC = None
        if io:
            inputs, outputs = architecture.sizes[0], architecture.sizes[-1]
            self.inputs_IC = nn.Parameter(torch.randn(inputs, channels))
            self.outputs_OC = nn.Parameter(torch.randn(outputs, channels))
            self.output_biases_OC = nn.Parameter(torch.randn(outputs, nodes))

    def prepare(self, fields: FieldWeights) -> None:
        """Take the scales from these fields."""
        self.scale.fit(fields)

    def forward(self, fields: FieldWeights) -> WeightFeatures:
        scaled = self.scale(fields)
        weights = [edge(self._values(w)) for edge, w in zip(self.edges, scaled.weights, strict=True)]
        turns = [torch.stack(pair, dim=-1) for pair in phasors(fields, self.architecture)]
        values = [self._values(b) for b in scaled.biases]
        values = [torch.cat(pair, dim=-1) for pair in zip(values, turns, strict=False)] + values[-1:]
        biases = [node(value) for node, value in zip(self.nodes, values, strict=True)]
        if self.inputs_IC is not None:
            weights[0] = weights[0] + self.inputs_IC[:, None]
            weights[-1] = weights[-1] + self.outputs_OC
            biases[-1] = biases[-1] + self.output_biases_OC
        return WeightFeatures(tuple(weights), tuple(biases))

    def _values(self, values: Tensor) -> Tensor:
        """``(...)`` to ``(..., 1 + 2 F)``."""
        phase = 2 * math.pi * values[..., None] * self.frequencies_F
        return torch.cat([values[..., None], torch.cos(phase), torch.sin(phase)], dim=-1)
