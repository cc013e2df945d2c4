"""Editing fields to what a morphological operation makes of their pictures: the target, the loss, the score.

Shape suffixes: B fields, Q pixels, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wsapps.metrics import psnr_from_mse
from wsapps.objective import Batch, Objective
from wsapps_weightspace.learning.best_state import BestState
from wsapps_weightspace.learning.classification import Augment
from wsapps_weightspace.learning.rendering import Canvas
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate, from_flat

Operation = Literal["dilate", "erode"]


def morphed(values_BQC: Tensor, size: tuple[int, int], operation: Operation, radius: int) -> Tensor:
    """The largest (dilate) or least (erode) value in the square of ``2 radius + 1`` pixels around each pixel.

    Bright strokes become thicker, or thinner. ``size`` is (H, W), Q = H W.
    """
    sign = 1 if operation == "dilate" else -1
    pictures = sign * values_BQC.transpose(1, 2).unflatten(2, size)
    pooled = F.max_pool2d(pictures, 2 * radius + 1, stride=1, padding=radius)
    return sign * pooled.flatten(2).transpose(1, 2)


class EditObjective(Objective):
    """Squared error between what edited fields show and what their pictures become; ``weights`` (B, P) in.

    The picture is the field's own, so that no samples are needed. Errors are parts of ``high - low``.

    Args:
        model: fields to edited fields.
        canvas: the pixels; its coordinates are a buffer of this module.
        operation, radius: see :func:`morphed`.
    """

    coordinates: Tensor

    def __init__(
        self,
        model: nn.Module,
        architecture: Architecture,
        canvas: Canvas,
        operation: Operation,
        radius: int,
        augment: Augment | None = None,
    ):
        super().__init__()
        self.model, self.architecture, self.augment = model, architecture, augment
        self.size, self.peak = canvas.size, canvas.high - canvas.low
        self.operation: Operation = operation
        self.radius = radius
        self.register_buffer("coordinates", canvas.coordinates, persistent=False)
        self.best = BestState(model)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        fields = from_flat(batch["weights"], self.architecture)
        if self.training and self.augment is not None:
            fields = self.augment(fields)
        error = self.errors(fields)
        loss_sum = error.square().sum()
        return {"loss_sum": loss_sum, "count": loss_sum.new_full((), error.numel())}

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        return {"psnr": psnr_from_mse(totals["loss_sum"] / totals["count"])}

    def target(self, fields: FieldWeights) -> Tensor:
        """What the edited fields are to show, ``(B, Q, C)``."""
        with torch.no_grad():
            values = evaluate(fields, self.architecture, self.coordinates)
            return morphed(values, self.size, self.operation, self.radius)

    def errors(self, fields: FieldWeights, edit: bool = True) -> Tensor:
        """``(B, Q, C)``, of the edited fields, or of those that were left as they are."""
        edited = self.model(fields) if edit else fields
        return (evaluate(edited, self.architecture, self.coordinates) - self.target(fields)) / self.peak

    def squared(self, fields: FieldWeights, edit: bool = True) -> Tensor:
        """Mean squared errors ``(B,)``."""
        return self.errors(fields, edit).square().flatten(1).mean(dim=1)


def edit_scores(mse: float, identity_mse: float) -> dict[str, float]:
    """``mse`` and ``psnr`` of edited fields, and the mse of fields left alone, all on a scale of 0 to 1.

    ``gain`` is the part of that error that editing took away: 1 for exact, 0 for nothing, negative for harm.
    """
    gain = 1 - mse / identity_mse if identity_mse else math.nan
    return {"mse": mse, "psnr": psnr_from_mse(mse), "identity_mse": identity_mse, "gain": gain}
