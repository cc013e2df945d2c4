"""Simple polygons, whose level is a formula of half-planes: the convex differences tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_pde.language.functions import NUMPY_FUNCTIONS, Functions
from wsapps_pde.space import r_functions
from wsapps_pde.space.pieces import Piece

Points = NDArray[np.float64]

MAX_CORNERS = 200
_FEW = 40  # corners up to which crossings of all lines are looked at


@dataclass(frozen=True, eq=False)
class Polygon:
    """A polygon that does not cross itself.

    Its level is that of its convex hull without the pockets between hull and polygon, which are polygons
    again (Tor and Middleditch, "Convex decomposition of simple polygons", 1984).

    Args:
        corners: ``(V, 2)``, counter-clockwise, no three in a row on one line; see :func:`polygon`.
    """

    corners: Points

    @property
    def primitives(self) -> tuple[Any, ...]:
        return (self,)

    @property
    def bounds(self) -> Points:
        return np.stack([self.corners.min(axis=0), self.corners.max(axis=0)], axis=1)

    @property
    def measure(self) -> float:
        return _area(self.corners)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The sides, from corner to corner."""
        return tuple(
            _side(a, b) for a, b in zip(self.corners, np.roll(self.corners, -1, axis=0), strict=True)
        )

    @cached_property
    def _tree(self) -> _Hull:
        return _tree(self.corners)

    def level(self, coordinates: Sequence[Any], functions: Functions) -> Any:
        return _level(self._tree, coordinates, functions)

    def depth(self, points: Points) -> NDArray[np.float64]:
        return np.asarray(self.level(list(points.T), NUMPY_FUNCTIONS))

    def creases(self, bounds: Points) -> Points:
        """Where the lines of two sides cross: its corners, and places where the level of a hull or pocket has
        none. Of many sides the corners alone."""
        if len(self.corners) > _FEW:
            return self.corners
        lines = np.array([[*np.asarray(piece.normal), piece.offset] for piece in self.pieces])
        a, b = np.triu_indices(len(lines), 1)
        pairs = np.stack([lines[a], lines[b]], axis=1)
        pairs = pairs[np.abs(np.linalg.det(pairs[:, :, :2])) > 1e-9]  # not parallel
        points = np.linalg.solve(pairs[:, :, :2], pairs[:, :, 2:])[:, :, 0]
        return points[((points >= bounds[:, 0]) & (points <= bounds[:, 1])).all(axis=1)]

    def describe(self, variables: Sequence[str]) -> str:
        return f"polygon of {len(self.corners)} corners"


def polygon(corners: Points) -> Polygon:
    """The polygon with these corners, ``(V, 2)``, in either direction; corners on a side are dropped.

    Raises:
        UserError: fewer than three corners, no area, or sides that cross.
    """
    if len(corners) > MAX_CORNERS:
        raise UserError(f"a polygon of {len(corners)} corners is too fine: at most {MAX_CORNERS}")
    if len(corners) > 1 and np.array_equal(corners[0], corners[-1]):
        corners = corners[:-1]  # closed by hand
    kept = _without_straight_corners(corners)
    if len(kept) < 3:
        raise UserError(f"a polygon needs three corners that are not on one line, got {corners.tolist()}")
    if _crosses(kept):
        raise UserError("the sides of the polygon cross or touch each other; give its corners in order")
    return Polygon(kept if _area(kept) > 0 else kept[::-1].copy())


@dataclass(frozen=True, eq=False)
class _Hull:
    """Half-planes ``normal . x <= offset`` with outward unit normals, without pockets."""

    sides: tuple[Piece, ...]
    pockets: tuple[_Hull, ...]


def _side(a: Points, b: Points) -> Piece:
    length = float(np.linalg.norm(b - a))
    normal = np.array([b[1] - a[1], a[0] - b[0]]) / length + 0.0

    def place(uniform: Points) -> tuple[Points, Points]:
        points = a + uniform[:, :1] * (b - a)
        return points, np.broadcast_to(normal, points.shape)

    return Piece(length, place, normal, float(normal @ a))


def _tree(corners: Points) -> _Hull:
    hull = _convex_hull(corners)
    sides, pockets = [], []
    for start, end in zip(hull, [*hull[1:], hull[0] + len(corners)], strict=True):
        chain = corners[np.arange(start, end + 1) % len(corners)]
        sides.append(_side(chain[0], chain[-1]))
        pocket = _without_straight_corners(chain[::-1])  # the chain runs clockwise around its pocket
        if len(pocket) >= 3:
            pockets.append(_tree(pocket))
    return _Hull(tuple(sides), tuple(pockets))


def _level(hull: _Hull, coordinates: Sequence[Any], functions: Functions) -> Any:
    x, y = coordinates
    levels = [
        side.offset - x * float(side.normal[0]) - y * float(side.normal[1])
        for side in hull.sides
        if side.normal is not None
    ]
    levels += [-_level(pocket, coordinates, functions) for pocket in hull.pockets]
    return r_functions.intersection(levels, functions)


def _convex_hull(corners: Points) -> list[int]:
    """Indices of the corners of the hull, in the polygon's own counter-clockwise order."""
    order = sorted(range(len(corners)), key=lambda i: (corners[i][0], corners[i][1]))
    found: set[int] = set()
    for direction in (order, order[::-1]):
        chain: list[int] = []
        for i in direction:
            while len(chain) > 1 and _turn(corners[chain[-2]], corners[chain[-1]], corners[i]) <= 0:
                chain.pop()
            chain.append(i)
        found.update(chain)
    return sorted(found)


def _turn(a: Points, b: Points, c: Points) -> float:
    """Positive where a, b, c turn left."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _straight(corners: Points) -> float:
    """The largest turn that is rounding."""
    return 1e-12 * float(np.ptp(corners, axis=0).max(initial=0.0)) ** 2


def _without_straight_corners(corners: Points) -> Points:
    limit = _straight(corners)
    kept = list(corners)
    place = 0
    while len(kept) > 2 and place < len(kept):
        before, after = kept[place - 1], kept[(place + 1) % len(kept)]
        if abs(_turn(before, kept[place], after)) <= limit:
            del kept[place]
            place = max(0, place - 1)
        else:
            place += 1
    return np.array(kept).reshape(-1, 2)


def _area(corners: Points) -> float:
    x, y = corners.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _crosses(corners: Points) -> bool:
    """Whether sides that are not neighbours share a point."""
    count, limit = len(corners), _straight(corners)
    ends = np.roll(corners, -1, axis=0)
    for i in range(count):
        for j in range(i + 2, count):
            if (j + 1) % count == i:
                continue
            if _meet(corners[i], ends[i], corners[j], ends[j], limit):
                return True
    return False


def _meet(a: Points, b: Points, c: Points, d: Points, limit: float) -> bool:
    """Whether the sides a to b and c to d share a point; turns up to the limit are none."""
    turns = [_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)]
    sides = [0.0 if abs(turn) <= limit else turn for turn in turns]
    if any(sides):
        return sides[0] * sides[1] <= 0 and sides[2] * sides[3] <= 0
    along = int(np.argmax(np.abs(b - a)))  # both lie on one line, as the tops of a U's arms do
    first, second = sorted((a[along], b[along])), sorted((c[along], d[along]))
    return max(first[0], second[0]) <= min(first[1], second[1])
