"""Datasets of small fields for tests, made in an instant: only output layers are fitted, in closed form."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from wsapps.seeding import generator
from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.shards import write_shard
from wsapps_weightspace.splits import make_splits, write_splits
from wsapps_weightspace.weights import Architecture, FieldWeights

SIDE = 12
ARCHITECTURE = Architecture((2, 8, 8, 1), 6.0, 6.0)
CLASSES = ("north", "east", "west")


def make_fields(folder: Path, count: int = 90, shared: bool = True, seed: int = 0, shards: int = 2) -> Path:
    """Fields of a soft dot, whose place says the class, in shards with splits; returns the folder.

    Args:
        shared: whether all fields start from the same hidden layers, or each from its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = torch.arange(count) % len(CLASSES)
    coordinates, values = _dots(labels, seed)
    fields, psnr = _fit(coordinates, values, shared, seed)
    about = ShardAbout(
        ARCHITECTURE, "dots", CLASSES, seed, (SIDE, SIDE), -1.0, 1.0, coordinates, {"shared": shared}
    )
    edges = [count * n // shards for n in range(shards + 1)]
    for first, last in pairwise(edges):
        part = slice(first, last)
        index = torch.arange(first, last)
        write_shard(folder, first, last, fields[part], labels[part], psnr[part], index, about)
    write_splits(folder, make_splits(torch.arange(count) >= 2 * count // 3, 0.2, seed, count))
    return folder


def _dots(labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Coordinates ``(Q, 2)`` and values ``(N, Q, 1)`` in [-1, 1]."""
    axis = torch.linspace(-1, 1, SIDE)
    coordinates = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).flatten(0, 1)
    angle = 2 * math.pi * labels / len(CLASSES)
    centres = 0.5 * torch.stack([angle.cos(), angle.sin()], dim=1)
    centres += 0.1 * torch.randn(centres.shape, generator=generator("dots", seed))
    distance = (coordinates - centres[:, None]).square().sum(dim=-1)
    return coordinates, (2 * torch.exp(-8 * distance) - 1)[..., None]


def _fit(coordinates: Tensor, values: Tensor, shared: bool, seed: int) -> tuple[FieldWeights, Tensor]:
    """Random hidden layers, and the output layers of least squares; PSNRs ``(N,)`` in dB."""
    count, draws = len(values), generator("hidden", seed)
    hidden, x = [], coordinates.expand(count, -1, -1)
    for layer, (fan_in, fan_out) in enumerate(ARCHITECTURE.pairs[:-1]):
        bound = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / ARCHITECTURE.omega_hidden
        drawn = torch.rand(1 if shared else count, fan_in + 1, fan_out, generator=draws) * 2 - 1
        both = (bound * drawn).expand(count, -1, -1)
        hidden.append((both[:, 1:].contiguous(), both[:, 0].contiguous()))
        x = torch.sin(ARCHITECTURE.omega(layer) * torch.baddbmm(both[:, :1], x, both[:, 1:]))
    features = torch.cat([torch.ones_like(x[..., :1]), x], dim=-1).double()
    # A little damping keeps the solutions of fields that look alike near one another.
    gram = features.transpose(1, 2) @ features + 1e-2 * torch.eye(features.shape[-1], dtype=torch.float64)
    solved = torch.linalg.solve(gram, features.transpose(1, 2) @ values.double())
    mse = (features @ solved - values).square().mean(dim=(1, 2))
    last = solved.float()
    fields = FieldWeights(
        (*(w for w, _ in hidden), last[:, 1:]),
        (*(b for _, b in hidden), last[:, 0]),
    )
    return fields, (10 * torch.log10(4 / mse)).float()
