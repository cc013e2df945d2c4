"""Folders with a sub-folder for each class: ``FOLDER/<class>/<file>``, or ``FOLDER/train/<class>/<file>`` and
``FOLDER/test/<class>/<file>``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from wsapps.atomic import explained
from wsapps.errors import UserError
from wsapps.readers.paths import named
from wsapps_weightspace.sources.labelled import MOST_CLASSES, chosen, classes_of, drawn_test

_TEST, _TRAIN = ("test", "val", "valid", "validation"), ("train", "training")
_LOOKED_AT = 1000  # files in which a kind that is known is looked for


@dataclass(frozen=True)
class ClassFiles:
    """Files of N samples with their ``labels`` (N,), ``classes`` and marks of the ``test`` (N,)."""

    paths: Sequence[Path]
    labels: Tensor
    classes: tuple[str, ...]
    test: Tensor


def kind_of_files(folder: Path, kinds: Mapping[str, Sequence[str]]) -> str | None:
    """Which of some kinds (name: suffixes in lower case) a folder's files are of; None for no known one."""
    with explained("read the folder", folder):
        for _, _, path in islice(_files(folder), _LOOKED_AT):
            for kind, suffixes in kinds.items():
                if path.suffix.lower() in suffixes:
                    return kind
    return None


def list_class_files(
    folder: Path, suffixes: Sequence[str], limit: int | None, test_fraction: float
) -> ClassFiles:
    """All files with some suffixes, in the order of their names; or ``limit`` of them.

    Where the folder has a ``test`` beside ``train`` (or ``val``, in its absence), that is the test split;
    else test samples are drawn.

    Raises:
        UserError: it cannot be read, or there are none.
    """
    with explained("read the folder", folder):
        found = [entry for entry in _files(folder) if entry[2].suffix.lower() in suffixes]
    if not found:
        raise UserError(
            f"{named(folder)} holds no files *{' *'.join(suffixes)} in sub-folders named by class"
        )
    found = [found[row] for row in chosen(len(found), limit).tolist()]
    labels, classes = classes_of([name for _, name, _ in found])
    if len(classes) > MOST_CLASSES:
        raise UserError(f"{named(folder)} has {len(classes)} classes; at most {MOST_CLASSES} are read")
    test = torch.tensor([of_test for of_test, _, _ in found])
    if not bool(test.any()) or bool(test.all()):
        test = drawn_test(len(found), test_fraction)
    return ClassFiles([path for _, _, path in found], labels, classes, test)


def _files(folder: Path) -> Iterator[tuple[bool, str, Path]]:
    """(is it for the test, class, path) of each file."""
    splits = {item.name.lower(): item for item in _folders(folder)}
    train = next((splits[name] for name in _TRAIN if name in splits), None)
    test = next((splits[name] for name in _TEST if name in splits), None)
    roots = [(False, train), (True, test)] if train and test else [(False, folder)]
    for of_test, root in roots:
        for class_folder in _folders(root):  # type: ignore[arg-type]
            for path in sorted(class_folder.iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    yield of_test, class_folder.name, path


def _folders(folder: Path) -> list[Path]:
    return sorted(item for item in folder.iterdir() if item.is_dir() and not item.name.startswith("."))
