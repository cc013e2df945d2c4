"""Objective: the seam between the trainer and an application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

Batch = Mapping[str, Any]


class Objective(nn.Module):
    """What is minimised: a module that turns a batch into a summed loss and its count.

    The loss lives inside the module that Accelerate wraps, so that derivatives taken in ``forward``
    are synchronised over ranks, and there is one thing to compile. The trainer minimises

        sum of loss_sum over ranks and micro-batches / sum of count over the same,

    which is exact however ragged the batches are. Subclasses implement ``forward``; the other methods
    have defaults. They run outside the wrapper, on every rank, in the order before_step, forward,
    after_step.
    """

    #: Set where a step may leave parameters without a gradient; DistributedDataParallel has to know.
    find_unused_parameters = False

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Return ``{"loss_sum": scalar, "count": scalar, other scalars}``.

        All are 0-dimensional tensors, or numbers, and always the same names. ``loss_sum`` carries the
        gradient, also where nothing was counted (as the sum over an empty output does); the others are
        summed over ranks and micro-batches and come back in ``after_step`` and ``metrics``. On a GPU make
        them with ``new_full``, for ``new_tensor`` waits for the device.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement forward(batch)")

    def before_step(self, step: int) -> None:
        """Prepare a step: occupancy grids, adaptive points, loss weights.

        The global generator is in the same state on every rank. Writes registered buffers, and parameters
        that are not trained; the same ones on every rank.
        """

    def after_step(self, step: int, totals: Mapping[str, Tensor]) -> None:
        """Take note of the step's scalars, summed over ranks, so that all ranks write the same buffers."""

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        """Figures for people, from the same totals: what a progress bar and TensorBoard show."""
        return {}

    def compile_(self) -> None:
        """Compile what is worth compiling, in place. The default compiles the whole forward."""
        self.compile()
