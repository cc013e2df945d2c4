"""Taylor coefficients f^(k)(z) / k! of elementary functions at many values z, up to an order."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sine(value: Tensor, order: int) -> list[Tensor]:
    """``s, c, -s/2, -c/6, ...``"""
    return _periodic(torch.sin(value), torch.cos(value), order)


def cosine(value: Tensor, order: int) -> list[Tensor]:
    """``c, -s, -c/2, s/6, ...``"""
    return _periodic(torch.cos(value), -torch.sin(value), order)


def tangent(value: Tensor, order: int) -> list[Tensor]:
    """From ``f' = 1 + f^2``."""
    return _riccati(torch.tan(value), 1, order)


def hyperbolic_tangent(value: Tensor, order: int) -> list[Tensor]:
    """From ``f' = 1 - f^2``."""
    return _riccati(torch.tanh(value), -1, order)


def exponential(value: Tensor, order: int) -> list[Tensor]:
    """``exp(z) / k!``"""
    exp = torch.exp(value)
    return [exp, *(exp * (1 / math.factorial(k)) for k in range(1, order + 1))]


def logarithm(value: Tensor, order: int) -> list[Tensor]:
    """``log z``, then ``(-1)^(k-1) / (k z^k)``."""
    inverse = 1 / value
    taylor, power_ = [torch.log(value)], inverse
    for k in range(1, order + 1):
        taylor.append(power_ * ((-1) ** (k - 1) / k))
        power_ = power_ * inverse
    return taylor


def reciprocal(value: Tensor, order: int) -> list[Tensor]:
    """``(-1)^k / z^(k+1)``"""
    inverse = 1 / value
    taylor = [inverse]
    for _ in range(order):
        taylor.append(-taylor[-1] * inverse)
    return taylor


def power(value: Tensor, order: int, exponent: float | Tensor) -> list[Tensor | float | None]:
    """``binomial(p, k) z^(p-k)``; for whole p >= 0 exact at z = 0 too, and ends there."""
    taylor: list[Tensor | float | None] = [value**exponent]
    binomial = exponent
    for k in range(1, order + 1):
        if not isinstance(binomial, Tensor) and binomial == 0:
            break
        rest = exponent - k
        # z^0 as a number: its derivative is 0 at z = 0 too.
        constant = not isinstance(rest, Tensor) and rest == 0
        taylor.append(binomial if constant else binomial * value**rest)
        binomial = binomial * rest / (k + 1)
    return taylor


def absolute(value: Tensor, order: int) -> list[Tensor]:
    """``|z|``, then the sign, 0 at 0."""
    return [value.abs(), value.sign()]


def rectified(value: Tensor, order: int) -> list[Tensor]:
    """``max(z, 0)``, then the step, 0 at 0 as PyTorch's."""
    return [torch.relu(value), (value > 0).to(value.dtype)]


def _periodic(value: Tensor, slope: Tensor, order: int) -> list[Tensor]:
    """Where f'' = -f."""
    taylor = [value, slope]
    for k in range(2, order + 1):
        taylor.append(taylor[k % 2] * ((-1) ** (k // 2) / math.factorial(k)))
    return taylor


def _riccati(value: Tensor, sign: int, order: int) -> list[Tensor]:
    """Where f' = 1 + sign f^2, coefficient by coefficient."""
    taylor = [value]
    for k in range(order):
        square = taylor[0] * taylor[k]
        for i in range(1, k + 1):
            square = square + taylor[i] * taylor[k - i]
        slope = sign * square if k else 1 + sign * square
        taylor.append(slope / (k + 1))
    return taylor
