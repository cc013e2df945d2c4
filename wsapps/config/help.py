"""The text that ``--help`` prints."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from typing import Any

from wsapps.config.compose import Group
from wsapps.config.conversion import describe
from wsapps.config.overrides import Text, shown
from wsapps.config.schema import REQUIRED, Key

_WIDTH = 110


def render(program: str, groups: Sequence[Group], selected: Mapping[str, str], keys: Sequence[Key]) -> str:
    """The text; ``selected`` is the option of each group in force, ``keys`` are printed in order."""
    lines = [f"usage: {program} [key=value ...]", ""]
    if groups:
        lines += ["Groups: choose with group=NAME, or group=FILE.yaml for a file of your own.", ""]
        rows = [(group.key, _options(group, selected.get(group.key))) for group in groups]
        lines += [*_table(rows), ""]
    lines += [
        "Keys: key=value. Text and paths are taken as they are; a list is written [1,2,3]; null is no value.",
        "",
    ]
    lines += _table([(f"{key.path}={_value(key.value)}", _meaning(key)) for key in keys])
    return "\n".join(lines) + "\n"


def _options(group: Group, selected: str | None) -> str:
    options = [f"{option} (default)" if option == selected else option for option in group.options]
    if selected is not None and selected not in group.options:
        options.append(f"{selected} (chosen)")
    return (f"{group.words}: " if group.words else "") + ", ".join(options)


def _value(value: Any) -> str:
    if value is MISSING or (isinstance(value, str) and value == REQUIRED):
        return "(required)"
    if isinstance(value, Text):
        return shown(value.text)
    if isinstance(value, list | tuple):
        return "[" + ",".join(_value(entry) for entry in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return shown(str(value))


def _meaning(key: Key) -> str:
    unit = key.field.metadata.get("unit")
    kind = describe(key.kind) + (f", {unit}" if unit else "")
    words = key.field.metadata.get("doc")
    return f"{words} ({kind})" if words else f"({kind})"


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Two columns; a long left entry has its explanation on the next line."""
    column = min(40, max((len(left) for left, _ in rows), default=0) + 4)
    lines = []
    for left, right in rows:
        wrapped = textwrap.wrap(right, _WIDTH - column) or [""]
        if len(left) + 4 > column:
            lines.append(f"  {left}")
        else:
            lines.append(f"  {left}".ljust(column) + wrapped.pop(0))
        lines += [" " * column + line for line in wrapped]
    return [line.rstrip() for line in lines]
