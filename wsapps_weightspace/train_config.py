"""The configuration of training a classifier, and what is built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wsapps.config import choice, doc
from wsapps.errors import UserError
from wsapps.seeding import seed_global
from wsapps_weightspace.learning.classification import ClassificationObjective
from wsapps_weightspace.learning.config import LearningConfig
from wsapps_weightspace.learning.data import LearningData
from wsapps_weightspace.models import CLASSIFIERS, FieldClassifier


@dataclass(kw_only=True)
class TrainConfig(LearningConfig):
    """Everything that training a classifier depends on; configs/weightspace/train.yaml fills it."""

    classifier: Any = choice(CLASSIFIERS, default="probes", text="the model that classifies fields")
    label_smoothing: float = doc("probability spread over all classes while training", default=0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing}")


def build_model(config: Any, data: LearningData, outputs: int, seed: int) -> FieldClassifier:
    """A model of a classifier's configuration, drawn by the seed and prepared on the training fields.

    Raises:
        UserError: it cannot take these fields, in the words of the model.
    """
    seed_global(seed, "init")
    dataset = data.dataset
    try:
        model = CLASSIFIERS[config.name](dataset.architecture, outputs, config)
    except ValueError as error:
        raise UserError(f"classifier ({config.name}): {error}") from error
    model.prepare(dataset.weights[data.train])
    return model


def build_objective(config: TrainConfig, data: LearningData) -> ClassificationObjective:
    """The loss of a new classifier. Raises UserError as :func:`build_model`, and for a single class."""
    dataset = data.dataset
    if len(dataset.classes) < 2:
        raise UserError(f"{config.dataset} has one class: there is nothing to tell apart")
    model = build_model(config.classifier, data, len(dataset.classes), config.trainer.seed)
    augment = config.augment(dataset)
    return ClassificationObjective(model, dataset.architecture, config.label_smoothing, augment)
