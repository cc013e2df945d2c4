"""What the functions of an expression mean for floats, numpy arrays and torch tensors.

An expression is evaluated over a table: name -> callable. Operators and comparisons are the values' own.
Derivative jets bring their own table.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from wsapps_pde.language.symbols import FUNCTIONS

Functions = Mapping[str, Callable[..., Any]]


def _power(base: Any, exponent: Any) -> Any:
    """``base ** exponent`` without complex numbers: where Python's own gives one, there is no value."""
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("a negative number to a broken power")
    return result


OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": _power,
    "neg": operator.neg,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "and": operator.and_,
    "or": operator.or_,
    "not": lambda truth: truth ^ True,
}

MATH_FUNCTIONS: Functions = {
    **{name: getattr(math, name) for name in FUNCTIONS if name != "abs"},
    "abs": abs,
    "where": lambda condition, yes, no: yes if condition else no,
}

NUMPY_FUNCTIONS: Functions = {**{name: getattr(np, name) for name in FUNCTIONS}, "where": np.where}


def torch_functions(dtype: torch.dtype | None = None) -> Functions:
    """The table for tensors; numbers (constants, parameters) may stand among them.

    Args:
        dtype: of ``where(condition, number, number)``, in which no tensor tells it; torch's default if None.
    """
    return {**{name: _of_tensors(name) for name in FUNCTIONS}, "where": _where(dtype)}


def _of_tensors(name: str) -> Callable[[Any], Any]:
    of_tensor, of_number = getattr(torch, name), MATH_FUNCTIONS[name]

    def function(value: Any) -> Any:
        return of_tensor(value) if isinstance(value, torch.Tensor) else of_number(value)

    return function


def _where(dtype: torch.dtype | None) -> Callable[..., Any]:
    def where(condition: Any, yes: Any, no: Any) -> Any:
        if not isinstance(condition, torch.Tensor):
            chosen, other = (yes, no) if condition else (no, yes)
            if isinstance(other, torch.Tensor) and not isinstance(chosen, torch.Tensor):
                # No constant, whose value was checked: of a number log(0) would be an error and not -inf.
                return torch.full((), chosen, dtype=other.dtype, device=other.device)
            return chosen
        if not isinstance(yes, torch.Tensor) and not isinstance(no, torch.Tensor):
            yes = torch.full((), yes, dtype=dtype, device=condition.device)
            no = torch.full((), no, dtype=dtype, device=condition.device)
        return torch.where(condition, yes, no)

    return where


TORCH_FUNCTIONS: Functions = torch_functions()
