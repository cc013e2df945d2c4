"""Choosing alpha without trials, from how well the fields of each can interpolate at the start."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsapps.alpha.rule import REFERENCE, Choice, Verdict

#: The least part between samples that they explain where fields interpolate; measured: docs/analysis.md.
LEAST_EXPLAINED = 0.995


def choose_predicted(explained: Mapping[float, float]) -> Choice:
    """The largest alpha with which samples still explain what is between them; 1 where not even its do.

    Steps to a score fall with alpha for as long as fields interpolate, so that it is about the fastest.

    Args:
        explained: of each candidate, alpha = 1 among them: see
            :func:`wsapps.alpha.interpolation.explained_part`.
    """
    good = [a for a, value in explained.items() if a >= REFERENCE and value >= LEAST_EXPLAINED]
    chosen = max(good, default=REFERENCE)
    verdicts = []
    for alpha, value in sorted(explained.items()):
        fate = "chosen" if alpha == chosen else "smaller" if alpha < chosen else "would memorise"
        verdicts.append(Verdict(alpha, math.nan, math.nan, math.nan, value, 0, fate))
    return Choice(chosen, math.nan, LEAST_EXPLAINED, verdicts)
