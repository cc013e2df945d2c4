"""Networks that change fields: weights in, other weights out, as the symmetries of the weights go.

Shape suffixes: B fields, I and O neurons before and after a layer, n of one layer, F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps_weightspace.layers.sign_trunk import SignTrunk, SignTrunkConfig
from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass
class EditorConfig(SignTrunkConfig):
    """Settings of a :class:`FieldEditor`."""

    blocks: int = doc("sweeps of messages", default=2)
    step: float = doc("size of the first changes, as a part of each layer's root mean square", default=0.01)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.step > 0:
            raise ValueError(f"step must be positive, got {self.step}")


class FieldEditor(nn.Module):
    """Fields to edited fields of the same architecture: ``fields + changes(fields)``.

    Equivariant: what a permutation, flip or shift does to a field, it does to the edited one, so that fields
    of the same function become fields of the same function. Trained by the values that the edited fields
    have.
    """

    Config = EditorConfig

    def __init__(self, architecture: Architecture, config: EditorConfig):
        super().__init__()
        self.architecture = architecture
        self.trunk = SignTrunk(architecture, config)
        widths = [config.channels, *[config.node_features] * (architecture.layers - 1), config.channels]
        self.weights = nn.ModuleList(WeightChange(*ends, config.step) for ends in pairwise(widths))
        self.biases = nn.ModuleList(nn.Linear(width, 1, bias=False) for width in widths[1:])
        self.bias_step = nn.Parameter(torch.full((architecture.layers,), config.step))

    def prepare(self, fields: FieldWeights) -> None:
        """Take the scales of the layers from these fields, once before training."""
        self.trunk.prepare(fields)

    def forward(self, fields: FieldWeights) -> FieldWeights:
        nodes, scale_L = self.trunk(fields), self.trunk.scale.weight_scale_L
        cosines = self.trunk.wiring(fields).cosine
        weights, biases = [], []
        for layer, (w, b) in enumerate(fields):
            (odd_before, even_before), (odd, even) = nodes[layer], nodes[layer + 1]
            last = layer == self.architecture.layers - 1
            target = odd if last else cosines[layer] * odd  # of the type of incoming weights
            scale = scale_L[layer]
            weights.append(w + scale * self.weights[layer](w / scale, odd_before, even_before, target, even))
            # A phase is changed by radians, an output bias by parts of the weights that it is added to.
            unit = scale if last else 1 / self.architecture.omega(layer)
            biases.append(b + unit * self.bias_step[layer] * self.biases[layer](target)[..., 0])
        return FieldWeights(tuple(weights), tuple(biases))


class WeightChange(nn.Module):
    """Changes of one layer's weights: a product of features at both ends, and a factor on the weight."""

    def __init__(self, before: int, after: int, step: float):
        super().__init__()
        self.rank = min(before, after)
        self.source = nn.Linear(before, self.rank, bias=False)
        self.target = nn.Linear(after, self.rank, bias=False)
        self.source_gate, self.target_gate = nn.Linear(before, self.rank), nn.Linear(after, self.rank)
        self.step = nn.Parameter(torch.tensor(step))

    def forward(
        self, w_BIO: Tensor, odd_BIF: Tensor, even_BIF: Tensor, target_BOF: Tensor, even_BOF: Tensor
    ) -> Tensor:
        product = torch.bmm(self.source(odd_BIF), self.target(target_BOF).transpose(1, 2))
        factor = torch.bmm(self.source_gate(even_BIF), self.target_gate(even_BOF).transpose(1, 2))
        return self.step / self.rank * (product + w_BIO * factor)
