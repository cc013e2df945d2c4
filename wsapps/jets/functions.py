"""Functions of jets. Each also takes a tensor or a number and then is the usual function."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from wsapps.jets import taylor
from wsapps.jets.jet import Jet, compose
from wsapps.jets.streams import Stream

_V = TypeVar("_V", Jet, Tensor, float)


def sin(x: _V) -> _V:
    """Sine."""
    return _apply(x, taylor.sine, torch.sin, math.sin)


def cos(x: _V) -> _V:
    """Cosine."""
    return _apply(x, taylor.cosine, torch.cos, math.cos)


def tan(x: _V) -> _V:
    """Tangent."""
    return _apply(x, taylor.tangent, torch.tan, math.tan)


def tanh(x: _V) -> _V:
    """Hyperbolic tangent."""
    return _apply(x, taylor.hyperbolic_tangent, torch.tanh, math.tanh)


def exp(x: _V) -> _V:
    """Exponential."""
    return _apply(x, taylor.exponential, torch.exp, math.exp)


def log(x: _V) -> _V:
    """Natural logarithm."""
    return _apply(x, taylor.logarithm, torch.log, math.log)


def sqrt(x: _V) -> _V:
    """Square root; its derivatives at 0 are infinite."""
    return _apply(x, partial(taylor.power, exponent=0.5), torch.sqrt, math.sqrt)


def abs(x: _V) -> _V:
    """Absolute value; its first derivative is the sign, 0 at 0, and higher ones are 0."""
    return _apply(x, taylor.absolute, torch.abs, math.fabs)


def relu(x: _V) -> _V:
    """``max(x, 0)``; its first derivative is 0 at 0, as PyTorch's, and higher ones are 0."""
    return _apply(x, taylor.rectified, torch.relu, lambda number: max(number, 0.0))


def where(
    condition: Tensor | bool, chosen: Jet | Tensor | float, other: Jet | Tensor | float
) -> Jet | Tensor | float:
    """``chosen`` where the condition holds, else ``other``, value and derivatives alike.

    Nothing is added for the jump between them: derivatives are those on either side.

    Raises:
        ValueError: jets of different spaces.
    """
    jets = [item for item in (chosen, other) if isinstance(item, Jet)]
    if not jets:
        if isinstance(condition, Tensor):
            return torch.where(condition, chosen, other)  # type: ignore[arg-type]
        return chosen if condition else other
    if any(jet.space != jets[0].space for jet in jets):
        raise ValueError(f"jets of different spaces: {jets[0].space} and {jets[-1].space}")
    value = jets[0].value
    holds = condition if isinstance(condition, Tensor) else torch.tensor(condition, device=value.device)
    streams: list[Stream] = []
    for a, b in zip(_streams(chosen, jets[0]), _streams(other, jets[0]), strict=True):
        none = a is None and b is None
        zero = value.new_zeros(())
        streams.append(
            None if none else torch.where(holds, zero if a is None else a, zero if b is None else b)
        )
    return Jet(jets[0].space, streams)


def cat(jets: Sequence[Jet], dim: int = -1) -> Jet:
    """Jets side by side along a dimension of their values."""
    return _joined(jets, lambda streams: torch.cat(streams, dim=dim))


def stack(jets: Sequence[Jet], dim: int = -1) -> Jet:
    """Jets side by side along a new dimension: D jets ``(N,)`` to one ``(N, D)``."""
    return _joined(jets, lambda streams: torch.stack(streams, dim=dim))


#: Name to function, of an expression.
FUNCTIONS: dict[str, Callable] = {
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "tanh": tanh,
    "abs": abs,
    "where": where,
}


def _apply(
    x: Any,
    coefficients: Callable[[Tensor, int], Sequence[Any]],
    of_tensor: Callable[[Tensor], Tensor],
    of_number: Callable[[float], float],
) -> Any:
    if isinstance(x, Jet):
        return compose(x, coefficients(x.value, x.space.order))
    return of_tensor(x) if isinstance(x, Tensor) else of_number(x)


def _streams(item: Jet | Tensor | float, like: Jet) -> Sequence[Stream]:
    if isinstance(item, Jet):
        return item.streams
    value = item if isinstance(item, Tensor) else like.value.new_tensor(item)
    return (value,) + (None,) * (len(like.space) - 1)


def _joined(jets: Sequence[Jet], join: Callable[[list[Tensor]], Tensor]) -> Jet:
    space = jets[0].space
    if any(jet.space != space for jet in jets):
        raise ValueError(f"jets of different spaces: {', '.join(str(jet.space) for jet in jets)}")
    streams: list[Stream] = []
    for parts in zip(*(jet.streams for jet in jets), strict=True):
        if all(part is None for part in parts):
            streams.append(None)
            continue
        full = [
            torch.zeros_like(jet.value) if part is None else part.expand(jet.shape)
            for part, jet in zip(parts, jets, strict=True)
        ]
        streams.append(join(full))
    return Jet(space, streams)
