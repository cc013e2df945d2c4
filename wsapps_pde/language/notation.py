"""Writing a program back: as the problem language has it, or in mathematical notation."""

from __future__ import annotations

from collections.abc import Callable

from wsapps_pde.language.program import Step
from wsapps_pde.language.symbols import FUNCTIONS, MultiIndex, Names, derivative_of

_ATOM = 9
_BINDING = {"or": 1, "and": 2, "not": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4,
            "+": 5, "-": 5, "*": 6, "/": 6, "neg": 6, "**": 8}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(steps: tuple[Step, ...]) -> str:
    """The expression in the problem language, with no more parentheses than it needs."""
    return _written(steps, lambda name: name)


def mathematical(steps: tuple[Step, ...], names: Names, unicode: bool = True) -> str:
    """The expression with its derivatives as fractions: ``∂²u/∂x²``; without ``unicode``, ``d2u/dx2``."""

    def write(name: str) -> str:
        found = derivative_of(name, names.unknowns, names.variables)
        return name if found is None else derivative(*found, names.variables, unicode)

    return _written(steps, write)


def derivative(unknown: str, index: MultiIndex, variables: tuple[str, ...], unicode: bool = True) -> str:
    """``∂³u/∂x²∂t`` of ("u", (2, 1), ("x", "t")); ``u`` of the zero index."""
    order = sum(index)
    if order == 0:
        return unknown
    mark = "∂" if unicode else "d"
    below = "".join(f"{mark}{v}{_power(n, unicode)}" for v, n in zip(variables, index, strict=True) if n)
    return f"{mark}{_power(order, unicode)}{unknown}/{below}"


def number(value: float) -> str:
    """A number as short as it can be without loss: ``2``, ``0.1``."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _power(order: int, unicode: bool) -> str:
    text = "" if order == 1 else str(order)
    return text.translate(_SUPERSCRIPTS) if unicode else text


def _written(steps: tuple[Step, ...], name: Callable[[str], str]) -> str:
    texts: list[str] = []
    bindings: list[int] = []
    for step in steps:
        args = [(texts[arg], bindings[arg]) for arg in step.args]
        texts.append(_one(step, args, name))
        negative = step.op == "number" and texts[-1].startswith("-")
        bindings.append(_BINDING["neg"] if negative else _BINDING.get(step.op, _ATOM))
    return texts[-1]


def _one(step: Step, args: list[tuple[str, int]], name: Callable[[str], str]) -> str:
    if step.op == "number":
        assert isinstance(step.value, float)
        return "pi" if step.value == 3.141592653589793 else number(step.value)
    if step.op in ("name", "place"):
        return name(str(step.value))
    if step.op in (*FUNCTIONS, "where"):
        return f"{step.op}({', '.join(text for text, _ in args)})"
    own = _BINDING[step.op]
    if step.op in ("neg", "not"):
        sign = "-" if step.op == "neg" else "not "
        return sign + _enclosed(*args[0], own + (step.op == "neg"))
    # - and / bind to the left, ** to the right.
    left = _enclosed(*args[0], own + (step.op == "**" or own == _BINDING["<"]))
    right = _enclosed(*args[1], own + (step.op != "**" and step.op not in ("and", "or")))
    operator = {"*": "*", "/": "/", "**": "**", "==": " = "}.get(step.op, f" {step.op} ")
    return f"{left}{operator}{right}"


def _enclosed(text: str, binding: int, needed: int) -> str:
    return text if binding >= needed else f"({text})"
