"""Choosing alpha without trials, from how well the fields of each can interpolate at the start."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.rule import REFERENCE, Choice, Verdict

#: The least part between samples that they explain where fields interpolate; measured: docs/analysis.md.
LEAST_EXPLAINED = 0.995
#: How many times a sample's mean square error from its neighbours may be that of the best alpha: 3 dB.
MOST_LEFT_OUT = 2.0
#: The best mean square error, as a part of the signal's variance, up to which that is asked. Where even the
#: best is worse the samples hold noise and edges, of whose guesses a kernel without noise says little.
SMOOTH = 1e-3
#: The mean square error, as a part of the signal's variance, below which neighbours say all: there is nothing
#: rough that a larger alpha would be sooner at.
EXACT = 1e-8
#: The mean square error of alpha = 1, as a part of the signal's variance, from which on samples say nothing
#: of each other: the signal's mean would be as good a guess.
UNRESOLVED = 1.0


def choose_predicted(found: Mapping[float, Interpolation], missed: float = 0.0) -> Choice:
    """The largest alpha whose fields interpolate; 1 where not even its do.

    Samples must explain what is between them, whatever their values; and where they can be guessed from their
    neighbours, that must succeed nearly as well as by the best of such alphas. The first keeps from
    memorising, the second from fields rougher than the signal. Steps to a score fall with alpha for as long,
    so that it is about the fastest. Where neighbours say all, the signal is smooth, and the smallest such
    alpha is taken; where they say nothing it is rougher than its samples, and more roughness of the field is
    an error between them: alpha stays 1.

    Args:
        found: of each candidate, alpha = 1 among them; ``left_out`` relative to the signal's variance.
        missed: ``left_out`` of alpha = 1, likewise relative, on patches enough to judge the signal by it.
    """
    dense = [a for a, look in found.items() if a > REFERENCE and look.explained >= LEAST_EXPLAINED]
    unresolved = missed >= UNRESOLVED
    errors = {alpha: found[alpha].left_out for alpha in (REFERENCE, *dense)}
    best = min(errors.values())
    most = MOST_LEFT_OUT * best if best <= SMOOTH else math.inf
    smooth = [alpha for alpha, error in errors.items() if error <= EXACT]
    near = [alpha for alpha, error in errors.items() if error <= most]
    chosen = REFERENCE if unresolved else min(smooth) if smooth else max(near, default=REFERENCE)
    verdicts = []
    for alpha, look in sorted(found.items()):
        fate = "smaller"
        if alpha == chosen:
            fate = "chosen"
        elif alpha > chosen:
            fate = "rougher than the signal" if alpha in dense else "would memorise"
            if alpha in dense and unresolved:
                fate = "the signal is rougher than its samples"
        error = math.sqrt(look.left_out)
        verdicts.append(Verdict(alpha, math.nan, math.nan, math.nan, look.explained, 0, fate, error))
    return Choice(chosen, math.nan, LEAST_EXPLAINED, verdicts)
