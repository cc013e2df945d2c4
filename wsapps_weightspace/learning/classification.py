"""Classifying fields by their weights: the loss, and the scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsapps.objective import Batch, Objective
from wsapps_weightspace.learning.best_state import BestState
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat

Augment = Callable[[FieldWeights], FieldWeights]


class ClassificationObjective(Objective):
    """Cross entropy of a classifier: ``weights`` ``(B, P)`` and ``labels`` ``(B,)`` in.

    Args:
        model: ``model(fields) -> (B, K)`` logits.
        architecture: of the fields.
        label_smoothing: probability spread over all classes while training, in [0, 1).
        augment: other weights of the same class, drawn from the global generator; None for none. It is
            applied while training, and not while evaluating.
    """

    def __init__(
        self,
        model: nn.Module,
        architecture: Architecture,
        label_smoothing: float = 0.0,
        augment: Augment | None = None,
    ):
        super().__init__()
        self.model, self.architecture = model, architecture
        self.label_smoothing, self.augment = label_smoothing, augment
        self.best = BestState(model)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        fields, labels = from_flat(batch["weights"], self.architecture), batch["labels"]
        if self.training and self.augment is not None:
            fields = self.augment(fields)
        logits = self.model(fields).float()
        smoothing = self.label_smoothing if self.training else 0.0
        loss_sum = F.cross_entropy(logits, labels, reduction="sum", label_smoothing=smoothing)
        right = (logits.detach().argmax(dim=1) == labels).sum()
        return {"loss_sum": loss_sum, "count": loss_sum.new_full((), len(labels)), "right": right}

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        return {"accuracy": totals["right"] / totals["count"]}


@dataclass(frozen=True)
class Scores:
    """How well logits agree with labels.

    Attributes:
        confusion: ``(K, K)`` int64, fields of class i (row) that were given class j (column).
        loss: mean cross entropy in nats.
    """

    confusion: Tensor
    loss: float

    @property
    def accuracy(self) -> float:
        """Part of all fields that were given their class."""
        return float(self.confusion.diagonal().sum()) / int(self.confusion.sum())

    @property
    def standard_error(self) -> float:
        """Of the accuracy, as a part of independent trials."""
        return math.sqrt(self.accuracy * (1 - self.accuracy) / int(self.confusion.sum()))

    def by_class(self, classes: Sequence[str]) -> dict[str, float]:
        """Class -> part of its fields that were given it, its recall; classes without fields are left out."""
        counts, right = self.confusion.sum(dim=1).tolist(), self.confusion.diagonal().tolist()
        return {name: r / n for name, r, n in zip(classes, right, counts, strict=True) if n}


def scores_of(logits: Tensor, labels: Tensor) -> Scores:
    """Scores of logits ``(N, K)`` against labels ``(N,)``.

    Raises:
        ValueError: no field, or the lengths differ.
    """
    if len(logits) != len(labels) or not len(labels):
        raise ValueError(f"one label a field is needed, got {len(logits)} fields and {len(labels)} labels")
    classes = logits.shape[1]
    cells = labels * classes + logits.argmax(dim=1)
    confusion = torch.bincount(cells, minlength=classes**2).view(classes, classes)
    return Scores(confusion, float(F.cross_entropy(logits.double(), labels)))
