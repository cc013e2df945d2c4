"""The points of a site as buffers, so that checkpoints hold them.

Shapes: N points, D variables, S derivatives of a jet.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wsapps_pde.learning.sites import Site, site_tensors
from wsapps_pde.solution.field import SolutionField
from wsapps_pde.space.drawing import PointSource

_PREPARED = "prepared "


class PointSet(nn.Module):
    """Points of a site, what the constructions need there, and a weight for each point.

    Args:
        site: whose points.
        count: N; of measurements all points are taken.
        dtype: of all buffers.
    """

    coordinates: Tensor  # (N, D)
    weights: Tensor  # (N,) factors of the squared residuals
    attention: Tensor  # (N,) of residual-based attention

    def __init__(
        self, site: Site, solution: SolutionField, count: int, source: PointSource, dtype: torch.dtype
    ):
        super().__init__()
        self.site = site
        tensors = site_tensors(site, count, source, dtype)
        self.names = tuple(tensors)
        for name, tensor in {**tensors, **self._prepared(solution, tensors["coordinates"])}.items():
            self.register_buffer(name, tensor)
        self.register_buffer("weights", torch.ones(len(tensors["coordinates"]), dtype=dtype))
        self.register_buffer("attention", torch.ones(len(tensors["coordinates"]), dtype=dtype))

    def __len__(self) -> int:
        return len(self.weights)

    def redraw(self, solution: SolutionField, source: PointSource) -> None:
        """Take other points, as many; measurements stay."""
        if self.site.fixed is None:
            self.replace(solution, site_tensors(self.site, len(self), source, self.weights.dtype))

    def replace(self, solution: SolutionField, tensors: dict[str, Tensor]) -> None:
        """Take these points, ``(N, D)``, with their normals if they have some."""
        prepared = self._prepared(solution, tensors["coordinates"].to(self.weights))
        with torch.no_grad():
            for name, tensor in {**tensors, **prepared}.items():
                getattr(self, name).copy_(tensor)
            self.weights.fill_(1.0)
            self.attention.fill_(1.0)

    def batch(self, part: int, parts: int) -> dict[str, Tensor]:
        """Every so many-th point, from one on; what is prepared has the points last."""
        found = {}
        for name, tensor in self.named_buffers(recurse=False):
            found[name] = tensor[:, part::parts] if name.startswith(_PREPARED) else tensor[part::parts]
        return found

    def _prepared(self, solution: SolutionField, coordinates_ND: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            prepared = solution.prepare(coordinates_ND, self.site.wanted, self.site.parts)
        return {_PREPARED + name: tensor for name, tensor in prepared.items()}


def prepared_transposed(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A batch of :meth:`PointSet.batch` with the points first in all entries; from that, the batch again."""
    return {name: tensor.T if name.startswith(_PREPARED) else tensor for name, tensor in batch.items()}


def prepared_of(batch: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The part of a batch that the constructions need; None where it was not prepared."""
    prepared = {
        name.removeprefix(_PREPARED): tensor for name, tensor in batch.items() if name.startswith(_PREPARED)
    }
    return prepared if prepared or "weights" in batch else None
