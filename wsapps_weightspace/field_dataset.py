"""A dataset of fitted fields in memory, from the shards in a folder.

Shape suffixes: N fields, P parameters of one field.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps.fields.sinusoidal import SinusoidalField
from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.belonging import check_together, describe_ranges, missing_ranges
from wsapps_weightspace.field_file import save_field_file, to_field
from wsapps_weightspace.shards import Shard, read_shard, some_shard_paths
from wsapps_weightspace.splits import Split, Splits, read_splits, usual_splits
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat

_log = logging.getLogger("wsapps")
_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class FieldDataset:
    """N fields of one architecture with their labels.

    Args:
        folder: where the shards are.
        architecture: of all fields.
        flat: ``(N, P)`` float32, rows as :meth:`FieldWeights.flat`.
        labels: ``(N,)`` int64, indices into ``classes``.
        classes: their names.
        psnr: ``(N,)`` float32 dB, NaN where it is not known.
        index: ``(N,)`` int64, which sample each field fits.
        init_number, view: ``(N,)`` int64, which of the sample's initial weights and augmented views, from 0.
        splits: of the samples.
        about: what the build told; None for shards from elsewhere.
        skipped: a line for each shard that was left out because it is damaged.
    """

    folder: Path
    architecture: Architecture
    flat: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    psnr: Tensor
    index: Tensor
    init_number: Tensor
    view: Tensor
    splits: Splits
    about: ShardAbout | None = None
    skipped: tuple[str, ...] = ()

    @classmethod
    def open(cls, folder: Path | str, on_bad: Literal["refuse", "skip"] = "refuse") -> FieldDataset:
        """Read all shards of a folder.

        Args:
            on_bad: what happens to damaged or missing shards and to fields whose weights are not finite;
                "skip" leaves them out, with a message for each in the log and in ``skipped``.

        Raises:
            UserError: there are none, some are damaged or missing, or they do not belong together: other
                architectures, settings or ranges.
        """
        folder = Path(folder)
        if on_bad not in ("refuse", "skip"):
            raise ValueError(f"on_bad must be 'refuse' or 'skip', got {on_bad!r}")
        splits = read_splits(folder)
        shards, skipped = _read_all(folder, skip=on_bad == "skip")
        check_together(shards)
        missing = missing_ranges(((s.first, s.last) for s in shards), splits.fields if splits else None)
        if missing and on_bad == "refuse":
            raise UserError(
                f"{folder} lacks the fields {describe_ranges(missing)}; start its build again, which "
                "continues, or use what there is with on_bad=skip"
            )
        dataset = _joined(folder, shards, splits, tuple(skipped))
        return _finite_only(dataset, skip=on_bad == "skip")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def weights(self) -> FieldWeights:
        """All fields; views of ``flat``."""
        return from_flat(self.flat, self.architecture)

    def rows(self, split: Split) -> Tensor:
        """``(m,)`` int64, where the fields of a split are. Raises UserError if there are none."""
        rows = self.splits.rows(split, self.index)
        if not len(rows):
            raise UserError(f"{self.folder} has no fields in its split {split!r}")
        return rows

    def split(self, split: Split) -> FieldDataset:
        """The fields of a split: "train", "val" or "test". Raises UserError if there are none."""
        return self.select(self.rows(split))

    def select(self, rows: Tensor) -> FieldDataset:
        """Some of the fields, by position ``(m,)`` or mask ``(N,)``, in that order; copies."""
        return replace(
            self,
            flat=self.flat[rows],
            labels=self.labels[rows],
            psnr=self.psnr[rows],
            index=self.index[rows],
            init_number=self.init_number[rows],
            view=self.view[rows],
        )

    def field(self, n: int) -> SinusoidalField:
        """Field n as a module of the core: ``field(coordinates) -> values``."""
        return to_field(self.weights[self._one(n)], self.architecture)

    def save_field(self, n: int, folder: Path | str) -> None:
        """Write field n as a file of its own (:mod:`wsapps.export`), with what is known about it.

        Raises:
            UserError: the files cannot be written.
        """
        told = {
            "label": int(self.labels[n]),
            "class": self.classes[int(self.labels[n])],
            "psnr": float(self.psnr[n]) if self.psnr[n].isfinite() else None,
            "sample_index": int(self.index[n]),
            "init_number": int(self.init_number[n]),
            "view": int(self.view[n]),
        }
        if self.about is not None:
            grid = self.about.grid
            told |= {
                "dataset": self.about.dataset,
                "grid": None if grid is None else list(grid),
                "low": self.about.low,
                "high": self.about.high,
            }
        save_field_file(Path(folder), self.weights[self._one(n)], self.architecture, told)

    def _one(self, n: int) -> slice:
        if not 0 <= n < len(self):
            raise IndexError(f"the dataset has the fields 0 to {len(self) - 1}, got {n}")
        return slice(n, n + 1)


def _read_all(folder: Path, skip: bool) -> tuple[list[Shard], list[str]]:
    paths = some_shard_paths(folder)
    shards, skipped = [], []
    for path in paths:
        try:
            shards.append(read_shard(path))
        except UserError as error:
            if not skip:
                raise
            _log.warning("left out: %s", error)
            skipped.append(str(error))
    if not shards:
        raise UserError(f"{folder}: all {len(paths)} shards are damaged; the first: {skipped[0]}")
    return shards, skipped


def _joined(
    folder: Path, shards: list[Shard], splits: Splits | None, skipped: tuple[str, ...]
) -> FieldDataset:
    def column(name: str) -> Tensor:
        return torch.cat([getattr(shard, name) for shard in shards])

    labels, index, about = column("labels"), column("index"), shards[0].about
    classes = about.classes if about is not None else _numbered(int(labels.max()) + 1, folder)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise UserError(
            f"{folder} has labels from {low} to {high}, but {len(classes)} classes; build it again"
        )
    if int(index.min()) < 0:
        raise UserError(f"{folder} has fields of sample {int(index.min())}; build it again")
    splits = splits or usual_splits(int(index.max()) + 1)
    splits.check_holds(index)
    return FieldDataset(
        folder,
        shards[0].architecture,
        column("flat"),
        labels,
        classes,
        column("psnr"),
        index,
        column("init_number"),
        column("view"),
        splits,
        about,
        skipped,
    )


def _numbered(count: int, folder: Path) -> tuple[str, ...]:
    if count > _MOST_CLASSES:
        raise UserError(f"{folder} has labels up to {count - 1}; at most {_MOST_CLASSES} classes are read")
    return tuple(str(number) for number in range(count))


def _finite_only(dataset: FieldDataset, skip: bool) -> FieldDataset:
    finite = dataset.flat.isfinite().all(dim=1)
    if finite.all():
        return dataset
    bad = (~finite).nonzero()[:, 0]
    told = (
        f"{len(bad)} of {len(dataset)} fields in {dataset.folder} have weights that are not finite, the "
        f"first of them fits sample {int(dataset.index[bad[0]])}"
    )
    if not skip:
        raise UserError(f"{told}; build it again, or leave them out with on_bad=skip")
    _log.warning("left out: %s", told)
    return replace(dataset.select(finite), skipped=(*dataset.skipped, told))
