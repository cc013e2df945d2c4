"""Opening a trained model: a run folder, or the folder ``model/`` that a run leaves."""

from __future__ import annotations

from pathlib import Path

from wsapps.errors import UserError
from wsapps_weightspace.learning.model_file import ModelDescription, load_model
from wsapps_weightspace.models import CLASSIFIERS, FieldClassifier

CLASSES = "classes"  # what a classifier predicts


def open_classifier(path: str) -> tuple[FieldClassifier, ModelDescription]:
    """A trained classifier, on the CPU, in eval mode; ``outputs`` of its description are the classes.

    Raises:
        UserError: there is none, its run is not finished, or its files are damaged.
    """
    model, description = load_model(
        model_folder(path, "accelerate launch -m wsapps_weightspace.train"),
        CLASSES,
        CLASSIFIERS,
        lambda told: CLASSIFIERS[told.kind](told.architecture, len(told.outputs), told.config),
    )
    assert isinstance(model, FieldClassifier)
    return model, description


def model_folder(path: str, command: str) -> Path:
    """Where the model of a run is. Raises UserError where there is none; ``command`` makes one."""
    place = Path(path)
    if not place.is_dir():
        missing = "is a file, not a run folder" if place.exists() else "does not exist"
        raise UserError(f"{path} {missing}; `{command} out={path}` makes one")
    if (place / "model.json").is_file():
        return place
    if (place / "config.yaml").is_file() and not (place / "model" / "model.json").is_file():
        raise UserError(f"{path} is a run without a trained model yet; start it again, which continues it")
    return place / "model"
