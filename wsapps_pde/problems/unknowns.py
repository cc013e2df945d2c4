"""The unknowns of a problem: ``u`` depends on all variables, ``k(x, y)`` on those that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wsapps.errors import UserError
from wsapps_pde.language.mapping import listed, located, seen
from wsapps_pde.language.symbols import check_name

_FORM = re.compile(r"\s*([^\s(),]+)\s*(?:\(([^()]*)\))?\s*")


@dataclass(frozen=True)
class Unknown:
    """A function that is to be found.

    Args:
        name: in expressions.
        variables: on which it depends, in the order of the coordinates.
    """

    name: str
    variables: tuple[str, ...]


def read_unknowns(spec: Any, variables: tuple[str, ...], taken: Mapping[str, str]) -> tuple[Unknown, ...]:
    """Unknowns as a problem file writes them: ``[u, v, "k(x, y)"]``.

    Raises:
        UserError: none at all, a name that cannot be one, twice the same, a variable that is none.
    """
    found: dict[str, Unknown] = {}
    for number, text in enumerate(listed(spec)):
        with located(f"[{number}]"):
            form = _FORM.fullmatch(text) if isinstance(text, str) else None
            if form is None:
                if isinstance(text, bool):
                    raise UserError(
                        f"YAML reads yes, no, on, off, true and false as {text}; put the name in quotes"
                    )
                raise UserError(
                    f'an unknown is written u, or "k(x, y)" in quotes if it depends on some variables alone; '
                    f"got {seen(text)}"
                )
            name = check_name(form[1], "unknown", {**taken, **dict.fromkeys(found, "unknown")})
            found[name] = Unknown(name, _dependence(form[2], variables))
    if not found:
        raise UserError("at least one unknown is needed, as in unknowns: [u]")
    return tuple(found.values())


def _dependence(text: str | None, variables: tuple[str, ...]) -> tuple[str, ...]:
    if text is None:
        return variables
    named = [part.strip() for part in text.split(",")]
    for name in named:
        if name not in variables:
            raise UserError(f"{name!r} is no variable of the domain ({', '.join(variables)})")
    return tuple(variable for variable in variables if variable in named)
