"""netCDF files as plain arrays with named dimensions, and one map written as netCDF-4.

netCDF-4 files (HDF5) are read through h5py, classic ones through SciPy.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from wsapps.atomic import explained, replacing
from wsapps.config.overrides import shown
from wsapps.errors import UserError, one_line
from wsapps.readers.paths import check_file, named
from wsapps_signals.kinds.sphere_grid import SphereMap


@dataclass(frozen=True)
class Variable:
    """One numeric array of a file.

    Attributes:
        dimensions: names, as many as ``shape`` has sizes; a coordinate axis has its own name as dimension.
        read: from an index (integers and slices, one for each dimension) to the raw values.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any]
    read: Callable[[tuple[Any, ...]], NDArray]

    def text(self, attribute: str) -> str:
        """A text attribute, or an empty text."""
        value = self.attributes.get(attribute, "")
        value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        return " ".join(value.split()) if isinstance(value, str) else ""

    def number(self, attribute: str, default: float, where: str) -> float:
        """A numeric attribute of one entry; UserError, with the file's name ``where``, if it is none."""
        value = np.asarray(self.attributes.get(attribute, default))
        if value.size != 1 or value.dtype.kind not in "iuf":
            raise UserError(
                f"{where}: {self.name} has {attribute} {shown(str(value.tolist()), 60)}, which is no number"
            )
        return float(value.reshape(()))


@contextlib.contextmanager
def open_netcdf(path: Path) -> Iterator[dict[str, Variable]]:
    """The numeric variables in the root group of a netCDF file, by their names, while the file is open.

    Raises:
        UserError: no such file, not netCDF, or a broken header.
    """
    check_file(path, "netCDF file")
    with explained("read", path), open(path, "rb") as file:
        start = file.read(8)
    with contextlib.ExitStack() as stack:
        try:
            if start == b"\x89HDF\r\n\x1a\n":
                variables = _hdf5_variables(stack.enter_context(h5py.File(path, "r")))
            elif start[:4] in (b"CDF\x01", b"CDF\x02"):
                variables = _classic_variables(stack, path)
            else:
                variables = None
        except Exception as error:  # truncated and damaged files: OSError, ValueError, struct.error, ...
            raise UserError(f"{named(path)} cannot be read as netCDF: {one_line(error)}") from None
        if variables is None:
            begins = (
                "it is CDF-5, convert it with `nccopy -k nc4`"
                if start[:4] == b"CDF\x05"
                else f"it begins with {start!r}; netCDF-4 (HDF5) or classic netCDF is expected"
            )
            raise UserError(f"{named(path)} cannot be read as netCDF: {begins}")
        yield variables


def _hdf5_variables(file: h5py.File) -> dict[str, Variable]:
    """Datasets of the root group. Links and data that lead to other files are left alone."""
    items = {}
    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            continue
        item = file[name]
        if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "iuf" or item.shape is None:
            continue
        if not item.is_virtual and not item.external:
            items[name] = item
    axes = [(name, len(item)) for name, item in items.items() if item.ndim == 1]
    counts = Counter(size for _, size in axes)
    axis_of = {size: name for name, size in axes if counts[size] == 1}
    variables = {}
    for name, item in items.items():
        skipped = ("DIMENSION_LIST", "REFERENCE_LIST")
        attributes = {key: _attribute(item, key) for key in item.attrs if key not in skipped}
        dimensions = tuple(_dimension(name, item, axis, axis_of) for axis in range(item.ndim))
        variables[name] = Variable(name, dimensions, item.shape, item.dtype, attributes, item.__getitem__)
    return variables


def _attribute(item: h5py.Dataset, key: str) -> Any:
    try:
        return item.attrs[key]
    except (OSError, TypeError, ValueError):  # a type that h5py cannot read: none that we look for
        return None


def _dimension(name: str, item: h5py.Dataset, axis: int, axis_of: Mapping[int, str]) -> str:
    """The name of a dimension: that of its scale, or else (plain HDF5) of the only axis of its size."""
    scales = item.dims[axis]
    if len(scales) and not item.is_scale:
        return str(scales[0].name).rsplit("/", 1)[-1]
    if item.ndim == 1:  # an axis is its own dimension
        return name
    return axis_of.get(item.shape[axis], f"{name}:{axis}")


def _classic_variables(stack: contextlib.ExitStack, path: Path) -> dict[str, Variable]:
    from scipy.io import netcdf_file  # a slow import, for old files only

    # maskandscale is left off, so that both formats are unpacked by the same rules.
    file = netcdf_file(path, "r", mmap=False)
    stack.callback(file.close)
    variables = {}
    for name, item in file.variables.items():
        data = np.asarray(item.data)
        if data.dtype.kind in "iuf":
            attributes = dict(item._attributes)
            read = data.__getitem__
            variables[name] = Variable(name, item.dimensions, data.shape, data.dtype, attributes, read)
    return variables


def write_map(path: Path, field: SphereMap) -> None:
    """Write a map as netCDF-4: ``latitude`` and ``longitude`` as dimension scales, the variable as float32.

    Raises:
        UserError: it cannot be written.
    """
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        scales = []
        for name, degrees, units in (
            ("latitude", field.latitudes, "degrees_north"),
            ("longitude", field.longitudes, "degrees_east"),
        ):
            scale = file.create_dataset(name, data=np.asarray(degrees, np.float64))
            scale.make_scale(name)
            _set_text(scale, units=units, standard_name=name)
            scales.append(scale)
        data = file.create_dataset(field.variable, data=field.values.astype(np.float32))
        for axis, scale in enumerate(scales):
            data.dims[axis].attach_scale(scale)
        _set_text(data, units=field.units, long_name=field.long_name, selection=field.selection)
        _set_text(file, Conventions="CF-1.8")


def _set_text(item: h5py.Dataset | h5py.File, **attributes: str) -> None:
    for key, text in attributes.items():
        if text:
            item.attrs[key] = np.bytes_(text.encode())


def names_of(variables: Mapping[str, Variable]) -> str:
    """The first names, for a message."""
    names = list(variables)
    return (", ".join(names[:20]) + (", ..." if len(names) > 20 else "")) or "no numeric variables"
