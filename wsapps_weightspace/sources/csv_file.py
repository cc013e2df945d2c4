"""A CSV file, gzipped or not: a square grey picture a line, and its label."""

from __future__ import annotations

import gzip
import io
import math
import warnings
import zlib
from pathlib import Path

import numpy as np

from wsapps.errors import UserError, one_line
from wsapps.readers.paths import check_file, named
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.labelled import MOST_BYTES, classes_of, drawn_test, picture_samples

_LABEL_NAMES = {"label", "labels", "class", "target", "y"}


def read_csv(path: Path, test_fraction: float) -> LabelledSamples:
    """Read lines of pixels and a label: bytes from 0 to 255, or numbers from 0 to 1.

    The label is the last column, or, where there is a first line of names, the one called "label", "class"
    or "target"; it is a whole number. Test samples are drawn.

    Raises:
        UserError: no such file, a line of another length, no numbers, or no square picture in a line.
    """
    check_file(path, "CSV file")
    text = _text(path)
    head = text[: text.find(b"\n") + 1 or None]
    names = [word.strip().strip(b'"').decode("utf-8", "replace").lower() for word in head.split(b",")]
    has_names = not _is_number(names[0])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about no lines at all
            table = np.loadtxt(io.BytesIO(text), np.float32, delimiter=",", skiprows=int(has_names), ndmin=2)
    except ValueError as error:
        fault = one_line(error).partition(";")[0]  # without advice about NumPy's arguments
        raise UserError(f"{named(path)}: {fault}; every line needs as many numbers") from None
    if not len(table):
        raise UserError(f"{named(path)} has no lines of numbers; give one a sample")
    column = next((i for i, name in enumerate(names) if has_names and name in _LABEL_NAMES), len(names) - 1)
    labels, pixels = table[:, column], np.delete(table, column, axis=1)
    if not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        raise UserError(f"{named(path)}: labels (column {column + 1}) must be whole numbers")
    side = math.isqrt(pixels.shape[1])
    if side < 1 or side * side != pixels.shape[1]:
        raise UserError(
            f"{named(path)} has {pixels.shape[1]} values beside the label in a line, no square of pixels; "
            "give pictures of another shape as .npz"
        )
    if (pixels == np.rint(pixels)).all() and pixels.max() > 1 and pixels.min() >= 0 and pixels.max() <= 255:
        pixels = pixels.astype(np.uint8)
    index, classes = classes_of(labels.astype(np.int64))
    test = drawn_test(len(index), test_fraction)
    return picture_samples(_stem(path), pixels.reshape(-1, side, side), index, classes, test)


def _text(path: Path) -> bytes:
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{named(path)} cannot be read: {one_line(error)}; get the whole file") from None
    if len(text) > MOST_BYTES:
        raise UserError(f"{named(path)} holds over {MOST_BYTES:,} bytes of text; give pictures as .npz")
    return text


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv") or path.name
