"""Predicting a number of each field from its weights: the loss, and the scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from wsapps.objective import Batch, Objective
from wsapps_weightspace.learning.best_state import BestState
from wsapps_weightspace.learning.classification import Augment
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat


class Standardised(nn.Module):
    """A model of one output that predicts in the units of its targets: ``mean + deviation * model(fields)``.

    Args:
        model: ``model(fields) -> (B, 1)``.
        mean, deviation: of the targets that it is trained on; a deviation of 0 counts as 1.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: nn.Module, mean: float = 0.0, deviation: float = 1.0):
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation or 1.0))

    def forward(self, fields: FieldWeights) -> Tensor:
        """Predictions ``(B,)``."""
        return self.mean + self.deviation * self.model(fields).float().squeeze(1)


class RegressionObjective(Objective):
    """Squared error in units of the targets' variance: ``weights`` ``(B, P)`` and ``targets`` ``(B,)`` in."""

    def __init__(self, model: Standardised, architecture: Architecture, augment: Augment | None = None):
        super().__init__()
        self.model, self.architecture, self.augment = model, architecture, augment
        self.best = BestState(model)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        fields = from_flat(batch["weights"], self.architecture)
        if self.training and self.augment is not None:
            fields = self.augment(fields)
        error = (self.model(fields) - batch["targets"]) / self.model.deviation
        loss_sum = error.square().sum()
        return {"loss_sum": loss_sum, "count": loss_sum.new_full((), len(error))}

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        return {"rmse": float(self.model.deviation) * math.sqrt(totals["loss_sum"] / totals["count"])}


def regression_scores(predicted: Tensor, targets: Tensor) -> dict[str, float]:
    """Scores of predictions ``(N,)``, N > 1.

    ``r2``: 1 - squared error / squared deviation from the targets' mean, 0 for predicting that mean and
    without a lower limit; ``rmse`` and ``mae`` in the targets' units; ``rank_correlation``: Spearman's. Where
    all targets, or for the last all predictions, are equal, r2 and rank_correlation are NaN.
    """
    error, targets = (predicted - targets).double(), targets.double()
    deviation = float((targets - targets.mean()).square().sum())
    varied = deviation > 0 and float(predicted.std()) > 0
    return {
        "r2": 1 - float(error.square().sum()) / deviation if deviation else math.nan,
        "rmse": math.sqrt(float(error.square().mean())),
        "mae": float(error.abs().mean()),
        "rank_correlation": _rank_correlation(predicted, targets) if varied else math.nan,
    }


def _rank_correlation(first: Tensor, second: Tensor) -> float:
    found: Any = spearmanr(first.numpy(), second.numpy())
    return float(found.statistic)
