"""The fields that a model learns from, checked before there is a run folder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps.run import Run
from wsapps.same_input import fingerprint, keep_input
from wsapps.seeding import generator
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.learning.config import LearningConfig
from wsapps_weightspace.splits import SPLITS


@dataclass(frozen=True)
class LearningData:
    """A dataset of fields, and the rows ``(M,)`` of its splits that are used."""

    dataset: FieldDataset
    train: Tensor
    val: Tensor
    test: Tensor

    @property
    def name(self) -> str:
        """Of the samples, else of the folder."""
        about = self.dataset.about
        return about.dataset if about is not None else self.dataset.folder.resolve().name

    @property
    def fingerprint(self) -> str:
        """Of everything that a model learns from: parameters, labels, PSNRs and splits."""
        dataset = self.dataset
        used = (dataset.flat, dataset.labels, dataset.psnr, self.train, self.val, self.test)
        return fingerprint(tensor.numpy() for tensor in used)


def open_data(config: LearningConfig, ranks: int = 1) -> LearningData:
    """Read the fields that a configuration names, for so many processes.

    Raises:
        UserError: there are none, they are damaged, a split of them is empty, or a batch is smaller
            than the number of ranks.
    """
    dataset = FieldDataset.open(config.dataset, config.on_bad)
    train, val, test = (dataset.rows(split) for split in SPLITS)
    train = some_of(train, config.most_train)
    if min(config.batch_size, len(train)) < ranks:
        raise UserError(
            f"batch_size={config.batch_size} of {len(train)} training fields cannot be shared by {ranks} "
            "processes; each needs a field in every step"
        )
    return LearningData(dataset, train, val, test)


def some_of(rows: Tensor, most: int | None) -> Tensor:
    """At most so many of the rows, in their order, always the same ones: they may be sorted by class."""
    if most is None or most >= len(rows):
        return rows
    return rows[torch.randperm(len(rows), generator=generator("some_of"))[:most].sort().values]


def keep_data(data: LearningData, run: Run) -> None:
    """Note in a new run which fields it learns from, and refuse to continue one on other fields.

    Raises:
        UserError: on all ranks.
    """
    counts = {split: len(getattr(data, split)) for split in SPLITS}
    keep_input(run, "fields", {**counts, "sha256": data.fingerprint})
