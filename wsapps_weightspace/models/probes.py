"""Learned probes: the field's values at coordinates that are trained with the classifier.

Shape suffixes: B fields, K probes, D coordinates, C values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps_weightspace.layers.mlp import mlp
from wsapps_weightspace.layers.normalisation import EntryStandardisation
from wsapps_weightspace.models.classifier import FieldClassifier, some_of
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate


@dataclass
class ProbesConfig:
    """Settings of :class:`Probes`."""

    name: str = "probes"
    probes: int = doc("coordinates at which each field is evaluated", default=128)
    width: int = doc("neurons a layer", default=512)
    hidden_layers: int = doc("hidden layers", default=2)
    dropout: float = doc("part of the features dropped while training", default=0.2)

    def __post_init__(self) -> None:
        at_least_one(self, "probes", "width", "hidden_layers")


class Probes(FieldClassifier):
    """K learned coordinates, the values there, a perceptron on them.

    A function-space model: what it sees is invariant to every symmetry of the weights. The coordinates start
    uniformly in [-1, 1]^D. Source: the probing of Herrmann et al. (2024) and Kofinas et al. (2024).
    """

    Config = ProbesConfig
    function_space = True

    def __init__(self, architecture: Architecture, classes: int, config: ProbesConfig):
        super().__init__(config.width, classes)
        self.architecture = architecture
        coordinates, values = architecture.sizes[0], architecture.sizes[-1]
        self.coordinates_KD = nn.Parameter(torch.rand(config.probes, coordinates) * 2 - 1)
        self.standardise = EntryStandardisation(config.probes * values)
        sizes = [config.probes * values] + [config.width] * config.hidden_layers
        self.hidden = mlp(sizes, norm=True, dropout=config.dropout, last=False)

    def prepare(self, fields: FieldWeights) -> None:
        with torch.no_grad():
            self.standardise.fit(self.values(some_of(fields)))

    def values(self, fields: FieldWeights) -> Tensor:
        """What the fields are at the probes, ``(B, K C)``."""
        return evaluate(fields, self.architecture, self.coordinates_KD).flatten(1)

    def features(self, fields: FieldWeights) -> Tensor:
        return self.hidden(self.standardise(self.values(fields)))
