"""What a dataset of fields holds, in numbers and as text.

Shape suffixes: N fields, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wsapps_weightspace.belonging import describe
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.splits import SPLITS

_BARS = 40  # characters of the longest
_QUANTILES = {"min": 0.0, "lower quartile": 0.25, "median": 0.5, "upper quartile": 0.75, "max": 1.0}


@dataclass(frozen=True)
class Histogram:
    """Counts ``(B,)`` between edges ``(B + 1,)``; the last interval has its upper edge."""

    edges: Tensor
    counts: Tensor

    def lines(self) -> Iterator[str]:
        """A bar of characters for each interval."""
        most = max([1, *self.counts.tolist()])
        for low, high, count in zip(self.edges[:-1], self.edges[1:], self.counts.tolist(), strict=True):
            bar = "#" * -(-count * _BARS // most)
            yield f"{low:8.2f} to {high:8.2f} {count:8,d} {bar}".rstrip()


@dataclass(frozen=True)
class ParameterStatistics:
    """Of one matrix or bias vector over all fields: each number is over fields and entries."""

    name: str
    mean: float
    std: float
    least: float
    most: float


def histogram(values_N: Tensor, bins: int = 12) -> Histogram:
    """Of the finite values, between the least and the largest; no bins where there are none."""
    finite = values_N[values_N.isfinite()].double()
    if not len(finite):
        return Histogram(torch.zeros(1), torch.zeros(0, dtype=torch.int64))
    low, high = float(finite.min()), float(finite.max())
    if not high > low:
        low, high = low - 0.5, high + 0.5
    counts, edges = torch.histogram(finite, bins, range=(low, high))
    return Histogram(edges, counts.long())


def psnr_quantiles(psnr_N: Tensor) -> dict[str, float]:
    """Mean and quantiles in dB of those that are known; empty where none is."""
    known = psnr_N[psnr_N.isfinite()].double().sort().values
    if not len(known):
        return {}
    places = {name: round(part * (len(known) - 1)) for name, part in _QUANTILES.items()}
    return {"mean": float(known.mean())} | {name: float(known[place]) for name, place in places.items()}


def class_counts(dataset: FieldDataset) -> Tensor:
    """``(K, 3)`` int64: fields of each class in each split."""
    of_split = dataset.splits.of_sample[dataset.index].long()
    flat = dataset.labels * len(SPLITS) + of_split
    return torch.bincount(flat, minlength=len(dataset.classes) * len(SPLITS)).unflatten(0, (-1, len(SPLITS)))


def parameter_statistics(dataset: FieldDataset) -> list[ParameterStatistics]:
    """Of each layer's matrix and biases, layer by layer."""
    statistics = []
    for layer, (w, b) in enumerate(dataset.weights):
        for name, values in ((f"W {layer}", w), (f"b {layer}", b)):
            # Unbiased standard deviations are not defined for one number.
            std, mean = torch.std_mean(values.double(), correction=0)
            numbers = (mean, std, values.min(), values.max())
            statistics.append(ParameterStatistics(name, *[float(number) for number in numbers]))
    return statistics


def as_json(dataset: FieldDataset) -> dict[str, Any]:
    """The numbers of this page, plain JSON."""
    counts = class_counts(dataset)
    return {
        "fields": len(dataset),
        "samples": len(dataset.index.unique()),
        "architecture": {
            "sizes": list(dataset.architecture.sizes),
            "omega_0": dataset.architecture.omega_0,
            "omega_hidden": dataset.architecture.omega_hidden,
            "parameters": dataset.architecture.parameters,
        },
        "splits": dict(zip(SPLITS, counts.sum(dim=0).tolist(), strict=True)),
        "classes": {
            name: dict(zip(SPLITS, row, strict=True))
            for name, row in zip(dataset.classes, counts.tolist(), strict=True)
        },
        "psnr": psnr_quantiles(dataset.psnr),
        "parameters": {s.name: [s.mean, s.std, s.least, s.most] for s in parameter_statistics(dataset)},
        "left_out": list(dataset.skipped),
    }


def as_text(dataset: FieldDataset) -> str:
    """The numbers of this page, for a terminal."""
    sections = [
        (_title(dataset), list(_counts(dataset))),
        ("PSNR in dB", list(_psnr(dataset))),
        ("classes: fields for train, val, test", list(_classes(dataset))),
        ("parameters: mean, standard deviation, least, largest", list(_parameters(dataset))),
        ("left out", list(dataset.skipped)),
    ]
    lines = []
    for title, entries in sections:
        if entries:
            lines += [title, *(f"    {entry}" for entry in entries)]
    return "\n".join(lines)


def _title(dataset: FieldDataset) -> str:
    of = f" of {dataset.about.dataset}" if dataset.about is not None else ""
    return f"{len(dataset):,} fields{of} in {dataset.folder}"


def _counts(dataset: FieldDataset) -> Iterator[str]:
    yield f"{describe(dataset.architecture)}, {dataset.architecture.parameters:,} parameters each"
    inits, views = (int(column.max()) + 1 for column in (dataset.init_number, dataset.view))
    yield f"{len(dataset.index.unique()):,} samples, up to {inits} initial weights and {views} views of each"
    counts = class_counts(dataset).sum(dim=0).tolist()
    yield ", ".join(f"{count:,} {split}" for split, count in zip(SPLITS, counts, strict=True))
    if dataset.about is None:
        yield "from another program: no checksums, no PSNR"


def _psnr(dataset: FieldDataset) -> Iterator[str]:
    quantiles = psnr_quantiles(dataset.psnr)
    if not quantiles:
        return
    yield ", ".join(f"{name} {value:.2f}" for name, value in quantiles.items())
    infinite = int(dataset.psnr.isposinf().sum())
    if infinite:
        yield f"{infinite:,} fields without any error"
    yield from histogram(dataset.psnr).lines()


def _classes(dataset: FieldDataset) -> Iterator[str]:
    width = max(len(name) for name in dataset.classes)
    for name, row in zip(dataset.classes, class_counts(dataset).tolist(), strict=True):
        yield f"{name:<{width}} " + " ".join(f"{count:8,d}" for count in row)


def _parameters(dataset: FieldDataset) -> Iterator[str]:
    for s in parameter_statistics(dataset):
        yield f"{s.name:<5} {s.mean:10.4f} {s.std:10.4f} {s.least:10.4f} {s.most:10.4f}"
