"""A reference solution from somebody's file: npz on a grid or at points, CSV.

Shapes: D variables, M points, n_d nodes along axis d.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsapps.config.conversion import nearest
from wsapps.config.overrides import shown
from wsapps.errors import UserError, one_line
from wsapps_pde.problems.columns import read_columns
from wsapps_pde.references.solution import ReferenceSolution

Array = NDArray[np.float64]


def read_reference(
    path: str | os.PathLike[str],
    variables: Sequence[str],
    unknowns: Sequence[str] | Mapping[str, Sequence[str]],
    outside_nan: bool = False,
) -> ReferenceSolution:
    """The arrays or columns named as the variables and the unknowns; others are not looked at.

    * npz, grid: variables ``(n_d,)`` in any order of values, unknowns with one axis for each variable. The
      axes are told apart by their lengths; of equal lengths the problem's order is taken.
    * npz, points: variables and unknowns all of one shape; CSV: columns below a header.

    Points that fill a grid become one, so that splines can go through them.

    Args:
        path: an .npz or a .csv file.
        variables: D names in the problem's order.
        unknowns: names, or name to the variables that it depends on; those that the file has are read.
        outside_nan: whether NaN in an unknown means "outside the domain"; else it is refused.

    Returns:
        A solution without errors of its own (``errors`` is empty: the file does not state any).

    Raises:
        UserError: no such file, a broken one, pickled objects, a missing array, shapes that do not fit,
            a variable with equal values on its axis, NaN or infinity.
    """
    file = _Named(Path(path))
    depends = unknowns if isinstance(unknowns, Mapping) else {name: tuple(variables) for name in unknowns}
    arrays = file.arrays(variables, tuple(depends))
    depends = {name: own for name, own in depends.items() if name in arrays}
    for name, array in arrays.items():
        file.check_finite(name, array, name in depends and outside_nan)
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) == 1 and (len(variables) > 1 or len(next(iter(shapes))) > 1):
        points = np.stack([arrays[name].ravel() for name in variables], axis=1)
        values = {name: arrays[name].ravel() for name in depends}
        return _from_points(file, points, values, variables)
    return _from_grid(file, arrays, variables, depends)


class _Named:
    """A reference file, with its name as messages show it."""

    def __init__(self, path: Path):
        self.path, self.name = path, shown(str(path), 300)

    def error(self, text: str) -> UserError:
        return UserError(f"reference file {self.name}: {text}")

    def arrays(self, needed: Sequence[str], any_of: Sequence[str]) -> dict[str, Array]:
        """The arrays of these names, and those that are there of ``any_of``, one at least; float64, without
        axes of length 1."""
        suffix = self.path.suffix.lower()
        if suffix not in (".npz", ".csv"):
            raise self.error("it must be an .npz or a .csv file by its name")
        if not self.path.is_file():
            raise self.error("there is no such file; the path is relative to the problem's file")
        if suffix == ".csv":
            found = read_columns(self.path)
            return {name: found[name] for name in self._present(needed, any_of, list(found))}
        try:
            found = np.load(self.path, allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise self.error("it holds one array without a name; write it with numpy.savez(x=..., u=...)")
            with found:
                names = self._present(needed, any_of, found.files)
                return {name: self._plain(name, found[name]) for name in names}
        except UserError:
            raise
        except Exception as error:  # zip, zlib and numpy raise their own kinds on a broken file
            pickled = "allow_pickle" in str(error)
            hint = "it holds pickled objects, which are not read; save plain numbers" if pickled else ""
            raise self.error(hint or f"it cannot be read as npz: {one_line(error)}") from None

    def _present(self, needed: Sequence[str], any_of: Sequence[str], found: Sequence[str]) -> list[str]:
        present = [name for name in any_of if name in found]
        for name in [*needed, *([] if present else any_of)]:
            if name not in found:
                near = nearest(name, list(found))
                hint = f"did you mean {near}? " if near else ""
                raise self.error(f"it has no {name!r}; {hint}it has {shown(', '.join(found)) or 'nothing'}")
        return [*needed, *present]

    def _plain(self, name: str, array: NDArray) -> Array:
        if array.dtype.kind not in "fiu":
            raise self.error(f"{name} must hold real numbers, got {array.dtype}")
        if array.size < 2:
            raise self.error(f"{name} has {array.size} entries; at least 2 are needed")
        return np.squeeze(np.asarray(array, np.float64))

    def check_finite(self, name: str, array: Array, outside_nan: bool) -> None:
        bad = np.isinf(array) if outside_nan else ~np.isfinite(array)
        if bad.any():
            raise self.error(f"{name} is NaN or infinite at {int(bad.sum())} of {array.size} entries")
        if np.isnan(array).all():
            raise self.error(f"{name} is NaN everywhere")


def _from_grid(
    file: _Named,
    arrays: Mapping[str, Array],
    variables: Sequence[str],
    depends: Mapping[str, Sequence[str]],
) -> ReferenceSolution:
    axes, order = {}, {}
    for name in variables:
        axis = arrays[name]
        if axis.ndim != 1:
            raise file.error(
                f"{name} has shape {axis.shape}; a variable is an axis (n,), or of the unknowns' shape"
            )
        order[name] = np.argsort(axis, kind="stable")
        axes[name] = axis[order[name]]
        if (np.diff(axes[name]) == 0).any():
            raise file.error(f"{name} has a value twice, so that it is no axis of a grid")
    values = {}
    for unknown, own in depends.items():
        own = [name for name in variables if name in own]
        array = _in_order(file, unknown, arrays[unknown], {name: len(axes[name]) for name in own})
        for dim, name in enumerate(own):
            array = array.take(order[name], axis=dim)
        # Variables that it does not depend on: the same values all along.
        inserted = [slice(None) if name in own else np.newaxis for name in variables]
        shape = tuple(len(axis) for axis in axes.values())
        values[unknown] = np.broadcast_to(array[tuple(inserted)], shape).copy()
    return ReferenceSolution(axes, None, values, {}, f"file {file.path.name}, {_sizes(axes)} nodes")


def _in_order(file: _Named, unknown: str, array: Array, lengths: Mapping[str, int]) -> Array:
    """The array with its axes in the order of ``lengths``."""
    for order in itertools.permutations(lengths):
        if tuple(lengths[name] for name in order) == array.shape:
            return array.transpose([order.index(name) for name in lengths])
    words = ", ".join(f"{name} {length}" for name, length in lengths.items())
    raise file.error(
        f"{unknown} has shape {array.shape}, which is no grid of {words}; give one axis for each"
    )


def _from_points(
    file: _Named, points: Array, values: dict[str, Array], variables: Sequence[str]
) -> ReferenceSolution:
    nodes, places = [], []
    for column in points.T:
        unique, place = np.unique(column, return_inverse=True)
        nodes.append(unique)
        places.append(place.ravel())
    sizes = tuple(len(axis) for axis in nodes)
    if np.prod(sizes, dtype=np.float64) == len(points) and min(sizes) > 1:
        flat = np.ravel_multi_index(tuple(places), sizes)
        if len(np.unique(flat)) == len(points):
            row = np.argsort(flat)
            axes = dict(zip(variables, nodes, strict=True))
            ordered = {name: array[row].reshape(sizes) for name, array in values.items()}
            return ReferenceSolution(axes, None, ordered, {}, f"file {file.path.name}, {_sizes(axes)} nodes")
    return ReferenceSolution(None, points, values, {}, f"file {file.path.name}, {len(points)} points")


def _sizes(axes: Mapping[str, Array]) -> str:
    return " x ".join(str(len(axis)) for axis in axes.values())
