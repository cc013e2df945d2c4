"""Camera paths that users write as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps_nerf.camera_path import catmull_rom, look_at
from wsapps_nerf.json_values import check_keys, list_of, matrix_4x4, number, read_json, show, vector

MAX_SIDE = 16_384  # pixels; also the limit of H.264
_MAX_FRAMES = 100_000
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
    content = read_json(path, "camera path")
    where = f"camera path {path}"
    check_keys(content, _TOP_KEYS, where)
    if ("frames" in content) == ("keyframes" in content):
        raise UserError(f"{where}: give either 'frames' or 'keyframes', one of the two")
    fps = number(content.get("fps", 30), f"{where}: fps", 0, 1000)
    if "frames" in content:
        frames = list_of(content["frames"], 1, _MAX_FRAMES, f"{where}: frames")
        poses = torch.stack([_read_pose(frame, f"{where}: frame {i}") for i, frame in enumerate(frames)])
    else:
        poses = _read_keyframes(
            list_of(content["keyframes"], 2, _MAX_FRAMES, f"{where}: keyframes"), fps, where
        )
    if ("width" in content) != ("height" in content):
        raise UserError(f"{where}: give both width and height, or neither")
    return CameraPath(
        camera_to_world=poses,
        fps=fps,
        width=_read_side(content, "width", where),
        height=_read_side(content, "height", where),
        camera_angle_x=_read_angle(content, where),
    )


def _read_pose(frame: Any, where: str) -> Tensor:
    """(3, 4) float32 from {"transform_matrix": 4x4}, which must be a rotation and a translation."""
    check_keys(frame, _FRAME_KEYS, where)
    if "transform_matrix" not in frame:
        raise UserError(f"{where} has no 'transform_matrix'")
    name = f"{where}: transform_matrix"
    matrix = matrix_4x4(frame["transform_matrix"], name)
    if not np.allclose(matrix[3], (0, 0, 0, 1), atol=_ROTATION_TOLERANCE):
        raise UserError(f"{name}: the last row must be [0, 0, 0, 1], got {show(matrix[3].tolist())}")
    rotation = matrix[:3, :3]
    off = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if off > _ROTATION_TOLERANCE:
        raise UserError(
            f"{name}: the upper left 3x3 must be a rotation (R^T R = 1 within {_ROTATION_TOLERANCE:g}), "
            f"got a deviation of {off:.3g} in {show(rotation.tolist())}"
        )
    if np.linalg.det(rotation) < 0:
        raise UserError(f"{name}: the upper left 3x3 mirrors (determinant -1), it must be a rotation")
    return torch.from_numpy(matrix[:3].astype(np.float32))


def _read_keyframes(keyframes: list[Any], fps: float, where: str) -> Tensor:
    times, positions, targets = [], [], []
    for index, keyframe in enumerate(keyframes):
        name = f"{where}: keyframe {index}"
        check_keys(keyframe, _KEYFRAME_KEYS, name)
        missing = [key for key in _KEYFRAME_KEYS if key not in keyframe]
        if missing:
            raise UserError(f"{name} has no {missing[0]!r}: it needs position, target and time")
        time = number(keyframe["time"], f"{name}: time")
        if times and not time - times[-1] >= _SHORTEST_STEP:
            raise UserError(
                f"{name}: times must increase by {_SHORTEST_STEP:g} s at least, "
                f"got {time:g} s after {times[-1]:g} s"
            )
        times.append(time)
        positions.append(vector(keyframe["position"], 3, f"{name}: position"))
        targets.append(vector(keyframe["target"], 3, f"{name}: target"))
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
            spot = show(aim.tolist())
            raise UserError(f"{where}: at {time:g} s the camera is at its target, {spot}") from error
    return torch.stack(poses)


def _read_side(content: dict[str, Any], key: str, where: str) -> int | None:
    if key not in content:
        return None
    value = content[key]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SIDE:
        raise UserError(f"{where}: {key} must be 1 to {MAX_SIDE} whole pixels, got {show(value)}")
    return value


def _read_angle(content: dict[str, Any], where: str) -> float | None:
    if "camera_angle_x" in content and "fov_degrees" in content:
        raise UserError(f"{where}: give camera_angle_x or fov_degrees, not both")
    if "fov_degrees" in content:
        degrees = number(content["fov_degrees"], f"{where}: fov_degrees", 0, 180, open_above=True)
        return math.radians(degrees)
    if "camera_angle_x" in content:
        name = f"{where}: camera_angle_x (radians)"
        return number(content["camera_angle_x"], name, 0, math.pi, open_above=True)
    return None
