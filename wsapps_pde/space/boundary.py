"""The boundary of a shape as parts from which points with outward normals can be drawn evenly.

Shapes: n points, S space variables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.space.drawing import check_points
from wsapps_pde.space.geometry import Primitive, Shape, rounding, size
from wsapps_pde.space.pieces import Piece

Points = NDArray[np.float64]

_STEP = 1e-6  # of the shape's size: how far to either side of a boundary point is looked
_TRIED = 1 << 12  # points behind the share of a piece that belongs to the boundary


@dataclass(frozen=True, eq=False)
class BoundaryPart:
    """What a piece of a primitive contributes to the boundary of a shape.

    Args:
        shape: the set.
        primitive: one of which the set is made.
        piece: of the primitive's boundary.
        earlier: primitives that come before it; where they share their boundary, it is theirs.
        share: the part of the piece that belongs to the boundary.
    """

    shape: Shape
    primitive: Primitive
    piece: Piece
    earlier: tuple[Primitive, ...]
    share: float

    @property
    def measure(self) -> float:
        return self.piece.measure * self.share

    def propose(self, uniform: Points) -> tuple[Points, Points, NDArray[np.bool_]]:
        """Points of the piece, the shape's outward unit normals there, and which are on its boundary."""
        points, normals = self.piece.place(uniform)
        if self.shape is self.primitive:
            return points, normals, np.ones(len(points), bool)
        ahead, behind = (_inside(self.shape, points, side * normals) for side in (1, -1))
        keep = ahead != behind
        for primitive in self.earlier:
            keep &= np.abs(primitive.depth(points)) > rounding(self.shape)
        return points, np.where(ahead[:, None], -normals, normals), keep

    def holds(self, points: Points) -> NDArray[np.bool_]:
        """``(n,)``: which points lie on this part, up to rounding."""
        tolerance = rounding(self.shape)
        on_primitive = np.abs(self.primitive.depth(points)) <= tolerance
        on_shape = np.abs(self.shape.depth(points)) <= tolerance
        return on_primitive & on_shape & self.piece.in_plane(points, tolerance)


def boundary_parts(shape: Shape) -> tuple[BoundaryPart, ...]:
    """All parts of the boundary of a shape; pieces that are hidden inside it, or outside, are left out."""
    parts = []
    for number, primitive in enumerate(shape.primitives):
        for piece in primitive.pieces:
            part = BoundaryPart(shape, primitive, piece, shape.primitives[:number], 1.0)
            if shape is primitive:
                parts.append(part)
                continue
            share = float(np.mean(part.propose(_tried(shape))[2]))
            if share > 0:
                parts.append(BoundaryPart(shape, primitive, piece, part.earlier, share))
    return tuple(parts)


def has_seam(shape: Shape) -> bool:
    """Whether the level of a shape of several parts does not suit a factor, somewhere inside it.

    Parts of a union may touch along a line or face, where it is zero; and a corner of one part may lie inside
    another one, where it has no second derivatives (that of a rectangle is a cone there).
    """
    tolerance = rounding(shape)
    for primitive in shape.primitives:
        if shape is primitive:
            continue
        if bool((shape.depth(primitive.creases(shape.bounds)) > tolerance).any()):
            return True
        for piece in primitive.pieces:
            points, normals = piece.place(_tried(shape))
            both = _inside(shape, points, normals) & _inside(shape, points, -normals)
            if bool((both & (np.abs(shape.depth(points)) <= tolerance)).any()):
                return True
    return False


def _inside(shape: Shape, points: Points, direction: Points) -> NDArray[np.bool_]:
    """Whether points a small step in a direction are strictly inside."""
    tolerance = rounding(shape)
    step = max(_STEP * size(shape), 10 * tolerance)  # far from the origin rounding is the larger one
    return shape.depth(points + step * direction) > tolerance


def _tried(shape: Shape) -> Points:
    return check_points(_TRIED, len(shape.bounds))
