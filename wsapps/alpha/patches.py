"""Patches of a signal's samples, by whose density alpha is chosen: what can fields interpolate there?

Shapes: N samples, P points, D coordinates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from wsapps.seeding import generator

_HELD_OUT_OF_A_GRID = 4  # up to so many places for each sample count as a grid of which some are held out
_MOST_GROUPED = 4  # axes of which groups are looked for
_INNER, _LEAST_INNER = 3, 2  # one of so many samples of a patch is an inner one, and so many at least


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


def innermost(samples_PD: Tensor) -> Tensor:
    """The numbers of a patch's innermost samples, a third of them: those at the rim miss neighbours."""
    from_centre_P = (samples_PD - samples_PD.mean(dim=0)).norm(dim=1)
    return from_centre_P.topk(max(_LEAST_INNER, len(samples_PD) // _INNER), largest=False).indices


def _spacing(coordinates_ND: Tensor) -> Tensor:
    """Between the lines of a grid along each axis, ``(D,)``; ones where samples lie on none.

    The places of a few stations by many times are a grid as well, of groups of axes.
    """
    extent_D = coordinates_ND.amax(dim=0) - coordinates_ND.amin(dim=0)
    spacing_D = torch.ones_like(extent_D)
    for axes, count in _factors(coordinates_ND):
        lines = count ** (1 / len(axes)) - 1  # along each axis of a group
        spacing_D[axes] = extent_D[axes].mean() / max(lines, 1)
    return torch.where(spacing_D > 0, spacing_D, 1.0)


def _factors(coordinates_ND: Tensor) -> list[tuple[list[int], int]]:
    """The finest groups of axes by which samples are a grid, with the places of each; none of no grid."""
    count, dimensions = len(coordinates_ND), coordinates_ND.shape[1]
    most = _HELD_OUT_OF_A_GRID * count
    places: dict[tuple[int, ...], int] = {
        (axis,): len(coordinates_ND[:, axis].unique()) for axis in range(dimensions)
    }
    for groups in _groupings(dimensions):
        # No group has fewer places than one of its axes, and counting those of several takes long.
        if math.prod(max(places[axis,] for axis in axes) for axes in groups) > most:
            continue
        for axes in groups:
            if axes not in places:
                places[axes] = len(coordinates_ND[:, axes].unique(dim=0))
        if math.prod(places[axes] for axes in groups) <= most:
            return [(list(axes), places[axes]) for axes in groups]
    return []


def _groupings(dimensions: int) -> list[list[tuple[int, ...]]]:
    """Every axis by itself, and two groups of them."""
    axes = range(dimensions)
    halves = [
        [group, tuple(axis for axis in axes if axis not in group)]
        for size in range(1, dimensions // 2 + 1)
        for group in itertools.combinations(axes, size)
    ]
    return [[(axis,) for axis in axes], *(halves if 2 < dimensions <= _MOST_GROUPED else [])]
