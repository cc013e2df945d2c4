"""The classifier that knows permutations, flips and phase shifts.

Shape suffixes: B fields, n neurons of a layer, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps_weightspace.layers.mlp import mlp
from wsapps_weightspace.layers.sign_maps import EvenUnits, OddNorm
from wsapps_weightspace.layers.sign_trunk import SignTrunk, SignTrunkConfig
from wsapps_weightspace.models.classifier import FieldClassifier
from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass
class ScaleGmnConfig(SignTrunkConfig):
    """Settings of a :class:`ScaleGmnModel`."""

    name: str = "scale_gmn"
    width: int = doc("neurons of the perceptron that reads the pooled features", default=256)
    dropout: float = doc("part of what that perceptron passes on that is dropped while training", default=0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "width")


class ScaleGmnModel(FieldClassifier):
    """A trunk of message passing, an invariant readout of each hidden layer, the nodes of inputs and outputs.

    Invariant to permutations, flips and phase shifts of hidden neurons. It computes with weights alone; yet
    in the sine form with an identity start the first sweep begins as evaluations of the field at learned
    coordinates, and lies between weight space and function space. ``start=random`` and ``form=gated`` do not.
    """

    Config = ScaleGmnConfig

    def __init__(self, architecture: Architecture, classes: int, config: ScaleGmnConfig):
        super().__init__(config.width, classes)
        features = config.node_features
        self.trunk = SignTrunk(architecture, config)
        hidden = architecture.sizes[1:-1]
        self.readouts = nn.ModuleList(HiddenReadout(features) for _ in hidden)
        ends = architecture.sizes[0] * config.backward + architecture.sizes[-1]
        sizes = [2 * features * len(hidden) + config.channels * ends, config.width, config.width]
        self.hidden = mlp(sizes, norm=True, dropout=config.dropout, last=False)
        self.reads_inputs = config.backward  # otherwise they have heard nothing

    def prepare(self, fields: FieldWeights) -> None:
        self.trunk.prepare(fields)

    def features(self, fields: FieldWeights) -> Tensor:
        first, *hidden, last = self.trunk(fields)
        pooled = [readout(*nodes) for readout, nodes in zip(self.readouts, hidden, strict=True)]
        ends = [first[0].flatten(1)] * self.reads_inputs + [last[0].flatten(1)]
        return self.hidden(torch.cat([*pooled, *ends], dim=1))


class HiddenReadout(nn.Module):
    """Odd and even features of a layer's neurons to their invariant mean and maximum: ``(B, 2 F)``."""

    def __init__(self, features: int):
        super().__init__()
        self.norm_odd, self.norm_even = OddNorm(features), nn.LayerNorm(features)
        self.units = EvenUnits(features, features)
        self.mix = mlp([2 * features, 2 * features, features])

    def forward(self, odd_BnF: Tensor, even_BnF: Tensor) -> Tensor:
        seen = torch.cat([self.norm_even(even_BnF), self.units(self.norm_odd(odd_BnF))], dim=-1)
        mixed_BnF = self.mix(seen)
        return torch.cat([mixed_BnF.mean(dim=1), mixed_BnF.amax(dim=1)], dim=1)
