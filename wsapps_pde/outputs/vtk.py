"""Solutions for ParaView and the like: VTK's rectilinear grids, ``.vtr``, and a ``.pvd`` that lists times.

A grid of at most three variables is one file, ``solution.vtr``; one space variable and time are a plane. With
time and two or three space variables there is a file a time, and ``solution.pvd`` opens them all. Scattered
points are ``solution.vtu``. Beside each unknown ``u`` there are ``u_reference`` and ``u_error`` where a
reference is known; points outside the domain are NaN.

Shapes: n_d nodes along axis d, M points.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyevtk.hl import gridToVTK, pointsToVTK
from pyevtk.vtk import VtkGroup

from wsapps.atomic import explained, write_bytes
from wsapps_pde.outputs.evaluation import Comparison

Array = NDArray[np.float64]

NAME = "solution"


def write_vtk(folder: Path, comparison: Comparison, time: int | None) -> None:
    """Write the files into a folder, which is made if need be; none of more than three space variables.

    Args:
        time: the index of the time among the variables, or None.

    Raises:
        UserError: they cannot be written.
    """
    with explained("write VTK files to", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:  # pyevtk writes in place
            _write(Path(scratch), comparison, time)
            for path in sorted(Path(scratch).iterdir()):
                write_bytes(folder / path.name, path.read_bytes())


def _write(folder: Path, comparison: Comparison, time: int | None) -> None:
    path, values = str(folder / NAME), _values(comparison)
    if comparison.axes is None:
        points = comparison.points
        if points.shape[1] <= 3:
            columns = [np.ascontiguousarray(column) for column in points.T]
            columns += [np.zeros(len(points))] * (3 - len(columns))
            pointsToVTK(path, *columns, data=values)
        return
    axes = dict(comparison.axes)
    shape = tuple(len(axis) for axis in axes.values())
    grids = {name: array.reshape(shape) for name, array in values.items()}
    if time is None or len(axes) <= 2:
        if len(axes) <= 3:
            _grid(path, axes, grids)
        return
    variable = list(axes)[time]
    times = axes.pop(variable)
    if len(axes) > 3:
        return
    group = VtkGroup(path)
    for number, at in enumerate(times):
        slices = {name: np.take(grid, number, axis=time) for name, grid in grids.items()}
        group.addFile(_grid(f"{path}_{number:04d}", axes, slices), float(at))
    group.save()


def _values(comparison: Comparison) -> dict[str, Array]:
    """Name -> ``(M,)``: what was found, the reference, and the difference."""
    values: dict[str, Array] = {}
    for name in comparison.found:
        values[name] = np.ascontiguousarray(comparison.levelled(name))
        if name in comparison.reference:
            reference = comparison.reference[name]
            values[f"{name}_reference"] = np.ascontiguousarray(reference)
            values[f"{name}_error"] = np.abs(values[name] - reference)
    return values


def _grid(path: str, axes: Mapping[str, Array], grids: Mapping[str, Array]) -> str:
    """One grid of up to three axes; the missing ones are 0."""
    nodes = [np.ascontiguousarray(axis, np.float64) for axis in axes.values()]
    nodes += [np.zeros(1)] * (3 - len(nodes))
    shape = tuple(len(axis) for axis in nodes)
    data = {name: np.ascontiguousarray(grid).reshape(shape) for name, grid in grids.items()}
    return gridToVTK(path, *nodes, pointData=data)
