"""The simplest objective: a field's squared error at points."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from wsapps.metrics import psnr_from_mse
from wsapps.objective import Batch, Objective
from wsapps.projection import OutputSolver


class FieldObjective(Objective):
    """Mean squared error of a field, over points and channels.

    Batches hold ``coordinates (N, D)``, ``values (N, C)`` and perhaps ``weights (N,)``, factors of the
    squared errors whose mean over the whole signal is 1. ``peak`` is the signal's largest value for the
    PSNR shown. With a ``solver`` the output layer is solved for before every step, and not descended on.
    """

    def __init__(self, field: nn.Module, peak: float = 1.0, solver: OutputSolver | None = None):
        super().__init__()
        self.field = field
        self.peak = peak
        self.solver = solver

    def before_step(self, step: int) -> None:
        if self.solver is not None:
            self.solver.solve(step)

    def finish(self) -> None:
        """After training: the output layer for all samples, where it was solved for."""
        if self.solver is not None:
            self.solver.finish()

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        fitted, values = self.field(batch["coordinates"]), batch["values"]
        if fitted.shape != values.shape:  # broadcasting would train on something else
            raise ValueError(
                f"the field gives {tuple(fitted.shape)} where the values are {tuple(values.shape)}, (N, C)"
            )
        error = fitted - values
        squared = error.square()
        if "weights" in batch:
            squared = squared * batch["weights"][:, None]
        loss_sum = squared.sum()
        return {"loss_sum": loss_sum, "count": loss_sum.new_full((), error.numel())}

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        return {"psnr": psnr_from_mse(totals["loss_sum"] / totals["count"], self.peak)}
