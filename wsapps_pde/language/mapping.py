"""Reading the free-form parts of a problem file: keys, lists and constants, each fault in one line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wsapps.config import FieldError
from wsapps.config.conversion import nearest
from wsapps.config.overrides import shown
from wsapps.errors import UserError
from wsapps_pde.language.expressions import Expression, Names


@contextmanager
def located(key: str) -> Iterator[None]:
    """Inside, a UserError gets ``key`` in front, from which the file and the line are found."""
    try:
        yield
    except FieldError as error:
        joint = "" if error.key.startswith("[") or not error.key else "."
        raise FieldError(f"{key}{joint}{error.key}", error.message) from None
    except UserError as error:
        raise FieldError(key, str(error)) from None


def is_number(text: str) -> bool:
    """Whether Python reads the text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def entries(value: Any, what: str) -> dict[str, Any]:
    """A mapping with text as keys.

    Raises:
        UserError: it is none.
    """
    if not isinstance(value, Mapping):
        raise UserError(f"{what} is written {{key: value}}, got {seen(value)}")
    for key in value:
        if not isinstance(key, str):
            raise UserError(
                f"{what} has the key {seen(key)}, and a key is text; put it in quotes, or the whole "
                "expression that it is a part of, as in 'where(x < 0, 1, 2)'"
            )
    return dict(value)


def listed(value: Any) -> list[Any]:
    """A list as it is; nothing as an empty one, and a single value as a list of one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def known_keys(mapping: Mapping[str, Any], allowed: Collection[str], what: str) -> None:
    """Refuse keys that are not in ``allowed``.

    Raises:
        UserError: with the nearest key that is.
    """
    for key in mapping:
        if key not in allowed:
            near = nearest(key, list(allowed))
            hint = f"did you mean {near}? " if near else ""
            raise UserError(f"{what} has no key {shown(repr(key))}; {hint}keys: {', '.join(allowed)}")


def constant(value: Any, constants: Mapping[str, float]) -> float:
    """A number, or a constant expression such as ``2*pi`` or one in the constant parameters.

    Raises:
        UserError: it is neither, or has no finite value.
    """
    names = Names(parameters=tuple(constants))
    return Expression.parse(value, names).value(constants)


def numbers(value: Any, constants: Mapping[str, float], what: str, count: int | None = None) -> list[float]:
    """A list of constants.

    Raises:
        UserError: it is none, or of another length than ``count``.
    """
    if not isinstance(value, list | tuple) or (count is not None and len(value) != count):
        wanted = f"a list of {count} numbers" if count else "a list of numbers"
        raise UserError(f"{what} is {wanted}, got {seen(value)}")
    return [constant(entry, constants) for entry in value]


def interval(value: Any, constants: Mapping[str, float], variable: str) -> tuple[float, float]:
    """``[lower, upper]`` with lower below upper.

    Raises:
        UserError: it is none, or of zero or negative size.
    """
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise UserError(f"the range of {variable} is written [lower, upper], got {seen(value)}")
    low, high = (constant(entry, constants) for entry in value)
    if not low < high:
        size = "zero" if low == high else "negative"
        raise UserError(
            f"the range of {variable}, [{low:.6g}, {high:.6g}], has {size} size; lower must be below upper"
        )
    return low, high


def read_weight(value: Any, constants: Mapping[str, float]) -> float:
    """The weight of a term of the loss.

    Raises:
        UserError: no number, or negative.
    """
    weight = constant(value, constants)
    if not weight >= 0:
        raise UserError(f"a weight must not be negative, got {weight:.6g}")
    return weight


def seen(value: Any) -> str:
    """A value for a message."""
    return "nothing" if value is None else shown(repr(value), 80)
