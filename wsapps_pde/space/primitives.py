"""Boxes, balls and ellipses. Lengths are in the units of the problem's variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.language.functions import NUMPY_FUNCTIONS, Functions
from wsapps_pde.space import r_functions
from wsapps_pde.space.pieces import Piece, Placing

Points = NDArray[np.float64]


_ALONG = 129  # points of an edge


def _grid(axes: Sequence[Points]) -> Points:
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


class _Primitive:
    @property
    def primitives(self) -> tuple[Any, ...]:
        return (self,)

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        raise NotImplementedError

    def depth(self, points: Points) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):
            return np.asarray(self.level(list(points.T), NUMPY_FUNCTIONS))

    def creases(self, bounds: Points) -> Points:
        """``(n, S)`` points inside ``bounds`` (S, 2) at which the level has no second derivatives."""
        return np.empty((0, len(bounds)))


@dataclass(frozen=True, eq=False)
class Box(_Primitive):
    """A product of S intervals; a rectangle, an interval, and for S = 0 a point.

    Args:
        bounds: ``(S, 2)``, lower below upper.
    """

    bounds: Points

    @property
    def measure(self) -> float:
        return float(np.prod(np.ptp(self.bounds, axis=1)))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The two faces of each variable, lower before upper."""
        return tuple(self._face(axis, side) for axis in range(len(self.bounds)) for side in (0, 1))

    def creases(self, bounds: Points) -> Points:
        """The corners of a rectangle. Of a cuboid edges, and those along z go on beyond it: its level is the
        R-intersection of that of (x, y) with that of z."""
        if len(self.bounds) == 2:
            return _grid(list(self.bounds))
        if len(self.bounds) != 3:
            return super().creases(bounds)
        x, y, z = self.bounds
        along = [np.linspace(low, high, _ALONG) for low, high in (x, y, bounds[2])]
        return np.concatenate([_grid([x, y, along[2]]), _grid([along[0], y, z]), _grid([x, along[1], z])])

    def _face(self, axis: int, side: int) -> Piece:
        normal = np.zeros(len(self.bounds))
        normal[axis] = 2.0 * side - 1.0
        value = float(self.bounds[axis, side])
        others = np.delete(self.bounds, axis, axis=0)

        def place(uniform: Points) -> tuple[Points, Points]:
            points = self.bounds[:, 0] + uniform * np.ptp(self.bounds, axis=1)
            points[:, axis] = value
            return points, np.broadcast_to(normal, points.shape)

        return Piece(float(np.prod(np.ptp(others, axis=1))), place, normal, float(normal[axis] * value))

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        """The R-intersection of ``(x - a)(b - x) / (b - a)`` over the variables."""
        levels = [
            (x - float(low)) * (float(high) - x) * (1.0 / float(high - low))
            for x, (low, high) in zip(coordinates, self.bounds, strict=True)
        ]
        return r_functions.intersection(levels, functions) if levels else 1.0

    def describe(self, variables: Sequence[str]) -> str:
        ranges = ", ".join(
            f"{v} in [{low:.6g}, {high:.6g}]" for v, (low, high) in zip(variables, self.bounds, strict=True)
        )
        return f"{ {1: 'interval', 2: 'rectangle'}.get(len(self.bounds), 'box') } {ranges}"


@dataclass(frozen=True, eq=False)
class Ball(_Primitive):
    """A disc (S = 2) or a ball (S = 3).

    Args:
        centre: ``(S,)``.
        radius: positive.
    """

    centre: Points
    radius: float

    @property
    def bounds(self) -> Points:
        return np.stack([self.centre - self.radius, self.centre + self.radius], axis=1)

    @property
    def measure(self) -> float:
        return math.pi * self.radius**2 if len(self.centre) == 2 else 4 / 3 * math.pi * self.radius**3

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        flat = len(self.centre) == 2
        surface = 2 * math.pi * self.radius if flat else 4 * math.pi * self.radius**2

        def place(uniform: Points) -> tuple[Points, Points]:
            normals = _circle(uniform) if flat else _sphere(uniform)
            return self.centre + self.radius * normals, normals

        return (Piece(surface, place),)

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        """``(r^2 - |x - c|^2) / (2 r)``."""
        squares = sum((x - float(c)) * (x - float(c)) for x, c in zip(coordinates, self.centre, strict=True))
        return (self.radius**2 - squares) * (0.5 / self.radius)

    def describe(self, variables: Sequence[str]) -> str:
        centre = ", ".join(f"{c:.6g}" for c in self.centre)
        return f"{'disc' if len(self.centre) == 2 else 'ball'} of radius {self.radius:.6g} at ({centre})"


@dataclass(frozen=True, eq=False)
class Ellipse(_Primitive):
    """An ellipse in the plane, its axes turned by ``angle``.

    Args:
        centre: ``(2,)``.
        radii: ``(2,)``, the semi-axes, positive.
        angle: in radians, of the first axis against x.
    """

    centre: Points
    radii: Points
    angle: float = 0.0

    @property
    def _axes(self) -> Points:
        """``(2, 2)``: the directions of the axes as rows."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return np.array([[c, s], [-s, c]])

    @property
    def bounds(self) -> Points:
        reach = np.sqrt(((self.radii[:, None] * self._axes) ** 2).sum(axis=0))
        return np.stack([self.centre - reach, self.centre + reach], axis=1)

    @property
    def measure(self) -> float:
        return math.pi * float(np.prod(self.radii))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        length, place = self._rim()
        return (Piece(length, place),)

    def _rim(self) -> tuple[float, Placing]:
        """Its length, and points even by arc length: the table of lengths is exact to 1e-6."""
        angles = np.linspace(0, 2 * math.pi, 4097)
        a, b = self.radii
        speed = np.hypot(a * np.sin(angles), b * np.cos(angles))
        lengths = np.concatenate([[0], np.cumsum((speed[1:] + speed[:-1]) / 2 * np.diff(angles))])

        def place(uniform: Points) -> tuple[Points, Points]:
            angle = np.interp(uniform[:, 0] * lengths[-1], lengths, angles)
            circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
            normals = circle / self.radii
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            return self.centre + (circle * self.radii) @ self._axes, normals @ self._axes

        return float(lengths[-1]), place

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        """``f / sqrt(f^2 + |grad f|^2)`` times the small radius' scale, f = 1 - (x/a)^2 - (y/b)^2."""
        x, y = (v - float(c) for v, c in zip(coordinates, self.centre, strict=True))
        along = [x * float(e[0]) + y * float(e[1]) for e in self._axes]
        p, q = (v * (1.0 / float(r)) for v, r in zip(along, self.radii, strict=True))
        f = 1.0 - p * p - q * q
        slope = (p * p) * (4.0 / float(self.radii[0]) ** 2) + (q * q) * (4.0 / float(self.radii[1]) ** 2)
        scale = 1.0 / float(self.radii.min()) ** 2  # keeps the root's argument of one unit, away from 0
        return f / functions["sqrt"](f * f * scale + slope)

    def describe(self, variables: Sequence[str]) -> str:
        a, b = self.radii
        turned = f", turned by {self.angle:.6g}" if self.angle else ""
        return f"ellipse of radii {a:.6g}, {b:.6g} at ({self.centre[0]:.6g}, {self.centre[1]:.6g}){turned}"


def _circle(uniform: Points) -> Points:
    angle = 2 * math.pi * uniform[:, 0]
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _sphere(uniform: Points) -> Points:
    """Archimedes: heights are even."""
    height = 2 * uniform[:, 0] - 1
    ring = np.sqrt(np.maximum(1 - height**2, 0))
    angle = 2 * math.pi * uniform[:, 1]
    return np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
