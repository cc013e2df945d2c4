"""Files that are either the old ones or the new ones, whole.

A file is written under a temporary name beside its place, fsynced, renamed, and its folder fsynced:
a kill or a power cut at any moment leaves the old file or the new one. Operating-system errors become
:class:`~wsapps.errors.UserError`, because a full disk or a read-only folder is the user's to mend.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import numbers
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wsapps.errors import UserError

_REASONS = {
    "ENOSPC": "the disk is full: free some space, or choose another folder",
    "EDQUOT": "the disk quota is used up: free some space, or choose another folder",
    "EFBIG": "the file is larger than the limit of this process or file system: see `ulimit -f`",
    "EACCES": "permission denied: change the permissions, or choose another folder",
    "EPERM": "the operation is not permitted: change the permissions, or choose another folder",
    "EROFS": "the file system is read-only: choose another folder",
    "ENOTDIR": "a part of that path is a file and not a folder: choose another path",
    "EEXIST": "something else is there under that name: move it away, or choose another path",
    "EISDIR": "a folder is there under that name: move it away, or choose another path",
    "ENOENT": "there is no such file or folder: check the path",
    "ENAMETOOLONG": "the name is too long: choose a shorter one",
    "ELOOP": "its symbolic links form a loop: choose another path",
    "EIO": "the device reports an input/output error: check the disk, or choose another folder",
}
_REASON_OF = {getattr(errno, name): text for name, text in _REASONS.items() if hasattr(errno, name)}
_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp(\..*)?", re.DOTALL)
# Some network file systems cannot fsync a folder; the rename is as safe there as it can be.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, getattr(errno, "ENOTSUP", errno.EINVAL)}


def reason(error: OSError) -> str:
    """What went wrong and what to do about it, without the path: ``"the disk is full: free some ..."``."""
    if error.errno in _REASON_OF:
        return _REASON_OF[error.errno]
    return " ".join((error.strerror or str(error) or type(error).__name__).split())


@contextlib.contextmanager
def explained(doing: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an :class:`OSError` of the body into ``UserError("cannot {doing} {path}: {reason}")``."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot {doing} {path}: {reason(error)}") from error


def sync_file(path: str | os.PathLike[str]) -> None:
    """Wait until the content of the file at `path` is on the disk."""
    # Windows flushes only through a descriptor opened for writing.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: str | os.PathLike[str]) -> None:
    """Wait until the names in the folder at `path` are on the disk (where the system can do that)."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file at `path` and wait until it is on the disk. Not atomic: for files in a folder that
    is itself renamed into place. Raises :class:`OSError`."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def is_temporary(name: str) -> bool:
    """Whether `name` is one that :func:`replacing` gives, so that a killed process can have left it."""
    return _TEMPORARY.fullmatch(name) is not None


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; when the body ends well it becomes `path`.

    The temporary name keeps the suffix (writers of pictures and videos choose the format by it). On any
    exception the temporary file is removed and what was at `path` stays whole. An :class:`OSError` about
    `path`, the temporary file or no file in particular (a full disk) is raised as a
    :class:`~wsapps.errors.UserError`; one about any other file passes unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    ours = {None, str(path), str(temporary), str(path.parent)}
    try:
        yield temporary
        sync_file(temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and _name(error.filename) in ours:
            raise UserError(f"cannot write {path}: {reason(error)}") from error
        raise


def _name(filename: Any) -> str | None:
    return None if filename is None or isinstance(filename, int) else os.fsdecode(filename)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Make `data` the content of the file at `path`; errors as in :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Make `text` (UTF-8, line ends as given) the content of the file at `path`; errors as in
    :func:`replacing`."""
    write_bytes(path, text.encode("utf-8", errors="surrogateescape"))


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented JSON, keys in their order; errors as in :func:`replacing`.

    JSON has no NaN and no infinity: both are written as ``null``. NumPy scalars count as numbers.
    Raises :class:`TypeError` for what JSON cannot say, before anything is written.
    """
    write_text(path, json.dumps(_plain(value), indent=2, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else None
    return value
