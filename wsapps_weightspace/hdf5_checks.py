"""HDF5 files from elsewhere: only plain numbers and one text are read, after their sizes were checked.

A dataset must be stored in the file itself: no links to other files, no external or virtual storage, no
filters but gzip, shuffle and checksums. Its shape is compared with what is expected and with the size of the
file before anything is allocated. Objects, references and variable-length data are not read; only a text may
be of variable length, and the library does not read that (see :mod:`wsapps_weightspace.global_heap`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
from numpy.typing import NDArray

from wsapps.errors import UserError, one_line
from wsapps_weightspace.global_heap import variable_text

MOST_BYTES = 1 << 33  # of one dataset in memory
MOST_TEXT = 1 << 20
_FILTERS = {"deflate", "shuffle", "fletcher32"}
# Weights hardly shrink; labels may, by up to deflate's limit, and are few.
_USUAL_SHRINKING, _MOST_SHRINKING, _MOST_SHRUNK = 8, 1032, 1 << 28
_FAULTS = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file to read; whatever the library reports becomes a :class:`UserError` that names it."""
    try:
        # Unlocked: network file systems refuse locks, and finished shards never change.
        with h5py.File(path, "r", locking=False) as file:
            yield file
    except UserError:
        raise
    except _FAULTS as error:
        raise UserError(f"{path} is damaged, or no shard of fields: {one_line(error)}") from error


def numbers(
    file: h5py.File, name: str, shape: tuple[int | None, ...], kinds: str, path: Path
) -> NDArray[Any]:
    """A dataset of numbers.

    Args:
        shape: what it must be; None for any length.
        kinds: of NumPy's dtype kinds, such as "iu".

    Raises:
        UserError: it is missing, of another shape or type, too large, or not stored in the file.
    """
    dataset = _dataset(file, name, path)
    where = f"{path}: {name}"
    if dataset.dtype.kind not in kinds or dataset.dtype.itemsize > 8:
        raise UserError(f"{where} holds {dataset.dtype}, expected {_words(kinds)}")
    got = dataset.shape or ()
    if len(got) != len(shape) or any(want not in (None, g) for want, g in zip(shape, got, strict=True)):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise UserError(f"{where} has shape {dataset.shape}, expected ({wanted})")
    _check_storage(dataset, where, path)
    return dataset[...]


def text(file: h5py.File, name: str, path: Path) -> str:
    """A dataset of shape (1,) or () that holds one text.

    Raises:
        UserError: as :func:`numbers`, or it is not UTF-8.
    """
    dataset = _dataset(file, name, path)
    where = f"{path}: {name}"
    kind = h5py.check_string_dtype(dataset.dtype)
    if kind is None or dataset.shape not in ((), (1,)):
        raise UserError(f"{where} must hold one text, got {dataset.dtype} of shape {dataset.shape}")
    if kind.length is None:
        data = _variable(dataset, where, path)
    elif kind.length <= MOST_TEXT:
        _check_storage(dataset, where, path)
        data = bytes(dataset[()] if dataset.shape == () else dataset[0])
    else:
        raise UserError(f"{where} has {kind.length} bytes; texts of at most {MOST_TEXT} are read")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8 text; build or export the shard again") from error


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    link = file.get(name, getlink=True)
    if link is None:
        raise UserError(f"{path} has no {name}: it is no shard of fields, or a part of one")
    if not isinstance(link, h5py.HardLink):
        raise UserError(f"{path}: {name} is a link to somewhere else; only data in the file itself are read")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise UserError(f"{path}: {name} is a {type(dataset).__name__.lower()} and not a dataset")
    return dataset


def _check_storage(dataset: h5py.Dataset, where: str, path: Path) -> None:
    """The bytes are in this file, and as many as the shape says."""
    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise UserError(f"{where} is stored in other files; only data in the file itself are read")
    filters = {
        properties.get_filter(i)[3].decode("ascii", "replace") for i in range(properties.get_nfilters())
    }
    if odd := sorted(filters - _FILTERS):
        raise UserError(
            f"{where} is compressed by {', '.join(odd)}; only gzip, shuffle and checksums are read"
        )
    wanted = math.prod(dataset.shape) * dataset.dtype.itemsize
    stored, size = dataset.id.get_storage_size(), path.stat().st_size
    most = stored
    if "deflate" in filters:
        most = max(_USUAL_SHRINKING * stored, min(_MOST_SHRINKING * stored, _MOST_SHRUNK))
    if wanted > MOST_BYTES or wanted > most or stored > size:
        raise UserError(
            f"{where} claims {wanted} bytes (shape {dataset.shape}), of which {stored} are stored in a file "
            f"of {size}; it is cut off, hostile, or larger than the {MOST_BYTES} bytes that are read at once"
        )
    if dataset.chunks and math.prod(dataset.chunks) * dataset.dtype.itemsize > max(most, 1 << 20):
        raise UserError(f"{where} claims chunks of {dataset.chunks}, larger than what is stored")


def _variable(dataset: h5py.Dataset, where: str, path: Path) -> bytes:
    """A text of variable length, as h5py and fit-a-nef write it: one reference in one piece of the file."""
    properties = dataset.id.get_create_plist()
    offset = dataset.id.get_offset()
    contiguous = properties.get_layout() == h5py.h5d.CONTIGUOUS and not properties.get_external_count()
    if not contiguous or offset is None or dataset.id.get_storage_size() != 16:
        raise UserError(f"{where} is a text of variable length that is not stored as h5py does")
    try:
        return variable_text(path, offset, MOST_TEXT)
    except ValueError as error:
        raise UserError(f"{where} is damaged: {error}; build or export the shard again") from error


def _words(kinds: str) -> str:
    names = {"f": "floating-point numbers", "i": "integers", "u": "unsigned integers"}
    return " or ".join(names[kind] for kind in kinds)
