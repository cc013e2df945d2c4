"""Alpha by a signal's samples, without a trial."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from wsapps.alpha.interpolation import Interpolation, inner_errors, interpolation
from wsapps.alpha.patches import alpha_patches, of_every_density
from wsapps.alpha.prediction import choose_predicted, least_explained
from wsapps.alpha.rule import REFERENCE, Choice
from wsapps.seeding import generator, seed_global

CANDIDATES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5)
#: Patches of so many samples, by which it is seen how even a signal is; of these a few, from the densest to
#: the sparsest, for what samples explain between them.
VALUE_PATCHES, PATCHES, POINTS = 64, 8, 64


def looked_at(candidates: Sequence[float]) -> list[float]:
    """1 and the larger candidates, ascending: a smaller alpha is never asked for."""
    return sorted({REFERENCE, *(alpha for alpha in candidates if alpha > REFERENCE)})


def alpha_by_samples(
    make_field: Callable[[float], nn.Module],
    coordinates_ND: Tensor,
    values_NC: Tensor,
    candidates: Sequence[float] = CANDIDATES,
    tiles: Sequence[int] | None = None,
    seed: int = 0,
    points: int = POINTS,
) -> Choice:
    """The largest alpha whose fields interpolate these samples: see :func:`choose_predicted`.

    They are looked at from 1 upwards, to the first that would memorise. Torch's global generator is left as
    it was.

    Args:
        make_field: a new field of an alpha, drawn from torch's global generator.
        coordinates_ND, values_NC: the samples that a run sees, 2 at least.
        candidates: see :func:`looked_at`.
        tiles: of the field along each coordinate, or None for one field.
        seed: of patches, places and fields; fields of two alphas differ by the scaling alone.
        points: samples of a patch, of which there are eight.
    """
    patches = alpha_patches(coordinates_ND, values_NC, tiles, VALUE_PATCHES, points, seed)
    few = of_every_density(patches, PATCHES)
    found, evenness, variance = {}, 1.0, float(values_NC.var(dim=0).mean()) or 1.0
    for alpha in looked_at(candidates):
        with torch.random.fork_rng(devices=[]):
            seed_global(seed, "init")
            field = make_field(alpha)
        looks = [
            interpolation(field, *patch, generator(seed, "alpha", number)) for number, patch in enumerate(few)
        ]
        found[alpha] = Interpolation(
            statistics.fmean(look.explained for look in looks),
            statistics.fmean(look.left_out for look in looks) / variance,
        )
        if found[alpha].explained < least_explained(evenness):
            break  # and less is explained by larger ones
        if len(found) == 2:  # the smallest above 1
            evenness = _evenness(torch.cat([inner_errors(field, *patch) for patch in patches]))
    return choose_predicted(found, evenness)


def _evenness(errors_IC: Tensor) -> float:
    """The mean size of errors over their root mean square: 0.80 of normal ones, less where few are large.

    Of every channel by itself, and the mean by their squares, so that channels may be of any size.
    """
    squares_C = errors_IC.square().mean(dim=0)
    ratios_C = errors_IC.abs().mean(dim=0) / squares_C.sqrt().clamp(min=torch.finfo(errors_IC.dtype).tiny)
    whole = float(squares_C.sum())
    return float((ratios_C * squares_C).sum()) / whole if whole > 0 else 1.0
