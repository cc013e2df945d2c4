"""Alpha by how dense a signal's samples are, without a trial."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from wsapps.alpha.interpolation import explained_part
from wsapps.alpha.patches import alpha_patches
from wsapps.alpha.prediction import choose_predicted
from wsapps.alpha.rule import REFERENCE, Choice
from wsapps.seeding import generator, seed_global

#: Of images at 64 to 512 pixels a side the rule takes 1.25 to 2.5, of sounds and maps less or as much.
CANDIDATES = (1.0, 1.125, 1.25, 1.375, 1.5, 1.75, 2.0, 2.5)
PATCHES, POINTS = 4, 64


def alpha_by_density(
    make_field: Callable[[float], nn.Module],
    coordinates_ND: Tensor,
    candidates: Sequence[float] = CANDIDATES,
    tiles: Sequence[int] | None = None,
    seed: int = 0,
    points: int = POINTS,
) -> Choice:
    """The largest alpha with which samples say what is between them: see :func:`explained_part`.

    Torch's global generator is left as it was.

    Args:
        make_field: a new field of an alpha, drawn from torch's global generator.
        coordinates_ND: the samples that a run sees, ``(N, D)``, 2 at least.
        candidates: alphas that are looked at; 1 always is.
        tiles: of the field along each coordinate, or None for one field.
        seed: of patches, places and fields; fields of two alphas differ by the scaling alone.
        points: samples of a patch, of which there are four.
    """
    patches = alpha_patches(coordinates_ND, tiles, PATCHES, points, seed)
    explained = {}
    for alpha in sorted({REFERENCE, *(alpha for alpha in candidates if alpha > REFERENCE)}):
        with torch.random.fork_rng(devices=[]):
            seed_global(seed, "init")
            field = make_field(alpha)
        explained[alpha] = statistics.fmean(
            explained_part(field, patch, generator(seed, "alpha", number))
            for number, patch in enumerate(patches)
        )
    return choose_predicted(explained)
