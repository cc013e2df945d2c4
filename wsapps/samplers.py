"""Batches of points from tensors that stay on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from wsapps.objective import Batch
from wsapps.seeding import generator


class PointSampler:
    """Batches of coordinate-value pairs, drawn by (seed, step, rank).

    No DataLoader: indexing on the device was 8 times faster for 16k of 65k points.

    Args:
        coordinates: ``(N, D)``.
        values: ``(N, C)``.
        points: points a step over all ranks, drawn without memory of earlier steps; None takes all N
            in every step, divided among the ranks.
        seed: of the draws.

    Raises:
        ValueError: the tensors do not pair up, or hold no point.
    """

    def __init__(self, coordinates: Tensor, values: Tensor, points: int | None = None, seed: int = 0):
        if coordinates.dim() != 2 or values.dim() != 2 or coordinates.shape[0] != values.shape[0]:
            raise ValueError(
                f"coordinates (N, D) and values (N, C) must pair up, got {tuple(coordinates.shape)} and "
                f"{tuple(values.shape)}"
            )
        if coordinates.shape[0] == 0 or (points is not None and points < 1):
            raise ValueError(
                f"at least one point a step is needed, got N={coordinates.shape[0]}, points={points}"
            )
        self.coordinates, self.values, self.points, self.seed = coordinates, values, points, seed

    def to(self, device: torch.device) -> PointSampler:
        return PointSampler(self.coordinates.to(device), self.values.to(device), self.points, self.seed)

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        if self.points is None:
            return {"coordinates": self.coordinates[rank::world], "values": self.values[rank::world]}
        mine = self.points // world + (rank < self.points % world)
        drawn = torch.randint(
            self.coordinates.shape[0], (mine,), generator=generator(self.seed, "points", step, rank)
        ).to(self.coordinates.device)
        return {"coordinates": self.coordinates[drawn], "values": self.values[drawn]}
