"""Trying several alphas at once, with successive halving.

The reference, alpha = 1, is trained to the end first, so that the target and the least held-out score are
known. The others start together. At a quarter and at half of the steps the slower half is set aside, and
what cannot be chosen any more is given up. Where none of those that reached the end may be chosen,
the fastest one that was set aside goes on, as far as the cost of :func:`most_training` allows.

Source: Jamieson & Talwalkar, AISTATS 2016, for successive halving.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from wsapps.alpha.curve import Curve
from wsapps.alpha.rule import REFERENCE

# Parts of the steps. Not earlier: large alphas begin slowly, and overtake the others later.
RUNGS = (0.25, 0.5, 1.0)
_LEAST_KEPT = 2


class Trials(Protocol):
    """Fields that differ in alpha alone, which can be trained further."""

    def advance(self, alphas: Sequence[float], step: int) -> None:
        """Train the fields of these alphas until they have made ``step`` steps; looks go to their curves."""
        ...

    def curve(self, alpha: float) -> Curve:
        """The curve of an alpha so far."""
        ...


def race(trials: Trials, alphas: Iterable[float], steps: int, tolerance: float) -> list[Curve]:
    """Learning curves of all candidates, of which those that matter reach the end.

    Args:
        trials: the fields.
        alphas: candidates; alpha = 1 is always one of them.
        steps: of a whole trial.
        tolerance: of the held-out score, as in :func:`wsapps.alpha.rule.choose`.
    """
    trials.advance([REFERENCE], steps)
    reference = trials.curve(REFERENCE)
    others = sorted(set(alphas) - {REFERENCE})
    if reference.diverged or not others:
        return [trials.curve(alpha) for alpha in [REFERENCE, *others]]
    target, floor = reference.last_fitted, reference.last_held_out - tolerance

    def hopeful(alpha: float) -> bool:
        curve = trials.curve(alpha)
        if curve.diverged:
            return False
        # Fitted as well as alpha = 1 ever is, and held-out samples will not follow: it memorises.
        return curve.fitted[-1] < target or _held_out_at(curve, steps) >= floor

    def fastest_first(some: Iterable[float]) -> list[float]:
        # Who is at the target already is ahead of who is not; of those, by when.
        def place(alpha: float) -> tuple[float, float]:
            curve = trials.curve(alpha)
            return curve.steps_to(target), -curve.fitted[-1]

        return sorted(some, key=place)

    running, aside, spent = others, set[float](), float(steps)
    for part in RUNGS:
        rung = max(1, round(part * steps))
        spent += sum(rung - _steps_of(trials.curve(alpha)) for alpha in running)
        trials.advance(running, rung)
        running = fastest_first(filter(hopeful, running))
        if part < 1:
            kept = running[: max(_LEAST_KEPT, (len(running) + 1) // 2)]
            aside.update(set(running) - set(kept))
            running = kept
    while aside and not any(trials.curve(alpha).last_held_out >= floor for alpha in running):
        following = fastest_first(aside)[0]
        aside.remove(following)
        spent += steps - _steps_of(trials.curve(following))
        if spent > most_training(len(others) + 1) * steps:
            break
        trials.advance([following], steps)
        running = list(filter(hopeful, [following]))
    return [trials.curve(alpha) for alpha in [REFERENCE, *others]]


def _steps_of(curve: Curve) -> float:
    return curve.steps[-1] if curve.steps else 0.0


def _held_out_at(curve: Curve, step: float) -> float:
    """The held-out score at a later step, if it goes on to rise as over the last half of the steps so far."""
    now, score = curve.steps[-1], curve.held_out[-1]
    before = max((i for i, s in enumerate(curve.steps) if s <= now / 2), default=0)
    if now <= curve.steps[before]:
        return score
    slope = (score - curve.held_out[before]) / (now - curve.steps[before])
    return score + max(0.0, slope) * (step - now)


def most_training(candidates: int) -> float:
    """Trainings of full length that a race of so many candidates costs at most, a call back included."""
    running, done, total = candidates - 1, 0.0, 1.0
    for part in RUNGS:
        total += running * (part - done)
        done = part
        running = min(running, max(_LEAST_KEPT, (running + 1) // 2))
    return total + (1 - RUNGS[0] if running < candidates - 1 else 0.0)
