"""Alpha by a signal's samples, without a trial."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import astuple

import torch
from torch import Tensor, nn

from wsapps.alpha.interpolation import Interpolation, inner_errors, interpolation
from wsapps.alpha.patches import alpha_patches, of_every_density
from wsapps.alpha.places import places_of
from wsapps.alpha.prediction import LEAST_EXPECTED, choose_predicted, expected, memorises
from wsapps.alpha.rule import REFERENCE, Choice, untried
from wsapps.alpha.texture import Texture, evenness_of, growth_of
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
    """The largest alpha of which no loss between these samples is expected: see :func:`choose_predicted`.

    They are looked at from 1 upwards, to the first that would lose too much between samples. Torch's global
    generator is left as it was.

    Args:
        make_field: a new field of an alpha on the CPU, drawn from torch's global generator.
        coordinates_ND, values_NC: the samples that a run sees; of one place alone alpha is 1.
        candidates: see :func:`looked_at`.
        tiles: of the field along each coordinate, or None for one field.
        seed: of patches, places and fields; fields of two alphas differ by the scaling alone.
        points: samples of a patch, of which there are eight.
    """
    dtype = torch.get_default_dtype()
    places_MD, means_MC = places_of(coordinates_ND.to("cpu", dtype), values_NC.to("cpu", dtype))
    if len(places_MD) < 2:
        return untried("samples of one place say nothing of what is between")
    return choose_predicted(*looks(make_field, places_MD, means_MC, candidates, tiles, seed, points))


def looks(
    make_field: Callable[[float], nn.Module],
    places_MD: Tensor,
    values_MC: Tensor,
    candidates: Sequence[float],
    tiles: Sequence[int] | None = None,
    seed: int = 0,
    points: int = POINTS,
    least: float = LEAST_EXPECTED,
) -> tuple[dict[float, Interpolation], Texture | None]:
    """What is seen with each alpha, and of the signal itself, where one above 1 is looked at.

    Args as :func:`alpha_by_samples`, of two places at least without repeats, and ``least``: no alpha is
    looked at beyond the first of which less is expected, in dB.
    """
    patches = alpha_patches(places_MD, _of_unit_variance(values_MC), tiles, VALUE_PATCHES, points, seed)
    few = of_every_density(patches, PATCHES)
    found: dict[float, Interpolation] = {}
    texture: Texture | None = None
    for alpha in looked_at(candidates):
        with torch.random.fork_rng(devices=[]):
            seed_global(seed, "init")
            field = make_field(alpha)
        found[alpha] = _look(field, few, seed)
        if alpha == REFERENCE:
            if memorises(found[alpha]):
                break
            continue
        if texture is None:
            errors_IC = torch.cat([inner_errors(field, *patch) for patch in patches])
            texture = Texture(evenness_of(errors_IC), growth_of(patches), _two_valued(values_MC))
        if texture.two_valued or expected(found[alpha], found[REFERENCE], texture) < least:
            break  # and larger ones lose more
    return found, texture


def _two_valued(values_MC: Tensor) -> bool:
    """By a few first, since of many samples all take long."""
    return len(values_MC[:1000].unique(dim=0)) <= 2 and len(values_MC.unique(dim=0)) <= 2


def _of_unit_variance(values_NC: Tensor) -> Tensor:
    """Over all channels; a constant as it is."""
    return values_NC / (values_NC.var(dim=0).mean().sqrt() or 1.0)


def _look(field: nn.Module, patches: Sequence[tuple[Tensor, Tensor]], seed: int) -> Interpolation:
    """The mean over patches."""
    seen = [
        interpolation(field, *patch, generator(seed, "alpha", number)) for number, patch in enumerate(patches)
    ]
    return Interpolation(*(statistics.fmean(each) for each in zip(*map(astuple, seen), strict=True)))
