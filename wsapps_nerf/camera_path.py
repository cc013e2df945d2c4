"""Poses to render from: orbits, and camera paths that users write as JSON.

Camera-to-world matrices are (V, 3, 4) float32 with OpenGL axes: +X right, +Y up, the camera looks along -Z.
World up is z.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wsapps.atomic import explained
from wsapps.errors import UserError

_MAX_FRAMES = 100_000
_MAX_SIDE = 16_384  # pixels; also the limit of H.264
_ROTATION_TOLERANCE = 1e-3
_SHORTEST_STEP = 1e-6  # seconds between keyframes
_TOP_KEYS = ("fps", "width", "height", "camera_angle_x", "fov_degrees", "frames", "keyframes")
# Blender's own two are read over, so that a transforms_*.json is a camera path as it is.
_FRAME_KEYS = ("transform_matrix", "file_path", "rotation")
_KEYFRAME_KEYS = ("position", "target", "time")


@dataclass(frozen=True)
class CameraPath:
    """Poses (V, 3, 4) float32 at `fps`; size in pixels, horizontal field of view in radians, where given."""

    camera_to_world: Tensor
    fps: float = 30.0
    width: int | None = None
    height: int | None = None
    camera_angle_x: float | None = None


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


def load_camera_path(path: Path) -> CameraPath:
    """Read a user's camera path, JSON with either a pose for every frame or keyframes to move between.

    `{"frames": [{"transform_matrix": 4x4}, ...]}`, or `{"keyframes": [{"position": [x, y, z], "target":
    [x, y, z], "time": seconds}, ...]}`, at least two, joined by :func:`catmull_rom` and sampled every 1/fps
    from the first on. Beside them, all optional: `fps` (30), `width` and `height` (pixels), and the
    horizontal field of view as `camera_angle_x` (radians) or `fov_degrees`. Blender's transforms_*.json are
    valid camera paths.

    Raises UserError, one line that names the file, the frame and the value, for anything malformed.
    """
    path = Path(path)
    content = _read_json(path)
    where = f"camera path {path}"
    _check_object(content, _TOP_KEYS, where)
    if ("frames" in content) == ("keyframes" in content):
        raise UserError(f"{where}: give either 'frames' or 'keyframes', one of the two")
    fps = _number(content.get("fps", 30), f"{where}: fps", 0, 1000)
    if "frames" in content:
        frames = _list(content["frames"], 1, f"{where}: frames")
        poses = torch.stack([_read_pose(frame, f"{where}: frame {i}") for i, frame in enumerate(frames)])
    else:
        poses = _read_keyframes(_list(content["keyframes"], 2, f"{where}: keyframes"), fps, where)
    if ("width" in content) != ("height" in content):
        raise UserError(f"{where}: give both width and height, or neither")
    return CameraPath(
        camera_to_world=poses,
        fps=fps,
        width=_read_side(content, "width", where),
        height=_read_side(content, "height", where),
        camera_angle_x=_read_angle(content, where),
    )


def _read_json(path: Path) -> Any:
    with explained("read the camera path", path):
        data = path.read_bytes()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, or thousands of digits, too
        raise UserError(f"camera path {path} is not JSON: {error}") from error


def _read_pose(frame: Any, where: str) -> Tensor:
    """(3, 4) float32 from {"transform_matrix": 4x4}, which must be a rotation and a translation."""
    _check_object(frame, _FRAME_KEYS, where)
    if "transform_matrix" not in frame:
        raise UserError(f"{where} has no 'transform_matrix'")
    rows, name = frame["transform_matrix"], f"{where}: transform_matrix"
    if not isinstance(rows, list) or len(rows) != 4:
        raise UserError(f"{name} must be 4x4, a list of 4 rows, got {_show(rows)}")
    matrix = np.array([_vector(row, 4, f"{name} row {i}") for i, row in enumerate(rows)])
    if not np.allclose(matrix[3], (0, 0, 0, 1), atol=_ROTATION_TOLERANCE):
        raise UserError(f"{name}: the last row must be [0, 0, 0, 1], got {_show(rows[3])}")
    rotation = matrix[:3, :3]
    off = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if off > _ROTATION_TOLERANCE:
        raise UserError(
            f"{name}: the upper left 3x3 must be a rotation (R^T R = 1 within {_ROTATION_TOLERANCE:g}), "
            f"got a deviation of {off:.3g} in {_show(rotation.tolist())}"
        )
    if np.linalg.det(rotation) < 0:
        raise UserError(f"{name}: the upper left 3x3 mirrors (determinant -1), it must be a rotation")
    return torch.from_numpy(matrix[:3].astype(np.float32))


def _read_keyframes(keyframes: list[Any], fps: float, where: str) -> Tensor:
    times, positions, targets = [], [], []
    for index, keyframe in enumerate(keyframes):
        name = f"{where}: keyframe {index}"
        _check_object(keyframe, _KEYFRAME_KEYS, name)
        missing = [key for key in _KEYFRAME_KEYS if key not in keyframe]
        if missing:
            raise UserError(f"{name} has no {missing[0]!r}: it needs position, target and time")
        time = _number(keyframe["time"], f"{name}: time")
        if times and not time - times[-1] >= _SHORTEST_STEP:
            raise UserError(
                f"{name}: times must increase by {_SHORTEST_STEP:g} s at least, "
                f"got {time:g} s after {times[-1]:g} s"
            )
        times.append(time)
        positions.append(_vector(keyframe["position"], 3, f"{name}: position"))
        targets.append(_vector(keyframe["target"], 3, f"{name}: target"))
    duration = times[-1] - times[0]
    if not duration * fps < _MAX_FRAMES:
        raise UserError(f"{where}: {duration:g} s at {fps:g} fps is more than {_MAX_FRAMES} frames")
    # The small term keeps the last frame when duration * fps is an integer up to rounding.
    samples = times[0] + np.arange(math.floor(duration * fps + 1e-6) + 1) / fps
    eyes, aims = catmull_rom(times, positions, samples), catmull_rom(times, targets, samples)
    poses = []
    for time, eye, aim in zip(samples, eyes, aims, strict=True):
        try:
            poses.append(look_at(eye, aim))
        except ValueError as error:
            spot = _show(aim.tolist())
            raise UserError(f"{where}: at {time:g} s the camera is at its target, {spot}") from error
    return torch.stack(poses)


def _read_side(content: dict[str, Any], key: str, where: str) -> int | None:
    if key not in content:
        return None
    value = content[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_SIDE:
        raise UserError(f"{where}: {key} must be 1 to {_MAX_SIDE} whole pixels, got {_show(value)}")
    return value


def _read_angle(content: dict[str, Any], where: str) -> float | None:
    if "camera_angle_x" in content and "fov_degrees" in content:
        raise UserError(f"{where}: give camera_angle_x or fov_degrees, not both")
    if "fov_degrees" in content:
        degrees = _number(content["fov_degrees"], f"{where}: fov_degrees", 0, 180, open_above=True)
        return math.radians(degrees)
    if "camera_angle_x" in content:
        name = f"{where}: camera_angle_x (radians)"
        return _number(content["camera_angle_x"], name, 0, math.pi, open_above=True)
    return None


def _check_object(value: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(value, dict):
        raise UserError(f"{where} must be a JSON object, got {_show(value)}")
    for key in value:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UserError(f"{where}: unknown key {_show(key)}; {hint}valid keys: {', '.join(known)}")


def _list(value: Any, least: int, where: str) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= _MAX_FRAMES:
        got = f"{len(value)}" if isinstance(value, list) else _show(value)
        raise UserError(f"{where} must be a list of {least} to {_MAX_FRAMES} entries, got {got}")
    return value


def _vector(value: Any, length: int, where: str) -> list[float]:
    if not isinstance(value, list) or len(value) != length:
        raise UserError(f"{where} must be a list of {length} numbers, got {_show(value)}")
    return [_number(entry, f"{where}[{i}]") for i, entry in enumerate(value)]


def _number(
    value: Any, where: str, above: float = -math.inf, most: float = math.inf, open_above: bool = False
) -> float:
    """A finite float32-sized number in (above, most], or (above, most)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{where} must be a number, got {_show(value)}")
    if not abs(value) <= 1e30:  # false for NaN too; float32 ends at 3e38
        raise UserError(f"{where} must be finite and below 1e30, got {_show(value)}")
    if not above < value <= most or (open_above and value == most):
        bound = "below" if open_above else "at most"
        raise UserError(f"{where} must be above {above:g} and {bound} {most:g}, got {_show(value)}")
    return float(value)


def _show(value: Any) -> str:
    """The value on one line, cut to 60 characters."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def _unit(vector: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(vector, np.float64)
    length = float(np.linalg.norm(array))
    if not (np.isfinite(length) and length > 0):
        raise ValueError(f"{name} must be a finite vector other than zero, got {vector}")
    return array / length
