"""Patches of a signal's samples, by whose density alpha is chosen: what can fields interpolate there?

Shapes: N samples, P points, D coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wsapps.seeding import generator

_HELD_OUT_OF_A_GRID = 4  # up to so many places for each sample count as a grid of which some are held out


def alpha_patches(
    coordinates_ND: Tensor,
    values_NC: Tensor,
    tiles: Sequence[int] | None,
    count: int,
    points: int,
    seed: int,
) -> list[tuple[Tensor, Tensor]]:
    """The samples nearest to a few random ones, ``(P, D)`` each as the field sees them, and their values.

    Of samples on a grid those of the nearest lines along every axis: few frames of many pixels are asked for
    what is between frames as well.

    Args:
        coordinates_ND, values_NC: the samples that a run sees.
        tiles: of the field along each coordinate, or None for one field; a patch is then a part of a tile.
        count, points: patches, and samples of each; at most all of them.
        seed: of the draws.
    """
    centres = torch.randint(len(coordinates_ND), (count,), generator=generator(seed, "alpha", "patches"))
    spacing_D = _spacing(coordinates_ND)
    # A tile's field sees its part as large as the whole; where in the tile is all the same.
    scale = torch.ones(1) if tiles is None else torch.tensor(list(tiles), dtype=torch.float32)
    patches = []
    for centre_D in coordinates_ND[centres]:
        distance_N = ((coordinates_ND - centre_D).abs() / spacing_D).amax(dim=1)
        rows = distance_N.topk(min(points, len(coordinates_ND)), largest=False).indices
        local_PD = (coordinates_ND[rows] - (0 if tiles is None else centre_D)) * scale
        patches.append((local_PD, values_NC[rows]))
    return patches


def of_every_density(patches: Sequence[tuple[Tensor, Tensor]], count: int) -> list[tuple[Tensor, Tensor]]:
    """So many of the patches, evenly from the densest to the sparsest, all of as many samples.

    Samples may be dense in one place and sparse in another, as those of a shape near its surface; a few drawn
    at random would see one of the two.
    """
    extents = torch.stack([(local_PD - local_PD.mean(dim=0)).norm(dim=1).mean() for local_PD, _ in patches])
    order = extents.argsort(stable=True).tolist()
    return [patches[order[(2 * part + 1) * len(order) // (2 * count)]] for part in range(count)]


def _spacing(coordinates_ND: Tensor) -> Tensor:
    """Between the lines of a grid along each axis, ``(D,)``; ones where samples lie on none."""
    counts = [len(axis_N.unique()) for axis_N in coordinates_ND.T]
    if math.prod(counts) > _HELD_OUT_OF_A_GRID * len(coordinates_ND):
        return torch.ones(len(counts))
    extent_D = coordinates_ND.amax(dim=0) - coordinates_ND.amin(dim=0)
    spacing_D = extent_D / torch.tensor([max(count - 1, 1) for count in counts])
    return torch.where(spacing_D > 0, spacing_D, 1.0)
