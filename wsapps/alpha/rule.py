"""The rule by which alpha is chosen, whatever the application.

The largest speed-up, in steps to the score that alpha = 1 reaches, among the candidates whose held-out score
at the end stays within a tolerance of that of alpha = 1.

Source: Yeom et al., ICLR 2025, on the choice of the scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wsapps.alpha.curve import Curve
from wsapps.alpha.texture import Texture

REFERENCE = 1.0
_TIE = 1.05  # speed-ups that differ by less are not told apart, and the smaller alpha is the safer one


@dataclass(frozen=True)
class Verdict:
    """What came of one candidate.

    Attributes:
        alpha: the candidate.
        steps_to_target: infinite where it was not reached.
        speed_up: steps of alpha = 1 over its own; 0 where the target was not reached, NaN without trials.
        fitted, held_out: its scores at the end, means of its last looks; without trials NaN, and what is
            expected of the held-out score against that of alpha = 1, in dB.
        steps: how far it was trained.
        fate: in words, why it was chosen or not.
        explained: without trials, the part of what is between samples that they explain.
        left_out: without trials, by how much a sample is missed by its neighbours, root mean square, as a
            part of the signal's deviation.
        left_open, spread, unlearned, values_unlearned: without trials, see
            :class:`wsapps.alpha.interpolation.Interpolation`.
    """

    alpha: float
    steps_to_target: float
    speed_up: float
    fitted: float
    held_out: float
    steps: float
    fate: str
    explained: float = math.nan
    left_out: float = math.nan
    left_open: float = math.nan
    spread: float = math.nan
    unlearned: float = math.nan
    values_unlearned: float = math.nan


@dataclass(frozen=True)
class Choice:
    """The alpha that the rule takes, and what it stands on.

    Attributes:
        alpha: chosen.
        target: fitted score to which steps are counted, that of alpha = 1 at the end.
        floor: least held-out score: that of alpha = 1 at the end less the tolerance; without trials the least
            that may be expected, against alpha = 1.
        verdicts: on every candidate, by alpha.
        memorises: whether samples are too sparse even for alpha = 1, which is then chosen for want of a
            better one.
        texture: of the signal, where it was looked at.
    """

    alpha: float
    target: float
    floor: float
    verdicts: list[Verdict]
    memorises: bool = False
    texture: Texture | None = None

    @property
    def chosen(self) -> Verdict:
        """The verdict on the chosen alpha."""
        return next(verdict for verdict in self.verdicts if verdict.alpha == self.alpha)


def untried(why: str) -> Choice:
    """Alpha = 1, where no trial could be made."""
    verdict = Verdict(REFERENCE, math.nan, 1.0, math.nan, math.nan, 0, f"chosen without trials: {why}")
    return Choice(REFERENCE, math.nan, math.nan, [verdict])


def choose(curves: Sequence[Curve], tolerance: float) -> Choice:
    """Apply the rule to learning curves.

    Args:
        curves: one an alpha, alpha = 1 among them, each with one look at least.
        tolerance: of the held-out score, in its unit, at least 0.

    Raises:
        ValueError: there is no curve for alpha = 1 or it has diverged, two of one alpha, or a negative
            tolerance.
    """
    if not tolerance >= 0:
        raise ValueError(f"the tolerance must not be negative, got {tolerance}")
    by_alpha = {curve.alpha: curve for curve in sorted(curves, key=lambda curve: curve.alpha)}
    reference = by_alpha.get(REFERENCE)
    if reference is None or len(by_alpha) < len(curves):
        raise ValueError(
            f"one curve for each alpha and one for 1 are needed, got {[c.alpha for c in curves]}"
        )
    if reference.diverged:
        raise ValueError("alpha = 1 has diverged: there is nothing to compare with")
    target, floor = reference.last_fitted, reference.last_held_out - tolerance
    speed_ups = {alpha: _speed_up(curve, reference, target) for alpha, curve in by_alpha.items()}
    objections = {alpha: _objection(curve, floor) for alpha, curve in by_alpha.items()}
    eligible = {alpha: speed_ups[alpha] for alpha in by_alpha if objections[alpha] is None}
    best = max(eligible.values())
    alpha = next(alpha for alpha, speed_up in eligible.items() if speed_up * _TIE >= best)
    verdicts = [
        Verdict(
            each,
            curve.steps_to(target),
            speed_ups[each],
            curve.last_fitted,
            curve.last_held_out,
            curve.steps[-1],
            "chosen" if each == alpha else objections[each] or "not faster",
        )
        for each, curve in by_alpha.items()
    ]
    return Choice(alpha, target, floor, verdicts)


def _speed_up(curve: Curve, reference: Curve, target: float) -> float:
    steps = curve.steps_to(target)
    if curve.diverged or math.isinf(steps):
        return 0.0
    return max(reference.steps_to(target), 1.0) / max(steps, 1.0)


def _objection(curve: Curve, floor: float) -> str | None:
    """Why a candidate may not be chosen; None where it may."""
    if curve.diverged:
        return "diverged"
    if curve.last_held_out < floor:
        return "held-out score too low"
    return None
