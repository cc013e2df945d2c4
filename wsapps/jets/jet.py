"""Truncated Taylor expansions in several variables at many points, and their algebra."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from wsapps.jets import taylor
from wsapps.jets.space import Index, JetSpace
from wsapps.jets.streams import Stream, added, composed, multiplied

if TYPE_CHECKING:
    from types import EllipsisType

Number: TypeAlias = float | int | Tensor


#: A tensor's method that got a jet, to the jet's that answers with the tensor. torch.compile sends
#: ``jet - tensor`` through the tensor, too.
_ANSWERS = {
    "add": "__radd__",
    "sub": "__rsub__",
    "mul": "__rmul__",
    "div": "__rtruediv__",
    "pow": "__rpow__",
    "__rsub__": "__sub__",
    "__rdiv__": "__truediv__",
    "__rpow__": "__pow__",
    "lt": "__gt__",
    "le": "__ge__",
    "gt": "__lt__",
    "ge": "__le__",
    "eq": "__eq__",
    "__eq__": "__eq__",
    "ne": "__ne__",
    "__ne__": "__ne__",
}


class Jet:
    """A function's value and derivatives at N points: a truncated Taylor expansion around each.

    ``+ - * / **`` with jets of the same space, tensors and numbers are exact up to the space's order;
    comparisons compare values and give tensors of bool. Everything is made of tensor operations: autograd
    differentiates it by parameters, torch.compile compiles it.

    Attributes:
        space: which derivatives.
        streams: one tensor a stream of the space, Taylor-normalised: the derivative divided by the index's
            factorials. None is zero. The first, the value, is never None, and all broadcast to its shape.

    Args:
        coefficients: ``(S, N, ...)``, or a sequence of S streams.

    Raises:
        ValueError: another number of streams than the space has, or no value.
    """

    __slots__ = ("space", "streams")
    __hash__ = None  # type: ignore[assignment]  # == compares values

    def __init__(self, space: JetSpace, coefficients: Tensor | Sequence[Stream]):
        streams = coefficients.unbind() if isinstance(coefficients, Tensor) else tuple(coefficients)
        if len(streams) != len(space) or streams[0] is None:
            raise ValueError(f"{space} needs {len(space)} streams, value first, got {len(streams)}")
        self.space = space
        self.streams: tuple[Stream, ...] = streams

    @classmethod
    def constant(cls, space: JetSpace, value: Tensor) -> Jet:
        """A jet without derivatives, of any shape."""
        return cls(space, (value,) + (None,) * (len(space) - 1))

    @classmethod
    def identity(cls, space: JetSpace, coordinates: Tensor) -> Jet:
        """All coordinates as one jet: ``(N, D)`` to a jet of values ``(N, D)``.

        Raises:
            ValueError: coordinates of another dimension than the space.
        """
        if coordinates.shape[-1] != space.dims:
            raise ValueError(f"coordinates must be (N, {space.dims}), got {tuple(coordinates.shape)}")
        units = torch.eye(space.dims, dtype=coordinates.dtype, device=coordinates.device).unbind()
        return cls(space, (coordinates, *_seeds(space, units)))

    @classmethod
    def coordinates(cls, space: JetSpace, coordinates: Tensor) -> tuple[Jet, ...]:
        """Each coordinate as a jet: ``(N, D)`` to D jets of values ``(N,)``.

        Raises:
            ValueError: coordinates of another dimension than the space.
        """
        if coordinates.shape[-1] != space.dims:
            raise ValueError(f"coordinates must be (N, {space.dims}), got {tuple(coordinates.shape)}")
        one = coordinates.new_ones(())
        jets = []
        for axis, value in enumerate(coordinates.unbind(dim=-1)):
            units = [one if axis == other else None for other in range(space.dims)]
            jets.append(cls(space, (value, *_seeds(space, units))))
        return tuple(jets)

    @property
    def value(self) -> Tensor:
        """``(N, ...)``."""
        value = self.streams[0]
        assert value is not None
        return value

    @property
    def shape(self) -> torch.Size:
        """Shape of the value."""
        return self.value.shape

    def derivative(self, index: Index) -> Tensor:
        """The derivative itself, not divided by factorials: ``(N, ...)``.

        Raises:
            ValueError: the space does not have it.
        """
        position = self.space.position(index)
        factor = self.space.factorials[position]
        stream = self._full(position)
        return stream if factor == 1 else factor * stream

    def operator(self, number: int) -> Tensor:
        """The value of an operator, by its number in ``space.operators``: ``(N, ...)``."""
        return self._full(len(self.space.indices) + range(len(self.space.operators))[number])

    @property
    def coefficients(self) -> Tensor:
        """All streams, ``(S, N, ...)``."""
        return torch.stack([self._full(position) for position in range(len(self.space))])

    def _full(self, position: int) -> Tensor:
        stream = self.streams[position]
        return torch.zeros_like(self.value) if stream is None else stream.expand(self.shape)

    def linear_map(self, function: Callable[[Tensor], Tensor]) -> Jet:
        """The same linear function of every stream; it sees streams in the shape of the value."""
        return Jet(
            self.space,
            tuple(None if s is None else function(s.expand(self.shape)) for s in self.streams),
        )

    def sum(self, dim: int, keepdim: bool = False) -> Jet:
        """Sum over a dimension of the value."""
        return self.linear_map(lambda stream: stream.sum(dim=dim, keepdim=keepdim))

    def __getitem__(self, item: int | slice | EllipsisType | tuple[Any, ...] | None) -> Jet:
        """Indexes the value and every derivative: ``jet[..., 0]`` is the first channel."""
        return self.linear_map(lambda stream: stream[item])

    def __neg__(self) -> Jet:
        return Jet(self.space, tuple(None if s is None else -s for s in self.streams))

    def __pos__(self) -> Jet:
        return self

    def __add__(self, other: Jet | Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.space, (self.value + other, *self.streams[1:]))
        _check_same(self, other)
        return Jet(self.space, tuple(map(added, self.streams, other.streams)))

    __radd__ = __add__

    def __sub__(self, other: Jet | Number) -> Jet:
        return self + (-other)

    def __rsub__(self, other: Number) -> Jet:
        return -self + other

    def __mul__(self, other: Jet | Number) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.space, tuple(None if s is None else s * other for s in self.streams))
        _check_same(self, other)
        return Jet(self.space, multiplied(self.space, self.streams, None if other is self else other.streams))

    __rmul__ = __mul__

    def __truediv__(self, other: Jet | Number) -> Jet:
        return self * (other._reciprocal() if isinstance(other, Jet) else 1 / other)

    def __rtruediv__(self, other: Number) -> Jet:
        return self._reciprocal() * other

    def __pow__(self, exponent: Jet | Number) -> Jet:
        if isinstance(exponent, Jet):
            return (exponent * compose(self, taylor.logarithm(self.value, self.space.order)))._exponential()
        return compose(self, taylor.power(self.value, self.space.order, exponent))

    def __rpow__(self, base: Number) -> Jet:
        log = torch.log(base) if isinstance(base, Tensor) else math.log(base)
        return (self * log)._exponential()

    def _exponential(self) -> Jet:
        return compose(self, taylor.exponential(self.value, self.space.order))

    def _reciprocal(self) -> Jet:
        return compose(self, taylor.reciprocal(self.value, self.space.order))

    def __abs__(self) -> Jet:
        return compose(self, taylor.absolute(self.value, self.space.order))

    def __lt__(self, other: Jet | Number) -> Tensor:
        return self.value < _value(other)

    def __le__(self, other: Jet | Number) -> Tensor:
        return self.value <= _value(other)

    def __gt__(self, other: Jet | Number) -> Tensor:
        return self.value > _value(other)

    def __ge__(self, other: Jet | Number) -> Tensor:
        return self.value >= _value(other)

    def __eq__(self, other: Jet | Number) -> Tensor:  # type: ignore[override]
        return self.value == _value(other)

    def __ne__(self, other: Jet | Number) -> Tensor:  # type: ignore[override]
        return self.value != _value(other)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """PyTorch asks here about ``tensor + jet`` and the like."""
        answer = _ANSWERS.get(func.__name__)
        if answer is None or len(args) != 2 or kwargs or not isinstance(args[1], Jet):
            return NotImplemented
        return getattr(args[1], answer)(args[0])

    def __repr__(self) -> str:
        return f"Jet({self.space}, shape={tuple(self.shape)})"


def compose(jet: Jet, coefficients: Sequence[Tensor | float | None]) -> Jet:
    """``f(jet)``, element by element, for a function of one variable.

    Args:
        coefficients: f^(k) / k! at the jet's value, ``(N, ...)`` or numbers; the value, a tensor,
            first. None is zero, as are those that are left out.
    """
    return Jet(jet.space, composed(jet.space, jet.streams, coefficients))


def _seeds(space: JetSpace, units: Sequence[Stream]) -> list[Stream]:
    """The derivatives of coordinates, stream by stream behind the value, from those in each axis."""
    seeds: list[Stream] = []
    for index in space.indices[1:]:
        seeds.append(units[index.index(1)] if sum(index) == 1 else None)
    for operator in space.operators:
        total: Stream = None
        for index, coefficient in operator.items():
            unit = units[index.index(1)] if sum(index) == 1 else None
            total = added(total, None if unit is None else coefficient * unit)
        seeds.append(total)
    return seeds


def _value(other: Jet | Number) -> Number:
    return other.value if isinstance(other, Jet) else other


def _check_same(left: Jet, right: Jet) -> None:
    if left.space != right.space:
        raise ValueError(f"jets of different spaces: {left.space} and {right.space}")
