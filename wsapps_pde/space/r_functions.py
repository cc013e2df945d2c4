"""R-functions: smooth formulas for the intersection and the union of sets given by levels.

A level is positive inside a set, zero on its boundary, negative outside (Rvachev; Shapiro, "Semi-analytic
geometry with R-functions", 2007, the system R_0). They are smooth except where both levels are zero, and
near a boundary behave as the level of the set that it belongs to. Levels are arrays, tensors or jets;
``functions`` is the table that fits them (:mod:`wsapps_pde.language.functions`).
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from wsapps_pde.language.functions import Functions


def intersection(levels: list[Any], functions: Functions) -> Any:
    """``a + b - sqrt(a^2 + b^2)``, from the left over all levels."""
    return reduce(lambda a, b: a + b - functions["sqrt"](a * a + b * b), levels)


def union(levels: list[Any], functions: Functions) -> Any:
    """``a + b + sqrt(a^2 + b^2)``, from the left over all levels."""
    return reduce(lambda a, b: a + b + functions["sqrt"](a * a + b * b), levels)
