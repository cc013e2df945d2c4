"""IDX files, gzipped or not: the format of MNIST, FashionMNIST and their relatives."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsapps.errors import UserError, one_line
from wsapps.readers.paths import check_file, named
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.labelled import MOST_BYTES, classes_of, drawn_test, picture_samples

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_TEST_WORDS = ("t10k", "test")


def read_idx(path: Path) -> NDArray:
    """The array in an IDX file, in the machine's byte order.

    Raises:
        UserError: no such file, another format, larger than 4 GiB, or not as long as its header says.
    """
    check_file(path, "IDX file")
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else open(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 8:
                raise UserError(f"{named(path)} is no IDX file: it begins with {head.hex(' ')}")
            sides = file.read(4 * head[3])
            if len(sides) < 4 * head[3]:
                raise UserError(f"{named(path)} is cut short in its header; get the whole file")
            shape, kind = np.frombuffer(sides, ">u4").astype(int).tolist(), np.dtype(_TYPES[head[2]])
            size = math.prod(shape) * kind.itemsize
            if size > MOST_BYTES:
                raise UserError(f"{named(path)} says to hold {shape} values, over {MOST_BYTES:,} bytes")
            data = _read_up_to(file, size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{named(path)} cannot be read: {one_line(error)}; get the whole file") from None
    if len(data) != size:
        words = f"{size - len(data):,} bytes too short" if len(data) < size else "too long"
        shown = " x ".join(str(side) for side in shape)
        raise UserError(f"{named(path)} is {words} for the {shown} values of its header; get the file anew")
    return np.frombuffer(data, kind).reshape(shape).astype(kind.newbyteorder("="))


def _read_up_to(file: object, count: int) -> bytearray:
    """At most so many bytes, taken as they come: a header alone makes no large array."""
    data = bytearray()
    while len(data) < count and (piece := file.read(min(count - len(data), 1 << 24))):  # type: ignore[attr-defined]
        data += piece
    return data


def idx_pairs(path: Path) -> list[tuple[Path, Path]]:
    """The files of pictures in a folder, or the one given, each with that of its labels; by name.

    A file that is there gzipped too is taken once.

    Raises:
        UserError: a file of labels is missing, or there are several files of training or of test pictures.
    """
    found = [path]
    if not path.is_file():
        by_name = {item.name.removesuffix(".gz"): item for item in path.iterdir() if is_idx_pictures(item)}
        found = [by_name[name] for name in sorted(by_name)]
        for of_test in (False, True):
            alike = [item.name for item in found if _is_test(item) is of_test]
            if len(alike) > 1:  # EMNIST's variants, whose labels mean different things
                raise UserError(
                    f"{named(path)} holds {' and '.join(alike)}, which may be of different datasets; give "
                    "one of them, or keep them in folders of their own"
                )
    pairs = []
    for pictures in found:
        names = [
            pictures.name.replace("images", "labels").replace(f"idx{n}", "idx1").removesuffix(".gz")
            for n in (3, 4)
        ]
        places = [pictures.with_name(name + end) for name in names for end in ("", ".gz")]
        labels = next((place for place in places if place.is_file() and place != pictures), None)
        if labels is None:
            raise UserError(f"{named(pictures)} has no labels: {places[0].name}[.gz] is not beside it")
        pairs.append((pictures, labels))
    return pairs


def _is_test(pictures: Path) -> bool:
    return any(word in pictures.name.lower() for word in _TEST_WORDS)


def is_idx_pictures(path: Path) -> bool:
    """Whether a file is called as IDX files of pictures are: ``train-images-idx3-ubyte.gz``."""
    name = path.name.lower().removesuffix(".gz").replace(".", "-")
    return "images" in name and name.endswith(("idx3-ubyte", "idx4-ubyte")) and path.is_file()


def read_idx_samples(path: Path, test_fraction: float, name: str | None = None) -> LabelledSamples:
    """The pictures of a folder of IDX files, or of one of them, with their labels.

    Files called "t10k" or "test" are the test split; where there is none, test samples are drawn.

    Raises:
        UserError: as :func:`read_idx`; labels are missing, of another number, or the pictures differ in size.
    """
    pairs = idx_pairs(path)
    pictures, labels, test = [], [], []
    for picture_file, label_file in pairs:
        part, part_labels = read_idx(picture_file), read_idx(label_file)
        if part.ndim not in (3, 4) or part_labels.ndim != 1 or part_labels.dtype.kind not in "iu":
            raise UserError(
                f"{named(picture_file)} and {label_file.name} hold {part.shape} and {part_labels.shape}: "
                "pictures (N, H, W) and whole-number labels (N,) are needed"
            )
        if len(part) != len(part_labels):
            raise UserError(
                f"{named(picture_file)} has {len(part)} pictures, but {label_file.name} {len(part_labels)} "
                "labels; give one label a picture"
            )
        if pictures and (part.shape[1:], part.dtype) != (pictures[0].shape[1:], pictures[0].dtype):
            raise UserError(
                f"{named(picture_file)} has pictures of {part.shape[1:]}, others {pictures[0].shape[1:]}"
            )
        pictures.append(part)
        labels.append(part_labels)
        test.append(torch.full((len(part),), _is_test(picture_file)))
    index, classes = classes_of(np.concatenate(labels))
    marks = torch.cat(test)
    if not bool(marks.any()) or bool(marks.all()):
        marks = drawn_test(len(index), test_fraction)
    title = name or (path.name if path.is_dir() else path.parent.resolve().name)
    return picture_samples(title, np.concatenate(pictures), index, classes, marks)
