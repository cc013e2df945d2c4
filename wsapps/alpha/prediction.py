"""Choosing alpha without trials, from how well the fields of each are predicted to interpolate."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsapps.alpha.rule import REFERENCE, Choice, Verdict

#: How far a candidate's predicted score may lie under that of alpha = 1 beside the tolerance, in dB: a run
#: ends before alpha = 1 is where the regression puts it (docs/analysis.md has the measurements).
LEARNED = 1.5


def choose_predicted(scores: Mapping[float, float], tolerance: float) -> Choice:
    """The largest alpha whose predicted held-out score is within the tolerance of that of alpha = 1.

    Steps to a score fall with alpha for as long as fields interpolate, so that the largest is the fastest.

    Args:
        scores: predicted held-out score of each candidate, alpha = 1 among them.
        tolerance: in the scores' unit, at least 0.
    """
    floor = scores[REFERENCE] - tolerance - LEARNED
    good = [alpha for alpha, score in scores.items() if alpha >= REFERENCE and score >= floor]
    chosen = max(good, default=REFERENCE)
    verdicts = []
    for alpha, score in sorted(scores.items()):
        fate = "chosen" if alpha == chosen else "smaller" if alpha < chosen else "held-out score too low"
        verdicts.append(Verdict(alpha, math.nan, math.nan, math.nan, score, 0, fate))
    return Choice(chosen, math.nan, floor, verdicts)
