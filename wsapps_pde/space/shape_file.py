"""Shapes as a problem file writes them: ``difference: [{rectangle: {x: [-1, 1], ...}}, {disc: {...}}]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wsapps.config.conversion import nearest
from wsapps.errors import UserError
from wsapps_pde.language.mapping import constant, entries, interval, known_keys, located, numbers, seen
from wsapps_pde.language.symbols import check_variables
from wsapps_pde.space.geometry import Difference, Intersection, Shape, Union
from wsapps_pde.space.polygon import polygon
from wsapps_pde.space.primitives import Ball, Box, Ellipse

Constants = Mapping[str, float]
#: The space variables that a shape is in, and the shape.
Placed = tuple[tuple[str, ...], Shape]

_SPACE = ("x", "y", "z")
_COMPOUNDS = {"union": Union, "intersection": Intersection, "difference": Difference}


def read_shape(spec: Any, constants: Constants) -> Placed:
    """The variables and the shape of ``{rectangle: {x: [-1, 1], y: [0, 1]}}``, or of ``{x: ..., y: ...}``.

    Raises:
        UserError: an unknown shape, a missing or a wrong entry, zero size, or parts in other variables.
    """
    spec = entries(spec, "a shape")
    if spec and all(len(key) == 1 for key in spec):
        return _box(spec, constants)
    if len(spec) != 1:
        raise UserError(
            f"a shape is written with one key, as in {{disc: {{centre: [0, 0], radius: 1}}}}; "
            f"got the keys {', '.join(spec) or 'none'}"
        )
    ((kind, value),) = spec.items()
    if kind in _COMPOUNDS:
        with located(kind):
            return _compound(kind, value, constants)
    if kind not in SHAPES:
        near = nearest(kind, list(SHAPE_NAMES))
        hint = f"did you mean {near}? " if near else ""
        raise UserError(f"no shape is named {seen(kind)}; {hint}shapes: {', '.join(SHAPE_NAMES)}")
    with located(kind):
        return SHAPES[kind](value, constants)


def ordered(variables: list[str]) -> tuple[str, ...]:
    """Variables in the order of the coordinates: x, y, z, with others among them as they come; t last."""
    space = [variable for variable in variables if variable != "t"]
    if {*space} <= {*_SPACE}:
        space.sort()
    return (*space, *(["t"] if "t" in variables else []))


def _compound(kind: str, value: Any, constants: Constants) -> Placed:
    if not isinstance(value, list) or len(value) < 2:
        raise UserError(f"{kind} is a list of two or more shapes, got {seen(value)}")
    parts = []
    for number, part in enumerate(value):
        with located(f"[{number}]"):
            parts.append(read_shape(part, constants))
    variables = parts[0][0]
    for other, _ in parts:
        if other != variables:
            raise UserError(
                f"its parts are in different variables: ({', '.join(variables)}) and ({', '.join(other)})"
            )
    shape = _COMPOUNDS[kind](tuple(part for _, part in parts))
    if not (np.ptp(shape.bounds, axis=1) > 0).all() or (shape.bounds[:, 0] >= shape.bounds[:, 1]).any():
        raise UserError(f"this {kind} is empty: {shape.describe(variables)}")
    if shape.measure == 0:
        raise UserError(f"this {kind} has zero size: {shape.describe(variables)}")
    return variables, shape


def _box(value: Any, constants: Constants, dims: int | None = None) -> Placed:
    value = entries(value, "a box")
    check_variables(value)
    if "t" in value:
        raise UserError("t is time and belongs beside space: domain: {space: {...}, t: [0, 1]}")
    if not value or (dims is not None and len(value) != dims):
        raise UserError(
            f"{dims or 'some'} variables are needed, as in x: [0, 1]; got {', '.join(value) or 'none'}"
        )
    variables = ordered(list(value))
    bounds = []
    for variable in variables:
        with located(variable):
            bounds.append(interval(value[variable], constants, variable))
    return variables, Box(np.array(bounds))


def _ball(value: Any, constants: Constants, dims: int) -> Placed:
    value = _english(entries(value, "a disc or ball"))
    known_keys(value, ("centre", "radius"), "a disc or ball")
    if "radius" not in value:
        raise UserError("radius is missing, as in {centre: [0, 0], radius: 1}")
    centre = numbers(value.get("centre", [0.0] * dims), constants, "centre", dims)
    return _SPACE[:dims], Ball(np.array(centre), _positive(value["radius"], constants, "radius"))


def _ellipse(value: Any, constants: Constants) -> Placed:
    value = _english(entries(value, "an ellipse"))
    known_keys(value, ("centre", "radii", "angle"), "an ellipse")
    if "radii" not in value:
        raise UserError("radii are missing, as in {centre: [0, 0], radii: [2, 1]}")
    radii = numbers(value["radii"], constants, "radii", 2)
    if min(radii) <= 0:
        raise UserError(f"radii must be positive, got {radii}")
    centre = numbers(value.get("centre", [0.0, 0.0]), constants, "centre", 2)
    angle = constant(value.get("angle", 0.0), constants)
    return _SPACE[:2], Ellipse(np.array(centre), np.array(radii), angle)


def _polygon(value: Any, constants: Constants) -> Placed:
    if isinstance(value, Mapping):
        value = entries(value, "a polygon")
        known_keys(value, ("corners", "vertices", "points"), "a polygon")
        if len(value) != 1:
            raise UserError("a polygon is written {corners: [[0, 0], [1, 0], [0, 1]]}")
        (value,) = value.values()
    if not isinstance(value, list):
        raise UserError(f"a polygon is a list of corners [x, y], got {seen(value)}")
    corners = [numbers(corner, constants, f"corner {n}", 2) for n, corner in enumerate(value)]
    return _SPACE[:2], polygon(np.array(corners, dtype=float).reshape(-1, 2))


def _english(value: dict[str, Any]) -> dict[str, Any]:
    """American and other common spellings."""
    also = {"center": "centre", "semi_axes": "radii", "axes": "radii"}
    renamed = {also.get(key, key): entry for key, entry in value.items()}
    if len(renamed) != len(value):
        raise UserError(f"one thing is given twice: {', '.join(value)}")
    return renamed


def _positive(value: Any, constants: Constants, what: str) -> float:
    number = constant(value, constants)
    if not number > 0:
        raise UserError(f"{what} must be positive, got {number:.6g}")
    return number


SHAPES: dict[str, Callable[[Any, Constants], Placed]] = {
    "interval": lambda value, constants: _box(value, constants, 1),
    "rectangle": lambda value, constants: _box(value, constants, 2),
    "box": _box,
    "disc": lambda value, constants: _ball(value, constants, 2),
    "disk": lambda value, constants: _ball(value, constants, 2),
    "circle": lambda value, constants: _ball(value, constants, 2),
    "ball": lambda value, constants: _ball(value, constants, 3),
    "sphere": lambda value, constants: _ball(value, constants, 3),
    "ellipse": _ellipse,
    "polygon": _polygon,
}
SHAPE_NAMES = (*_COMPOUNDS, *SHAPES)
