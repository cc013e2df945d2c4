"""The places that samples were taken of: many measurements of one, exactly or all but, are one sample.

How dense samples are is a matter of places, not of how often each was measured.

Shapes: N samples, M places, S samples that are looked at, G ranks of neighbours, D coordinates, C values.
"""

from __future__ import annotations

import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

_LOOKED_AT = 32  # samples
_LARGEST_CLUSTER = 2**11
#: By how much more the twice as many nearest neighbours reach where a cluster ends. Of samples that fill a
#: line they reach twice as far, at random now and then more, and less in more dimensions.
_GAP = 8.0
#: Reach of a cluster in which fields tell no two samples apart, in units of coordinates.
_ONE_PLACE = 0.01


def places_of(coordinates_ND: Tensor, values_NC: Tensor) -> tuple[Tensor, Tensor]:
    """Samples of one place made one, with the means of their coordinates and values.

    Of one place are those of equal coordinates, and where more than half of the samples lie in clusters that
    are small and far apart, those of a cluster. Where there are none all samples are returned as they are.
    """
    distinct_MD, place_N = coordinates_ND.unique(dim=0, return_inverse=True)
    if len(distinct_MD) < len(coordinates_ND):
        coordinates_ND, values_NC = distinct_MD, _means(values_NC, place_N)
    cell = _cell_of_clusters(coordinates_ND)
    if cell is None:
        return coordinates_ND, values_NC
    cluster_N = _clusters(coordinates_ND, cell)
    return _means(coordinates_ND, cluster_N), _means(values_NC, cluster_N)


def _means(of_NX: Tensor, group_N: Tensor) -> Tensor:
    sizes_M = group_N.bincount()
    sums_MX = of_NX.new_zeros(len(sizes_M), of_NX.shape[1]).index_add_(0, group_N, of_NX)
    return sums_MX / sizes_M[:, None]


def _cell_of_clusters(coordinates_ND: Tensor) -> float | None:
    """A length between the extent of clusters and their distance, or None where samples lie in none."""
    count = len(coordinates_ND)
    if count < 3:
        return None
    looked_at = min(_LOOKED_AT, count)
    looked_at_SD = coordinates_ND[torch.arange(looked_at) * (count - 1) // (looked_at - 1)]
    ranks_G = [2**power for power in range(_LARGEST_CLUSTER.bit_length() + 1) if 2**power < count]
    reach_SG = torch.stack([_reach(sample_D, coordinates_ND, ranks_G) for sample_D in looked_at_SD])
    kind = torch.finfo(reach_SG.dtype)
    reach_SG = reach_SG.clamp(min=max(kind.eps * float(coordinates_ND.abs().max()), kind.tiny))  # rounding
    growth_SG = reach_SG[:, 1:] / reach_SG[:, :-1]
    growth_SG[reach_SG[:, :-1] > _ONE_PLACE] = 0.0
    gap_S, rank_S = growth_SG.max(dim=1)
    if not gap_S.median() >= _GAP:
        return None
    cells_S = (reach_SG[:, :-1] * reach_SG[:, 1:]).sqrt().gather(1, rank_S[:, None])[:, 0]
    return float(cells_S[gap_S >= _GAP].median())


def _reach(sample_D: Tensor, coordinates_ND: Tensor, ranks_G: list[int]) -> Tensor:
    """Distances to the so many nearest neighbours, ``(G,)``."""
    distance_N = (coordinates_ND - sample_D).norm(dim=1)
    nearest = distance_N.topk(ranks_G[-1] + 1, largest=False, sorted=True).values  # the sample itself first
    return nearest[ranks_G]


def _clusters(coordinates_ND: Tensor, cell: float) -> Tensor:
    """The number of each sample's cluster, ``(N,)``: samples in one cell of either of two shifted grids.

    A cluster that a line of one grid divides is whole again by the other, or by both together.
    """
    local_ND = (coordinates_ND - coordinates_ND.amin(dim=0)).double() / cell
    count = len(local_ND)
    cells_N2 = []
    for shift in (0.0, 0.5):
        number_N = (local_ND + shift).long().unique(dim=0, return_inverse=True)[1]
        cells_N2.append(number_N + count * len(cells_N2))
    first, second = (number_N.numpy() for number_N in cells_N2)
    graph = coo_matrix((torch.ones(count).numpy(), (first, second)), shape=(2 * count, 2 * count))
    group_of_cell = connected_components(graph, directed=False)[1]
    return torch.from_numpy(group_of_cell[first]).long().unique(return_inverse=True)[1]
