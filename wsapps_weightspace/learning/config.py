"""Settings that the commands which learn from fields have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.trainer_config import TrainerConfig
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.learning.classification import Augment
from wsapps_weightspace.symmetry import AugmentationConfig, augment


@dataclass(kw_only=True)
class LearningConfig:
    """Which fields a model learns from, and for how long."""

    dataset: str = doc("folder of fitted fields, as wsapps_weightspace.build leaves it")
    out: str | None = doc("run folder; by default runs/weightspace/<name>-<time>", default=None)
    on_bad: Literal["refuse", "skip"] = doc("what to do about damaged shards", default="refuse")
    most_train: int | None = doc("use no more than so many training fields", default=None)
    epochs: float = doc("passes over the training fields, unless the trainer has another limit", default=30.0)
    batch_size: int = doc("fields a step, over all ranks", default=64)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    # Replaced by the steps of the epochs, when these are known.
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(default_steps=1))

    def __post_init__(self) -> None:
        at_least_one(self, "batch_size")
        if self.trainer.default_steps != 1:
            raise ValueError("trainer.default_steps follows from epochs; give epochs= or trainer.max_steps=")
        if not self.epochs > 0:
            raise ValueError(f"epochs must be positive, got {self.epochs}")
        if self.most_train is not None and self.most_train < 1:
            raise ValueError(f"most_train must be at least 1 or null, got {self.most_train}")

    def augment(self, dataset: FieldDataset) -> Augment | None:
        """What changes the fields of a batch while training; None where nothing does."""
        if self.augmentation == AugmentationConfig():
            return None
        grid = None if dataset.about is None else dataset.about.grid
        return partial(augment, architecture=dataset.architecture, config=self.augmentation, grid=grid)
