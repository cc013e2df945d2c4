"""A perceptron on weights brought into one form: canonical, or aligned to a field of the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps_weightspace.layers.mlp import mlp
from wsapps_weightspace.layers.normalisation import EntryStandardisation
from wsapps_weightspace.models.classifier import FieldClassifier, some_of
from wsapps_weightspace.symmetry.alignment import align, misfit
from wsapps_weightspace.symmetry.canonical import canonicalise
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat

_CANDIDATES = 64  # fields among which the reference is chosen, and to which each candidate is compared


@dataclass
class CanonicalMlpConfig:
    """Settings of a :class:`CanonicalMlp`."""

    name: str = "canonical_mlp"
    form: Literal["canonical", "aligned"] = doc(
        "canonical: phases and signs fixed, neurons sorted; aligned: matched to those of a training field by "
        "the Hungarian method, about 1 ms a field",
        default="canonical",
    )
    sweeps: int = doc("aligned: rounds over the hidden layers", default=2)
    width: int = doc("neurons a layer", default=512)
    hidden_layers: int = doc("hidden layers", default=2)
    dropout: float = doc("part of the features dropped while training", default=0.2)

    def __post_init__(self) -> None:
        at_least_one(self, "width", "hidden_layers")
        not_negative(self, "sweeps")


class CanonicalMlp(FieldClassifier):
    """The flat perceptron, after the weights' symmetries have been divided out as far as that goes.

    Invariant to permutations, flips and shifts, also when aligned, for the alignment starts from the
    canonical form.
    """

    Config = CanonicalMlpConfig
    reference_P: Tensor

    def __init__(self, architecture: Architecture, classes: int, config: CanonicalMlpConfig):
        super().__init__(config.width, classes)
        self.architecture, self.form, self.sweeps = architecture, config.form, config.sweeps
        self.register_buffer("reference_P", torch.zeros(architecture.parameters))
        self.standardise = EntryStandardisation(architecture.parameters)
        sizes = [architecture.parameters] + [config.width] * config.hidden_layers
        self.hidden = mlp(sizes, norm=True, dropout=config.dropout, last=False)

    def prepare(self, fields: FieldWeights) -> None:
        if self.form == "aligned":
            self.reference_P.copy_(self._reference(fields).flat()[0])
        self.standardise.fit(self.normal_form(some_of(fields)).flat())

    def normal_form(self, fields: FieldWeights) -> FieldWeights:
        """The fields as the perceptron sees them."""
        with torch.no_grad():
            canonical = canonicalise(fields, self.architecture)
            if self.form == "canonical":
                return canonical
            reference = from_flat(self.reference_P[None], self.architecture)
            return align(canonical, reference, self.architecture, self.sweeps)

    def features(self, fields: FieldWeights) -> Tensor:
        return self.hidden(self.standardise(self.normal_form(fields).flat()))

    def _reference(self, fields: FieldWeights) -> FieldWeights:
        """That of some fields to which the others come nearest."""
        some = canonicalise(some_of(fields, _CANDIDATES), self.architecture)
        misfits = []
        for n in range(len(some)):
            candidate = some[n : n + 1]
            misfits.append(misfit(align(some, candidate, self.architecture, self.sweeps), candidate).mean())
        best = int(torch.stack(misfits).argmin())
        return some[best : best + 1]
