"""Choosing one map in a netCDF file: a variable on latitudes and longitudes, at one time and one level."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.config.conversion import nearest
from wsapps.errors import UserError, one_line
from wsapps.readers.paths import named
from wsapps_signals.kinds.netcdf import Variable, names_of, open_netcdf
from wsapps_signals.kinds.sphere_grid import SphereMap, oriented

_LATITUDE_NAMES, _LONGITUDE_NAMES = ("lat", "latitude"), ("lon", "longitude")
_LATITUDE_UNITS = ("degrees_north", "degree_north", "degrees_n", "degree_n", "degreesn", "degreen")
_LONGITUDE_UNITS = ("degrees_east", "degree_east", "degrees_e", "degree_e", "degreese", "degreee")
#: What netCDF leaves where nothing was written and no _FillValue says otherwise; bytes have none.
_FILL = {"f4": 9.969209968386869e36, "f8": 9.969209968386869e36, "i2": -32767, "i4": -2147483647}
_MOST_VALUES = 2**28  # of one map: 2 GiB as float64
_log = logging.getLogger(__name__)


def read_map(path: Path, variable: str | None = None, time: int = 0, level: int | None = None) -> SphereMap:
    """Read one map from a netCDF file.

    Latitude and longitude are the one-dimensional coordinates with such a name or such units, each on a
    dimension of its own. Among the
    other dimensions of the variable, one of time (by its name, or units "... since ...") is indexed by
    ``time``, one more by ``level`` (None: the first, which is logged); what is left must have size 1.
    Packed values are unpacked (``scale_factor``, ``add_offset``).

    Args:
        variable: its name; None takes the first that has a map, and logs the others.
        time, level: indices from 0.

    Returns:
        The map, rows from north to south, columns from west to east.

    Raises:
        UserError: no such file or not netCDF, no latitude or longitude, no such variable or index, missing
            values or values that are not finite, coordinates out of range or out of order.
    """
    path, where = Path(path), named(Path(path))
    with open_netcdf(path) as variables:
        return _select(where, variables, variable, time, level)


def _read(where: str, variable: Variable, index: tuple[Any, ...]) -> NDArray:
    try:
        return np.asarray(variable.read(index))
    except Exception as error:  # HDF5 reads data lazily and finds damage only here
        raise UserError(f"{where} is damaged, {variable.name} cannot be read: {one_line(error)}") from None


def _select(
    where: str, variables: dict[str, Variable], name: str | None, time: int, level: int | None
) -> SphereMap:
    latitude = _coordinate(where, variables, "latitude", _LATITUDE_NAMES, _LATITUDE_UNITS)
    longitude = _coordinate(where, variables, "longitude", _LONGITUDE_NAMES, _LONGITUDE_UNITS)
    if latitude.dimensions == longitude.dimensions:
        raise UserError(
            f"{where}: {latitude.name} and {longitude.name} both go along {latitude.dimensions[0]}: places "
            "that are no grid; regrid the data to latitudes and longitudes"
        )
    chosen = _choose(where, variables, name, latitude, longitude)
    index, note = _index(where, variables, chosen, (latitude, longitude), time, level)
    count = latitude.shape[0] * longitude.shape[0]
    if count > _MOST_VALUES:
        raise UserError(f"{where}: {chosen.name} has {count} values a map, more than {_MOST_VALUES}; thin it")
    values = _unpacked(where, chosen, _read(where, chosen, index))
    if chosen.dimensions.index(longitude.dimensions[0]) < chosen.dimensions.index(latitude.dimensions[0]):
        values = values.T
    axes = [
        _unpacked(where, coordinate, _read(where, coordinate, (slice(None),)))
        for coordinate in (latitude, longitude)
    ]
    return oriented(
        SphereMap(
            latitudes=axes[0],
            longitudes=axes[1],
            values=values,
            variable=chosen.name,
            units=chosen.text("units"),
            long_name=chosen.text("long_name"),
            selection=note,
            bits=8 * chosen.dtype.itemsize,
        ),
        where,
    )


def _coordinate(
    where: str, variables: dict[str, Variable], what: str, names: tuple[str, ...], units: tuple[str, ...]
) -> Variable:
    """The one-dimensional variable that is the latitude (or longitude), best on the dimension of its name."""

    def fits(v: Variable) -> bool:
        by_name = v.name.lower() in names or v.text("standard_name").lower() == what
        return by_name or v.text("units").lower() in units

    found = [v for v in variables.values() if fits(v)]
    axes = [v for v in found if len(v.dimensions) == 1]
    if axes:
        return next((v for v in axes if v.dimensions == (v.name,)), axes[0])
    if found:
        shape = "x".join(map(str, found[0].shape)) or "single"
        raise UserError(
            f"{where}: {found[0].name} is no {what} axis ({shape} values on dimensions "
            f"{', '.join(found[0].dimensions) or 'none'}); regrid the data to latitudes and longitudes"
        )
    raise UserError(
        f"{where} has no {what}: no variable is named {' or '.join(names)} or has units {units[0]}; it has "
        f"{names_of(variables)}"
    )


def _choose(
    where: str, variables: dict[str, Variable], name: str | None, latitude: Variable, longitude: Variable
) -> Variable:
    needed = {*latitude.dimensions, *longitude.dimensions}
    maps = [v for v in variables.values() if needed <= set(v.dimensions)]
    known = {v.name: v for v in maps}
    if not maps:
        raise UserError(
            f"{where}: no variable has both {latitude.dimensions[0]} and {longitude.dimensions[0]} as "
            f"dimensions; it has {names_of(variables)}"
        )
    if name is None:
        others = [v.name for v in maps[1:]]
        if others:
            _log.info("%s: taking %s; signal.variable= may name: %s", where, maps[0].name, ", ".join(others))
        return maps[0]
    if name not in known:
        near = nearest(name, list(known))
        hint = f"did you mean {near}? " if near else ""
        raise UserError(
            f"{where}: no map is named signal.variable={name!r:.80}; {hint}choices: {names_of(known)}"
        )
    return known[name]


def _index(
    where: str,
    variables: dict[str, Variable],
    chosen: Variable,
    axes: tuple[Variable, Variable],
    time: int,
    level: int | None,
) -> tuple[tuple[Any, ...], str]:
    """The index of the map in the variable, and the words for it ("time 0, isobaricInhPa 850 hPa")."""
    kept = {axis.dimensions[0] for axis in axes}
    others = [(name, size) for name, size in zip(chosen.dimensions, chosen.shape, strict=True)]
    others = [(name, size) for name, size in others if name not in kept]
    times = [name for name, _ in others if _is_time(name, variables)]
    time_name = times[0] if times else None
    levels = [name for name, size in others if name != time_name and size != 1]
    if len(levels) > 1:
        raise UserError(
            f"{where}: {chosen.name} has dimensions {', '.join(levels)} beside time, and one level at most "
            f"can be chosen; extract a part with fewer first"
        )
    singles = [name for name, size in others if name != time_name and size == 1]
    level_name = levels[0] if levels else next(iter(singles), None)
    at: dict[str, Any] = {name: slice(None) for name in kept} | dict.fromkeys(singles, 0)
    notes = []
    if level is None and levels:
        _log.info("%s: taking the first %s of %s; see signal.level=", where, level_name, chosen.name)
    for key, name, value in (("time", time_name, time), ("level", level_name, level)):
        if name is None:
            if value:
                raise UserError(f"{where}: signal.{key}={value}, but {chosen.name} has no {key} dimension")
            continue
        size = dict(others)[name]
        if not 0 <= (value or 0) < size:
            raise UserError(
                f"{where}: signal.{key}={value} is out of range; {chosen.name} has {size} along {name}, "
                f"counted from 0"
            )
        at[name] = value or 0
        if size > 1:
            notes.append(_described(where, variables.get(name), name, value or 0))
    return tuple(at[name] for name in chosen.dimensions), ", ".join(notes)


def _is_time(name: str, variables: dict[str, Variable]) -> bool:
    units = variables[name].text("units") if name in variables else ""
    return "time" in name.lower() or " since " in units


def _described(where: str, coordinate: Variable | None, name: str, index: int) -> str:
    """``isobaricInhPa 850 hPa``, or ``time 0`` (by its index) where the value says little."""
    if coordinate is None or coordinate.dimensions != (name,) or coordinate.dtype.kind not in "iuf":
        return f"{name} {index}"
    units = coordinate.text("units")
    if " since " in units or not units:
        return f"{name} {index}"
    return f"{name} {float(_read(where, coordinate, (index,))):g} {units}"


def _unpacked(where: str, variable: Variable, raw: NDArray) -> NDArray[np.float64]:
    """Raw values as float64: missing ones refused, scale and offset applied."""
    missing = np.isnan(raw) if raw.dtype.kind == "f" else np.zeros(raw.shape, bool)
    marks = []
    for attribute in ("_FillValue", "missing_value"):
        mark = np.asarray(variable.attributes.get(attribute, []))
        if mark.size and mark.dtype.kind in "iuf":
            # As the values are stored: 1e20 as a double is no float32.
            with np.errstate(over="ignore"):
                stored = mark.astype(raw.dtype) if raw.dtype.kind == "f" else mark
            missing |= np.isin(raw, stored)
            marks.append(f"{attribute} {mark.ravel()[0]:g}")
    fill = _FILL.get(raw.dtype.str[1:])
    if fill is not None and "_FillValue" not in variable.attributes:
        missing |= raw == np.asarray(fill, raw.dtype)
        marks.append(f"netCDF's {fill:g}")
    count = int(missing.sum())
    if count:
        marked = f" (NaN, {', '.join(marks)})" if marks else " (NaN)"
        raise UserError(
            f"{where}: {count} of {raw.size} values of {variable.name} are missing{marked}; fill them, or "
            f"choose another signal.variable="
        )
    scale = variable.number("scale_factor", 1.0, where)
    values = raw.astype(np.float64) * scale + variable.number("add_offset", 0.0, where)
    infinite = int((~np.isfinite(values)).sum())
    if infinite:
        raise UserError(f"{where}: {infinite} of {values.size} values of {variable.name} are not finite")
    return values
