"""A NumPy archive of pictures and labels, in the names of Keras' and MedMNIST's files.

Known are ``x`` or ``images`` with ``y`` or ``labels``, and, for a test split, ``x_train, y_train, x_test,
y_test`` or ``train_images, train_labels, test_images, test_labels`` (and ``val``, which trains).
"""

from __future__ import annotations

import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsapps.errors import UserError, one_line
from wsapps.readers.paths import check_file, named
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.labelled import MOST_BYTES, classes_of, drawn_test, picture_samples

_WHOLE = [("x", "y"), ("images", "labels"), ("data", "target")]
_PARTS = [
    (f"{a}{{0}}{b}", f"{c}{{0}}{d}")
    for a, b, c, d in (("x_", "", "y_", ""), ("", "_images", "", "_labels"), ("images_", "", "labels_", ""))
]


def read_npz(path: Path, test_fraction: float) -> LabelledSamples:
    """Read an archive; pictures are ``(N, H, W)`` or ``(N, H, W, C)``, labels ``(N,)`` or ``(N, 1)``.

    Raises:
        UserError: no such file, a broken one, other names, object arrays (which would be unpickled), over
            4 GiB, or arrays of different lengths.
    """
    check_file(path, "NumPy archive")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_BYTES:
            raise UserError(f"{named(path)} unpacks to {size:,} bytes, over {MOST_BYTES:,}")
        with np.load(path, allow_pickle=False) as arrays:
            parts = _parts(arrays, path)
    except UserError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
        if "allow_pickle" in str(error):
            raise UserError(
                f"{named(path)} holds Python objects, which are never unpickled; store plain numbers"
            ) from None
        raise UserError(f"{named(path)} cannot be read as a NumPy archive: {one_line(error)}") from None
    labels = np.concatenate([part[1] for part in parts])
    if len({(part[0].shape[1:], part[0].dtype) for part in parts}) > 1:
        raise UserError(f"{named(path)}: its splits hold pictures of different sizes or types")
    index, classes = classes_of(labels)
    test = torch.cat([torch.full((len(part[0]),), part[2]) for part in parts])
    if not bool(test.any()):
        test = drawn_test(len(index), test_fraction)
    return picture_samples(path.stem, np.concatenate([part[0] for part in parts]), index, classes, test)


def _parts(arrays: np.lib.npyio.NpzFile, path: Path) -> list[tuple[NDArray, NDArray, bool]]:
    """Pictures, labels, and whether they are for the test, of each split."""
    names = [(*pair, False) for pair in _WHOLE if pair[0] in arrays]
    for pictures, labels in _PARTS:
        names += [
            (pictures.format(split), labels.format(split), split == "test")
            for split in ("train", "val", "test")
            if pictures.format(split) in arrays
        ]
    if not names:
        raise UserError(
            f"{named(path)} holds {', '.join(arrays.files[:8]) or 'nothing'}; pictures are looked for as x "
            "or images, labels as y or labels, splits as x_train, y_train, x_test, y_test"
        )
    parts = []
    for pictures_name, labels_name, is_test in names:
        if labels_name not in arrays:
            raise UserError(f"{named(path)} has {pictures_name} but no {labels_name}; add the labels")
        pictures, labels = arrays[pictures_name], arrays[labels_name]
        if math.prod(labels.shape) != len(labels) or labels.dtype.kind not in "iubSU":
            raise UserError(
                f"{named(path)}: {labels_name} must be (N,) whole numbers or names, got {labels.shape}"
            )
        if pictures.ndim not in (3, 4) or len(pictures) != len(labels):
            raise UserError(
                f"{named(path)}: {pictures_name} {pictures.shape} and {labels_name} {labels.shape} do not "
                "match; pictures are (N, H, W) or (N, H, W, C), with a label each"
            )
        parts.append((pictures, labels.reshape(-1), is_test))
    return parts
