"""What fits fields, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from wsapps_weightspace.weights import FieldWeights

#: Told now and then how many fields' worth of work was done since the last time; may raise to stop.
Tick = Callable[[float], None]


@dataclass(frozen=True)
class Fitted:
    """N fitted fields.

    Args:
        weights: on the CPU, float32 where the initial ones are.
        psnr: ``(N,)`` float32 dB, of these weights over all points and values of the sample.
        steps: ``(N,)`` int64, how many each took.
    """

    weights: FieldWeights
    psnr: Tensor
    steps: Tensor


class Fitter(Protocol):
    """Fits any number of fields. What a field becomes depends on its own numbers alone."""

    def fit(
        self, initial: FieldWeights, coordinates: Tensor, targets: Tensor, tick: Tick | None = None
    ) -> Fitted:
        """Fit N fields.

        Args:
            initial: where they begin; not changed.
            coordinates: ``(Q, D)``, the same for all, or ``(N, Q, D)``.
            targets: ``(N, Q, C)``.
            tick: see :data:`Tick`.
        """
        ...


def psnr_of(errors: Tensor, peak: float) -> Tensor:
    """``10 log10(peak^2 / MSE)`` of mean squared errors, float32; NaN stays NaN."""
    return (10 * (peak**2 / errors.double()).log10()).float()
