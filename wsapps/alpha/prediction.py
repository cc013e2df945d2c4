"""Choosing alpha without trials, from how the fields of each correlate neighbouring samples at the start."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsapps.alpha.rule import REFERENCE, Choice, Verdict

#: The least correlation of neighbouring samples with which fields interpolate; measured: docs/analysis.md.
LEAST_CORRELATION = 2 / 3


def choose_predicted(correlations: Mapping[float, float]) -> Choice:
    """The largest alpha with which neighbouring samples still correlate; 1 where not even its do.

    Steps to a score fall with alpha for as long as fields interpolate, so that it is about the fastest.

    Args:
        correlations: of each candidate, alpha = 1 among them: see
            :func:`wsapps.alpha.interpolation.neighbour_correlation`.
    """
    good = [a for a, value in correlations.items() if a >= REFERENCE and value >= LEAST_CORRELATION]
    chosen = max(good, default=REFERENCE)
    verdicts = []
    for alpha, value in sorted(correlations.items()):
        fate = "chosen" if alpha == chosen else "smaller" if alpha < chosen else "would memorise"
        verdicts.append(Verdict(alpha, math.nan, math.nan, math.nan, value, 0, fate))
    return Choice(chosen, math.nan, LEAST_CORRELATION, verdicts)
