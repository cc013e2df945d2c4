"""Scenes without an end: all of space inside a ball of radius 2, and samples along rays that suit it.

The contraction is that of mip-NeRF 360 (Barron et al., CVPR 2022, equation 10): identity within the unit
ball, where the object and what is around it should be; beyond it, (2 - 1 / |x|) x / |x|. Occupancy cells
and the field's coordinates are in contracted space.

Along a ray samples are evenly spaced in s (the same law in one dimension, for distances t from the camera):
s = t up to a distance T, and T (2 - T / t) beyond. So they are even where the object is, and even in 1 / t
behind it, where a step of equal length in contracted space is ever longer in the world.

Shapes: N points, R rays, S steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsapps_nerf.occupancy import OccupancyGrid
from wsapps_nerf.sampling import Samples

RADIUS = 2.0  # of contracted space
_FARTHEST = 1e3  # at which contracted points are taken back to the world
_MOST_AT_ONCE = 2**21  # rays x steps that are looked up together


def contract(points: Tensor) -> Tensor:
    """World points ``(N, 3)`` into the ball of radius 2; the unit ball stays as it is."""
    radius = _at_least_one(points.square().sum(dim=-1, keepdim=True)).sqrt()
    return points * ((2 - 1 / radius) / radius)


def expand(points: Tensor) -> Tensor:
    """The inverse of :func:`contract`; what is beyond radius 2 - 1/1000 is taken back to distance 1000."""
    radius = points.norm(dim=-1, keepdim=True)
    outside = radius.clamp(min=1.0, max=2 - 1 / _FARTHEST)
    return points * torch.where(radius > 1, 1 / ((2 - outside) * radius.clamp(min=1.0)), 1.0)


def shrinkage(points: Tensor) -> Tensor:
    """By how much radial lengths are shortened there, ``(N,)``: 1 within the unit ball, 1 / |x|^2 beyond.

    A density per contracted length, times this, is one per world length: the same number then makes far
    space as opaque to its few long samples as near space is to its many short ones.
    """
    return 1 / _at_least_one(points.square().sum(dim=-1))


def distance_to_even(distance: Tensor, even: float) -> Tensor:
    """s of distances t: t up to T = ``even``, T (2 - T / t) beyond."""
    return torch.where(distance <= even, distance, even * (2 - even / distance.clamp(min=even)))


def even_to_distance(s: Tensor, even: float) -> Tensor:
    """The inverse of :func:`distance_to_even`, for s < 2 T."""
    return torch.where(s <= even, s, even * even / (2 * even - s.clamp(min=even)))


def mark_outside(grid: OccupancyGrid) -> None:
    """Empty the cells of a cube about the origin that lie outside the ball of radius 2, for good."""
    box = grid.aabbs[0]
    edge = (box[3:] - box[:3]) / grid.resolution.to(box.dtype)
    centres = box[:3] + (grid.grid_coords.to(box.dtype) + 0.5) * edge
    outside = centres.norm(dim=-1) > RADIUS + float(edge.norm()) / 2
    grid.occs[outside] = -1.0
    grid.binaries &= ~outside.view(grid.binaries.shape)


def sample_contracted(
    grid: OccupancyGrid,
    origins: Tensor,
    directions: Tensor,
    near: float,
    even: float,
    step_size: float,
    stratified: bool,
) -> Samples:
    """Intervals of length ``step_size`` in s along rays ``(R, 3)``, where contracted cells are occupied.

    Args:
        grid: over contracted space.
        origins, directions: world space; directions of unit length.
        near: distance of the first sample.
        even: T, the distance up to which samples are evenly spaced.
        step_size: in world units below T.
        stratified: shift all intervals of a ray by one uniform draw from the global generator.
    """
    # The last edge is half a step before s = 2 T, where distances become infinite.
    steps = max(1, int((2 * even - near) / step_size - 1.5))
    shift = torch.rand_like(origins[:, 0]) if stratified else torch.zeros_like(origins[:, 0])
    edges_S = near + torch.arange(steps + 1, dtype=origins.dtype, device=origins.device) * step_size
    parts = []
    at_once = max(1, _MOST_AT_ONCE // steps)
    for first in range(0, origins.shape[0], at_once):
        rays = slice(first, first + at_once)
        edges_RS = even_to_distance(edges_S + shift[rays, None] * step_size, even)
        start_RS, end_RS = edges_RS[:, :-1], edges_RS[:, 1:]
        kept = _occupied(grid, origins[rays], directions[rays], (start_RS + end_RS) / 2)
        ray, step = torch.nonzero(kept, as_tuple=True)
        parts.append((ray + first, start_RS[ray, step], end_RS[ray, step]))
    return Samples(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _occupied(grid: OccupancyGrid, origins: Tensor, directions: Tensor, middle_RS: Tensor) -> Tensor:
    """Whether the cell at each distance along each ray may hold something, ``(R, S)``."""
    # |o + t d|^2 without the points, of which there would be three times as many numbers.
    squared_RS = (
        middle_RS.square()
        + 2 * (origins * directions).sum(-1, keepdim=True) * middle_RS
        + origins.square().sum(-1, keepdim=True)
    )
    radius_RS = _at_least_one(squared_RS).sqrt()
    factor_RS = (2 - 1 / radius_RS) / radius_RS
    box = grid.aabbs[0]
    index_RS = torch.zeros_like(middle_RS, dtype=torch.int64)
    for axis in range(3):
        size = int(grid.resolution[axis])
        per_unit = size / (box[3 + axis] - box[axis])
        world_RS = torch.addcmul(origins[:, axis, None], middle_RS, directions[:, axis, None])
        cell_RS = (world_RS * factor_RS - box[axis]) * per_unit
        index_RS.mul_(size).add_(cell_RS.long().clamp_(0, size - 1))
    return grid.binaries.view(-1)[index_RS]


def _at_least_one(squared: Tensor) -> Tensor:
    # Square roots and quotients of it are smooth everywhere, at the origin too.
    return squared.clamp(min=1.0)
