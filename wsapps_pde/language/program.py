"""An expression as a straight-line program: steps without recursion, equal parts computed once.

A step names earlier steps by their position, so that neither a long nor a deep expression needs a stack.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wsapps.errors import UserError
from wsapps_pde.language.functions import MATH_FUNCTIONS, OPERATORS
from wsapps_pde.language.symbols import FUNCTIONS

ARITHMETIC = ("+", "-", "*", "/", "**", "neg")
COMPARISONS = ("<", "<=", ">", ">=", "==")
LOGIC = ("and", "or", "not")


@dataclass(frozen=True)
class Step:
    """One operation.

    Args:
        op: "number", "name", "place", or one of the operators and functions.
        args: positions of the earlier steps that it works on.
        value: of a number or a name.
    """

    op: str
    args: tuple[int, ...] = ()
    value: float | str | None = None

    @property
    def is_truth(self) -> bool:
        return self.op in COMPARISONS or self.op in LOGIC or self.op == "place"


@dataclass
class ProgramBuilder:
    """Appends steps: an equal one is shared, arithmetic on numbers alone is done at once.

    Raises:
        UserError: by :meth:`add`: numbers mixed with conditions, or arithmetic that has no finite value.
    """

    steps: list[Step] = field(default_factory=list)
    _known: dict[Step, int] = field(default_factory=dict)

    def number(self, value: float) -> int:
        return self._append(Step("number", value=float(value)))

    def name(self, name: str) -> int:
        return self._append(Step("name", value=name))

    def place(self, word: str) -> int:
        return self._append(Step("place", value=word))

    def add(self, op: str, *args: int) -> int:
        """The position of ``op(*args)``."""
        self._check_kinds(op, args)
        operands = [self.steps[arg] for arg in args]
        if all(operand.op == "number" for operand in operands) and (op in ARITHMETIC or op in FUNCTIONS):
            return self.number(_folded(op, [float(operand.value or 0) for operand in operands]))
        return self._append(Step(op, args))

    def _append(self, step: Step) -> int:
        if step not in self._known:
            self._known[step] = len(self.steps)
            self.steps.append(step)
        return self._known[step]

    def _check_kinds(self, op: str, args: tuple[int, ...]) -> None:
        for place, arg in enumerate(args):
            wanted = op in LOGIC or (op == "where" and place == 0)
            if self.steps[arg].is_truth != wanted:
                raise UserError(
                    f"{_called(op)} needs a condition such as x < 0, not a number"
                    if wanted
                    else f"{_called(op)} needs a number, not a condition; write where(condition, 1, 0)"
                )


def _called(op: str) -> str:
    return f"{op}(...)" if op in (*FUNCTIONS, "where") else {"neg": "'-'"}.get(op, f"{op!r}")


def _folded(op: str, numbers: list[float]) -> float:
    shown = ", ".join(f"{number:g}" for number in numbers)
    written = f"{op}({shown})" if op in FUNCTIONS else f" {op} ".join(f"{number:g}" for number in numbers)
    try:
        value = (MATH_FUNCTIONS[op] if op in FUNCTIONS else OPERATORS[op])(*numbers)
    except ZeroDivisionError:
        raise UserError(f"{written} divides by zero") from None
    except OverflowError:
        raise UserError(f"{written} is too large for a number") from None
    except ValueError:
        raise UserError(f"{written} has no real value") from None
    if value - value != 0:  # infinite or NaN
        raise UserError(f"{written} is too large for a number")
    return value


def extracted(steps: tuple[Step, ...], last: int) -> tuple[Step, ...]:
    """The program of the step at ``last`` alone, without those that it does not need."""
    needed = {last}
    for position in range(last, -1, -1):
        if position in needed:
            needed.update(steps[position].args)
    moved = {old: new for new, old in enumerate(sorted(needed))}
    return tuple(
        Step(steps[old].op, tuple(moved[arg] for arg in steps[old].args), steps[old].value)
        for old in sorted(needed)
    )
