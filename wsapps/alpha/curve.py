"""Learning curves of fields that differ in alpha alone."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field


@dataclass
class Curve:
    """Scores of one alpha's field over its training; higher is better, PSNRs in dB as a rule.

    Attributes:
        alpha: the candidate.
        steps: at which it was looked at, ascending.
        fitted: score on the samples that it is fitted to, at each look.
        held_out: score on samples that it never saw.
        averaged: looks whose mean is the score at the end; trials on batches scatter.
    """

    alpha: float
    steps: list[float] = field(default_factory=list)
    fitted: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    averaged: int = 3

    def add(self, step: float, fitted: float, held_out: float) -> None:
        """Note a look."""
        self.steps.append(step)
        self.fitted.append(fitted)
        self.held_out.append(held_out)

    @property
    def diverged(self) -> bool:
        """Whether a score is not a number any more, or minus infinity."""
        return any(math.isnan(score) or score == -math.inf for score in (*self.fitted, *self.held_out))

    @property
    def last_fitted(self) -> float:
        """The fitted score at the end, the mean of the last ``averaged`` looks."""
        return statistics.fmean(self.fitted[-self.averaged :])

    @property
    def last_held_out(self) -> float:
        """The held-out score at the end, likewise."""
        return statistics.fmean(self.held_out[-self.averaged :])

    def steps_to(self, target: float) -> float:
        """Steps to the first fitted score of at least ``target``, linear between looks; infinite if never."""
        for index, score in enumerate(self.fitted):
            if score >= target:
                if index == 0:
                    return self.steps[0]
                before, last = self.fitted[index - 1], self.steps[index - 1]
                if not (math.isfinite(before) and math.isfinite(score)):  # no error is infinitely many dB
                    return self.steps[index]
                return last + (self.steps[index] - last) * (target - before) / (score - before)
        return math.inf
