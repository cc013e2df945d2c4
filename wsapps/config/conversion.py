"""Field types of a configuration: what a value may be, read from YAML data or from the command line."""

from __future__ import annotations

import dataclasses
import difflib
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from wsapps.config.overrides import Mismatch, Text, read_value, shown


def members(kind: Any) -> tuple[Any, ...]:
    """The alternatives of a union without None, or ``(kind,)``."""
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(part for part in get_args(kind) if part is not type(None))
    return (kind,)


def is_optional(kind: Any) -> bool:
    """Whether an annotation admits None."""
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def nested_dataclass(kind: Any) -> type | None:
    """The dataclass of a field annotated ``C`` or ``C | None``; None for every other field."""
    parts = members(kind)
    only = parts[0] if len(parts) == 1 else None
    return only if isinstance(only, type) and dataclasses.is_dataclass(only) else None


def is_null(raw: Any) -> bool:
    """Whether a raw value asks for None: YAML null, or ``key=null`` or ``key=`` on the command line."""
    return raw is None or (isinstance(raw, Text) and raw.text in ("", "null"))


def describe(kind: Any) -> str:
    """A type in the words of a user: ``int``, ``float or null``, ``one of a, b``, ``list of float``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return "one of " + ", ".join(str(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        words = [describe(part) for part in members(kind)]
        return " or ".join([*words, "null"] if is_optional(kind) else words)
    if origin is list or (origin is tuple and arguments[1:] == (...,)):
        return f"list of {describe(arguments[0])}"
    if origin is tuple:
        return "[" + ", ".join(describe(part) for part in arguments) + "]"
    if dataclasses.is_dataclass(kind):
        return "group of keys"
    if origin is dict:
        return f"name: {describe(arguments[1])}"
    names = {
        bool: "true or false",
        str: "text",
        Path: "path",
        Any: "any value",
        list: "list",
        dict: "mapping",
    }
    return names.get(kind) or getattr(kind, "__name__", str(kind))


def convert(kind: Any, raw: Any) -> Any:
    """``raw`` (YAML data or :class:`Text`) as a value of type ``kind``.

    Nothing is coerced except int to float: 1.5 and true are no int, 7 in a YAML file is no text.

    Raises:
        Mismatch: the value does not fit; the message starts with what was expected.
        TypeError: ``kind`` is an annotation that configurations do not support.
    """
    if kind is Any:
        return _any(raw)
    if isinstance(raw, Text):
        return _convert_text(kind, raw.text)
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        return None if raw is None and is_optional(kind) else _first_fit(kind, members(kind), raw)
    if origin is Literal:
        return _pick(kind, raw)
    if origin in (list, tuple) or kind in (list, tuple):
        return _convert_sequence(kind, raw)
    if origin is dict or kind is dict:
        return _convert_mapping(kind, raw)
    return _convert_scalar(kind, raw)


def _convert_scalar(kind: Any, raw: Any) -> Any:
    if kind is float and type(raw) in (int, float):
        try:
            return float(raw)
        except OverflowError:
            raise _mismatch(kind, raw, "it is too large for a float") from None
    if kind is Path and isinstance(raw, str) and raw:
        return Path(raw)
    if kind in (bool, int, str):
        if type(raw) is kind:
            return raw
        if kind is int and isinstance(raw, float) and raw.is_integer():
            raise _mismatch(kind, raw, f"write {raw:.0f}")
        if kind is str and raw is not None and not isinstance(raw, list | dict):
            raise _mismatch(kind, raw, "put it in quotes")
    elif kind not in (float, Path):
        raise TypeError(f"configuration fields of type {kind!r} are not supported")
    raise _mismatch(kind, raw)


def _any(raw: Any) -> Any:
    """A value of any type; text of the command line within it is read as YAML, or stays text."""
    if isinstance(raw, dict):
        return {key: _any(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_any(value) for value in raw]
    if isinstance(raw, Text):
        try:
            return read_value(raw.text)
        except Mismatch:
            return raw.text
    return raw


def _convert_text(kind: Any, text: str) -> Any:
    if is_optional(kind) and is_null(Text(text)):
        return None
    if get_origin(kind) in (Union, types.UnionType):
        # Text fits everything, hence last: `7` given to `int | str` is a number.
        parts = sorted(members(kind), key=lambda part: part in (str, Path))
        return _first_fit(kind, parts, Text(text))
    if get_origin(kind) is Literal:
        return _pick(kind, next((choice for choice in get_args(kind) if str(choice) == text), text))
    if kind is str:
        return text
    if kind is Path:
        return convert(kind, text)
    try:
        value = read_value(text)
    except Mismatch as reason:
        raise Mismatch(f"expected {describe(kind)}, got {shown(repr(text))}: {reason}") from reason
    return convert(kind, value)


def _first_fit(kind: Any, parts: Any, raw: Any) -> Any:
    reasons = []
    for part in parts:
        try:
            return convert(part, raw)
        except Mismatch as reason:
            reasons.append(reason)
    if len(reasons) == 1:
        words = str(reasons[0]).removeprefix(f"expected {describe(parts[0])}")
        raise Mismatch(f"expected {describe(kind)}{words}")
    raise _mismatch(kind, raw.text if isinstance(raw, Text) else raw)


def _pick(kind: Any, raw: Any) -> Any:
    choices = get_args(kind)
    if type(raw) is bool and raw not in choices:
        # YAML 1.1 reads an unquoted `no` as false; where only one choice can be meant, it is that one.
        spelled = [choice for choice in choices if choice in (("yes", "on") if raw else ("no", "off"))]
        raw = spelled[0] if len(spelled) == 1 else raw
    for choice in choices:
        if type(raw) is type(choice) and raw == choice:
            return choice
    near = nearest(str(raw), [str(choice) for choice in choices])
    raise _mismatch(kind, raw, f"did you mean {near}?" if near else "")


def _convert_sequence(kind: Any, raw: Any) -> Any:
    if not isinstance(raw, list):
        hint = "a list is written in brackets, as in [1,2,3]" if isinstance(raw, str | int | float) else ""
        raise _mismatch(kind, raw, hint)
    container, parts = get_origin(kind) or kind, get_args(kind) or (Any, ...)
    if container is list or parts[1:] == (...,):
        parts = (parts[0],) * len(raw)
    if len(parts) != len(raw):
        raise _mismatch(kind, raw, f"{len(parts)} entries are needed, {len(raw)} given")
    values = []
    for index, (part, entry) in enumerate(zip(parts, raw, strict=True)):
        try:
            values.append(convert(part, entry))
        except Mismatch as reason:
            raise Mismatch(f"expected {describe(kind)}; entry {index}: {reason}") from reason
    return container(values)


def _convert_mapping(kind: Any, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise _mismatch(kind, raw)
    value_kind = get_args(kind)[1] if get_args(kind) else Any
    values = {}
    for key, entry in raw.items():
        try:
            values[key] = convert(value_kind, entry)
        except Mismatch as reason:
            raise Mismatch(f"expected {describe(kind)}; entry {shown(key)}: {reason}") from reason
    return values


def _mismatch(kind: Any, raw: Any, hint: str = "") -> Mismatch:
    seen = "null" if raw is None else f"{shown(_as_typed(raw))} ({_yaml_type(raw)})"
    return Mismatch(f"expected {describe(kind)}, got {seen}" + (f": {hint}" if hint else ""))


def _as_typed(raw: Any) -> str:
    if isinstance(raw, bool):
        return str(raw).lower()
    try:
        return repr(raw)
    except ValueError:  # int of more digits than Python prints
        return "a very long number"


def _yaml_type(raw: Any) -> str:
    names = {bool: "true or false", str: "text", dict: "mapping", Text: "text"}
    return names.get(type(raw), type(raw).__name__)


def nearest(name: str, candidates: list[str]) -> str | None:
    """The candidate that resembles ``name`` most, or None when none does."""
    close = difflib.get_close_matches(name[:200], candidates, n=1, cutoff=0.6)
    return close[0] if close else None
