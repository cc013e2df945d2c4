"""From fields to features of all their neurons, by blocks of message passing.

Shape suffixes: B fields, I inputs, O outputs, n neurons of a layer, C channels, F features.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps_weightspace.layers.normalisation import LayerScale
from wsapps_weightspace.layers.scale_gmn import Nodes, SignBlock, SignBlockConfig, Wiring, plain
from wsapps_weightspace.symmetry.phasor import phasors
from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass
class SignTrunkConfig(SignBlockConfig):
    """Settings of a :class:`SignTrunk`."""

    blocks: int = doc("sweeps of messages", default=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "blocks")


class SignTrunk(nn.Module):
    """Fields to features of all nodes, equivariant to every symmetry of sine networks.

    Returns ``(odd, even)`` for each layer from inputs to outputs. Of hidden neurons, ``(B, n, F)`` each, odd
    features change their sign with the activation and even ones do not; of inputs and outputs, ``(B, n, C)``,
    the two are the same features.
    """

    def __init__(self, architecture: Architecture, config: SignTrunkConfig):
        super().__init__()
        self.architecture = architecture
        self.scale = LayerScale(architecture)
        self.inputs = SignInputs(architecture, config.channels, config.node_features)
        self.blocks = nn.ModuleList(SignBlock(architecture.layers - 1, config) for _ in range(config.blocks))

    def prepare(self, fields: FieldWeights) -> None:
        """Take the scales of the layers from these fields."""
        self.scale.fit(fields)

    def forward(self, fields: FieldWeights) -> Nodes:
        wiring = self.wiring(fields)
        nodes = self.inputs(wiring, fields.biases[-1] / self.scale.weight_scale_L[-1])
        for block in self.blocks:
            nodes = block(nodes, wiring)
        return nodes

    def wiring(self, fields: FieldWeights) -> Wiring:
        """The fields as messages see them; the output layer over its scale."""
        omega = self.architecture.omega
        weights = [omega(layer) * w for layer, w in enumerate(fields.weights[:-1])]
        last = fields.weights[-1]
        weights.append(last / (self.scale.weight_scale_L[-1] * last.shape[1] ** 0.5))
        cosines, sines = zip(*phasors(fields, self.architecture), strict=True)
        return Wiring(
            tuple(weights), tuple(c[..., None] for c in cosines), tuple(s[..., None] for s in sines)
        )


class SignInputs(nn.Module):
    """What nodes know of themselves: hidden neurons their phase, inputs their place, outputs both."""

    def __init__(self, architecture: Architecture, channels: int, features: int):
        super().__init__()
        inputs, *hidden, outputs = architecture.sizes
        self.sine = nn.ParameterList(0.5 * torch.randn(features) for _ in hidden)
        self.phase = nn.ModuleList(nn.Linear(1, features) for _ in hidden)
        # Like coordinates: in the range that fields are made for.
        self.input_IC = nn.Parameter(torch.rand(inputs, channels) * 2 - 1)
        self.output_OC = nn.Parameter(torch.randn(outputs, channels))
        self.output_bias_OC = nn.Parameter(torch.randn(outputs, channels))

    def forward(self, wiring: Wiring, output_bias: Tensor) -> Nodes:
        nodes = [plain(self.input_IC.expand(len(output_bias), -1, -1))]
        for layer, (cosine, sine) in enumerate(zip(wiring.cosine, wiring.sine, strict=True)):
            twice = cosine.square() - sine.square()  # cos(2 omega b), even
            nodes.append((sine * self.sine[layer], self.phase[layer](twice)))
        return [*nodes, plain(self.output_OC + output_bias[..., None] * self.output_bias_OC)]
