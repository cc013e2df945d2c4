"""Choosing alpha without trials, from how well the fields of each can interpolate at the start."""

from __future__ import annotations

import math
from collections.abc import Mapping

from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.rule import REFERENCE, Choice, Verdict

# All are measured: docs/analysis.md.
#: The least part between samples that they explain where fields interpolate a rough signal.
LEAST_EXPLAINED = 0.95
#: And one that is smooth but for a few edges, where all that a field adds shows.
LEAST_BESIDE_EDGES = 0.997
#: The part under which, with alpha = 1, solving for the output layer memorises; no larger alpha is asked for.
LEAST_SOLVED = 0.995
#: How many times a sample's mean square error from its neighbours may be that of the best alpha: 3 dB.
MOST_LEFT_OUT = 2.0
#: The best mean square error, as a part of the signal's variance, up to which that is asked. Where even the
#: best is worse the samples hold noise and edges, of whose guesses a kernel without noise says little.
SMOOTH = 5e-3
#: The mean square error, as a part of the signal's variance, below which neighbours say all: there is nothing
#: rough that a larger alpha would be sooner at.
EXACT = 1e-8
#: The mean size of a sample's error from its neighbours, as a part of the root mean square, under which few
#: samples make the error: edges, while neighbours say all others well.
LEAST_EVEN = 0.62


def least_explained(evenness: float) -> float:
    """The part between samples that they must explain, for a signal of this evenness."""
    return LEAST_EXPLAINED if evenness >= LEAST_EVEN else LEAST_BESIDE_EDGES


def choose_predicted(found: Mapping[float, Interpolation], evenness: float = 1.0) -> Choice:
    """The largest alpha whose fields interpolate; 1 where not even its do.

    Samples must explain what is between them, whatever their values; and where they can be guessed from their
    neighbours, that must succeed nearly as well as by the best of such alphas. The first keeps from
    memorising, the second from fields rougher than the signal. Steps to a score fall with alpha for as long,
    so that it is about the fastest. Where neighbours say all, the signal is smooth, and the smallest such
    alpha is taken; where a few edges make the error, what a rougher field adds between all other samples
    counts, and more is asked of the first.

    Args:
        found: of each candidate, alpha = 1 among them; ``left_out`` relative to the signal's variance.
        evenness: of errors with the smallest alpha above 1, mean size over root mean square, in [0, 1].
    """
    least, memorises = least_explained(evenness), found[REFERENCE].explained < LEAST_SOLVED
    larger = [] if memorises else [alpha for alpha in found if alpha > REFERENCE]
    dense = [alpha for alpha in larger if found[alpha].explained >= least]
    errors = {alpha: found[alpha].left_out for alpha in (REFERENCE, *dense)}
    best = min(errors.values())
    most = MOST_LEFT_OUT * best if best <= SMOOTH else math.inf
    smooth = [alpha for alpha, error in errors.items() if error <= EXACT]
    near = [alpha for alpha, error in errors.items() if error <= most]
    chosen = min(smooth) if smooth else max(near, default=REFERENCE)
    verdicts = []
    for alpha, look in sorted(found.items()):
        fate = "smaller"
        if alpha == chosen:
            fate = "chosen"
        elif alpha > chosen:
            fate = "rougher than the signal" if alpha in dense else "would memorise"
            if alpha in larger and alpha not in dense and look.explained >= LEAST_EXPLAINED:
                fate = "the signal is smooth but for a few edges"
        error = math.sqrt(look.left_out)
        verdicts.append(Verdict(alpha, math.nan, math.nan, math.nan, look.explained, 0, fate, error))
    return Choice(chosen, math.nan, least, verdicts, memorises)
