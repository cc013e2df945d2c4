"""Connected places of a condition: a part of the boundary, or a slice where variables are fixed.

Shapes: n points, D coordinates of which the first S are space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.language.expressions import Expression
from wsapps_pde.space.boundary import BoundaryPart
from wsapps_pde.space.domain import Domain
from wsapps_pde.space.drawing import check_points
from wsapps_pde.space.geometry import rounding, size

Points = NDArray[np.float64]

_TRIED = 1 << 14  # points behind the measure of a place with a filter
_STEP = 1e-6  # of the shape's size: how far to either side of a slice is looked for the inside
_SCALED = 1 << 8  # points behind the scale of an equation
_EQUAL = 1e-9  # relative; an equation in the coordinates holds on a boundary up to rounding


@dataclass(frozen=True, eq=False)
class Filter:
    """Comparisons on the coordinates: alternatives, each a list of facts that hold together.

    Args:
        alternatives: lists of comparisons; no list at all is no restriction.
        constants: values of the parameters in them.
    """

    alternatives: tuple[tuple[Expression, ...], ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, points: Points, variables: tuple[str, ...]) -> NDArray[np.bool_]:
        """``(n, D)`` to ``(n,)``."""
        if any(not facts for facts in self.alternatives) or not self.alternatives:
            return np.ones(len(points), bool)
        values = {**self.constants, **dict(zip(variables, points.T, strict=True))}
        kept = [
            np.logical_and.reduce([fact.on_arrays(values, len(points)).astype(bool) for fact in facts])
            for facts in self.alternatives
        ]
        return np.logical_or.reduce(kept)

    @property
    def is_everything(self) -> bool:
        return any(not facts for facts in self.alternatives) or not self.alternatives

    def __str__(self) -> str:
        return " or ".join(" and ".join(fact.text for fact in facts) for facts in self.alternatives)


@dataclass(frozen=True, eq=False)
class Place:
    """Where some coordinates are fixed and others free: on a part of the boundary, or anywhere in the domain.

    Args:
        domain: of the problem.
        fixed: index of a coordinate -> its value. On a boundary part at most the time.
        part: of the boundary in space, or None.
        filter: comparisons that restrict it.
        equations: (left, right) that hold on the place up to rounding.
    """

    domain: Domain
    fixed: Mapping[int, float]
    part: BoundaryPart | None = None
    filter: Filter = Filter()
    equations: tuple[tuple[Expression, Expression], ...] = ()

    @property
    def has_normals(self) -> bool:
        return self.part is not None

    @property
    def _space(self) -> int:
        return len(self.domain.space)

    @property
    def dims(self) -> int:
        """The dimension of the place: 1 of a line, 0 of a point."""
        return len(self.domain.variables) - len(self.fixed) - (self.part is not None)

    @cached_property
    def share(self) -> float:
        """The part of the proposed points that is kept."""
        if self.part is None and set(self.fixed) <= {self.domain.time} and self.is_unfiltered:
            shape = self.domain.shape
            return shape.measure / float(np.prod(np.ptp(shape.bounds, axis=1)))
        uniform = check_points(_TRIED if self.dims else 1, len(self.domain.bounds))
        return float(np.mean(self.propose(uniform)[2]))

    @property
    def is_unfiltered(self) -> bool:
        return self.filter.is_everything and not self.equations

    @cached_property
    def measure(self) -> float:
        """Length, area, ... of the place, in time as well; 1 of a point."""
        free = [n for n in range(len(self.domain.bounds)) if n not in self.fixed]
        if self.part is not None:
            free = [n for n in free if n == self.domain.time]
        box = float(np.prod(np.ptp(self.domain.bounds[free], axis=1)))
        return box * self.share * (self.part.piece.measure if self.part else 1.0)

    def propose(self, uniform: Points) -> tuple[Points, Points | None, NDArray[np.bool_]]:
        """From uniform numbers ``(n, D)`` to points, outward normals or None, and which points count."""
        bounds = self.domain.bounds
        points = bounds[:, 0] + uniform * np.ptp(bounds, axis=1)
        normals, keep = None, np.ones(len(points), bool)
        if self.part is not None:
            space, outward, keep = self.part.propose(uniform[:, : self._space])
            points[:, : self._space] = space
            normals = np.zeros_like(points)
            normals[:, : self._space] = outward
        for index, value in self.fixed.items():
            points[:, index] = value
        if self.part is None:
            keep = self._belongs(points)
        return points, normals, keep & self._passes(points)

    def holds(self, points: Points) -> NDArray[np.bool_]:
        """``(n, D)`` to ``(n,)``: which points lie at this place, up to rounding."""
        slack = 1e-9 * np.ptp(self.domain.bounds, axis=1)
        keep = self.domain.contains(points)
        for index, value in self.fixed.items():
            keep &= np.abs(points[:, index] - value) <= slack[index]
        if self.part is not None:
            keep &= self.part.holds(points[:, : self._space])
        return keep & self._passes(points)

    def without_filter(self) -> Place:
        return replace(self, filter=Filter(), equations=())

    def _belongs(self, points: Points) -> NDArray[np.bool_]:
        """Inside; a slice along the boundary is left to the boundary's parts, which have normals."""
        across = [index for index in self.fixed if index != self.domain.time]
        if len(across) != 1:
            return self.domain.contains(points)
        shape, space = self.domain.shape, points[:, : self._space]
        step = np.zeros(self._space)
        step[across[0]] = _STEP * size(shape)
        sides = [shape.depth(space + sign * step) > rounding(shape) for sign in (1, -1)]
        return sides[0] & sides[1]

    def _passes(self, points: Points) -> NDArray[np.bool_]:
        keep = self.filter(points, self.domain.variables)
        values = {**self.filter.constants, **dict(zip(self.domain.variables, points.T, strict=True))}
        for equation, scale in zip(self.equations, self._scales, strict=True):
            left, right = (side.on_arrays(values, len(points)) for side in equation)
            rounding = np.maximum(scale, np.maximum(np.abs(left), np.abs(right)))
            keep = keep & (np.abs(left - right) <= _EQUAL * rounding)
        return keep

    @cached_property
    def _scales(self) -> list[float]:
        """By how much the sides of each equation differ somewhere in the box around the domain."""
        bounds = self.domain.bounds
        points = bounds[:, 0] + check_points(_SCALED, len(bounds)) * np.ptp(bounds, axis=1)
        values = {**self.filter.constants, **dict(zip(self.domain.variables, points.T, strict=True))}
        differences = (
            np.abs(left.on_arrays(values, len(points)) - right.on_arrays(values, len(points)))
            for left, right in self.equations
        )
        return [float(each[np.isfinite(each)].max(initial=0.0)) for each in differences]
