"""Which derivatives a jet carries, and the structure of their products."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import TypeAlias

from torch import Tensor

#: The order in each coordinate: with coordinates (x, t), u_xxt is (2, 1).
Index: TypeAlias = tuple[int, ...]
#: A linear differential operator: multi-index to coefficient. u_t - nu u_xx is {(0, 1): 1.0, (2, 0): -nu}.
Operator: TypeAlias = Mapping[Index, float | Tensor]
#: (stream of the left factor, stream of the right factor, coefficient), one term of a product's stream.
Term: TypeAlias = tuple[int, int, float | Tensor]


class JetSpace:
    """A downward-closed set of multi-indices, and linear operators above them.

    A jet of this space has one stream an index, holding the Taylor coefficient (the derivative divided by
    the index's factorials), and behind them one stream an operator, holding the operator's value. Streams of
    a product are sums over pairs of streams (Leibniz): ``(f g)_b = sum over a <= b of f_a g_(b-a)``; an
    operator needs the streams strictly below its indices, but not these themselves. A Laplacian thus costs
    one stream instead of D (the forward Laplacian; Li et al., Nature Machine Intelligence 6, 2024).

    Attributes:
        dims: coordinates, D.
        indices: the multi-indices, by total order, zero first.
        operators: as given.
        order: the highest total order, of indices and operators.
        factorials: ``(len(indices),)`` numbers, the product of the factorials of each index.
        products: for each stream the terms of a product there; all streams, operators last.

    Args:
        dims: at least 1.
        indices: with each index all indices below it; any order.
        operators: coefficients are numbers, 0-dimensional tensors (that may be trained), or tensors that
            broadcast against a stream. None may have the zero index: add that multiple of the value instead.

    Raises:
        ValueError: an index that is not D whole numbers >= 0, a set that is not downward-closed, an operator
            without terms or with the zero index.
    """

    def __init__(self, dims: int, indices: Iterable[Index], operators: Sequence[Operator] = ()):
        if dims < 1:
            raise ValueError(f"a jet needs at least 1 coordinate, got dims={dims}")
        self.dims = dims
        self.indices = _sorted(_checked(dims, indices) | {(0,) * dims})
        self.operators = tuple(
            {constant_index(index): scale for index, scale in operator.items()} for operator in operators
        )
        position = {index: number for number, index in enumerate(self.indices)}
        self._position = position
        for index in self.indices:
            if missing := [below for below in _below(index) if below not in position]:
                raise ValueError(
                    f"indices must be downward-closed: {index} needs {missing[0]} (JetSpace.of closes a set)"
                )
        for operator in self.operators:
            _check_operator(dims, operator, position)
        orders = [sum(index) for terms in (self.indices, *self.operators) for index in terms]
        self.order = max(orders)
        self.factorials = tuple(_factorial(index) for index in self.indices)
        self.products = (
            *(tuple(_leibniz(index, position)) for index in self.indices),
            *(
                tuple(_operator_terms(operator, len(self.indices) + number, position))
                for number, operator in enumerate(self.operators)
            ),
        )

    @classmethod
    def of(cls, dims: int, wanted: Iterable[Index], operators: Sequence[Operator] = ()) -> JetSpace:
        """The smallest space with these indices and operators. Raises ValueError as the class does."""
        needed = _checked(dims, wanted)
        for index in set(needed):
            needed.update(_below(index))
        for operator in operators:
            for index in _checked(dims, operator):
                needed.update(_below(index))
        return cls(dims, needed, operators)

    def __len__(self) -> int:
        """The number of streams, S."""
        return len(self.indices) + len(self.operators)

    def position(self, index: Index) -> int:
        """The stream of an index. Raises ValueError: the space does not have it."""
        number = self._position.get(constant_index(index))
        if number is None:
            raise ValueError(f"no derivative {tuple(index)} in {self}")
        return number

    def unit(self, axis: int) -> Index:
        """The index of the first derivative in a coordinate."""
        return tuple(int(axis == other) for other in range(self.dims))

    def __eq__(self, other: object) -> bool:
        # Operators may hold tensors, of which only the same ones are surely equal.
        return self is other or (
            isinstance(other, JetSpace)
            and (self.dims, self.indices) == (other.dims, other.indices)
            and not self.operators
            and not other.operators
        )

    def __hash__(self) -> int:
        return hash((self.dims, self.indices, len(self.operators)))

    def __repr__(self) -> str:
        operators = f", {len(self.operators)} operators" if self.operators else ""
        return f"JetSpace({self.dims}, {list(self.indices)}{operators})"


def laplacian(dims: int, axes: Iterable[int] | None = None) -> dict[Index, float]:
    """The operator ``sum over axes of the second derivative``; by default over all coordinates.

    Raises:
        ValueError: no axis, or one that is not a coordinate.
    """
    axes = tuple(range(dims) if axes is None else axes)
    if not axes or not all(0 <= axis < dims for axis in axes):
        raise ValueError(f"axes of a Laplacian must be some of 0 .. {dims - 1}, got {axes}")
    return {tuple(2 * int(axis == other) for other in range(dims)): 1.0 for axis in axes}


def constant_index(index: Index) -> Index:
    """The index in constants of the program.

    Where torch.compile meets a function again with other orders, it makes symbols of them, from which no
    streams can be listed; comparing them with constants makes them constants.
    """
    return tuple(_constant(order) for order in index)


def _constant(order: int) -> int:
    if not isinstance(order, int) or order < 0:
        return order  # for _checked to refuse
    constant = 0
    while constant < order:
        constant += 1
    return constant


def _checked(dims: int, indices: Iterable[Index]) -> set[Index]:
    found = {constant_index(index) for index in indices}
    for index in found:
        if len(index) != dims or not all(isinstance(order, int) and order >= 0 for order in index):
            raise ValueError(f"a derivative of {dims} coordinates is {dims} whole numbers >= 0, got {index}")
    return found


def _check_operator(dims: int, operator: Operator, position: Mapping[Index, int]) -> None:
    if not operator or (0,) * dims in operator:
        raise ValueError(f"an operator needs terms of order 1 or more and no other, got {list(operator)}")
    for index in _checked(dims, operator):
        if missing := [below for below in _below(index) if below not in position]:
            raise ValueError(f"the operator's term {index} needs the index {missing[0]}")


def _sorted(indices: Iterable[Index]) -> tuple[Index, ...]:
    """By total order, then the earlier coordinates' derivatives first."""
    return tuple(sorted(indices, key=lambda index: (sum(index), tuple(-order for order in index))))


def _below(index: Index) -> list[Index]:
    """All indices <= index but itself."""
    return [below for below in product(*(range(order + 1) for order in index)) if below != index]


def _factorial(index: Index) -> int:
    return math.prod([math.factorial(order) for order in index])


def _minus(index: Index, below: Index) -> Index:
    return tuple(order - less for order, less in zip(index, below, strict=True))


def _leibniz(index: Index, position: Mapping[Index, int]) -> list[Term]:
    return [
        (position[part], position[_minus(index, part)], 1.0)
        for part in _sorted(product(*(range(order + 1) for order in index)))
    ]


def _operator_terms(operator: Operator, stream: int, position: Mapping[Index, int]) -> list[Term]:
    """``L(f g) = f L g + g L f +`` what is strictly between, coefficient by coefficient."""
    terms: list[Term] = [(0, stream, 1.0), (stream, 0, 1.0)]
    for index, coefficient in operator.items():
        scale = coefficient * _factorial(index)
        for part in _below(index):
            if any(part):
                terms.append((position[part], position[_minus(index, part)], scale))
    return terms
