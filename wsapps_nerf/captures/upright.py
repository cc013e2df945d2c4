"""Poses brought to where fields like them: z up, the centre of interest at the origin, sizes near 1.

Everything in float64: captures may lie millions of units from their origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsapps_nerf.camera_path import nearest_point_to_axes

_MOST_ROLL = 0.15  # root mean square of sin(roll) below which the cameras' horizontals are believed
_LEAST_SPREAD = 0.05  # of the second direction of the horizontals, in parts of the first
_FOCUSED = 0.8  # part of the cameras that must look at the centre of interest
_MISS = 0.35  # median distance of the axes from it, in parts of the cameras' distance


@dataclass(frozen=True)
class Placement:
    """x in the scene = scale * rotation (x in the data - centre).

    Attributes:
        rotation: ``(3, 3)``.
        centre: ``(3,)`` in the data's units.
        scale: scene units in one of the data's.
    """

    rotation: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: float = 1.0

    def points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(N, 3)`` from the data's coordinates to the scene's."""
        return self.scale * (points - self.centre) @ self.rotation.T

    def points_back(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(N, 3)`` from the scene's coordinates to the data's."""
        return points / self.scale @ self.rotation + self.centre

    def poses(self, poses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Camera-to-world ``(V, 3, 4)``, likewise; rotations stay rotations."""
        positions = self.points(poses[:, :, 3])
        return np.concatenate([self.rotation @ poses[:, :, :3], positions[:, :, None]], axis=2)


def find_up(poses: NDArray[np.float64]) -> tuple[NDArray[np.float64], str]:
    """The upward direction ``(3,)`` of camera-to-world poses ``(V, 3, 4)``, and how it was found.

    The direction to which all pictures' horizontals are square, where the cameras were held level; else the
    mean of what is up in the pictures.
    """
    rights, ups = poses[:, :, 0], poses[:, :, 1]
    mean = ups.mean(axis=0)
    _, spread, axes = np.linalg.svd(rights / np.sqrt(len(rights)), full_matrices=False)
    level = spread[2] < _MOST_ROLL and spread[1] > _LEAST_SPREAD * spread[0]
    if level and abs(axes[2] @ mean) > 0.2:
        return axes[2] * np.sign(axes[2] @ mean), "square to the pictures' horizontals"
    if np.linalg.norm(mean) < 1e-3:
        return np.array([0.0, 0.0, 1.0]), "the data's z, as the pictures do not agree on one"
    return mean / np.linalg.norm(mean), "the mean of the pictures' up"


def rotation_to_z(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest rotation ``(3, 3)`` that takes a unit vector to z."""
    z = np.array([0.0, 0.0, 1.0])
    cosine = float(up @ z)
    if cosine < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    axis = np.cross(up, z)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def find_centre(
    poses: NDArray[np.float64], points: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], bool, str]:
    """The centre of interest ``(3,)``, whether the cameras look at it, and how it was found.

    The point nearest to all optical axes, where there is one in front of the cameras; else the median of the
    points; else the middle of the cameras.
    """
    positions, forward = poses[:, :, 3], -poses[:, :, 2]
    middle = positions.mean(axis=0)
    # Shifted, because squares of large coordinates drown what matters.
    focus = nearest_point_to_axes(positions - middle, forward) + middle
    offsets = focus - positions
    along = (offsets * forward).sum(axis=1)
    distances = np.linalg.norm(offsets, axis=1)
    misses = np.linalg.norm(offsets - along[:, None] * forward, axis=1)
    turned = float(np.linalg.norm(forward.mean(axis=0))) < 0.995  # nearly parallel axes meet anywhere
    looked_at = (along > 0).mean() >= _FOCUSED and np.median(misses) <= _MISS * np.median(distances)
    if turned and looked_at:
        return focus, True, "the point that the cameras look at"
    if points is not None and len(points):
        return np.median(points, axis=0), False, f"the median of {len(points)} points"
    return middle, False, "the middle of the cameras"
