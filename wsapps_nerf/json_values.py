"""Values of a JSON file that a user wrote, each checked; errors name the file, the place and the value."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.atomic import explained
from wsapps.errors import UserError


def read_json(path: Path, what: str) -> Any:
    """Parse the file at `path`; `what` it is, such as "camera path", begins the message.

    Raises UserError when it cannot be read or is not JSON. Strings, NaN and huge integers may be in it.
    """
    with explained(f"read the {what}", path):
        data = path.read_bytes()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, or thousands of digits, too
        raise UserError(f"{what} {path} is not JSON: {error}") from error


def check_keys(value: Any, known: Sequence[str], where: str) -> None:
    """Raise UserError unless `value` is an object with no other keys than `known`."""
    if not isinstance(value, dict):
        raise UserError(f"{where} must be a JSON object, got {show(value)}")
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UserError(f"{where}: unknown key {show(key)}; {hint}valid keys: {', '.join(known)}")


def list_of(value: Any, least: int, most: int, where: str) -> list[Any]:
    """`value`, a list of `least` to `most` entries; UserError otherwise."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        got = f"{len(value)}" if isinstance(value, list) else show(value)
        raise UserError(f"{where} must be a list of {least} to {most} entries, got {got}")
    return value


def matrix_4x4(value: Any, where: str) -> NDArray[np.float64]:
    """A list of 4 rows of 4 finite numbers as an array (4, 4); UserError otherwise."""
    if not isinstance(value, list) or len(value) != 4:
        raise UserError(f"{where} must be 4x4, a list of 4 rows, got {show(value)}")
    return np.array([vector(row, 4, f"{where} row {i}") for i, row in enumerate(value)])


def vector(value: Any, length: int, where: str) -> list[float]:
    """`length` finite numbers; UserError otherwise."""
    if not isinstance(value, list) or len(value) != length:
        raise UserError(f"{where} must be a list of {length} numbers, got {show(value)}")
    return [number(entry, f"{where}[{i}]") for i, entry in enumerate(value)]


def number(
    value: Any, where: str, above: float = -math.inf, most: float = math.inf, open_above: bool = False
) -> float:
    """A finite float32-sized number in (above, most], or (above, most); UserError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{where} must be a number, got {show(value)}")
    if not abs(value) <= 1e30:  # false for NaN too; float32 ends at 3e38
        raise UserError(f"{where} must be finite and below 1e30, got {show(value)}")
    if not above < value <= most or (open_above and value == most):
        bound = "below" if open_above else "at most"
        raise UserError(f"{where} must be above {above:g} and {bound} {most:g}, got {show(value)}")
    return float(value)


def show(value: Any) -> str:
    """The value on one line, cut to 60 characters."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."
