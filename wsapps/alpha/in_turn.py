"""Trying alphas one after the other, where fields cannot be trained side by side: radiance fields, PDEs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wsapps.alpha.curve import Curve
from wsapps.alpha.rule import REFERENCE


def try_in_turn(
    trial: Callable[[float], Curve],
    alphas: Iterable[float],
    tolerance: float,
    may_go_on: Callable[[int], bool] = lambda tried: True,
) -> list[Curve]:
    """Learning curves of alpha = 1 and of larger ones, ascending, until one is no use.

    A larger alpha memorises more and starts noisier, so that the search ends at the first one that diverges,
    or whose held-out score falls under that of alpha = 1 by more than the tolerance.

    Args:
        trial: trains a field with an alpha, all for equally long, and returns its curve.
        alphas: candidates; alpha = 1 is always tried, and smaller ones are not.
        tolerance: of the held-out score, as in :func:`wsapps.alpha.rule.choose`.
        may_go_on: asked before every trial but the first with the number of those done: whether there is
            time for another.
    """
    reference = trial(REFERENCE)
    curves = [reference]
    if reference.diverged:
        return curves
    for alpha in sorted({alpha for alpha in alphas if alpha > REFERENCE}):
        if not may_go_on(len(curves)):
            break
        curve = trial(alpha)
        curves.append(curve)
        if curve.diverged or curve.last_held_out < reference.last_held_out - tolerance:
            break
    return curves
