"""Choosing alpha without trials, from how well the fields of each can interpolate at the start."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.rule import REFERENCE, Choice, Verdict
from wsapps.alpha.texture import Texture

# All are measured: docs/alpha.md.
#: Decibels between samples, against alpha = 1: lost for all that they leave open, won for its spread where
#: the signal is even, and won for all that alpha = 1 does not learn (benchmarks/alpha_expected.py).
LOST_OPEN, WON_BY_SPREAD, WON_BY_LEARNING = 10.7, 30.4, 2.3
#: The mean square error, as a part of the signal's variance, up to which neighbours guess a signal well, and
#: the least that counts. Of such a signal what fitting makes up where samples leave something open is seen:
#: its variance is so many times the square of what they leave open.
WELL_GUESSED, LEAST_MISSED, MADE_UP = 0.0625, 1e-4, 0.35
#: The least that may be expected.
LEAST_EXPECTED = -0.5
#: The part under which, with alpha = 1, solving for the output layer memorises; no larger alpha is asked for.
LEAST_SOLVED = 0.995
#: How many times a sample's mean square error from its neighbours may be that of the best alpha: 3 dB, and of
#: noise, of which that is nearer to what is lost, 2 dB (benchmarks/alpha_noise.py).
MOST_LEFT_OUT, MOST_OF_NOISE = 2.0, 1.6
#: The best mean square error, as a part of the signal's variance, up to which a signal is smooth: that is
#: asked, and nothing won. Where even the best is worse, and what is missed is no noise, samples are of edges
#: and textures, of which such guesses say little.
SMOOTH = 8e-3
#: The mean square error, as a part of the signal's variance, below which neighbours say all: there is nothing
#: rough that a larger alpha would be sooner at.
EXACT = 1e-8


def expected(look: Interpolation, reference: Interpolation, texture: Texture) -> float:
    """The held-out score against that of alpha = 1, in dB, by least squares over pictures.

    Of signals that neighbours guess well no more than :func:`_hardly_made_up` says.

    Args:
        look, reference, texture: see :func:`lost_and_won`.
    """
    score, missed = weighed(look, reference, texture), min(look.left_out, reference.left_out)
    return score if missed > WELL_GUESSED else min(score, _hardly_made_up(look, reference, missed))


def weighed(look: Interpolation, reference: Interpolation, texture: Texture) -> float:
    """What is lost and won, in dB. Args as :func:`lost_and_won`."""
    lost, spread, learned = lost_and_won(look, reference, texture)
    return LOST_OPEN * lost + WON_BY_SPREAD * spread + WON_BY_LEARNING * learned


def _hardly_made_up(look: Interpolation, reference: Interpolation, missed: float) -> float:
    """The score, in dB, of errors by what is missed in any case, is not learned, and is made up between
    samples."""
    error, of_one = (
        max(missed, LEAST_MISSED) + each.values_unlearned + MADE_UP * each.left_open**2
        for each in (look, reference)
    )
    return -10 * math.log10(error / of_one)


def lost_and_won(
    look: Interpolation, reference: Interpolation, texture: Texture
) -> tuple[float, float, float]:
    """What is lost against alpha = 1, negative, and two things that are won, to be weighed by their decibels.

    What samples leave open is lost. Where they leave more open in one place than in another alpha = 1 misses
    there as well, and the more so the rougher the signal is everywhere; single edges, which make all of the
    error of others, it learns. Where samples are so dense that its fields are too smooth for them it does not
    learn them all, and is as bad between them. Of a smooth signal it misses nothing, and noise is better
    missed: nothing is won.

    Args:
        look: at fields of an alpha above 1.
        reference: at those of alpha = 1.
        texture: of the signal, by the smallest alpha above 1.
    """
    if not _is_rough(texture, look.left_out, reference.left_out):
        return -look.left_open, 0.0, 0.0
    learned = max(0.0, reference.unlearned - look.unlearned)
    return -look.left_open, look.spread * texture.evenness, learned


def _is_rough(texture: Texture, *left_out: float) -> bool:
    """Whether there is more of a signal between samples than some alphas' kernels guess from neighbours."""
    return min(left_out) > SMOOTH and not texture.is_noise and not texture.two_valued


def memorises(look: Interpolation) -> bool:
    """Whether with alpha = 1 samples are so sparse that solving for the output layer would memorise."""
    return look.explained < LEAST_SOLVED


def choose_predicted(found: Mapping[float, Interpolation], texture: Texture | None = None) -> Choice:
    """The largest alpha of which no loss between samples is expected; 1 where its own fields memorise.

    Two things are asked: that the score :func:`expected` is no less than :data:`LEAST_EXPECTED`; and, of
    smooth signals and noise, that samples are guessed from their neighbours nearly as well as by the best of
    such alphas. The first keeps from memorising, the second from fields rougher than the signal. Steps to a
    score fall with alpha for as long, so that the largest is about the fastest. Where neighbours say all, the
    smallest such alpha is taken.

    Args:
        found: of each candidate, alpha = 1 among them; ``left_out`` relative to the signal's variance.
        texture: of the signal; None takes one that is rough and even.
    """
    seen, reference = texture, found[REFERENCE]
    texture = texture or Texture()
    scores = {a: 0.0 if a == REFERENCE else expected(found[a], reference, texture) for a in sorted(found)}
    too_sparse = memorises(reference)
    larger_may_do = not too_sparse and not texture.two_valued
    dense = [a for a in scores if a > REFERENCE and larger_may_do and scores[a] >= LEAST_EXPECTED]
    errors = {alpha: found[alpha].left_out for alpha in (REFERENCE, *dense)}
    exact = [alpha for alpha, error in errors.items() if error <= EXACT]
    if exact:
        chosen, larger = min(exact), "not needed: neighbours say all of the signal"
    elif _is_rough(texture, *errors.values()):
        chosen, larger = max(errors), ""
    else:
        most = MOST_OF_NOISE if texture.is_noise else MOST_LEFT_OUT
        chosen, larger = _as_rough_as_the_signal(errors, most), "rougher than the signal"
    too_large = "would lose too much between samples"
    if texture.two_valued:
        too_large = "not asked for: values of two kinds are edges alone"
    verdicts = []
    for alpha, score in scores.items():
        fate = "chosen" if alpha == chosen else "smaller"
        if alpha > chosen:
            fate = larger if alpha in dense else too_large
        verdicts.append(_verdict(alpha, found[alpha], score, fate))
    return Choice(chosen, math.nan, LEAST_EXPECTED, verdicts, too_sparse, seen)


def _as_rough_as_the_signal(errors: Mapping[float, float], most: float) -> float:
    """From the alpha that guesses best upwards, as long as errors are at most so many times its own."""
    chosen = best = min(errors, key=lambda alpha: errors[alpha])
    for alpha in (alpha for alpha in errors if alpha > best):
        if errors[alpha] > most * errors[best]:
            break
        chosen = alpha
    return chosen


def _verdict(alpha: float, look: Interpolation, score: float, fate: str) -> Verdict:
    return Verdict(
        alpha,
        steps_to_target=math.nan,
        speed_up=math.nan,
        fitted=math.nan,
        held_out=score,
        steps=0,
        fate=fate,
        explained=look.explained,
        left_out=math.sqrt(look.left_out),
        left_open=look.left_open,
        spread=look.spread,
        unlearned=look.unlearned,
        values_unlearned=look.values_unlearned,
    )
