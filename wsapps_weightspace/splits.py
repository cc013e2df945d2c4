"""Which samples train, validate and test, in ``splits.json`` beside the shards.

A sample is in one split with all fields that fit it, whatever their initial weights and views. The file holds
ranges of sample indices, the last excluded, so that it does not depend on where anything lies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from wsapps.atomic import explained, write_text
from wsapps.errors import UserError
from wsapps.seeding import generator

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SPLITS_JSON = "splits.json"
VERSION = 1
_MOST_SAMPLES, _MOST_BYTES = 1 << 28, 1 << 28


@dataclass(frozen=True)
class Splits:
    """Splits of a dataset of fields.

    Args:
        of_sample: ``(samples,)`` int8, each sample's index into :data:`SPLITS`.
        fields: how many the whole dataset has; None where it is not known.
    """

    of_sample: Tensor
    fields: int | None = None

    def rows(self, split: Split, sample_index: Tensor) -> Tensor:
        """``(m,)`` int64: the positions in ``sample_index`` of a split's samples.

        Raises:
            UserError: a sample is not in the splits.
            ValueError: there is no such split.
        """
        if split not in SPLITS:
            raise ValueError(f"splits are {', '.join(SPLITS)}, got {split!r}")
        self.check_holds(sample_index)
        return (self.of_sample[sample_index] == SPLITS.index(split)).nonzero()[:, 0]

    def check_holds(self, sample_index: Tensor) -> None:
        """Raises UserError where a sample is not in the splits."""
        if len(sample_index) and not 0 <= int(sample_index.min()) <= int(sample_index.max()) < len(
            self.of_sample
        ):
            raise UserError(
                f"the fields are of the samples {int(sample_index.min())} to {int(sample_index.max())}, but "
                f"{SPLITS_JSON} divides {len(self.of_sample)}; build the dataset again"
            )


def make_splits(test: Tensor, val_fraction: float = 0.1, seed: int = 0, fields: int | None = None) -> Splits:
    """Test samples as marked; of the others a share, drawn by the seed, validates and the rest trains.

    Args:
        test: ``(samples,)`` bool.
        val_fraction: of the samples that are not for the test, in [0, 1); rounded, and at least one sample
            unless it is 0.
        fields: how many the whole dataset has.
    """
    if not 0 <= val_fraction < 1:
        raise ValueError(f"val_fraction must be in [0, 1), got {val_fraction}")
    of_sample = torch.where(test.cpu(), SPLITS.index("test"), SPLITS.index("train")).to(torch.int8)
    others = (~test.cpu()).nonzero()[:, 0]
    count = round(val_fraction * len(others))
    if val_fraction and len(others) > 1:
        count = max(1, count)
    drawn = torch.randperm(len(others), generator=generator("splits", seed))[:count]
    of_sample[others[drawn]] = SPLITS.index("val")
    return Splits(of_sample, fields)


def usual_splits(samples: int) -> Splits:
    """For a dataset that brings none: a tenth of the samples tests and a tenth validates, always the same."""
    drawn = torch.randperm(samples, generator=generator("test samples", samples))
    test = torch.zeros(samples, dtype=torch.bool)
    test[drawn[: samples // 10]] = True
    return make_splits(test, val_fraction=1 / 9)


def write_splits(folder: Path | str, splits: Splits) -> None:
    """Write ``splits.json`` into a dataset's folder.

    Raises:
        UserError: it cannot be written.
    """
    described = {
        "format": "wsapps-splits",
        "version": VERSION,
        "samples": len(splits.of_sample),
        "fields": splits.fields,
        **{split: _ranges(splits.of_sample == number) for number, split in enumerate(SPLITS)},
    }
    write_text(Path(folder) / SPLITS_JSON, json.dumps(described) + "\n")


def read_splits(folder: Path | str) -> Splits | None:
    """What :func:`write_splits` wrote; None where there is no file.

    Raises:
        UserError: it is damaged, or does not divide all samples.
    """
    path = Path(folder) / SPLITS_JSON
    if not path.is_file():
        return None
    with explained("read", path), open(path, "rb") as file:
        data = file.read(_MOST_BYTES)
    try:
        described: Any = json.loads(data)
        if described["format"] != "wsapps-splits" or described["version"] != VERSION:
            raise ValueError("format or version")
        fields, samples = described["fields"], described["samples"]
        if type(samples) is not int or not 0 < samples <= _MOST_SAMPLES:
            raise ValueError("samples")
        if fields is not None and (type(fields) is not int or fields < 1):
            raise ValueError("fields")
        of_sample = _filled(samples, {split: described[split] for split in SPLITS})
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise UserError(
            f"{path} is damaged or of another program ({type(error).__name__}: {str(error)[:80]}); "
            "delete it for the usual splits, or build the dataset again"
        ) from error
    return Splits(of_sample, fields)


def _ranges(mask: Tensor) -> list[list[int]]:
    """``[first, last]`` of the runs of true entries, last excluded."""
    edges = torch.diff(torch.nn.functional.pad(mask.to(torch.int8), (1, 1)))
    starts, ends = (edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0]
    return torch.stack([starts, ends], dim=1).tolist()


def _filled(samples: int, ranges: dict[Split, Any]) -> Tensor:
    of_sample = torch.full((samples,), -1, dtype=torch.int8)
    for number, split in enumerate(SPLITS):
        for first, last in ranges[split]:
            if type(first) is not int or type(last) is not int or not 0 <= first < last <= samples:
                raise ValueError(f"{split} holds the range {first!r} to {last!r}")
            if (of_sample[first:last] >= 0).any():
                raise ValueError(f"a sample from {first} to {last} is in two splits")
            of_sample[first:last] = number
    if (of_sample < 0).any():
        raise ValueError(f"sample {int((of_sample < 0).nonzero()[0, 0])} is in no split")
    return of_sample
