"""Measurements of the solution: points with values, from a CSV or npz file.

Shapes: M points, D coordinates, Q measured quantities.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.config.conversion import nearest
from wsapps.config.overrides import shown
from wsapps.errors import UserError, one_line
from wsapps_pde.language.expressions import Expression, Names
from wsapps_pde.language.mapping import entries, known_keys, listed, located, read_weight, seen
from wsapps_pde.language.symbols import derivative_name
from wsapps_pde.problems.picture import is_picture, read_picture
from wsapps_pde.space.domain import Domain


@dataclass(frozen=True)
class DataSpec:
    """What a problem file says of its data, not yet read.

    Args:
        file: name, relative to the problem file's folder.
        quantities: what is measured: unknowns, their derivatives, or expressions in them.
        weight: of the term in the loss.
    """

    file: str
    quantities: tuple[Expression, ...]
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Data:
    """Measurements.

    Args:
        points: ``(M, D)``.
        quantities: Q expressions in the unknowns and their derivatives.
        values: ``(M, Q)``, what they are at the points.
        weight: of the term in the loss.
        file: from which it comes.
    """

    points: NDArray[np.float64]
    quantities: tuple[Expression, ...]
    values: NDArray[np.float64]
    weight: float
    file: Path

    def unknowns(self, names: Names) -> set[str]:
        """The unknowns that are measured, also through a derivative."""
        return {
            unknown
            for quantity in self.quantities
            for unknown, _ in quantity.derivatives(names.unknowns, names.variables)
        }


def read_data_spec(spec: Any, names: Names, constants: Mapping[str, float]) -> DataSpec | None:
    """``{file: points.csv, unknowns: [u]}``; ``unknowns`` may list derivatives and expressions, too.

    Without ``unknowns`` all are measured.

    Raises:
        UserError: an unknown key, no file, or an entry of ``unknowns`` without an unknown.
    """
    if spec is None or spec == {}:
        return None
    spec = entries(spec, "data")
    known_keys(spec, ("file", "unknowns", "weight"), "data")
    if not isinstance(spec.get("file"), str) or not spec["file"]:
        raise UserError(f"data needs a file, as in {{file: points.csv}}; got {seen(spec.get('file'))}")
    quantities = []
    for number, text in enumerate(listed(spec.get("unknowns")) or list(names.unknowns)):
        with located(f"unknowns[{number}]"):
            quantity = Expression.parse(text, names)
            if not quantity.derivatives(names.unknowns, names.variables):
                raise UserError(f"{seen(text)} holds no unknown; unknowns: {', '.join(names.unknowns)}")
            quantities.append(quantity)
    with located("weight"):
        weight = read_weight(spec.get("weight", 1.0), constants)
    return DataSpec(spec["file"], tuple(quantities), weight)


def read_data(spec: DataSpec, folder: Path, domain: Domain, names: Names) -> Data:
    """Read the file: a column for each variable, and for each quantity, named as it is written.

    A variable on which no measured unknown depends may be missing. Further columns are not looked at. Of a
    picture every pixel is a point, and the quantities are those of the spline through it.

    Raises:
        UserError: no such file, a missing column, no row, or an entry that is no finite number.
    """
    path = folder / spec.file
    if is_picture(path):
        return _of_picture(spec, path, domain, names)
    needed = {
        variable
        for quantity in spec.quantities
        for unknown, _ in quantity.derivatives(names.unknowns, names.variables)
        for variable in names.unknowns[unknown]
    }
    columns = read_columns(path)
    for name in [v for v in domain.variables if v in needed] + [q.text for q in spec.quantities]:
        if name not in columns:
            near = nearest(name, list(columns))
            hint = f"did you mean {near}? " if near else ""
            raise UserError(f"{path} has no column {name!r}; {hint}it has {shown(', '.join(columns))}")
    used = [*(v for v in domain.variables if v in columns), *(q.text for q in spec.quantities)]
    lengths = {name: len(columns[name]) for name in used}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise UserError(f"{path}: all columns need the same number of entries, at least 1; found {found}")
    for name in used:
        bad = np.flatnonzero(~np.isfinite(columns[name]))
        if len(bad):
            raise UserError(
                f"{path}: column {name!r} has {len(bad)} entries that are NaN or infinite, the first in row "
                f"{bad[0] + 1} of the data; leave such rows out"
            )
    count = lengths[used[0]]
    points = np.empty((count, len(domain.variables)))
    for index, variable in enumerate(domain.variables):
        points[:, index] = columns.get(variable, domain.bounds[index, 0])
    values = np.stack([columns[quantity.text] for quantity in spec.quantities], axis=1)
    return Data(points, spec.quantities, values, spec.weight, path)


def _of_picture(spec: DataSpec, path: Path, domain: Domain, names: Names) -> Data:
    """Every pixel is a measurement of the quantities, as they are of the picture."""
    derivatives = {pair for q in spec.quantities for pair in q.derivatives(names.unknowns, names.variables)}
    unknowns = {unknown for unknown, _ in derivatives}
    if len(unknowns) != 1:
        raise UserError(f"{path.name} is one function, and {', '.join(sorted(unknowns))} are measured by it")
    if any(order > 3 for _, index in derivatives for order in index):
        raise UserError(f"{path.name}: a cubic spline has no derivatives of orders above 3")
    picture = read_picture(path, domain)
    points = picture.points
    values: dict[str, Any] = dict(zip(domain.variables, points.T, strict=True))
    for unknown, index in derivatives:
        values[derivative_name(unknown, index, domain.variables)] = picture.derivative(index)
    columns = []
    for quantity in spec.quantities:
        if other := sorted(quantity.names - set(values)):
            raise UserError(f"{quantity.text!r} cannot be measured by a picture: {other[0]} is not known")
        columns.append(quantity.on_arrays(values, len(points)))
    return Data(points, spec.quantities, np.stack(columns, axis=1), spec.weight, path)


def read_columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """The columns of a CSV file with a header line, or the arrays of an npz file, flattened.

    Raises:
        UserError: the file is missing or broken, or holds what are not numbers.
    """
    if not path.is_file():
        raise UserError(f"there is no data file {path}; a name is relative to the problem file's folder")
    if path.suffix.lower() not in (".csv", ".npz"):
        raise UserError(f"{path}: data is read from .csv and .npz files, and pictures")
    try:
        return _read_npz(path) if path.suffix.lower() == ".npz" else _read_csv(path)
    except UserError:
        raise
    except (OSError, ValueError, EOFError, KeyError, UnicodeDecodeError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read: {one_line(error)}") from None


def _read_npz(path: Path) -> dict[str, NDArray[np.float64]]:
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            if arrays[name].dtype.kind not in "fiub":
                raise UserError(f"{path}: {name} must hold real numbers, got {arrays[name].dtype}")
        return {name: np.asarray(arrays[name], np.float64).ravel() for name in arrays.files}


def _read_csv(path: Path) -> dict[str, NDArray[np.float64]]:
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
        names = [name.strip().strip('"') for name in header.lstrip("#").split(",")]
        if all(_is_number(name) for name in names):
            raise UserError(
                f"{path}: the first line names the columns, as in x,t,u; got {seen(header.strip())}"
            )
        if len(set(names)) != len(names):
            raise UserError(f"{path}: a column is named twice: {shown(', '.join(names))}")
        table = _rows(path, file.read().splitlines(), names)
    return dict(zip(names, table.T, strict=True))


def _rows(path: Path, lines: Sequence[str], names: Sequence[str]) -> NDArray[np.float64]:
    rows = []
    for number, line in enumerate(lines, start=2):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split(",")
        if len(cells) != len(names):
            raise UserError(f"{path} line {number}: {len(names)} columns are named and {len(cells)} given")
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError:
            bad = next(cell for cell in cells if not _is_number(cell))
            raise UserError(f"{path} line {number}: {seen(bad.strip())} is not a number") from None
    return np.array(rows, dtype=np.float64).reshape(-1, len(names))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
