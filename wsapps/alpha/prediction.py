"""Choosing alpha without trials, from how well the fields of each can interpolate at the start."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.rule import REFERENCE, Choice, Verdict

# All are measured: docs/alpha.md.
#: Decibels between samples, against alpha = 1: lost for all that they leave open, won for its spread where
#: the signal is even, and won for all that alpha = 1 does not learn (benchmarks/alpha_expected.py).
LOST_OPEN, WON_BY_SPREAD, WON_BY_LEARNING = 10.7, 30.4, 2.3
#: The evenness of normal errors; none counts as more even.
NORMAL = 0.6745
#: The least that may be expected.
LEAST_EXPECTED = -0.5
#: The part under which, with alpha = 1, solving for the output layer memorises; no larger alpha is asked for.
LEAST_SOLVED = 0.995
#: How many times a sample's mean square error from its neighbours may be that of the best alpha: 3 dB.
MOST_LEFT_OUT = 2.0
#: The best mean square error, as a part of the signal's variance, up to which a signal is smooth: that is
#: asked, and nothing won. Where even the best is worse the samples hold noise and edges, of whose guesses a
#: kernel without noise says little.
SMOOTH = 5e-3
#: The mean square error, as a part of the signal's variance, below which neighbours say all: there is nothing
#: rough that a larger alpha would be sooner at.
EXACT = 1e-8


def expected(look: Interpolation, reference: Interpolation, evenness: float) -> float:
    """The held-out score against that of alpha = 1, in dB, by least squares over pictures.

    Args:
        look, reference, evenness: see :func:`lost_and_won`.
    """
    lost, spread, learned = lost_and_won(look, reference, evenness)
    return LOST_OPEN * lost + WON_BY_SPREAD * spread + WON_BY_LEARNING * learned


def lost_and_won(
    look: Interpolation, reference: Interpolation, evenness: float
) -> tuple[float, float, float]:
    """What is lost against alpha = 1, negative, and two things that are won, to be weighed by their decibels.

    What samples leave open is lost. Where they leave more open in one place than in another alpha = 1 misses
    there as well, and the more so the rougher the signal is everywhere; single edges, which make all of the
    error of others, it learns. Where samples are so dense that its fields are too smooth for them it does not
    learn them all, and is as bad between them. Of a smooth signal it misses nothing, and nothing is won.

    Args:
        look: at fields of an alpha above 1.
        reference: at those of alpha = 1.
        evenness: see :func:`evenness_of`, with the smallest alpha above 1.
    """
    if _is_smooth(look.left_out, reference.left_out):
        return -look.left_open, 0.0, 0.0
    return -look.left_open, look.spread * evenness, max(0.0, reference.unlearned - look.unlearned)


def _is_smooth(*left_out: float) -> bool:
    """Whether any of some alphas' kernels guesses samples from their neighbours as of a smooth signal."""
    return min(left_out) <= SMOOTH


def evenness_of(errors_IC: Tensor) -> float:
    """The median size of errors over their root mean square, less where few are large.

    At most :data:`NORMAL`. Of every channel by itself, and the mean by their squares, so that channels may be
    of any size.
    """
    squares_C = errors_IC.square().mean(dim=0)
    medians_C = errors_IC.abs().quantile(0.5, dim=0)
    ratios_C = medians_C / squares_C.sqrt().clamp(min=torch.finfo(errors_IC.dtype).tiny)
    whole = float(squares_C.sum())
    return min(float((ratios_C * squares_C).sum()) / whole, NORMAL) if whole > 0 else NORMAL


def memorises(look: Interpolation) -> bool:
    """Whether with alpha = 1 samples are so sparse that solving for the output layer would memorise."""
    return look.explained < LEAST_SOLVED


def choose_predicted(found: Mapping[float, Interpolation], evenness: float = NORMAL) -> Choice:
    """The largest alpha of which no loss between samples is expected; 1 where its own fields memorise.

    Two things are asked: that the score :func:`expected` is no less than :data:`LEAST_EXPECTED`; and, where
    samples can be guessed from their neighbours, that this succeeds nearly as well as by the best of such
    alphas. The first keeps from memorising, the second from fields rougher than the signal. Steps to a score
    fall with alpha for as long, so that the largest is about the fastest. Where neighbours say all, the
    signal is smooth, and the smallest such alpha is taken.

    Args:
        found: of each candidate, alpha = 1 among them; ``left_out`` relative to the signal's variance.
        evenness: see :func:`expected`.
    """
    too_sparse = memorises(found[REFERENCE])
    scores = {
        a: 0.0 if a == REFERENCE else expected(look, found[REFERENCE], evenness) for a, look in found.items()
    }
    dense = [a for a in found if a > REFERENCE and not too_sparse and scores[a] >= LEAST_EXPECTED]
    errors = {alpha: found[alpha].left_out for alpha in (REFERENCE, *dense)}
    most = MOST_LEFT_OUT * min(errors.values()) if _is_smooth(*errors.values()) else math.inf
    smooth = [alpha for alpha, error in errors.items() if error <= EXACT]
    near = [alpha for alpha, error in errors.items() if error <= most]
    chosen = min(smooth) if smooth else max(near, default=REFERENCE)
    verdicts = []
    for alpha, look in sorted(found.items()):
        fate = "smaller"
        if alpha == chosen:
            fate = "chosen"
        elif alpha > chosen:
            fate = "rougher than the signal" if alpha in dense else "would lose too much between samples"
        verdicts.append(
            Verdict(
                alpha,
                math.nan,
                math.nan,
                math.nan,
                scores[alpha],
                0,
                fate,
                explained=look.explained,
                left_out=math.sqrt(look.left_out),
            )
        )
    return Choice(chosen, math.nan, LEAST_EXPECTED, verdicts, too_sparse)
