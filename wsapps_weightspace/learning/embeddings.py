"""What fields are compared by, when those most like a field are looked for.

Shape suffixes: N fields, P parameters, F features.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from wsapps_weightspace.layers.normalisation import LayerScale
from wsapps_weightspace.learning.inference import outputs_of
from wsapps_weightspace.learning.rendering import Canvas
from wsapps_weightspace.models import FieldClassifier
from wsapps_weightspace.symmetry import align, canonicalise
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate, from_flat

Embedding = Literal["weights", "canonical", "aligned", "values", "features"]
Embed = Callable[[Tensor], Tensor]  # (N, P) -> (N, F)


def weight_embeddings(flat_NP: Tensor, architecture: Architecture) -> dict[Embedding, Embed]:
    """Those that need nothing but weights.

    * ``weights``: as they are; ``canonical``: in normal form; ``aligned``: to the first of the fields given
      here. Each layer is divided by its root mean square over these fields, so that all layers count.

    Args:
        flat_NP: the fields that set the scale and the reference.
    """
    reference = from_flat(flat_NP[:1], architecture)
    scale = LayerScale(architecture)
    scale.fit(from_flat(flat_NP, architecture))

    def scaled(change: Callable[[FieldWeights], FieldWeights]) -> Embed:
        return lambda flat: outputs_of(lambda fields: scale(change(fields)).flat(), flat, architecture)

    return {
        "weights": scaled(lambda fields: fields),
        "canonical": scaled(lambda fields: canonicalise(fields, architecture)),
        "aligned": scaled(lambda fields: align(fields, reference, architecture)),
    }


def value_embedding(canvas: Canvas, architecture: Architecture) -> Embed:
    """The values that the fields show, pixel by pixel: what is blind to every symmetry."""
    return lambda flat: outputs_of(
        lambda fields: evaluate(fields, architecture, canvas.coordinates).flatten(1), flat, architecture
    )


def feature_embedding(model: FieldClassifier, architecture: Architecture) -> Embed:
    """The features of a trained classifier, of length 1: their distances are those of angles."""
    model.eval()
    return lambda flat: outputs_of(
        lambda fields: F.normalize(model.features(fields), dim=1), flat, architecture
    )


def nearest(queries_QF: Tensor, gallery_GF: Tensor, count: int) -> Tensor:
    """Positions ``(Q, count)`` of the gallery's nearest to each query, by Euclidean distance, in order."""
    found = [
        torch.cdist(part, gallery_GF).topk(count, dim=1, largest=False).indices
        for part in queries_QF.split(256)
    ]
    return torch.cat(found)
