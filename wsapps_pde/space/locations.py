"""Where a condition holds: ``at: "x = -1 or x = 1"``, ``at: boundary``, ``at: "t = 0 and abs(x) < 1"``.

Shapes: n points, D coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.space.domain import Domain
from wsapps_pde.space.drawing import PointSource, accepted
from wsapps_pde.space.places import Place

Points = NDArray[np.float64]
Face = tuple[str, Literal["lower", "upper"]]


@dataclass(frozen=True, eq=False)
class Location:
    """The union of some places.

    Args:
        text: as the user wrote it.
        domain: of the problem.
        places: disjoint but for sets of measure zero, unless the user's alternatives overlap.
    """

    text: str
    domain: Domain
    places: tuple[Place, ...]

    @cached_property
    def measure(self) -> float:
        """Length, area, ...; of the places of the highest dimension."""
        highest = max(place.dims for place in self.places)
        return sum(place.measure for place in self.places if place.dims == highest)

    @property
    def has_normals(self) -> bool:
        """Whether every point has an outward normal in space."""
        return all(place.has_normals for place in self.places)

    def draw(self, count: int, source: PointSource) -> tuple[Points, Points | None]:
        """Points even over the places, a number proportional to each measure, at least one where it fits.

        Args:
            count: n.
            source: give it a name of the condition and the step.

        Returns:
            Points ``(n, D)``, and unit normals ``(n, D)``, 0 in the time; None unless all points have one.
        """
        counts = _shares(count, [place.measure for place in self.places], [p.dims for p in self.places])
        points, normals = [], []
        for number, (place, n) in enumerate(zip(self.places, counts, strict=True)):
            stream = source.stream(f"place {number}", len(self.domain.bounds))
            drawn, outward = accepted(n, place.propose, stream, place.share)
            points.append(drawn)
            normals.append(outward)
        outward = [n for n in normals if n is not None]
        return np.concatenate(points), np.concatenate(outward) if self.has_normals else None

    def holds(self, points: Points) -> NDArray[np.bool_]:
        """``(n, D)`` to ``(n,)``: which points belong to the location, up to rounding."""
        return np.logical_or.reduce([place.holds(points) for place in self.places])

    def faces(self) -> tuple[Face, ...] | None:
        """The faces of the box, if the location is exactly some whole faces of it; else None.

        The initial time is the face ("t", "lower").
        """
        if self.domain.geometry is not None and any(place.part for place in self.places):
            return None
        found: list[Face] = []
        for place in self.places:
            if not place.is_unfiltered or (place.part is None and set(place.fixed) != {self.domain.time}):
                return None
            plane = _plane(place)
            side = None if plane is None else _side(self.domain, *plane)
            if plane is None or side is None:
                return None
            found.append((self.domain.variables[plane[0]], side))
        return tuple(dict.fromkeys(found))

    def is_whole_boundary(self) -> bool:
        """Whether the location is exactly the boundary in space, at all times."""
        if not all(place.part and place.is_unfiltered and not place.fixed for place in self.places):
            return False
        mine = {id(place.part.piece) for place in self.places if place.part is not None}
        return mine == {id(part.piece) for part in self.domain.boundary}


def _plane(place: Place) -> tuple[int, float] | None:
    """(index, value) of the one coordinate that is fixed at a place; None if there is none, or more."""
    planes = list(place.fixed.items())
    if place.part is not None:
        if place.part.piece.plane is None:
            return None
        planes.append(place.part.piece.plane)
    return planes[0] if len(planes) == 1 else None


def _side(domain: Domain, index: int, value: float) -> Literal["lower", "upper"] | None:
    low, high = domain.bounds[index]
    return "lower" if value == low else "upper" if value == high else None


def _shares(count: int, measures: list[float], dims: list[int]) -> list[int]:
    """How many of ``count`` points each place gets; places of different dimensions count alike."""
    totals = {d: sum(m for m, e in zip(measures, dims, strict=True) if e == d) for d in set(dims)}
    parts = np.array([m / totals[d] / len(totals) for m, d in zip(measures, dims, strict=True)])
    counts = np.floor(parts * count).astype(int)
    left = count - int(counts.sum())
    order = np.argsort(-(parts * count - counts), kind="stable")
    counts[order[:left]] += 1
    for empty in np.flatnonzero(counts == 0):
        if count >= len(parts):
            counts[np.argmax(counts)] -= 1
            counts[empty] += 1
    return counts.tolist()
