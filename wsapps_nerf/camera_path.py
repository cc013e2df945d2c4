"""Poses to render from: single views, orbits, and smooth curves.

Camera-to-world matrices are (V, 3, 4) float32 with OpenGL axes: +X right, +Y up, the camera looks along -Z.
World up is z.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


def look_at(position: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> Tensor:
    """Pose (3, 4) float32 of a camera at `position` (3,) that sees `target` (3,) in the centre of its image.

    `up` (3,), of any length, points up in the image; where it is parallel to the view, another axis stands
    in. Raises ValueError when position and target coincide or are not finite.
    """
    eye = np.asarray(position, np.float64)
    backward = eye - np.asarray(target, np.float64)
    distance = float(np.linalg.norm(backward))
    if not (np.isfinite(distance) and distance > 0):
        raise ValueError(f"position and target must be distinct, finite points, got {position} and {target}")
    backward /= distance
    right = np.cross(_unit(up, "up"), backward)
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(np.eye(3)[np.argmin(np.abs(backward))], backward)
    right /= np.linalg.norm(right)
    pose = np.stack([right, np.cross(backward, right), backward, eye], axis=1)
    return torch.from_numpy(pose.astype(np.float32))


def orbit(
    frames: int,
    radius: float,
    elevation_degrees: float,
    target: ArrayLike = (0.0, 0.0, 0.0),
    up: ArrayLike = (0.0, 0.0, 1.0),
    start_degrees: float = 0.0,
) -> Tensor:
    """Poses (frames, 3, 4) once around `target`, anticlockwise from above, at one distance and elevation.

    A closed loop: the frame after the last is the first. With up = z, azimuth 0 is +x and 90 degrees is +y.
    Raises ValueError for frames < 1, radius not positive, or an elevation outside (-90, 90) degrees.
    """
    if frames < 1 or not radius > 0 or not -90 < elevation_degrees < 90:
        raise ValueError(
            "must have frames >= 1, radius > 0 and -90 < elevation_degrees < 90, "
            f"got frames={frames}, radius={radius}, elevation_degrees={elevation_degrees}"
        )
    axis = _unit(up, "up")
    reference = np.eye(3)[1] if abs(axis[0]) > 0.9 else np.eye(3)[0]
    east = _unit(reference - axis * (reference @ axis), "up")
    north = np.cross(axis, east)
    centre = np.asarray(target, np.float64)
    elevation = math.radians(elevation_degrees)
    azimuths = math.radians(start_degrees) + 2 * math.pi * np.arange(frames) / frames
    ring = np.outer(np.cos(azimuths), east) + np.outer(np.sin(azimuths), north)
    positions = centre + radius * (math.cos(elevation) * ring + math.sin(elevation) * axis)
    return torch.stack([look_at(position, centre, axis) for position in positions])


def orbit_around(
    camera_to_world: Tensor,
    frames: int,
    radius: float | None = None,
    elevation_degrees: float | None = None,
    start_degrees: float = 0.0,
) -> Tensor:
    """Orbit (frames, 3, 4) of what cameras (V, 3, 4) look at: the point nearest to all their optical axes.

    Radius and elevation are the medians of the cameras' own unless given; the elevation is kept within 85
    degrees. With a single axis, or parallel ones, "the point" is the nearest of the candidates to the origin.
    Raises ValueError for no cameras, or for cameras that all stand on the point they look at.
    """
    if camera_to_world.ndim != 3 or camera_to_world.shape[1:] != (3, 4) or len(camera_to_world) == 0:
        raise ValueError(f"cameras must have shape (V >= 1, 3, 4), got {tuple(camera_to_world.shape)}")
    poses = camera_to_world.detach().cpu().double().numpy()
    origins = poses[:, :, 3]
    target = nearest_point_to_axes(origins, -poses[:, :, 2])
    offsets = origins - target
    distances = np.linalg.norm(offsets, axis=1)
    if radius is None:
        radius = float(np.median(distances))
        if not radius > 1e-6:
            raise ValueError(f"the cameras stand at the point they look at, {target}: give a radius")
    if elevation_degrees is None:
        sines = offsets[:, 2] / np.maximum(distances, 1e-12)
        elevation_degrees = float(np.clip(np.degrees(np.median(np.arcsin(np.clip(sines, -1, 1)))), -85, 85))
    return orbit(frames, radius, elevation_degrees, target=target, start_degrees=start_degrees)


def nearest_point_to_axes(origins: NDArray, directions: NDArray) -> NDArray[np.float64]:
    """Point (3,) with the least sum of squared distances to the lines origins + t directions, (V, 3) each."""
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    projectors = np.eye(3) - unit[:, :, None] * unit[:, None, :]
    right_side = (projectors @ origins[:, :, None]).sum(axis=0)[:, 0]
    # A cut-off well above rounding: nearly parallel axes would put the point anywhere along them.
    return np.linalg.lstsq(projectors.sum(axis=0), right_side, rcond=1e-6)[0]


def catmull_rom(times: ArrayLike, points: ArrayLike, at: ArrayLike) -> NDArray[np.float64]:
    """Smooth curve through points (K, D) at increasing times (K,), K >= 2: values (F, D) at times `at` (F,).

    Cubic Hermite pieces with the Catmull-Rom tangent (p[k+1] - p[k-1]) / (t[k+1] - t[k-1]), one-sided at the
    ends, so velocity is continuous for uneven times too. Times outside the range give the end points.
    """
    knots, values, query = (np.asarray(array, np.float64) for array in (times, points, at))
    tangents = np.empty_like(values)
    tangents[1:-1] = (values[2:] - values[:-2]) / (knots[2:] - knots[:-2])[:, None]
    tangents[0] = (values[1] - values[0]) / (knots[1] - knots[0])
    tangents[-1] = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    left = np.clip(np.searchsorted(knots, query, side="right") - 1, 0, len(knots) - 2)
    length = (knots[left + 1] - knots[left])[:, None]
    s = np.clip((query - knots[left])[:, None] / length, 0.0, 1.0)
    return (
        (1 + 2 * s) * (1 - s) ** 2 * values[left]
        + s**2 * (3 - 2 * s) * values[left + 1]
        + length * s * (1 - s) * ((1 - s) * tangents[left] - s * tangents[left + 1])
    )


def _unit(vector: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(array))
    if not (np.isfinite(length) and length > 0):
        raise ValueError(f"{name} must be a finite vector other than zero, got {vector}")
    return array / length
