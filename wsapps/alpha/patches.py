"""Choosing alpha where the candidates were trained on patches of a signal, and alpha = 1 on the whole.

A patch has the whole's density of samples, and few of them: a field settles on it in some ten steps, and its
score between the samples is then what the whole would have. What it does not show is how far alpha = 1 gets
on the whole in the steps of a run, so that alpha = 1 is trained on batches of that. Among the candidates that
interpolate at least as well as alpha = 1 at the end of the run the largest is taken: on whole signals speed
grows with alpha for about as long as that holds (docs/analysis.md has the measurements).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wsapps.alpha.curve import Curve
from wsapps.alpha.race import Trials
from wsapps.alpha.rule import REFERENCE, Choice, Verdict

#: How far batches leave alpha = 1 behind the run that they stand for, in dB: 0.9 to 1.8 on a photograph.
LAG = 1.0
_MEMORISED, _FITTED = 3.0, 6.0  # dB over the held-out score, and over the target: it has settled
_SLOWER = 1.5  # of the fastest one's steps; and whole signals take so many times the steps of patches


@dataclass(frozen=True)
class Reference:
    """Alpha = 1 at the end of training on batches of the whole: scores on the patches, in dB.

    Attributes:
        steps: as many as the run has.
        fitted, held_out: scores on the two sides of the patches.
    """

    steps: int
    fitted: float
    held_out: float

    @property
    def target(self) -> float:
        """The fitted score of the run that it stands for."""
        return self.fitted + LAG


def settle(
    trials: Trials,
    alphas: Sequence[float],
    steps: int,
    target: float,
    look_every: int,
    most: float = math.inf,
) -> list[Curve]:
    """Train candidates until each has settled: at the target, and far better on fitted samples than between
    them, or far beyond the target.

    Args:
        trials: the fields, on patches.
        alphas: candidates.
        steps: of each at most.
        target: fitted score, of alpha = 1.
        look_every: steps between looks at who has settled.
        most: steps of all together; those that are running then stay as they are.
    """
    running, step, spent = list(alphas), 0, 0.0
    while running and step < steps:
        following = min(step + look_every, steps)
        spent += len(running) * (following - step)
        if spent > most:
            break
        trials.advance(running, following)
        running = [alpha for alpha in running if not _settled(trials.curve(alpha), target)]
        step = following
    return [trials.curve(alpha) for alpha in alphas]


def choose_on_patches(reference: Reference, curves: Sequence[Curve], tolerance: float) -> Choice:
    """The largest alpha that interpolates as well as alpha = 1 at the end of the run, within the tolerance.

    One that is much slower to the target than the fastest of those, or would not reach it in the run, is
    passed over.

    Args:
        reference: alpha = 1, trained on the whole.
        curves: candidates on the patches.
        tolerance: of the held-out score, in dB, at least 0.
    """
    target, floor = reference.target, reference.held_out + LAG - tolerance
    most = reference.steps / _SLOWER
    steps = {c.alpha: c.steps_to(target) for c in curves if not c.diverged and c.held_out[-1] >= floor}
    fastest = min(steps.values(), default=math.inf)
    eligible = [alpha for alpha, needed in steps.items() if needed <= min(most, _SLOWER * fastest)]
    alpha = max(eligible, default=REFERENCE)
    fate = "chosen" if alpha == REFERENCE else "slower"
    own = Verdict(REFERENCE, math.inf, math.nan, reference.fitted, reference.held_out, reference.steps, fate)
    verdicts = [own]
    for curve in curves:
        if curve.alpha == alpha:
            fate = "chosen"
        elif curve.diverged:
            fate = "diverged"
        elif curve.alpha not in steps:
            fate = "held-out score too low"
        else:
            fate = "smaller" if curve.alpha in eligible else "too slow"
        verdicts.append(_verdict(curve, target, fate))
    return Choice(alpha, target, floor, sorted(verdicts, key=lambda verdict: verdict.alpha))


def _settled(curve: Curve, target: float) -> bool:
    fitted, held_out = curve.fitted[-1], curve.held_out[-1]
    at_target = fitted >= target and (fitted - held_out >= _MEMORISED or fitted >= target + _FITTED)
    return curve.diverged or at_target


def _verdict(curve: Curve, target: float, fate: str) -> Verdict:
    return Verdict(
        curve.alpha,
        curve.steps_to(target),
        math.nan,
        curve.fitted[-1],
        curve.held_out[-1],
        curve.steps[-1],
        fate,
    )
