"""Reader of Blender scenes: ``transforms_{train,val,test}.json`` beside RGBA pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from wsapps.config.overrides import shown
from wsapps.errors import UserError, one_line
from wsapps_nerf.cameras import Cameras, focal_from_angle
from wsapps_nerf.captures.transforms import LENS_KEYS, read_lens
from wsapps_nerf.json_values import list_of, matrix_4x4, number, read_json, show
from wsapps_nerf.scene import Views, check_downscale, downscale_rgba

_MOST_FRAMES = 100_000
_LEAST_ANGLE = 1e-4  # radians; below it the focal length overflows
_ABOUT = 0.02  # relative; a principal point half a pixel from the centre of a small picture is none


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
    listing = _read_listing(root, split)
    rgba = _read_images(listing.files, downscale)
    if not bool((rgba[..., 3] > 0).any()):
        raise UserError(
            f"{listing.path}: all {len(listing.files)} images are fully transparent: nothing can be learnt "
            f"from them"
        )
    height, width = rgba.shape[1:3]
    return Views([file.stem for file in listing.files], rgba, listing.cameras(width, height))


def load_blender_cameras(root: Path, split: str, downscale: int = 1) -> Cameras:
    """The cameras of :func:`load_blender_views`, from the headers of pictures.

    Raises:
        UserError: as there, of the JSON and the first picture.
    """
    listing = _read_listing(root, split)
    width, height = _image_size(listing.files[0])
    check_downscale(width, height, downscale)
    return listing.cameras(width // downscale, height // downscale)


@dataclass(frozen=True)
class _Listing:
    """What a transforms file says: F poses, picture files, and the horizontal field of view in radians."""

    path: Path
    poses: Tensor
    files: list[Path]
    angle: float

    def cameras(self, width: int, height: int) -> Cameras:
        return Cameras(self.poses, focal_from_angle(width, self.angle), width, height)


def _read_listing(root: Path, split: str) -> _Listing:
    path = root / f"transforms_{split}.json"
    if not path.exists():
        raise UserError(f"{path} does not exist; a Blender scene has a transforms_{split}.json in its folder")
    document = read_json(path, "scene file")
    if not isinstance(document, dict):
        raise UserError(
            f"{path}: expected an object with 'camera_angle_x' and 'frames', got {show(document)}"
        )
    if "camera_angle_x" not in document:
        raise UserError(f"{path} has no 'camera_angle_x', the horizontal field of view in radians")
    name = f"{path}: 'camera_angle_x' (radians)"
    angle = number(document["camera_angle_x"], name, _LEAST_ANGLE, math.pi, open_above=True)
    if "frames" not in document:
        raise UserError(f"{path} has no 'frames', the list of pictures and poses")
    frames = list_of(document["frames"], 1, _MOST_FRAMES, f"{path}: 'frames'")
    wheres = [f"{path}: frames[{index}]" for index in range(len(frames))]
    poses = torch.stack([_pose(frame, where) for frame, where in zip(frames, wheres, strict=True)])
    files = [_image_path(frame, path.parent, where) for frame, where in zip(frames, wheres, strict=True)]
    _check_plain(document, frames, files, path)
    return _Listing(path, poses, files, angle)


def _check_plain(document: dict[str, Any], frames: list[Any], files: list[Path], path: Path) -> None:
    """Refuse masks and lenses that a Blender scene has not, rather than train without them."""
    instead = "a Blender scene has none; read it with scene.format=transforms"
    for index, (frame, file) in enumerate(zip(frames, files, strict=True)):
        where = f"{path}: frames[{index}]"
        if frame.get("mask_path"):
            raise UserError(f"{where} has a mask ('mask_path'), and {instead}")
        if "camera_angle_x" not in frame and not any(
            key in p for p in (document, frame) for key in LENS_KEYS
        ):
            continue
        lens = read_lens(document, frame, file, where)
        angle = 2 * math.atan(lens.width / 2 / lens.fx)
        if not lens.is_plain(_ABOUT) or abs(angle / document["camera_angle_x"] - 1) > _ABOUT:
            raise UserError(
                f"{where} has a lens that distorts, is not centred, or does not suit 'camera_angle_x', and "
                f"{instead}"
            )


def _pose(frame: Any, where: str) -> Tensor:
    """Camera-to-world ``(3, 4)`` float32; a scale in it is accepted, as Blender writes one."""
    if not isinstance(frame, dict) or "transform_matrix" not in frame:
        raise UserError(
            f"{where} has no 'transform_matrix' (a 4x4 camera-to-world matrix), got {show(frame)}"
        )
    matrix = matrix_4x4(frame["transform_matrix"], f"{where}: 'transform_matrix'")
    # Relative to the size of its entries, so that the unit of length does not matter.
    singular_values = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    if not singular_values[-1] > 1e-6 * singular_values[0]:
        raise UserError(
            f"{where}: 'transform_matrix' has a singular rotation {show(matrix[:3, :3].tolist())}, "
            f"which sees no picture"
        )
    # Blender's cameras see alike whatever their scale, and distances from them are world units.
    matrix[:3, :3] /= np.linalg.norm(matrix[:3, :3], axis=0)
    return torch.from_numpy(matrix[:3]).float()


def _image_path(frame: dict[str, Any], folder: Path, where: str) -> Path:
    name = frame.get("file_path")
    if not isinstance(name, str) or not Path(name).name:
        raise UserError(f"{where} has no 'file_path' (a picture's file name), got {show(name)}")
    file = folder / name
    # "./train/r.0" has a dot, and still no extension.
    with_png = file.with_name(file.name + ".png")
    expected = file if file.suffix else with_png
    return next((candidate for candidate in (file, with_png) if _is_file(candidate)), expected)


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


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
        images.append(downscale_rgba(image, downscale))
    return torch.stack(images)


def _read_image(file: Path) -> Tensor:
    """One picture as ``(H, W, 4)`` float32 in [0, 1]."""
    _check_exists(file)
    try:
        with Image.open(file) as image:
            if image.mode.startswith("I;16"):  # Pillow's own conversion would clip it to white
                grey = torch.from_numpy(np.asarray(image).astype(np.float32) / 65535.0)
                return torch.stack([grey, grey, grey, torch.ones_like(grey)], dim=-1)
            if image.mode in ("I", "F"):
                raise ValueError(f"it has 32 bits a pixel (mode {image.mode}); save it with 8 or 16")
            pixels = np.asarray(image.convert("RGBA"))
    except Exception as error:  # every decoder raises its own kinds on a broken file
        raise UserError(f"{file} cannot be read as a picture: {one_line(error)}") from None
    return torch.from_numpy(pixels.copy()).float().div_(255.0)


def _image_size(file: Path) -> tuple[int, int]:
    """Width and height, from the picture's header."""
    _check_exists(file)
    try:
        with Image.open(file) as image:
            return image.size
    except Exception as error:
        raise UserError(f"{file} cannot be read as a picture: {one_line(error)}") from None


def _check_exists(file: Path) -> None:
    if not _is_file(file):
        raise UserError(f"{shown(str(file), 300)} is listed in the scene's JSON but does not exist")
