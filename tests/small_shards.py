"""Small shards of random fields: ours, and others written the way fit-a-nef writes them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.shards import write_shard
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat

SMALL = Architecture((2, 4, 4, 1), omega_0=30.0, omega_hidden=20.0)
NEF = {"name": "SIREN", "params": {"hidden_dim": 4, "num_layers": 3, "omega_0": 8.0, "output_dim": 1}}


def random_fields(count: int, architecture: Architecture = SMALL, seed: int = 0) -> FieldWeights:
    """Fields with standard normal parameters."""
    drawn = torch.Generator().manual_seed(seed)
    return from_flat(torch.randn(count, architecture.parameters, generator=drawn), architecture)


def small_about(architecture: Architecture = SMALL, **changes: object) -> ShardAbout:
    """Of fields of pictures of 3 x 5 pixels in three classes."""
    axes = torch.meshgrid(torch.linspace(-1, 1, 3), torch.linspace(-1, 1, 5), indexing="ij")
    told: dict = {
        "architecture": architecture,
        "dataset": "toys",
        "classes": ("ant", "bee", "cat"),
        "grid": (3, 5),
        "coordinates": torch.stack(axes, dim=-1).flatten(0, 1) if architecture.sizes[0] == 2 else None,
        "config": {"seed": 0, "fitting": {"steps": 10, "lr": 1e-3}},
    }
    return ShardAbout(**(told | changes))


def write_small(
    folder: Path,
    first: int,
    last: int,
    about: ShardAbout | None = None,
    weights: FieldWeights | None = None,
    labels: Tensor | None = None,
) -> Path:
    """A shard of random fields of the samples first to last; field i has label i % 3 and 20 + i dB."""
    about = about or small_about()
    numbers = torch.arange(first, last)
    return write_shard(
        folder,
        first,
        last,
        random_fields(last - first, about.architecture, seed=first) if weights is None else weights,
        numbers % 3 if labels is None else labels,
        20.0 + numbers,
        numbers,
        about,
    )


def nef_entries(sizes: tuple[int, ...] = SMALL.sizes) -> list[tuple[str, list[int]]]:
    """Names and shapes of the parameters of fit-a-nef's SIREN."""
    entries: list[tuple[str, list[int]]] = []
    for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        name = "output_linear" if layer == len(sizes) - 2 else f"kernel_net_{layer}.linear"
        entries += [(f"{name}.bias", [fan_out]), (f"{name}.kernel", [fan_in, fan_out])]
    return entries


def write_foreign(path: Path, arrays: dict[str, np.ndarray], entries: list[tuple[str, list[int]]]) -> None:
    """A shard as fit-a-nef writes it: rows in the order of ``entries``, a text of variable length.

    Args:
        arrays: ``(n, *shape)`` for each entry, and ``labels``.
    """
    count = len(next(iter(arrays.values())))
    with h5py.File(path, "w") as file:
        rows = [arrays[name].reshape(count, -1) for name, _ in entries]
        file.create_dataset("params", data=np.concatenate(rows, axis=1))
        config = file.create_dataset("param_config", (1,), dtype=h5py.special_dtype(vlen=str))
        config[0] = json.dumps(entries)
        if "labels" in arrays:
            file.create_dataset("labels", data=arrays["labels"])
    (path.parent / "nef.json").write_text(json.dumps(NEF))


def random_arrays(count: int = 3, seed: int = 0, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Parameters of fields by the names of fit-a-nef, and labels."""
    drawn = np.random.default_rng(seed)
    arrays = {name: drawn.normal(size=(count, *shape)).astype(dtype) for name, shape in nef_entries()}
    return arrays | {"labels": np.arange(count) % 2}


def siren(arrays: dict[str, np.ndarray], field: int, x: np.ndarray, omega: float) -> np.ndarray:
    """What fit-a-nef's SIREN computes, in float64: ``(Q, D)`` to ``(Q, C)``."""
    layers = (len(arrays) - 1) // 2
    for layer in range(layers):
        name = "output_linear" if layer == layers - 1 else f"kernel_net_{layer}.linear"
        x = x @ arrays[f"{name}.kernel"][field].astype(float) + arrays[f"{name}.bias"][field].astype(float)
        x = x if layer == layers - 1 else np.sin(omega * x)
    return x
