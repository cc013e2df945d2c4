"""``at: points``: a location that is a list of points with normals, as sampled from a surface.

Shapes: M points, n points drawn, D coordinates of which the first S are space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.space.domain import Domain
from wsapps_pde.space.drawing import PointSource
from wsapps_pde.space.places import Place

Points = NDArray[np.float64]
Read = Callable[[], tuple[Points, Points]]

TEXT = "points"


@dataclass(frozen=True, eq=False)
class Cloud:
    """Given points, at all times; what :class:`~wsapps_pde.space.locations.Location` is for places.

    Args:
        domain: of the problem.
        read: gives the points ``(M, S)`` and unit normals ``(M, S)`` when they are first needed, for a saved
            solution does without them.
    """

    domain: Domain
    read: Read
    text: str = TEXT
    has_normals: bool = True
    places: tuple[Place, ...] = ()

    @cached_property
    def oriented(self) -> tuple[Points, Points]:
        """Points ``(M, S)`` and normals ``(M, S)``."""
        return self.read()

    def draw(self, count: int, source: PointSource) -> tuple[Points, Points]:
        """Some of the points, drawn evenly from the list, at even times: ``(n, D)``, and their normals."""
        points_MS, normals_MS = self.oriented
        uniform = source.stream("points", 1 + (self.domain.time is not None))(count)
        chosen = np.minimum((uniform[:, 0] * len(points_MS)).astype(int), len(points_MS) - 1)
        points, normals = points_MS[chosen], normals_MS[chosen]
        if self.domain.duration is not None:
            start, end = self.domain.duration
            points = np.column_stack([points, start + uniform[:, 1] * (end - start)])
            normals = np.column_stack([normals, np.zeros(count)])
        return points, normals

    def holds(self, points: Points) -> NDArray[np.bool_]:
        """``(n, D)`` to ``(n,)``: nowhere; nothing else is met at points of a list."""
        return np.zeros(len(points), bool)

    def faces(self) -> None:
        """No face of the box."""

    def is_whole_boundary(self) -> bool:
        """It is none."""
        return False
