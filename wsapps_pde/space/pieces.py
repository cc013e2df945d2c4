"""Pieces of a primitive's boundary: a face of a box, a side of a polygon, a circle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: From uniform ``(n, S)`` to points and outward unit normals, both ``(n, S)``.
Placing = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a boundary from which points can be drawn evenly.

    Args:
        measure: length or area; of a point, 1.
        place: from uniform numbers ``(n, S)`` to points and normals.
        normal: ``(S,)`` of a flat piece, and ``offset``: it lies where normal . x = offset. None if curved.
    """

    measure: float
    place: Placing
    normal: NDArray[np.float64] | None = None
    offset: float = 0.0

    @property
    def plane(self) -> tuple[int, float] | None:
        """(axis, value) of a piece on which one coordinate is constant; else None."""
        if self.normal is None or np.count_nonzero(self.normal) != 1:
            return None
        axis = int(np.flatnonzero(self.normal)[0])
        return axis, self.offset / float(self.normal[axis])

    def in_plane(self, points: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
        """``(N, S)`` to ``(N,)``: which points lie in the plane of a flat piece; all of a curved one's."""
        if self.normal is None:
            return np.ones(len(points), bool)
        return np.abs(points @ self.normal - self.offset) <= tolerance
