"""How far a capture's scene reaches: from points on its surfaces, or from what its cameras see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wsapps_nerf.captures.lens import Lens, border_directions
from wsapps_nerf.captures.upright import Placement

_BOX_PART, BOX_MARGIN = 0.005, 0.1  # of points left out at each side; of the box's sides added
_SHORTEST_SIDE = 0.1  # in parts of the longest: flat scenes get some height
_WORTH_TURNING = 0.95  # of the area seen from above
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
    """All turned about z, where the points' box then covers less ground."""
    angles = np.radians(np.arange(0, 90, 2))
    some = points[:: max(1, len(points) // 20_000), :2]
    areas = []
    for angle in angles:
        turned = some @ _about_z(angle)[:2, :2].T
        low, high = np.quantile(turned, [_BOX_PART, 1 - _BOX_PART], axis=0)
        areas.append(float(np.prod(high - low)))
    if not min(areas) < _WORTH_TURNING * areas[0]:
        return placement, poses, points
    turn = _about_z(float(angles[int(np.argmin(areas))]))
    return replace(placement, rotation=turn @ placement.rotation), turn @ poses, points @ turn.T


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
