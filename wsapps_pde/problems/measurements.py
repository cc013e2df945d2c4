"""Measurements of the solution: points with values, from a CSV or npz file.

Shapes: M points, D coordinates, Q measured quantities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.config.conversion import nearest
from wsapps.config.overrides import shown
from wsapps.errors import UserError
from wsapps_pde.language.expressions import Expression, Names
from wsapps_pde.language.mapping import entries, known_keys, listed, located, read_weight, seen
from wsapps_pde.language.symbols import derivative_name
from wsapps_pde.problems.columns import read_columns
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
    found = read_columns(path)
    for name in [v for v in domain.variables if v in needed] + [q.text for q in spec.quantities]:
        if name not in found:
            near = nearest(name, list(found))
            hint = f"did you mean {near}? " if near else ""
            raise UserError(f"{path} has no column {name!r}; {hint}it has {shown(', '.join(found))}")
    used = [*(v for v in domain.variables if v in found), *(q.text for q in spec.quantities)]
    columns = {name: found[name] for name in used}
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
