"""Samples along rays where the occupancy grid says there may be something.

Two ways to the same packed samples: nerfacc's CUDA kernels, and a batched lookup for the CPU, where
nerfacc's marching does not exist. The choice is made by ``tensor.is_cuda``: trying nerfacc's
extension and catching the failure would start its compilation.

Shapes: R rays, N samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from wsapps_nerf.occupancy import OccupancyGrid


class Samples(NamedTuple):
    """N intervals along R rays, sorted by ray, then by distance.

    Attributes:
        ray: ``(N,)`` int64, the ray of each sample.
        start, end: ``(N,)`` distances along the ray in world units.
    """

    ray: Tensor
    start: Tensor
    end: Tensor

    @property
    def middle(self) -> Tensor:
        return (self.start + self.end) / 2

    def positions(self, origins: Tensor, directions: Tensor) -> Tensor:
        """World positions of the interval middles, ``(N, 3)``."""
        return origins[self.ray] + directions[self.ray] * self.middle[:, None]


def sample_rays(
    grid: OccupancyGrid,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    step_size: float,
    stratified: bool,
) -> Samples:
    """Intervals of length ``step_size`` in the occupied cells along rays ``(R, 3)``.

    ``stratified`` shifts all intervals of a ray by one uniform draw from the global generator.
    """
    if origins.is_cuda:
        ray, start, end = grid.sampling(
            origins,
            directions,
            near_plane=near,
            far_plane=far,
            render_step_size=step_size,
            stratified=stratified,
        )
        return Samples(ray, start, end)
    return _sample_batched(grid, origins, directions, near, far, step_size, stratified)


def _sample_batched(
    grid: OccupancyGrid,
    origins: Tensor,
    directions: Tensor,
    near: float,
    far: float,
    step_size: float,
    stratified: bool,
) -> Samples:
    box = grid.aabbs[0]
    enter, leave = intersect_box(origins, directions, box, near, far)
    longest = float((leave - enter).max())
    if longest <= 0:
        empty = origins.new_empty(0)
        return Samples(empty.long(), empty, empty)
    shift = torch.rand_like(enter) if stratified else torch.full_like(enter, 0.0)
    steps = torch.arange(int(longest / step_size) + 1, dtype=origins.dtype)
    start_RS = (enter + shift * step_size)[:, None] + steps * step_size
    inside_RS = start_RS + step_size / 2 < leave[:, None]
    # Positions in units of cells, so that a lookup is one truncation.
    resolution = grid.resolution.to(origins.dtype)
    per_unit = resolution / (box[3:] - box[:3])
    cell_origin, cell_direction = (origins - box[:3]) * per_unit, directions * per_unit
    middle_RS = start_RS + step_size / 2
    index_RS = torch.zeros_like(start_RS, dtype=torch.int64)
    for axis in range(3):
        size = int(grid.resolution[axis])
        cell_RS = torch.addcmul(cell_origin[:, axis, None], middle_RS, cell_direction[:, axis, None])
        index_RS.mul_(size).add_(cell_RS.long().clamp_(0, size - 1))
    occupied_RS = grid.binaries.view(-1)[index_RS]
    ray, step = torch.nonzero(inside_RS & occupied_RS, as_tuple=True)
    start = start_RS[ray, step]
    return Samples(ray, start, start + step_size)


def intersect_box(
    origins: Tensor, directions: Tensor, box: Tensor, near: float, far: float
) -> tuple[Tensor, Tensor]:
    """Distances at which rays ``(R, 3)`` enter and leave a box ``(6,)``, clipped to [near, far].

    Both are ``(R,)``; a ray that misses has ``leave <= enter``.
    """
    inverse = 1.0 / torch.where(directions.abs() < 1e-12, torch.full_like(directions, 1e-12), directions)
    first, second = (box[:3] - origins) * inverse, (box[3:] - origins) * inverse
    enter = torch.minimum(first, second).amax(dim=-1).clamp(min=near)
    leave = torch.maximum(first, second).amin(dim=-1).clamp(max=far)
    return enter, leave
