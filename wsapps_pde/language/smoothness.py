"""Whether an expression is smooth by its form, so that it may stand inside the solution.

A kink or a jump carried into the domain would be one that no residual sees: the derivatives to either side
of it satisfy the equation, and the points at which it is evaluated never meet it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from wsapps_pde.language.expressions import Expression


def is_smooth(expression: Expression, varying: Collection[str], constants: Mapping[str, float]) -> bool:
    """Whether no ``abs``, ``sqrt``, broken power or condition of a ``where`` has an argument that varies.

    Poles, which ``/``, ``tan`` and ``log`` may have, are not looked for.

    Args:
        varying: the names that are not constant.
        constants: values of the others.
    """
    varies: list[bool] = []
    for step in expression.steps:
        varies.append(step.value in varying if step.op == "name" else any(varies[arg] for arg in step.args))
        if step.op in ("abs", "sqrt", "where") and varies[step.args[0]]:
            return False
        if step.op == "**" and varies[step.args[0]]:
            exponent = expression.steps[step.args[1]]
            power = constants.get(str(exponent.value)) if exponent.op == "name" else exponent.value
            if power is None or not float(power).is_integer():
                return False
    return True
