"""Datasets of torchvision and of Hugging Face, where these libraries are installed."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsapps.errors import UserError, one_line
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.labelled import MOST_BYTES, classes_of, drawn_test, picture_samples

#: Those of torchvision that have train=, pictures of one size and a label each.
TORCHVISION = ("MNIST", "FashionMNIST", "KMNIST", "QMNIST", "USPS", "CIFAR10", "CIFAR100")


def read_torchvision(name: str) -> LabelledSamples:
    """One of :data:`TORCHVISION`, below ``$WSAPPS_DATA``, where torchvision looks and downloads to.

    Raises:
        UserError: torchvision is not installed, knows no such dataset, or cannot get it.
    """
    library = _installed("torchvision", f"torchvision:{name}").datasets
    if name not in TORCHVISION:
        raise UserError(f"dataset=torchvision:{name}: known are {', '.join(TORCHVISION)}")
    root = os.environ.get("WSAPPS_DATA") or str(Path.home() / ".cache" / "wsapps")
    try:
        splits = [getattr(library, name)(root, train=train, download=True) for train in (True, False)]
    except Exception as error:  # the network's, the disk's, the file format's
        raise UserError(f"dataset=torchvision:{name} cannot be had: {one_line(error)}") from None
    pictures = [np.asarray(split.data) for split in splits]
    # Of QMNIST's eight numbers a picture the first is its digit.
    targets = [np.asarray(split.targets) for split in splits]
    labels = np.concatenate([numbers if numbers.ndim == 1 else numbers[:, 0] for numbers in targets])
    test = torch.cat(
        [torch.full((len(part),), of_test) for part, of_test in zip(pictures, (False, True), strict=True)]
    )
    index, classes = classes_of(labels)
    known = getattr(splits[0], "classes", ())
    if len(known) == len(classes):
        classes = tuple(str(one) for one in known)
    return picture_samples(name.lower(), np.concatenate(pictures), index, classes, test)


def read_hugging_face(name: str, test_fraction: float) -> LabelledSamples:
    """A dataset of huggingface.co with one column of pictures of one size and one of class labels.

    Raises:
        UserError: the library ``datasets`` is not installed, cannot get it, or it has other columns.
    """
    library = _installed("datasets", f"huggingface:{name}")
    try:
        found: Any = library.load_dataset(name)  # scripts of a dataset are not run by it
    except Exception as error:
        raise UserError(f"dataset=huggingface:{name} cannot be had: {one_line(error)}") from None
    splits = {key: found[key] for key in ("train", "test") if key in found}
    if not splits:
        raise UserError(
            f"dataset=huggingface:{name} has the splits {', '.join(found)}; train or test is needed"
        )
    features: dict[str, Any] = next(iter(splits.values())).features
    kinds = {column: type(feature).__name__ for column, feature in features.items()}
    picture_column = next((column for column, kind in kinds.items() if kind == "Image"), None)
    label_column = next((column for column, kind in kinds.items() if kind == "ClassLabel"), None)
    if picture_column is None or label_column is None:
        raise UserError(
            f"dataset=huggingface:{name} has the columns {kinds}; one Image and one ClassLabel are needed"
        )
    pictures, labels, test = [], [], []
    for key, split in splits.items():
        for row in split:
            pictures.append(np.asarray(row[picture_column]))
            label = row[label_column]
            labels.append(-1 if label is None else int(label))
            test.append(key == "test")
            _check_like(pictures, name)
    marks: Tensor = torch.tensor(test)
    if not bool(marks.any()) or bool(marks.all()):
        marks = drawn_test(len(labels), test_fraction)
    classes = tuple(str(one) for one in features[label_column].names)
    return picture_samples(name.split("/")[-1], np.stack(pictures), torch.tensor(labels), classes, marks)


def _check_like(pictures: list[np.ndarray], name: str) -> None:
    first, last = pictures[0], pictures[-1]
    if last.shape != first.shape or last.dtype != np.uint8:
        raise UserError(
            f"dataset=huggingface:{name}: picture {len(pictures) - 1} is {last.shape} {last.dtype}, the "
            f"first {first.shape}; pictures of bytes and of one size are needed"
        )
    if len(pictures) * first.size > MOST_BYTES:
        raise UserError(f"dataset=huggingface:{name} has over {MOST_BYTES:,} values")


def _installed(library: str, wanted: str) -> ModuleType:
    try:
        return importlib.import_module(library)
    except ImportError:
        raise UserError(f"dataset={wanted} needs {library}: pip install {library}") from None
