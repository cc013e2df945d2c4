"""Batches of points from tensors that stay on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from wsapps.objective import Batch
from wsapps.seeding import generator

# Points whose activations stay in a CPU's cache from layer to layer, forward and back (docs/benchmarks.md).
CPU_PART = 4096


def parts_for(points: int, device: torch.device, cpu_part: int = CPU_PART) -> int:
    """Into how many micro-batches a step over ``points`` points is best divided on a device.

    On a CPU, parts of about ``cpu_part`` points, and of one size where a number near that divides them:
    compiled code then has one shape. Elsewhere one. The gradient is that of all points.
    """
    if device.type != "cpu":
        return 1
    wanted = max(1, round(points / cpu_part))
    near = range(max(1, 3 * wanted // 4), 3 * wanted // 2 + 1)
    return min(near, key=lambda parts: (points % parts != 0, abs(parts - wanted)))


def step_in_parts(
    coordinates: Tensor,
    values: Tensor,
    points: int | None,
    parts: int,
    seed: int = 0,
    weights: Tensor | None = None,
    stratified: bool = False,
) -> PointSampler:
    """A sampler of which ``parts`` micro-batches together are a step over ``points`` points, or all of them.

    Drawn points are rounded up to a multiple of ``parts``. The trainer's ``accumulate`` is to be ``parts``.
    ``stratified`` draws those of a part from its own share of the samples, in their order.
    """
    if points is None:
        return PointSampler(coordinates, values, None, seed, weights, parts)
    return PointSampler(coordinates, values, -(-points // parts), seed, weights, parts if stratified else 1)


class PointSampler:
    """Batches of coordinate-value pairs, drawn by (seed, step, rank).

    No DataLoader: indexing on the device was 8 times faster for 16k of 65k points.

    Args:
        coordinates: ``(N, D)``.
        values: ``(N, C)``.
        points: points a micro-batch over all ranks, drawn without memory of earlier ones; None takes all
            N in every step, divided among the ranks.
        seed: of the draws.
        weights: ``(N,)`` factors of the squared errors, of mean 1; None for equal ones.
        parts: micro-batches that take turns, each with its own of so many equal shares of the N points, in
            their order. With ``points=None`` it is the trainer's ``accumulate``: a step sees each point once.

    Raises:
        ValueError: the tensors do not pair up, or hold no point; or more parts than points.
    """

    def __init__(
        self,
        coordinates: Tensor,
        values: Tensor,
        points: int | None = None,
        seed: int = 0,
        weights: Tensor | None = None,
        parts: int = 1,
    ):
        if coordinates.dim() != 2 or values.dim() != 2 or coordinates.shape[0] != values.shape[0]:
            raise ValueError(
                f"coordinates (N, D) and values (N, C) must pair up, got {tuple(coordinates.shape)} and "
                f"{tuple(values.shape)}"
            )
        if coordinates.shape[0] == 0 or (points is not None and points < 1):
            raise ValueError(
                f"at least one point a step is needed, got N={coordinates.shape[0]}, points={points}"
            )
        if not 1 <= parts <= coordinates.shape[0]:
            raise ValueError(f"parts must be 1 to N, got {parts}")
        if weights is not None and weights.shape != coordinates.shape[:1]:
            raise ValueError(f"weights must have shape (N,), got {tuple(weights.shape)}")
        self.tensors = {"coordinates": coordinates, "values": values}
        if weights is not None:
            self.tensors["weights"] = weights
        self.points, self.seed, self.parts = points, seed, parts

    def __len__(self) -> int:
        return self.tensors["coordinates"].shape[0]

    def to(self, device: torch.device) -> PointSampler:
        tensors = {name: tensor.to(device) for name, tensor in self.tensors.items()}
        return PointSampler(**tensors, points=self.points, seed=self.seed, parts=self.parts)

    def redrawn(self, points: int | None, seed: int = 0, parts: int = 1) -> PointSampler:
        """The same samples in other batches."""
        return PointSampler(**self.tensors, points=points, seed=seed, parts=parts)

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        part = step % self.parts
        first, last = (len(self) * edge // self.parts for edge in (part, part + 1))
        if self.points is None:
            return {name: tensor[first:last][rank::world] for name, tensor in self.tensors.items()}
        mine = self.points // world + (rank < self.points % world)
        drawn = torch.randint(first, last, (mine,), generator=generator(self.seed, "points", step, rank))
        drawn = drawn.to(self.tensors["coordinates"].device)
        return {name: tensor[drawn] for name, tensor in self.tensors.items()}
