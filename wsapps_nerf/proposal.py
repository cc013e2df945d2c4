"""Samples where a small density field says that light ends.

The proposal sampling of mip-NeRF 360 (Barron et al., CVPR 2022, section 3), with one round. It is written in
PyTorch's own operations, and so the same on a CPU and on CUDA; nerfacc's PropNetEstimator needs CUDA.

Shapes: R rays, K bins of the proposal, M intervals that the field sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.fields import SinusoidalField
from wsapps_nerf.contraction import distance_to_even, even_to_distance
from wsapps_nerf.field import DensityField, HeadsConfig
from wsapps_nerf.sampling import Samples, intersect_box

_PADDING = 0.01  # of the weights: no part of a ray is never looked at
_LAST = 0.995  # of the evenly spaced range up to which contracted rays are followed
_SMALL = 1e-7


@dataclass
class ProposalConfig:
    """Settings of the :class:`Proposal`."""

    bins: int = doc("along a ray, in which the proposal's density is looked at", default=64)
    samples: int = doc("along a ray, that the field sees", default=32)
    width: int = doc("neurons a layer of the proposal's sine field", default=32)
    hidden_layers: int = doc("its sine layers after the first", default=1)
    omega: float = doc("frequency factor of its sines", default=10.0)

    def __post_init__(self) -> None:
        at_least_one(self, "bins", "samples", "width")
        if self.hidden_layers < 0 or not self.omega > 0:
            raise ValueError(
                f"hidden_layers must be at least 0 and omega positive, got {self.hidden_layers} and "
                f"{self.omega}"
            )


class Proposed(NamedTuple):
    """Where a proposal wants samples, and what it promised.

    Attributes:
        edges: ``(R, M + 1)`` distances of the intervals that the field sees.
        bins, weights: ``(R, K + 1)``, ``(R, K)`` the proposal's bins, and the light expected from each.
    """

    edges: Tensor
    bins: Tensor
    weights: Tensor

    @property
    def samples(self) -> Samples:
        """The intervals, ray by ray."""
        rays, intervals = self.edges.shape[0], self.edges.shape[1] - 1
        ray = torch.arange(rays, device=self.edges.device).repeat_interleave(intervals)
        return Samples(ray, self.edges[:, :-1].reshape(-1), self.edges[:, 1:].reshape(-1))

    def loss(self, weights: Tensor) -> Tensor:
        """``(R,)`` how far the field's weights ``(R, M)`` exceed what the proposal promised (equation 13).

        Its gradient goes to the proposal alone.
        """
        weights = weights.detach()
        bound = overlapping(self.bins, self.weights, self.edges[:, :-1], self.edges[:, 1:])
        return ((weights - bound).clamp(min=0).square() / (weights + _SMALL)).sum(dim=-1)


class Proposal(nn.Module):
    """A small density field over a scene, and samples drawn from what it expects of rays.

    Args:
        config: the settings.
        box, near, far, contracted: the scene's space, as in :class:`~wsapps_nerf.scene.Space`.
    """

    box: Tensor  # (6,)

    def __init__(self, config: ProposalConfig, box: Tensor, near: float, far: float, contracted: bool):
        super().__init__()
        self.config, self.near, self.far, self.contracted = config, near, far, contracted
        trunk = SinusoidalField(
            3, 1, config.width, config.hidden_layers, config.omega, config.omega, alpha=1.0
        )
        self.field = DensityField(trunk, box, HeadsConfig().settled(contracted), contracted)
        self.register_buffer("box", box.clone())

    def forward(self, origins: Tensor, directions: Tensor, stratified: bool, finer: int = 1) -> Proposed:
        """Intervals for rays ``(R, 3)`` with unit directions.

        Args:
            origins, directions: world space.
            stratified: shift bins and samples of a ray by random parts, from the global generator.
            finer: a factor on the samples.
        """
        rays, bins, wanted = len(origins), self.config.bins, self.config.samples * finer
        shift = torch.rand_like(origins[:, :2]) if stratified else torch.full_like(origins[:, :2], 0.5)
        low, high = self._range(origins, directions)
        even = torch.arange(bins + 1, device=origins.device, dtype=origins.dtype) + shift[:, :1] - 0.5
        u_RK = (even / bins).clamp(0, 1)
        bins_RK = self._distance(low[:, None] + u_RK * (high - low)[:, None])
        middle_RK = (bins_RK[:, 1:] + bins_RK[:, :-1]) / 2
        positions = origins[:, None] + directions[:, None] * middle_RK[..., None]
        density = self.field.density(positions.view(-1, 3)).view(rays, bins)
        weights_RK = weights_of(density, bins_RK)
        with torch.no_grad():
            even = torch.arange(wanted + 1, device=origins.device, dtype=origins.dtype) + shift[:, 1:] - 0.5
            edges_RM = quantiles(u_RK, weights_RK + _PADDING / bins, (even / wanted).clamp(0, 1))
            edges_RM = self._distance(low[:, None] + edges_RM * (high - low)[:, None])
        return Proposed(edges_RM, bins_RK, weights_RK)

    def _range(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Where rays begin and end, ``(R,)`` each, evenly spaced."""
        if self.contracted:
            near = torch.full_like(origins[:, 0], self.near)
            return distance_to_even(near, self.far), torch.full_like(near, _LAST * 2 * self.far)
        enter, leave = intersect_box(origins, directions, self.box, self.near, self.far)
        return enter, torch.maximum(enter, leave)

    def _distance(self, even: Tensor) -> Tensor:
        return even_to_distance(even, self.far) if self.contracted else even


def weights_of(density: Tensor, edges: Tensor) -> Tensor:
    """Light ``(R, K)`` that comes from each interval of rays, of densities ``(R, K)`` between edges."""
    thickness = density * (edges[:, 1:] - edges[:, :-1])
    before = thickness.cumsum(dim=-1) - thickness
    return torch.exp(-before) * (1 - torch.exp(-thickness))


def quantiles(edges: Tensor, weights: Tensor, parts: Tensor) -> Tensor:
    """Places ``(R, Q)`` before which parts ``(R, Q)`` in [0, 1] of the weights ``(R, K)`` lie.

    The weights are spread evenly between the edges ``(R, K + 1)``.
    """
    below = torch.nn.functional.pad((weights / weights.sum(-1, keepdim=True)).cumsum(-1), (1, 0))
    bin_RQ = torch.searchsorted(below, parts.contiguous(), right=True).clamp(1, weights.shape[1])
    first, last = below.gather(1, bin_RQ - 1), below.gather(1, bin_RQ)
    part = ((parts - first) / (last - first).clamp(min=_SMALL)).clamp(0, 1)
    left, right = edges.gather(1, bin_RQ - 1), edges.gather(1, bin_RQ)
    return left + part * (right - left)


def overlapping(edges: Tensor, weights: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Sums ``(R, M)`` of the weights ``(R, K)`` of all bins that intervals start .. end ``(R, M)`` touch."""
    below = torch.nn.functional.pad(weights.cumsum(-1), (1, 0))
    edges = edges.contiguous()
    first = (torch.searchsorted(edges, start.contiguous(), right=True) - 1).clamp(0, weights.shape[1])
    last = torch.searchsorted(edges, end.contiguous()).clamp(0, weights.shape[1])
    return (below.gather(1, last) - below.gather(1, first)).clamp(min=0)
