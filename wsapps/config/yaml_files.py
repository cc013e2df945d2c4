"""Plain YAML in and out: safe types only, no interpolation, and the line of every key for the messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError

from wsapps.config.overrides import shown
from wsapps.errors import UserError

# Numbers as people write them: YAML 1.1 takes 1e-4 for text, 010 for 8 and 1:30 for 90. Loader and dumper
# share these rules: the text "1e-4" is dumped in quotes.
_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$")
_FLOAT = re.compile(
    r"^[-+]?(?:(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+"
    r"|[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|\.(?:inf|Inf|INF))$|^\.(?:nan|NaN|NAN)$"
)
_OTHERS = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "int", "float")}


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise ComposerError(None, None, "aliases (*name) are not accepted", mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.Node:
        # PyYAML folds these line breaks into spaces unless the text is in double quotes.
        style = '"' if any(mark in data for mark in "\x85\u2028\u2029") else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {
        first: [(tag, rule) for tag, rule in rules if tag not in _OTHERS]
        for first, rules in _class.yaml_implicit_resolvers.items()
    }
    _class.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


@dataclass(frozen=True)
class YamlFile:
    """``data`` of one file, and ``lines``: the line (from 1) of every key and list entry, by its path."""

    source: str
    data: dict[str, Any]
    lines: Mapping[str, int]


def dump_yaml(data: Mapping[str, Any]) -> str:
    """Plain data as YAML that :func:`parse_yaml` reads back to the same values."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31)


def read_yaml(path: Path) -> YamlFile:
    """Read a configuration file; interpolations (``${...}``) are refused.

    Raises:
        UserError: it cannot be read, or is not a mapping of keys to values; with the file and the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return parse_yaml(text, str(path), interpolation=False)


def parse_yaml(text: str, source: str, interpolation: bool) -> YamlFile:
    """Read a YAML mapping from ``text``; ``interpolation`` allows ``${`` as ordinary characters.

    Raises:
        UserError: broken YAML, a duplicate key, or a document that is empty, a list or a single value.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines = _lines(node, source, interpolation)
        data = loader.construct_document(node)
    except UserError:
        raise
    except yaml.YAMLError as error:
        raise UserError(f"{source}{_line(error, text)}: broken YAML: {_problem(error)}") from error
    except RecursionError as error:
        raise UserError(f"{source}: broken YAML: nested too deeply") from error
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as error:  # !!int x, !!bool x, an unhashable key
        raise UserError(
            f"{source}: broken YAML: a value does not fit its tag ({shown(str(error))})"
        ) from error
    return YamlFile(source, data, lines)


def _line(error: yaml.YAMLError, text: str) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return f" line {mark.line + 1}"
    position = getattr(error, "position", None)
    return "" if position is None else f" line {text.count(chr(10), 0, position) + 1}"


def _problem(error: yaml.YAMLError) -> str:
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return " ".join(problem.split())


def _lines(node: yaml.Node | None, source: str, interpolation: bool) -> dict[str, int]:
    """The line of every key and list entry; refuses what is no mapping, interpolations, duplicate keys."""
    if node is None:
        raise UserError(f"{source} line 1: the file is empty; a configuration is a mapping of key: value")
    if not isinstance(node, yaml.MappingNode):
        kind = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        line = node.start_mark.line + 1
        raise UserError(f"{source} line {line}: holds {kind}; a configuration is a mapping of key: value")
    lines: dict[str, int] = {}
    entries: dict[str, int] = {}

    def visit(part: yaml.Node, path: str) -> None:
        if isinstance(part, yaml.MappingNode):
            for key, value in part.value:
                visit(key, path)
                here = f"{path}.{key.value}" if path else str(key.value)
                if here in lines:
                    raise UserError(f"{source} line {key.start_mark.line + 1}: {shown(here)} is given twice")
                lines[here] = key.start_mark.line + 1
                visit(value, here)
        elif isinstance(part, yaml.SequenceNode):
            for index, value in enumerate(part.value):
                entries[f"{path}[{index}]"] = value.start_mark.line + 1
                visit(value, f"{path}[{index}]")
        elif not interpolation and "${" in part.value:
            line = part.start_mark.line + 1
            raise UserError(
                f"{source} line {line}: {shown(path)}: interpolations are not accepted: {shown(part.value)}"
            )

    visit(node, "")
    return {**entries, **lines}
