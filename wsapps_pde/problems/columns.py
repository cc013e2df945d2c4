"""Columns of numbers from a CSV file with a header line, or from the arrays of an npz file.

Only those that are asked for must be numbers: a file may have names, units and comments beside them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsapps.config.overrides import shown
from wsapps.errors import UserError, one_line
from wsapps_pde.language.mapping import is_number, seen

_BROKEN = (OSError, ValueError, EOFError, KeyError, UnicodeDecodeError, zipfile.BadZipFile)


def read_columns(path: Path) -> Mapping[str, NDArray[np.float64]]:
    """Name -> ``(M,)`` float64, arrays flattened; a column is converted when it is asked for.

    Raises:
        UserError: the file is missing or broken; and, when a column is asked for, it holds what is no number.
    """
    if not path.is_file():
        raise UserError(f"there is no data file {path}; a name is relative to the problem file's folder")
    if path.suffix.lower() not in (".csv", ".npz"):
        raise UserError(f"{path}: data is read from .csv and .npz files, and pictures")
    try:
        return _Arrays(path) if path.suffix.lower() == ".npz" else _Table(path)
    except UserError:
        raise
    except _BROKEN as error:
        raise _unreadable(path, error) from None


class _Arrays(Mapping[str, NDArray[np.float64]]):
    """Those of an npz file."""

    def __init__(self, path: Path):
        self.path = path
        with np.load(path, allow_pickle=False) as arrays:
            self.names = list(arrays.files)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name not in self.names:
            raise KeyError(name)
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                array = arrays[name]
        except _BROKEN as error:
            raise _unreadable(self.path, error) from None
        if array.dtype.kind not in "fiub":
            raise UserError(f"{self.path}: {name} must hold real numbers, got {array.dtype}")
        return np.asarray(array, np.float64).ravel()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class _Table(Mapping[str, NDArray[np.float64]]):
    """Those of a CSV file, as cells of text with the numbers of their lines."""

    def __init__(self, path: Path):
        self.path = path
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
            self.names = [name.strip().strip('"') for name in header.lstrip("#").split(",")]
            if all(is_number(name) for name in self.names):
                raise UserError(
                    f"{path}: the first line names the columns, as in x,t,u; got {seen(header.strip())}"
                )
            if len(set(self.names)) != len(self.names):
                raise UserError(f"{path}: a column is named twice: {shown(', '.join(self.names))}")
            lines = file.read().splitlines()
        self.rows: list[tuple[int, list[str]]] = []
        for number, line in enumerate(lines, start=2):
            if not line.strip() or line.startswith("#"):
                continue
            cells = line.split(",")
            if len(cells) != len(self.names):
                raise UserError(
                    f"{path} line {number}: {len(self.names)} columns are named and {len(cells)} given; "
                    "columns are separated by commas, and a number has a decimal point"
                )
            self.rows.append((number, cells))

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        try:
            place = self.names.index(name)
        except ValueError:
            raise KeyError(name) from None
        try:
            return np.array([float(cells[place]) for _, cells in self.rows], dtype=np.float64)
        except ValueError:
            number, bad = next((n, cells[place]) for n, cells in self.rows if not is_number(cells[place]))
            raise UserError(f"{self.path} line {number}: {seen(bad.strip())} is not a number") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read: {one_line(error)}")
