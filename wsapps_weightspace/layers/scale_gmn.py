"""Message passing that knows all symmetries of sine networks: permutations, flips and phase shifts.

After the sign case of Kalogeropoulos et al., Scale equivariant graph metanetworks (NeurIPS 2024), with these
changes. Their code brings phases into one period first, and forgets omega in it: half a turn of a bias is
pi / omega. Here nothing is brought anywhere: phases enter as cos(omega b) and sin(omega b), which follow
shifts by signs and are continuous. And edges keep their one number: messages are matrix products with the
weights, and what the paper does to each edge is done to the nodes at its ends, for a small part of the cost.

What a flip d and a shift j of a hidden neuron do to its features, and so which may be added to which:

    activation type, (-1)^(d + j): the activation, sin(omega b), outgoing weights; "odd" features
    weight type,     (-1)^d:       incoming weights, and so messages: their products with odd features before
    half-turn type,  (-1)^j:       cos(omega b), which turns weight type into activation type, and back
    even, +1:                      products of two of one type, and all features of inputs and outputs

Shape suffixes: B fields, I and O neurons before and after a layer, n of one layer, C channels of messages and
of inputs and outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps_weightspace.layers.mlp import mlp
from wsapps_weightspace.layers.sign_maps import EvenUnits, OddNorm, SignUpdate

Nodes = list[tuple[Tensor, Tensor]]  # (odd, even) features of each layer, inputs and outputs among them


@dataclass
class SignBlockConfig:
    """Settings of a :class:`SignBlock`."""

    channels: int = doc("channels of the messages, and features of an input or output", default=128)
    node_features: int = doc("odd features of a hidden neuron, and as many even ones", default=32)
    backward: bool = doc("sweep back after each sweep forth", default=True)
    form: Literal["sine", "gated"] = doc(
        "how hidden neurons take in messages: as sine layers do, or by gates and even units alone",
        default="sine",
    )
    start: Literal["identity", "random"] = doc(
        "sine: how channels mix at first; by identity the first sweep begins as evaluations of the field at "
        "as many coordinates, which are learned",
        default="identity",
    )

    def __post_init__(self) -> None:
        at_least_one(self, "channels", "node_features")


@dataclass(frozen=True)
class Wiring:
    """The weights that messages run along.

    Args:
        weights: ``(B, I, O)`` of each layer, in radians before a sine: omega W. The last is W.
        cosine, sine: of the phases of each hidden layer, ``(B, n, 1)``.
    """

    weights: tuple[Tensor, ...]
    cosine: tuple[Tensor, ...]
    sine: tuple[Tensor, ...]


class SineStep(nn.Module):
    """A hidden layer hears from the layer before it as a sine layer does, in C channels at once.

    With messages theta = omega W^T x, of weight type, the activation is sin(theta + omega b) = cos(omega b)
    sin(theta) + sin(omega b) cos(theta), and cos(theta) is even. The activation, with a share of the odd
    features, is what the layer says to the next.

    Args:
        channels: C.
        features: odd ones of a node, and as many even ones.
        identity: start with channels that do not mix. Then one sweep through a field is C evaluations of it.
    """

    def __init__(self, channels: int, features: int, identity: bool):
        super().__init__()
        self.send = nn.Linear(channels, channels, bias=False)
        self.share = nn.Linear(features, channels, bias=False)
        if identity:
            nn.init.eye_(self.send.weight)
            nn.init.zeros_(self.share.weight)
        self.norm = OddNorm(channels)
        self.update = SignUpdate(features, 2 * channels, channels)

    def forward(self, said: Tensor, wiring: Wiring, layer: int, odd: Tensor, even: Tensor):
        """What the layer says, and its new odd and even features."""
        theta = torch.bmm(wiring.weights[layer].transpose(1, 2), self.send(said))
        cosine, even_message = wiring.cosine[layer], torch.cos(theta)
        activation = cosine * torch.sin(theta) + wiring.sine[layer] * even_message
        messages = torch.cat([activation, cosine * self.norm(theta)], dim=-1)
        odd, even = self.update(odd, even, messages, even_message)
        return activation + self.share(odd), odd, even


class GatedStep(nn.Module):
    """A hidden layer hears from the layer before it through gates and even units, without sines."""

    def __init__(self, channels: int, features: int):
        super().__init__()
        self.send = nn.Linear(channels, channels, bias=False)
        self.norm, self.said = OddNorm(channels), OddNorm(features)
        self.units = EvenUnits(channels, features)
        self.update = SignUpdate(features, channels, features)
        self.share = nn.Linear(features, channels, bias=False)

    def forward(self, said: Tensor, wiring: Wiring, layer: int, odd: Tensor, even: Tensor):
        """What the layer says, and its new odd and even features."""
        theta = self.norm(torch.bmm(wiring.weights[layer].transpose(1, 2), self.send(said)))
        odd, even = self.update(odd, even, wiring.cosine[layer] * theta, self.units(theta))
        return self.share(self.said(odd)), odd, even


class PlainStep(nn.Module):
    """Nodes without a symmetry, inputs and outputs, take in a message."""

    def __init__(self, features: int, messages: int):
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.update = mlp([features + messages, 2 * features, features])

    def forward(self, own: Tensor, message: Tensor) -> Tensor:
        return own + self.update(torch.cat([self.norm(own), message], dim=-1))


class BackwardStep(nn.Module):
    """A hidden layer hears from the layer after it, whose odd features become weight type by the cosine."""

    def __init__(self, after: int, features: int):
        super().__init__()
        self.send = nn.Sequential(OddNorm(after), nn.Linear(after, features, bias=False))
        self.norm = OddNorm(features)
        self.update = SignUpdate(features, features)

    def forward(self, after: Tensor, wiring: Wiring, layer: int, odd: Tensor, even: Tensor):
        """New odd and even features of hidden layer ``layer``, from 0."""
        sent = self.send(after)
        if layer + 1 < len(wiring.cosine):
            sent = wiring.cosine[layer + 1] * sent
        w_BIO = wiring.weights[layer + 1]
        return self.update(odd, even, self.norm(torch.bmm(w_BIO, sent) / w_BIO.shape[2] ** 0.5))


class BackwardSweep(nn.Module):
    """From outputs to inputs, each layer hearing from the one after it."""

    def __init__(self, hidden: int, channels: int, features: int):
        super().__init__()
        after = [features] * (hidden - 1) + [channels]
        self.steps = nn.ModuleList(BackwardStep(width, features) for width in after)
        self.send = nn.Sequential(OddNorm(features), nn.Linear(features, features, bias=False))
        self.norm, self.to_input = OddNorm(features), PlainStep(channels, features)

    def forward(self, nodes: Nodes, wiring: Wiring) -> Nodes:
        nodes = list(nodes)
        for layer, step in reversed(list(enumerate(self.steps))):
            nodes[layer + 1] = step(nodes[layer + 2][0], wiring, layer, *nodes[layer + 1])
        w_BIO = wiring.weights[0]
        sent = wiring.cosine[0] * self.send(nodes[1][0])
        heard = self.norm(torch.bmm(w_BIO, sent) / w_BIO.shape[2] ** 0.5)
        nodes[0] = plain(self.to_input(nodes[0][0], heard))
        return nodes


class SignBlock(nn.Module):
    """One sweep from inputs to outputs and, where asked for, one back; each layer hears its newest neighbour.

    Args:
        hidden: hidden layers of the fields.
        config: how they are swept.
    """

    def __init__(self, hidden: int, config: SignBlockConfig):
        super().__init__()
        channels, features = config.channels, config.node_features
        if config.form == "sine":
            identity = config.start == "identity"
            steps = [SineStep(channels, features, identity) for _ in range(hidden)]
        else:
            steps = [GatedStep(channels, features) for _ in range(hidden)]
        self.steps = nn.ModuleList(steps)
        self.to_output = PlainStep(channels, channels)
        self.back = BackwardSweep(hidden, channels, features) if config.backward else None

    def forward(self, nodes: Nodes, wiring: Wiring) -> Nodes:
        nodes, said = list(nodes), nodes[0][0]
        for layer, step in enumerate(self.steps):
            said, odd, even = step(said, wiring, layer, *nodes[layer + 1])
            nodes[layer + 1] = odd, even
        heard = torch.bmm(wiring.weights[-1].transpose(1, 2), said)
        nodes[-1] = plain(self.to_output(nodes[-1][0], heard))
        return nodes if self.back is None else self.back(nodes, wiring)


def plain(features: Tensor) -> tuple[Tensor, Tensor]:
    """Features of inputs or outputs, which are odd and even at once."""
    return features, features
