"""A condition as alternatives: "x = -1 or x = 1 and t > 0" holds where one of two lists of facts holds."""

from __future__ import annotations

from wsapps.errors import UserError
from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.notation import plain
from wsapps_pde.language.program import Step, extracted

#: Alternatives, each a list of facts that hold together.
Alternatives = list[list[Expression]]

MAX_ALTERNATIVES = 64
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_OPPOSITE_PLACE = {"boundary": "interior", "interior": "boundary"}


def alternatives(condition: Expression) -> Alternatives:
    """The disjunctive normal form: lists of comparisons and places, of which one list holds as a whole.

    Raises:
        UserError: there are more than 64 alternatives, or "not" stands before an equality.
    """
    positive: list[Alternatives] = []
    negative: list[Alternatives | None] = []  # None where the opposite cannot be said
    for position, step in enumerate(condition.steps):
        yes, no = _combined(step, position, condition.steps, positive, negative)
        if step.op == "not" and yes is None:
            raise UserError(
                f"{condition.text!r}: 'not' before an equality leaves nearly everything; write < or >"
            )
        if max(len(yes or []), len(no or [])) > MAX_ALTERNATIVES:
            raise UserError(
                f"{condition.text!r} has more than {MAX_ALTERNATIVES} alternatives; write several conditions"
            )
        positive.append(yes or [])
        negative.append(no)
    return positive[-1]


def _combined(
    step: Step,
    position: int,
    steps: tuple[Step, ...],
    positive: list[Alternatives],
    negative: list[Alternatives | None],
) -> tuple[Alternatives | None, Alternatives | None]:
    """The alternatives of a step and of its opposite, given those of the earlier steps."""
    if not step.is_truth:
        return None, None
    if step.op == "not":
        return negative[step.args[0]], positive[step.args[0]]
    if step.op not in ("and", "or"):
        return [[_part(steps, position)]], _negated(steps, position)
    (a, b), (not_a, not_b) = ([side[arg] for arg in step.args] for side in (positive, negative))
    assert a is not None
    assert b is not None
    yes = _both(a, b) if step.op == "and" else a + b
    if not_a is None or not_b is None:
        return yes, None
    return yes, not_a + not_b if step.op == "and" else _both(not_a, not_b)


def sides(equation: Expression) -> tuple[Expression, Expression]:
    """The two sides of a comparison."""
    left, right = equation.steps[-1].args
    return _part(equation.steps, left), _part(equation.steps, right)


def _both(a: Alternatives, b: Alternatives) -> Alternatives:
    return [first + second for first in a for second in b]


def _part(steps: tuple[Step, ...], position: int) -> Expression:
    part = extracted(steps, position)
    return Expression(plain(part), part)


def _negated(steps: tuple[Step, ...], position: int) -> Alternatives | None:
    step = steps[position]
    if step.op in _OPPOSITE:
        opposite = Step(_OPPOSITE[step.op], step.args)
    elif step.op == "place" and step.value in _OPPOSITE_PLACE:
        opposite = Step("place", value=_OPPOSITE_PLACE[str(step.value)])
    else:
        return None
    return [[_part((*steps[:position], opposite), position)]]
