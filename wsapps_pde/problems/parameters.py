"""Parameters of a problem: constants, and trainable ones, which make it an inverse problem."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wsapps.errors import UserError
from wsapps_pde.language.mapping import constant, entries, known_keys, located
from wsapps_pde.language.symbols import check_name


@dataclass(frozen=True)
class Parameter:
    """A number in the equations.

    Args:
        value: of a constant; of a trainable one, where it starts.
        trainable: whether it is to be found.
        minimum, maximum: of a trainable one, or None.
        text: as the user wrote it.
    """

    value: float
    trainable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    text: str = ""


def read_parameters(spec: Any) -> dict[str, Parameter]:
    """Parameters as a problem file writes them: ``{nu: 0.01/pi, k: {initial: 1, min: 0, max: 10}}``.

    A constant may be an expression in earlier constants.

    Raises:
        UserError: a name or a value that cannot be one, or a start outside the bounds.
    """
    found: dict[str, Parameter] = {}
    constants: dict[str, float] = {}
    spec = entries({} if spec is None else spec, "parameters")
    for name, value in spec.items():
        check_name(name, "parameter", {})
        with located(name):
            _check_order(name, value, spec, constants)
            if isinstance(value, Mapping):
                found[name] = _trainable(entries(value, "a trainable parameter"), constants)
            else:
                constants[name] = constant(value, constants)
                found[name] = Parameter(constants[name], text=str(value))
    return found


def _check_order(name: str, value: Any, spec: Mapping[str, Any], constants: Mapping[str, float]) -> None:
    """Refuse a constant in parameters that have no value yet, or none before training."""
    words = re.findall(r"(?<![\w.])[A-Za-z_]\w*", value) if isinstance(value, str) else []
    for word in words:
        if word in spec and word not in constants:
            trained = isinstance(spec[word], Mapping)
            why = "is trained" if trained else "comes later, or is this one"
            raise UserError(
                f"{value!r} of {name}: {word} {why}; a constant may be in earlier constants alone"
            )


def constants_of(parameters: Mapping[str, Parameter]) -> dict[str, float]:
    """Name -> value of those that are not trainable."""
    return {name: each.value for name, each in parameters.items() if not each.trainable}


def _trainable(spec: Mapping[str, Any], constants: Mapping[str, float]) -> Parameter:
    known_keys(spec, ("initial", "min", "max"), "a trainable parameter")
    if "initial" not in spec:
        raise UserError("a trainable parameter needs its start, as in {initial: 1.0, min: 0}")
    read = {key: constant(value, constants) for key, value in spec.items() if value is not None}
    start, low, high = read.get("initial"), read.get("min"), read.get("max")
    if start is None:
        raise UserError("initial must be a number")
    if low is not None and high is not None and not low < high:
        raise UserError(f"min = {low:.6g} must be below max = {high:.6g}")
    if (low is not None and start < low) or (high is not None and start > high):
        bounds = " ".join(f"{key} = {read[key]:.6g}" for key in ("min", "max") if key in read)
        raise UserError(f"initial = {start:.6g} is outside its bounds, {bounds}")
    return Parameter(start, True, low, high, str(spec["initial"]))
