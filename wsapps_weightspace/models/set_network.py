"""What NFN and DWS classifiers share: an embedding, residual layers, an invariant pool, a perceptron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps_weightspace.layers.embeddings import FieldEmbedding
from wsapps_weightspace.layers.mlp import mlp
from wsapps_weightspace.layers.normalisation import ChannelNorm
from wsapps_weightspace.layers.pooling import InvariantPool
from wsapps_weightspace.layers.weight_features import WeightFeatures
from wsapps_weightspace.models.classifier import FieldClassifier
from wsapps_weightspace.symmetry.canonical import canonicalise
from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass
class SetNetworkConfig:
    """Settings of a :class:`SetNetwork`."""

    channels: int = doc("features a weight and a bias", default=32)
    blocks: int = doc("layers on the features", default=3)
    frequencies: int = doc("random Fourier features of each weight and bias", default=8)
    width: int = doc("neurons of the perceptron that reads the pooled features", default=256)
    dropout: float = doc("part of the features dropped while training", default=0.1)
    canonical: bool = doc("bring the phase and the sign of each neuron into one form first", default=True)

    def __post_init__(self) -> None:
        at_least_one(self, "channels", "blocks", "width")
        not_negative(self, "frequencies")


class SetNetwork(FieldClassifier):
    """Invariant to permutations of hidden neurons; with ``canonical`` also to flips and shifts.

    Args:
        make_layer: ``make_layer(architecture, C, C)``, equivariant features to features.
        io: whether its layers take inputs and outputs for sets.
    """

    def __init__(
        self,
        architecture: Architecture,
        classes: int,
        config: SetNetworkConfig,
        make_layer: Callable[[Architecture, int, int], nn.Module],
        io: bool,
    ):
        super().__init__(config.width, classes)
        self.architecture, self.canonical = architecture, config.canonical
        channels = config.channels
        self.embedding = FieldEmbedding(architecture, channels, config.frequencies, io=io)
        self.layers = nn.ModuleList(
            make_layer(architecture, channels, channels) for _ in range(config.blocks)
        )
        self.norms = nn.ModuleList(ChannelNorm(architecture, channels) for _ in range(config.blocks + 1))
        self.pool = InvariantPool(architecture)
        sizes = [self.pool.size(channels), config.width, config.width]
        self.hidden = mlp(sizes, norm=True, dropout=config.dropout, last=False)

    def prepare(self, fields: FieldWeights) -> None:
        self.embedding.prepare(self._normal(fields))

    def trunk(self, fields: FieldWeights) -> WeightFeatures:
        """Equivariant features of the fields in their normal form."""
        features = self.embedding(self._normal(fields))
        for layer, norm in zip(self.layers, self.norms[:-1], strict=True):
            features = features + layer(norm(features).map(F.silu))
        return self.norms[-1](features)

    def features(self, fields: FieldWeights) -> Tensor:
        return self.hidden(self.pool(self.trunk(fields)))

    def _normal(self, fields: FieldWeights) -> FieldWeights:
        return canonicalise(fields, self.architecture, sort=False) if self.canonical else fields
