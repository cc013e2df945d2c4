"""The learning rate that suits a fit: by the field's width, and by what it explains before it is trained.

Adam moves every weight by the rate, and a neuron hears all of a layer's, so that the rate falls as the width
grows (Yang et al., "Tensor Programs V", NeurIPS 2021, table 3, on hidden weights under Adam). A signal that
the untrained field explains but for a small rest is spoiled by steps that others need. Both were measured:
docs/experiments.md.
"""

from __future__ import annotations

import math

from torch import nn

from wsapps.fields.sinusoidal import SinusoidalField
from wsapps.projection import OutputSolver

#: The rate times the width, from width 128 on, where it is measured; narrower fields have the rate of that.
RATE_BY_WIDTH, NARROWEST = 0.128, 128
#: The part of the signal's deviation that a field may leave at the start, from where on the rate is halved as
#: the rest is.
WELL_EXPLAINED = 0.1
_MOST_HALVINGS = 3
#: Where the output layer is trained as well: the rate times the width, the least rate and the largest.
TRAINED_BY_WIDTH, TRAINED_LEAST, TRAINED_MOST = 0.0256, 2e-4, 5e-4


def fitting_rate(field: nn.Module, solver: OutputSolver | None) -> float | None:
    """Adam's rate at the start for a new field.

    Halvings are whole, so that rounding on another device hardly ever changes the rate. None where the field
    is no :class:`SinusoidalField`: nothing was measured there.

    Args:
        field: at initialisation; where it is solved for, its output layer is set as at the first step.
        solver: of the field, or None where the output layer is trained.
    """
    if not isinstance(field, SinusoidalField):
        return None
    width = field.output.in_features
    if solver is None:
        return min(max(TRAINED_BY_WIDTH / width, TRAINED_LEAST), TRAINED_MOST)
    rate = RATE_BY_WIDTH / max(width, NARROWEST)
    return rate / 2 ** _halvings(solver.missed())


def _halvings(missed: float) -> int:
    if not missed > 0:  # explained to the last digit, or NaN
        return _MOST_HALVINGS if missed == 0 else 0
    return min(max(round(math.log2(WELL_EXPLAINED / missed)), 0), _MOST_HALVINGS)
