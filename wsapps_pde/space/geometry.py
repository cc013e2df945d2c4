"""Sets in space: primitives (:mod:`wsapps_pde.space.primitives`), and unions and so on of them.

Shapes: N points, S space variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.language.functions import NUMPY_FUNCTIONS, Functions
from wsapps_pde.space import r_functions
from wsapps_pde.space.drawing import check_points
from wsapps_pde.space.pieces import Piece

Points = NDArray[np.float64]

_MEASURED = 1 << 17  # points behind the measure of a compound: a standard error below 0.002 of the box's


class Shape(Protocol):
    """A bounded set in space."""

    @property
    def bounds(self) -> Points:
        """``(S, 2)``: a box around the set, lower and upper."""
        ...

    @property
    def measure(self) -> float:
        """Length, area or volume."""
        ...

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """The primitives that it is made of, or itself."""
        ...

    def depth(self, points: Points) -> NDArray[np.float64]:
        """``(N, S)`` to ``(N,)``: positive inside, zero on the boundary (or a seam), negative outside."""
        ...

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        """A function of the same signs that is smooth almost everywhere, of slope 1 at the boundary.

        Args:
            coordinates: one array, tensor or jet for each space variable.
            functions: the table that fits them.
        """
        ...

    def describe(self, variables: Sequence[str]) -> str:
        """In a few words."""
        ...


class Primitive(Shape, Protocol):
    """A shape whose boundary is known piece by piece."""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What the boundary consists of."""
        ...

    def creases(self, bounds: Points) -> Points:
        """``(n, S)`` points inside ``bounds`` (S, 2) at which the level has no second derivatives."""
        ...


def size(shape: Shape) -> float:
    """The largest side of the box around a shape."""
    return float(np.ptp(shape.bounds, axis=1).max(initial=0.0))


def rounding(shape: Shape) -> float:
    """A depth that rounding alone may give to a point of the boundary."""
    return 1e-9 * max(size(shape), float(np.abs(shape.bounds).max(initial=0.0)))


def inside(shape: Shape, points: Points) -> NDArray[np.bool_]:
    """``(N, S)`` to ``(N,)``: which points lie in the set or on its boundary."""
    return shape.depth(points) >= -rounding(shape)


@dataclass(frozen=True, eq=False)
class _Compound:
    parts: tuple[Shape, ...]

    @cached_property
    def primitives(self) -> tuple[Primitive, ...]:
        return tuple(primitive for part in self.parts for primitive in part.primitives)

    @cached_property
    def measure(self) -> float:
        """By quasi-Monte Carlo over the box around it, the same number at every call."""
        bounds = self.bounds
        widths = np.ptp(bounds, axis=1)
        uniform = check_points(_MEASURED, len(bounds))
        return float(np.prod(widths) * np.mean(self.depth(bounds[:, 0] + uniform * widths) > 0))

    @property
    def bounds(self) -> Points:
        raise NotImplementedError

    def depth(self, points: Points) -> NDArray[np.float64]:
        raise NotImplementedError

    def _levels(self, coordinates: Sequence[Any], functions: Functions) -> list[Any]:
        return [part.level(coordinates, functions) for part in self.parts]

    def _described(self, word: str, variables: Sequence[str]) -> str:
        return f"{word} of " + ", ".join(_nested(part, variables) for part in self.parts)


class Union(_Compound):
    """All points of any part."""

    @cached_property
    def bounds(self) -> Points:
        boxes = np.stack([part.bounds for part in self.parts])
        return np.stack([boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0)], axis=1)

    def depth(self, points: Points) -> NDArray[np.float64]:
        return np.max([part.depth(points) for part in self.parts], axis=0)

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        """Steeper where parts share their boundary, and zero on a seam (``has_seam``), where they touch."""
        return r_functions.union(self._levels(coordinates, functions), functions)

    def describe(self, variables: Sequence[str]) -> str:
        return self._described("union", variables)


class Intersection(_Compound):
    """The points that all parts share; its box may be too large."""

    @cached_property
    def bounds(self) -> Points:
        boxes = np.stack([part.bounds for part in self.parts])
        return np.stack([boxes[:, :, 0].max(axis=0), boxes[:, :, 1].min(axis=0)], axis=1)

    def depth(self, points: Points) -> NDArray[np.float64]:
        return np.min([part.depth(points) for part in self.parts], axis=0)

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        return r_functions.intersection(self._levels(coordinates, functions), functions)

    def describe(self, variables: Sequence[str]) -> str:
        return self._described("intersection", variables)


class Difference(_Compound):
    """The points of the first part that are in none of the others; its box may be too large."""

    @property
    def bounds(self) -> Points:
        return self.parts[0].bounds

    def depth(self, points: Points) -> NDArray[np.float64]:
        first, *others = (part.depth(points) for part in self.parts)
        return np.min([first, *(-other for other in others)], axis=0)

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        first, *others = self._levels(coordinates, functions)
        return r_functions.intersection([first, *(-other for other in others)], functions)

    def describe(self, variables: Sequence[str]) -> str:
        first, *others = (_nested(part, variables) for part in self.parts)
        return f"{first} without " + ", ".join(others)


def _nested(part: Shape, variables: Sequence[str]) -> str:
    words = part.describe(variables)
    return f"({words})" if isinstance(part, _Compound) else words


def level_on_arrays(shape: Shape, points: Points) -> NDArray[np.float64]:
    """The level of ``(N, S)`` points, ``(N,)``."""
    with np.errstate(all="ignore"):
        return np.asarray(shape.level(list(points.T), NUMPY_FUNCTIONS))
