"""Expressions of a problem file: parsed once, evaluated over floats, arrays, tensors or derivative jets.

>>> names = Names(variables=("x", "t"), unknowns={"u": ("x", "t")}, parameters=("nu",))
>>> burgers = Expression.parse("u_t + u*u_x - nu*u_xx", names)
>>> sorted(burgers.names)
['nu', 'u', 'u_t', 'u_x', 'u_xx']
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_pde.language.functions import MATH_FUNCTIONS, NUMPY_FUNCTIONS, OPERATORS, Functions
from wsapps_pde.language.parsing import parse
from wsapps_pde.language.program import Step
from wsapps_pde.language.symbols import MultiIndex, Names, derivative_of

__all__ = ["Expression", "Names", "derivative_of"]


@dataclass(frozen=True)
class Expression:
    """Arithmetic over names, or a condition made of comparisons.

    Args:
        text: as the user wrote it.
        steps: the program; the last step is the result.
    """

    text: str
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: object, names: Names, where: str = "") -> Expression:
        """A number-valued expression from text, or from a number of a YAML file.

        Args:
            names: what may stand in it.
            where: what a message begins with.

        Raises:
            UserError: it is no such expression, in one line that points at the place.
        """
        parsed = cls._read(text, names, where)
        if parsed.is_truth:
            _fail(
                where, f"{parsed.text!r} is a condition, and a number is needed; write where(condition, a, b)"
            )
        return parsed

    @classmethod
    def parse_condition(cls, text: object, names: Names, where: str = "") -> Expression:
        """A condition, as in ``at: "x = -1 or x = 1"``.

        Raises:
            UserError: as :meth:`parse`; a number is no condition.
        """
        parsed = cls._read(text, names, where)
        if not parsed.is_truth:
            _fail(where, f"{parsed.text!r} is no condition; write it as in 'x = 0', 'x < 0 and t > 1'")
        return parsed

    @classmethod
    def parse_residual(cls, text: object, names: Names, where: str = "") -> Expression:
        """What is driven to zero: an expression, or an equation ``left = right``, which is left - right.

        Raises:
            UserError: as :meth:`parse`.
        """
        parsed = cls._read(text, names, where)
        if parsed.steps[-1].op == "==":
            return cls(parsed.text, (*parsed.steps[:-1], Step("-", parsed.steps[-1].args)))
        return cls.parse(text, names, where)

    @classmethod
    def _read(cls, text: object, names: Names, where: str) -> Expression:
        if isinstance(text, bool) or not isinstance(text, str | int | float):
            kind = {bool: "true or false", dict: "a mapping", list: "a list", type(None): "nothing"}
            got = kind.get(type(text), type(text).__name__)
            _fail(where, f"an expression or a number is needed, got {got}")
        written = text if isinstance(text, str) else _number_text(text, where)
        return cls(written.strip(), parse(written, names, where))

    @property
    def names(self) -> frozenset[str]:
        """The names that evaluation needs; of derivatives, with the letters in the order of the variables."""
        return frozenset(str(step.value) for step in self.steps if step.op == "name")

    @property
    def is_truth(self) -> bool:
        return self.steps[-1].is_truth

    @property
    def constant(self) -> float | None:
        """The value, if no name occurs; else None."""
        last = self.steps[-1]
        return float(last.value) if last.op == "number" and last.value is not None else None

    @property
    def single_name(self) -> str | None:
        """The name, if the expression is nothing else; else None."""
        last = self.steps[-1]
        return str(last.value) if last.op == "name" else None

    def derivatives(
        self, unknowns: Collection[str], variables: tuple[str, ...]
    ) -> frozenset[tuple[str, MultiIndex]]:
        """The (unknown, multi-index) pairs that it needs; an unknown's own value has the zero index."""
        found = (derivative_of(name, unknowns, variables) for name in self.names)
        return frozenset(pair for pair in found if pair is not None)

    def evaluate(self, values: Mapping[str, Any], functions: Functions) -> Any:
        """The value, given that of every name in :attr:`names`.

        Args:
            values: floats, numpy arrays, torch tensors, or jets; to fix a variable is to map it to a number.
            functions: the table that fits them (:mod:`wsapps_pde.language.functions`). Numbers stay Python
                floats, so that an expression without names gives a float.

        Raises:
            KeyError: a name has no value.
        """
        results: list[Any] = []
        for step in self.steps:
            if step.op == "number":
                results.append(step.value)
            elif step.op in ("name", "place"):
                results.append(values[str(step.value)])
            else:
                function = OPERATORS[step.op] if step.op in OPERATORS else functions[step.op]
                results.append(function(*[results[arg] for arg in step.args]))
        return results[-1]

    def value(self, values: Mapping[str, float], where: str = "") -> float:
        """The value on plain numbers.

        Raises:
            UserError: it is not finite: a division by zero, an overflow, the logarithm of a negative number.
        """
        try:
            result = self.evaluate(values, MATH_FUNCTIONS)
        except ZeroDivisionError:
            _fail(where, f"{self.text!r} divides by zero")
        except OverflowError:
            _fail(where, f"{self.text!r} is too large for a number")
        except ValueError:
            _fail(where, f"{self.text!r} has no finite real value")
        if result - result != 0:
            _fail(where, f"{self.text!r} has no finite real value")
        return float(result)

    def on_arrays(self, values: Mapping[str, Any], count: int) -> NDArray[Any]:
        """``(count,)`` values on numpy arrays and numbers; NaN or infinite where there is none."""
        with np.errstate(all="ignore"):
            result = self.evaluate(_as_numpy(values), NUMPY_FUNCTIONS)
        return np.broadcast_to(np.asarray(result), (count,))


def _as_numpy(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as numpy's own, which divide by zero without an exception."""
    return {name: np.float64(v) if isinstance(v, int | float) else v for name, v in values.items()}


def _number_text(number: int | float, where: str) -> str:
    if number - number != 0:
        _fail(where, f"{number} is not a finite number")
    try:
        return repr(float(number)) if isinstance(number, float) else str(number)
    except ValueError:
        _fail(where, "a number is too large")


def _fail(where: str, message: str) -> NoReturn:
    raise UserError(f"{where}: {message}" if where else message)
