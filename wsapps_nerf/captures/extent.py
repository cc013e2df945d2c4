"""How far a capture's scene reaches: from points on its surfaces, or from what its cameras see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wsapps_nerf.captures.lens import Lens, border_directions
from wsapps_nerf.captures.upright import Placement

_BOX_PART, BOX_MARGIN = 0.005, 0.1  # of points left out at each side; of the box's sides added
_SHORTEST_SIDE = 0.1  # in parts of the longest: flat scenes get some height
_HEADING_POINTS, _COARSE, _FOLLOWED = 2000, 0.5, 8  # points looked at for the heading; degrees; minima
_NEAR_PART, _NEAR_MARGIN = 0.01, 0.5
_MOST_POINTS, _MOST_CAMERAS = 2000, 200  # looked at for the nearest


def box_of_points(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The box ``(6,)`` of points ``(P, 3)`` but for the outermost at each side, and a margin."""
    low, high = np.quantile(points, [_BOX_PART, 1 - _BOX_PART], axis=0)
    half = (high - low) * (0.5 + BOX_MARGIN)
    half = np.maximum(half, _SHORTEST_SIDE * float(half.max()))
    middle = (high + low) / 2
    return np.concatenate([middle - half, middle + half])


def aligned(
    placement: Placement, poses: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[Placement, NDArray[np.float64], NDArray[np.float64]]:
    """All turned about z to where the points' box covers the least ground, its longer side along x."""
    some = points[:: max(1, len(points) // _HEADING_POINTS), :2]
    angle = _heading(some)
    width, depth = _ground(some, angle)
    turn = _about_z(np.radians(angle + (90.0 if depth > width else 0.0)))
    return replace(placement, rotation=turn @ placement.rotation), turn @ poses, points @ turn.T


def _heading(points: NDArray[np.float64]) -> float:
    """Degrees by which points ``(P, 2)`` are turned to cover the least ground.

    There are many minima, and some nearly as low as others: several are followed, so that the
    same points find the same one from any heading.
    """
    best = np.arange(0.0, 90.0, _COARSE)
    for step in (_COARSE, _COARSE / 10, _COARSE / 100):
        if step < _COARSE:
            around = [angle + step * np.arange(-10, 11) for angle in best]
            best = np.array([min(near, key=lambda angle: _area(points, angle)) for near in around])
        best = best[np.argsort([_area(points, angle) for angle in best])[:_FOLLOWED]]
    return float(best[0])


def _area(points: NDArray[np.float64], degrees: float) -> float:
    return float(np.prod(_ground(points, degrees)))


def _ground(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Sides ``(2,)`` of the box of points ``(P, 2)`` that are turned by an angle."""
    turned = points @ _about_z(np.radians(degrees))[:2, :2].T
    low, high = np.quantile(turned, [_BOX_PART, 1 - _BOX_PART], axis=0)
    return high - low


def _about_z(angle: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def seen_radius(poses: NDArray[np.float64], lenses: list[Lens]) -> float:
    """Radius of the ball about the origin that half of the cameras ``(V, 3, 4)`` have wholly in view."""
    borders = {lens: border_directions(lens).numpy() for lens in set(lenses)}
    radii = []
    for pose, lens in zip(poses, lenses, strict=True):
        # To the axes of lenses: x right, y down, z forward.
        local = (pose[:, :3].T @ -pose[:, 3]) * [1.0, -1.0, -1.0]
        distance = float(np.linalg.norm(local))
        cosine = float((borders[lens] @ local).max()) / max(distance, 1e-300)
        inside = local[2] > 0
        radii.append(distance * np.sqrt(max(0.0, 1 - min(1.0, cosine) ** 2)) if inside else 0.0)
    radius = float(np.median(radii))
    distances = np.linalg.norm(poses[:, :, 3], axis=1)
    # Cameras in the middle of what they show have no such ball: what surrounds them is taken instead.
    return radius if radius > 0 else 2 * float(distances.max())


def near_of_points(poses: NDArray[np.float64], points: NDArray[np.float64]) -> float:
    """Half of the distance at which the nearest hundredth of what cameras have in front of them begins."""
    some = points[:: max(1, len(points) // _MOST_POINTS)]
    every = max(1, len(poses) // _MOST_CAMERAS)
    near = []
    for pose in poses[::every]:
        offsets = some - pose[:, 3]
        # Within 30 degrees or so of the axis: what it is likely to see.
        distance = np.linalg.norm(offsets, axis=1)
        ahead = distance[offsets @ -pose[:, 2] > 0.85 * distance]
        if len(ahead):
            near.append(np.quantile(ahead, _NEAR_PART))
    return _NEAR_MARGIN * float(np.min(near)) if near else 0.0
