"""Patches of a signal's samples, by whose density alpha is chosen: what can fields interpolate there?

Shapes: N samples, P points, D coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wsapps.seeding import generator


def alpha_patches(
    coordinates_ND: Tensor,
    values_NC: Tensor,
    tiles: Sequence[int] | None,
    count: int,
    points: int,
    seed: int,
) -> list[tuple[Tensor, Tensor]]:
    """The samples nearest to a few random ones, ``(P, D)`` each as the field sees them, and their values.

    Args:
        coordinates_ND, values_NC: the samples that a run sees.
        tiles: of the field along each coordinate, or None for one field; a patch is then a part of a tile.
        count, points: patches, and samples of each; at most all of them.
        seed: of the draws.
    """
    centres = torch.randint(len(coordinates_ND), (count,), generator=generator(seed, "alpha", "patches"))
    # A tile's field sees its part as large as the whole; where in the tile is all the same.
    scale = torch.ones(1) if tiles is None else torch.tensor(list(tiles), dtype=torch.float32)
    patches = []
    for centre_D in coordinates_ND[centres]:
        distance_N = (coordinates_ND - centre_D).abs().amax(dim=1)
        rows = distance_N.topk(min(points, len(coordinates_ND)), largest=False).indices
        local_PD = (coordinates_ND[rows] - (0 if tiles is None else centre_D)) * scale
        patches.append((local_PD, values_NC[rows]))
    return patches
