"""Parts of an expression that hold constant parameters alone are plain numbers; checked beforehand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from wsapps.errors import UserError
from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.functions import MATH_FUNCTIONS, OPERATORS
from wsapps_pde.language.notation import plain
from wsapps_pde.language.program import extracted


def check_constant_parts(expression: Expression, constants: Mapping[str, float]) -> None:
    """Refuse an expression in which something like ``1/(nu - 1)`` has no value for the constants given.

    Raises:
        UserError: with the part, and the values of the constants in it.
    """
    known: dict[int, Any] = {}
    for position, step in enumerate(expression.steps):
        if step.op == "number" or step.value in constants:
            known[position] = float(constants[str(step.value)] if step.op == "name" else step.value or 0)
        elif step.args and all(arg in known for arg in step.args):
            function = OPERATORS.get(step.op) or MATH_FUNCTIONS[step.op]
            try:
                value = function(*(known[arg] for arg in step.args))
                bad = not math.isfinite(value)
            except (ArithmeticError, ValueError):
                bad = True
            if bad:
                part = extracted(expression.steps, position)
                names = sorted(str(s.value) for s in part if s.op == "name")
                given = ", ".join(f"{name} = {constants[name]:.6g}" for name in names)
                raise UserError(f"{plain(part)!r} in {expression.text!r} has no finite value where {given}")
            known[position] = value
