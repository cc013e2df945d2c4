"""Patches of a signal on which ``alpha=auto`` predicts how well fields interpolate.

How well a field interpolates depends on how dense the samples are, so that a thinner signal would not do. A
patch has the signal's own density.

Shapes: N samples, P points, D coordinates, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps.seeding import generator

_CANDIDATES = 32  # centres of which those in lively places are taken
_INNER = 3  # one of so many points, the nearest to the centre, is scored: the others are too near the edge


@dataclass(frozen=True)
class Patch:
    """Neighbouring samples, the nearest to the centre first, of which the first ``inner`` are scored."""

    coordinates: Tensor  # (P, D), as the field sees them
    values: Tensor  # (P, C)
    inner: int


def alpha_patches(
    coordinates_ND: Tensor,
    values_NC: Tensor,
    tiles: Sequence[int] | None,
    count: int,
    points: int,
    seed: int,
) -> list[Patch]:
    """Patches of a signal's samples, at random but for their contrast.

    Centres are drawn in proportion to the variance around them: scores are means of squared errors, to which
    smooth places add little.

    Args:
        coordinates_ND, values_NC: the samples that a run sees.
        tiles: of the field along each coordinate, or None for one field; a patch is then a part of a tile.
        count, points: patches, and samples of each; at most all of them.
        seed: of the draws.
    """
    draws = generator(seed, "alpha", "patches")
    points = min(points, len(coordinates_ND))
    centres = torch.randint(len(coordinates_ND), (_CANDIDATES,), generator=draws)
    rows = [_nearest(coordinates_ND, coordinates_ND[centre], points) for centre in centres]
    contrast = torch.stack([values_NC[some].double().var(dim=0).mean() for some in rows])
    contrast = contrast + 1e-6 * contrast.max() + 1e-300
    taken = torch.multinomial(contrast, count, generator=draws).tolist()
    return [_patch(coordinates_ND, values_NC, rows[place], tiles) for place in taken]


def _nearest(coordinates_ND: Tensor, centre_D: Tensor, points: int) -> Tensor:
    """Rows of the nearest samples, in the largest coordinate's distance, ascending."""
    distance_N = (coordinates_ND - centre_D).abs().amax(dim=1)
    return distance_N.topk(points, largest=False, sorted=True).indices


def _patch(coordinates_ND: Tensor, values_NC: Tensor, rows: Tensor, tiles: Sequence[int] | None) -> Patch:
    coordinates_PD = coordinates_ND[rows]
    if tiles is not None:
        # A tile's field sees its part as large as the whole; where in the tile is all the same.
        coordinates_PD = (coordinates_PD - coordinates_PD[:1]) * torch.tensor(list(tiles))
    return Patch(coordinates_PD, values_NC[rows], max(1, len(rows) // _INNER))
