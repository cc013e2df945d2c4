"""Reader of Blender scenes: ``transforms_{train,test}.json`` beside RGBA pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps_nerf.cameras import Cameras, focal_from_angle
from wsapps_nerf.scene import Views, downscale_rgba


def load_blender_views(root: Path, split: str, downscale: int = 1) -> Views:
    """Read one split of a Blender scene.

    Args:
        root: the folder that holds ``transforms_<split>.json``.
        split: "train", "val" or "test".
        downscale: average blocks of this many pixels squared (see :func:`downscale_rgba`).

    Returns:
        The views, images as float32 RGBA in [0, 1] with straight alpha; pictures without an alpha
        channel are opaque.

    Raises:
        UserError: a missing or malformed file, named with what was found in it.
    """
    path = root / f"transforms_{split}.json"
    document = _read_json(path)
    angle = _camera_angle(document, path)
    frames = document.get("frames")
    if not isinstance(frames, list) or not frames:
        raise UserError(f"{path}: 'frames' must be a list of at least one frame, got {_brief(frames)}")
    poses = torch.stack([_pose(frame, index, path) for index, frame in enumerate(frames)])
    files = [_image_path(frame, index, path) for index, frame in enumerate(frames)]
    rgba = _read_images(files, downscale)
    if not bool((rgba[..., 3] > 0).any()):
        raise UserError(f"{path}: all {len(files)} images are fully transparent, there is nothing to learn")
    height, width = rgba.shape[1:3]
    cameras = Cameras(poses, focal_from_angle(width, angle), width, height)
    return Views([file.stem for file in files], rgba, cameras)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; a Blender scene has transforms_train.json in its folder") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path}: expected an object with 'camera_angle_x' and 'frames', got {_brief(document)}")
    return document


def _camera_angle(document: dict[str, Any], path: Path) -> float:
    angle = document.get("camera_angle_x")
    if isinstance(angle, bool) or not isinstance(angle, (int, float)) or not 0 < angle < math.pi:
        raise UserError(f"{path}: 'camera_angle_x' must be radians in (0, pi), got {_brief(angle)}")
    return float(angle)


def _pose(frame: Any, index: int, path: Path) -> Tensor:
    where = f"{path}: frames[{index}]"
    if not isinstance(frame, dict) or "transform_matrix" not in frame:
        raise UserError(f"{where} has no 'transform_matrix' (a 4x4 camera-to-world matrix), got {_brief(frame)}")
    try:
        matrix = np.asarray(frame["transform_matrix"], dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{where}: 'transform_matrix' must be 4x4 numbers, got {_brief(frame['transform_matrix'])}") from None
    if matrix.shape != (4, 4):
        raise UserError(f"{where}: 'transform_matrix' must be 4x4, got shape {'x'.join(map(str, matrix.shape)) or 'scalar'}")
    if not np.isfinite(matrix).all():
        raise UserError(f"{where}: 'transform_matrix' must be finite, got {matrix[~np.isfinite(matrix)][0]}")
    rotation = matrix[:3, :3]
    if abs(np.linalg.det(rotation)) < 1e-6:
        raise UserError(f"{where}: 'transform_matrix' has a singular rotation (determinant {np.linalg.det(rotation):.2g})")
    return torch.from_numpy(matrix[:3]).float()


def _image_path(frame: dict[str, Any], index: int, path: Path) -> Path:
    name = frame.get("file_path")
    if not isinstance(name, str) or not name:
        raise UserError(f"{path}: frames[{index}] has no 'file_path', got {_brief(name)}")
    file = path.parent / name
    candidates = [file] if file.suffix else [file.with_name(file.name + ".png")]
    if file.suffix and not file.exists():
        candidates.append(file.with_name(file.name + ".png"))  # "./train/r.0" has no extension either
    return next((candidate for candidate in candidates if candidate.exists()), candidates[-1])


def _read_images(files: list[Path], downscale: int) -> Tensor:
    """All pictures as one ``(V, H, W, 4)`` float32 tensor, each made small as it is read."""
    images: list[Tensor] = []
    size = None
    for file in files:
        image = _read_image(file)
        size = size or image.shape
        if image.shape != size:
            raise UserError(
                f"{file} is {image.shape[1]}x{image.shape[0]} but {files[0]} is {size[1]}x{size[0]}; "
                f"all images of a scene must have one size"
            )
        images.append(downscale_rgba(torch.from_numpy(image).float().div_(255.0), downscale))
    return torch.stack(images)


def _read_image(file: Path) -> np.ndarray:
    """One picture as ``(H, W, 4)`` uint8."""
    if not file.exists():
        raise UserError(f"{file} is listed in the scene's JSON but does not exist")
    try:
        image = np.asarray(imageio.imread(file, mode="RGBA", plugin="pillow"))
    except Exception as error:  # every decoder raises its own kinds on a broken file
        raise UserError(f"{file} cannot be read as a picture (truncated?): {_one_line(error)}") from None
    return image


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
