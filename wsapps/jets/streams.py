"""Arithmetic of streams: sums, products, and compositions with a function of one variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from torch import Tensor

from wsapps.jets.space import JetSpace

#: One stream of a jet; None is zero everywhere.
Stream: TypeAlias = Tensor | None


def added(left: Stream, right: Stream) -> Stream:
    """The sum of two streams."""
    if left is None or right is None:
        return left if right is None else right
    return left + right


def multiplied(
    space: JetSpace, left: Sequence[Stream], right: Sequence[Stream] | None = None
) -> tuple[Stream, ...]:
    """The streams of a product, from those of its factors; by default of a square, in half the terms."""
    product: list[Stream] = []
    for terms in space.products:
        total: Stream = None
        for i, j, coefficient in terms:
            if right is None and i > j:
                continue
            a, b = left[i], left[j] if right is None else right[j]
            if a is None or b is None:
                continue
            term = a * b
            factor = 2 * coefficient if right is None and i < j else coefficient
            if isinstance(factor, Tensor) or factor != 1:
                term = term * factor
            total = added(total, term)
        product.append(total)
    return tuple(product)


def composed(
    space: JetSpace, streams: Sequence[Stream], taylor: Sequence[Tensor | float | None]
) -> tuple[Stream, ...]:
    """The streams of f(jet), from the jet's and f's Taylor coefficients at its value.

    With d = jet - value, which has no value, f(jet) = sum_k f_k d^k. The power d^k has no streams of an order
    below k: the sum ends at the space's order, and is Faa di Bruno's formula.
    """
    total: list[Stream] = [None] * len(space)
    if isinstance(taylor[0], Tensor):
        total[0] = taylor[0]
    difference: tuple[Stream, ...] = (None, *streams[1:])
    power = difference
    for k, coefficient in enumerate(taylor[1 : space.order + 1], start=1):
        if k > 1:
            power = multiplied(space, difference, None if k == 2 else power)
        if coefficient is not None:
            for number, stream in enumerate(power):
                if stream is not None:
                    total[number] = added(total[number], coefficient * stream)
    return tuple(total)
