"""The names of a problem: which an expression may use, and how a derivative is written, as in ``u_xxt``."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from wsapps.config.conversion import nearest
from wsapps.config.overrides import shown
from wsapps.errors import UserError

MultiIndex = tuple[int, ...]
#: Unknown -> the derivatives of it that something needs.
Wanted = Mapping[str, frozenset[MultiIndex]]

FUNCTIONS = ("sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh")
#: What ``at`` says of places; initial is the lower bound of the time.
PLACES = ("boundary", "interior", "everywhere", "initial")
#: Derivatives of higher total order are a slip of the finger.
MAX_ORDER = 8

_FILES = {"file", "residual", "points", "alpha"}  # names in what a run writes of its unknowns
_RESERVED = {*FUNCTIONS, *PLACES, "pi", "where", "normal_derivative", "at", "weight", "periodic"}
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Names:
    """What may stand in an expression.

    Args:
        variables: of the domain, in the order of the coordinates.
        unknowns: name -> the variables on which it depends. Their derivatives may stand there, too.
        parameters: constants and trainable ones.
        normals: variables in which ``normal_x`` and ``normal_derivative(u)`` may be used.
        places: words for places, which are true or false (:data:`PLACES`).
    """

    variables: tuple[str, ...] = ()
    unknowns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    normals: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def plain(self) -> list[str]:
        """All names except derivatives."""
        return [*self.variables, *self.unknowns, *self.parameters, *map(normal_name, self.normals)]


def normal_name(variable: str) -> str:
    """The name of a component of the outward normal: ``normal_x``."""
    return f"normal_{variable}"


def derivative_name(unknown: str, index: MultiIndex, variables: tuple[str, ...]) -> str:
    """``u_xxt`` of ("u", (2, 1), ("x", "t")); ``u`` of the zero index."""
    letters = "".join(variable * order for variable, order in zip(variables, index, strict=True))
    return f"{unknown}_{letters}" if letters else unknown


def derivative_of(
    name: str, unknowns: Collection[str], variables: tuple[str, ...]
) -> tuple[str, MultiIndex] | None:
    """The unknown and the multi-index of a name: ("u", (2, 1)) of ``u_xxt``, with variables (x, t).

    An unknown itself has the zero index. None if the name is neither. The order of the letters is free.
    """
    if name in unknowns:
        return name, (0,) * len(variables)
    unknown, _, letters = name.rpartition("_")
    if unknown not in unknowns or not letters or not set(letters) <= set(variables):
        return None
    return unknown, tuple(letters.count(variable) for variable in variables)


def explain_derivative(name: str, names: Names) -> str | None:
    """What is wrong with a name that has the form of a derivative; None if nothing is, or it is none."""
    unknown, _, letters = name.rpartition("_")
    if unknown not in names.unknowns or not letters:
        return None
    for letter in letters:
        if letter not in names.variables:
            return (
                f"{shown(name)!r} differentiates in {letter!r}, which is no variable of the domain "
                f"({', '.join(names.variables)})"
            )
        if letter not in names.unknowns[unknown]:
            depends = ", ".join(names.unknowns[unknown])
            return f"{shown(name)!r} is zero: {unknown} depends on {depends} alone"
    if len(letters) > MAX_ORDER:
        return f"{shown(name, 40)!r} has order {len(letters)}; at most {MAX_ORDER} is supported"
    return None


def suggestion(name: str, names: Names, functions: bool = True) -> str | None:
    """The known name that an unknown one resembles most, or None."""
    simple = [*names.plain, *names.places, "pi", *(FUNCTIONS if functions else ())]
    derivatives = [f"{u}_{a}" for u, on in names.unknowns.items() for a in on]
    second = [f"{u}_{a}{b}" for u, on in names.unknowns.items() for a in on for b in on]
    known = [*simple, *derivatives, *second]
    return nearest(name, known) or nearest(name.lower(), known)


def check_variables(variables: Iterable[str]) -> None:
    """Refuse what cannot be a variable.

    Raises:
        UserError: a variable is not one letter (derivatives are written as subscripts).
    """
    for variable in variables:
        if not re.fullmatch(r"[A-Za-z]", variable):
            raise UserError(
                f"variable {shown(repr(variable))} is not one letter; variables are x, y, z for space and t "
                "for time, so that derivatives can be written u_xt"
            )


def check_name(name: object, what: str, taken: Mapping[str, str]) -> str:
    """``name`` if it may be that of an unknown or a parameter.

    Args:
        what: "unknown" or "parameter", for the message.
        taken: the names in use -> what they are.

    Raises:
        UserError: it is no identifier, reserved, or in use.
    """
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name):
        raise UserError(
            f"{what} {shown(repr(name))}: a name is a letter followed by letters, digits and underscores"
        )
    if keyword.iskeyword(name):
        raise UserError(
            f"{what} {name!r} is a word of the Python language; choose another, as in {name[:3]}_"
        )
    if name in _RESERVED or name == "normal" or name.startswith("normal_"):
        raise UserError(f"{what} {name!r} has a meaning in expressions already; choose another name")
    if what == "unknown" and name in _FILES:
        raise UserError(f"unknown {name!r} would be written over one of the run's files; choose another name")
    if name in taken:
        raise UserError(f"{what} {name!r} is the name of a {taken[name]}, too; choose another name")
    return name


def check_no_derivative(names: Iterable[str], unknowns: Collection[str], variables: tuple[str, ...]) -> None:
    """Refuse names that read as a derivative of an unknown.

    Raises:
        UserError: as an unknown ``u_x`` beside ``u``.
    """
    for name in names:
        unknown, _, letters = name.rpartition("_")
        if unknown in unknowns and letters and set(letters) <= set(variables):
            raise UserError(f"{name!r} reads as a derivative of the unknown {unknown!r}; choose another name")
