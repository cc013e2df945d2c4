"""Command-line arguments ``key=value``: which are accepted, and how a value that is not text is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from wsapps.errors import UserError


@dataclass(frozen=True)
class Text:
    """A value as it was typed. Only the field that it meets decides how to read it."""

    text: str


@dataclass(frozen=True)
class Argument:
    """One ``key=value``; ``text`` is everything after the first ``=``, untouched."""

    key: str
    text: str

    def __str__(self) -> str:
        return shown(f"{self.key}={self.text}")


class Mismatch(Exception):
    """A value does not fit the type of its field; the message says what was expected."""


def shown(text: str, limit: int = 200) -> str:
    """``text`` fit for a one-line message: quoted where it holds line breaks or the like, not too long."""
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= limit else text[:limit] + "..."


def wants_help(overrides: Iterable[str]) -> bool:
    """Whether the arguments ask for help (``--help`` or ``-h``)."""
    return any(argument in ("--help", "-h") for argument in overrides)


def parse_arguments(overrides: Sequence[str]) -> list[Argument]:
    """Split ``key=value`` arguments; where a key is given twice, the last one counts.

    Raises:
        UserError: an argument is not of that form, or uses ``+``, ``++`` or ``~``, which bypass the schema.
    """
    last: dict[str, Argument] = {}
    for given in overrides:
        argument = _split(str(given))
        last.pop(argument.key, None)
        last[argument.key] = argument
    return list(last.values())


def _split(given: str) -> Argument:
    where = f"command line: {shown(given)}"
    key, equals, text = given.partition("=")
    if key.startswith("-"):
        plain = key.lstrip("-")
        if given in ("--help", "-h"):
            raise UserError(f"{where}: prints the help and cannot be combined with a run")
        meant = shown(f"{plain or 'key'}={text or 'value'}")
        raise UserError(f"{where}: arguments are written key=value, as in {meant}; --help lists the keys")
    if key.startswith(("+", "~")):
        raise UserError(
            f"{where}: +key, ++key and ~key are not accepted (no key is added or removed); write key=value"
        )
    if not equals:
        raise UserError(
            f"{where}: there is no '='; arguments are written key=value, and --help lists the keys"
        )
    if not all(part.strip() for part in key.split(".")):
        raise UserError(f"{where}: the key before '=' is empty or has an empty part; write key=value")
    return Argument(key, text)


def insert(tree: dict[str, Any], arguments: Sequence[Argument]) -> None:
    """Put every argument into the nested dict ``tree`` as a :class:`Text` leaf.

    Raises:
        UserError: one argument sets a value and another one a key below it.
    """
    keys = {argument.key: argument for argument in arguments}
    for argument in arguments:
        parts = argument.key.split(".")
        node = tree
        for depth, part in enumerate(parts[:-1], start=1):
            above = keys.get(".".join(parts[:depth]))
            if above is not None:
                raise UserError(f"command line: {argument}: contradicts {above}; give one of the two")
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node[parts[-1]] = Text(argument.text)


def read_value(text: str) -> Any:
    """A number, true/false, null, list or dict in Hydra's value grammar (``[1,2.5,a]``, ``{a:1}``, ``1e-4``).

    Nothing is evaluated: Hydra's functions (``glob(...)``), sweeps and interpolations are refused.

    Raises:
        Mismatch: the text cannot be read.
    """
    if "${" in text:
        raise Mismatch("interpolations ${...} are not accepted")
    parser = OverridesParser.create()
    parser.functions.definitions.clear()  # no int(3.7), no shuffle(...): a value is a value
    try:
        override = parser.parse_override(f"key={text}")
        if override.is_sweep_override():
            raise Mismatch("a list is written in brackets, as in [1,2,3]")
        return override.value()
    except Mismatch:
        raise
    except Exception as error:  # ANTLR and Hydra raise many kinds, RecursionError among them
        hint = """; texts that hold = are quoted, as in ["a=1"]""" if "=" in text else ""
        raise Mismatch(f"it cannot be read{hint}") from error
