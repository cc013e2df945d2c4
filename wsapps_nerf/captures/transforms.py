"""``transforms.json`` of nerfstudio and instant-ngp, and Blender's, as a capture.

Intrinsics may stand beside the frames or in each frame, which wins. The radial terms are nerfstudio's:
k1 .. k4 multiply r^2 .. r^8; with a fisheye model, powers of the angle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_nerf.cameras import focal_from_angle
from wsapps_nerf.captures.capture import MOST_SHOTS, Capture, Shot, rotation_of
from wsapps_nerf.captures.colmap_models import lens_from
from wsapps_nerf.captures.lens import Lens, Projection
from wsapps_nerf.captures.picture_file import picture_size
from wsapps_nerf.json_values import list_of, matrix_4x4, number, read_json, show

WHOLE, SPLITS = "transforms.json", ("train", "test", "val")
_PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE")
_FISHEYE = ("OPENCV_FISHEYE", "FISHEYE")
_DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")
_INTRINSICS = (
    "camera_model", "is_fisheye", "w", "h", "fl_x", "fl_y", "cx", "cy", "camera_angle_x", "camera_angle_y",
    *_DISTORTION,
)  # fmt: skip
#: What says more of a lens than Blender's one angle, and the pictures themselves, do.
LENS_KEYS = tuple(key for key in _INTRINSICS if key not in ("camera_angle_x", "w", "h"))
# Where a frame has one of the first, what the document says by the second is not meant for it.
_OWN = (
    (("fl_x", "camera_angle_x"), ("fl_x", "camera_angle_x", "fl_y", "camera_angle_y")),
    (("fl_y", "camera_angle_y"), ("fl_y", "camera_angle_y")),
    (("camera_model", "is_fisheye"), ("camera_model", "is_fisheye")),
)
#: instant-ngp's unit cube is so many of its capture's units wide, for aabb_scale 1.
_NGP_SCALE, _NGP_OFFSET = 0.33, 0.5
#: Above this, the scene's background is taken to have no end.
_LARGEST_BOUNDED_SCALE = 2


def find_transforms(root: Path) -> list[Path]:
    """The JSON files of a capture: ``root`` itself, its transforms.json, or those of its splits."""
    if root.suffix.lower() == ".json" and root.is_file():
        return [root]
    if (root / WHOLE).is_file():
        return [root / WHOLE]
    files = [root / f"transforms_{split}.json" for split in SPLITS]
    return [file for file in files if file.is_file()]


def read_transforms(root: Path) -> Capture:
    """Read the transforms files in a folder, or the one named.

    Raises:
        UserError: none is there, or what is wrong with them, with the file, the frame and the value.
    """
    files = find_transforms(root)
    if not files:
        raise UserError(f"{root} holds neither {WHOLE} nor transforms_train.json")
    shots: list[Shot] = []
    lenses: dict[Lens, tuple[int, str]] = {}
    splits: dict[str, list[int]] = {}
    box = None
    for path in files:
        document = _read_document(path)
        first = len(shots)
        shots += _read_frames(document, path, lenses)
        box = _declared_box(document, str(path)) if box is None else box
        if len(files) > 1:
            splits[path.stem.removeprefix("transforms_")] = list(range(first, len(shots)))
        else:
            splits = _listed_splits(document, path)
    source = str(files[0]) if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    kinds = sorted({lens.projection for lens in lenses})
    distorted = any(lens.distorts for lens in lenses)
    note = f"transforms: {len(shots)} frames, cameras: {len(lenses)}, {', '.join(kinds)}"
    return Capture(
        source=source,
        shots=shots,
        lenses=list(lenses),
        lens_names=[where for _, where in lenses.values()],
        splits=splits,
        box=box,
        notes=[note + (" with distortion" if distorted else "")],
    )


def _read_document(path: Path) -> dict[str, Any]:
    document = read_json(path, "scene file")
    if not isinstance(document, dict) or "frames" not in document:
        raise UserError(f"{path}: expected an object with 'frames', got {show(document)}")
    return document


def _read_frames(document: dict[str, Any], path: Path, lenses: dict[Lens, tuple[int, str]]) -> list[Shot]:
    """The shots; their lenses are added to ``lenses``, with an index and where each was first met."""
    frames = list_of(document["frames"], 1, MOST_SHOTS, f"{path}: 'frames'")
    shots = []
    for index, frame in enumerate(frames):
        where = f"{path}: frames[{index}]"
        if not isinstance(frame, dict) or "transform_matrix" not in frame:
            raise UserError(f"{where} has no 'transform_matrix' (4x4, camera to world), got {show(frame)}")
        name = _text(frame, "file_path", where)
        picture = _picture_path(path.parent / name)
        matrix = matrix_4x4(frame["transform_matrix"], f"{where}: 'transform_matrix'")
        rotation = rotation_of(matrix[:3, :3], f"{where}: 'transform_matrix'")
        lens = read_lens(document, frame, picture, where)
        lens_index, _ = lenses.setdefault(lens, (len(lenses), where))
        mask = path.parent / _text(frame, "mask_path", where) if frame.get("mask_path") else None
        pose = np.concatenate([rotation, matrix[:3, 3:]], axis=1)
        shots.append(Shot(name, picture, mask, pose, lens_index))
    return shots


def _intrinsics(document: Mapping[str, Any], frame: Mapping[str, Any]) -> dict[str, Any]:
    """What is given for a frame; its own wins, also where the document says the same by another name."""
    given = {key: document[key] for key in _INTRINSICS if key in document}
    own = {key: frame[key] for key in _INTRINSICS if key in frame}
    for names, replaced in _OWN:
        if any(name in own for name in names):
            given = {key: value for key, value in given.items() if key not in replaced}
    return given | own


def _text(frame: Mapping[str, Any], key: str, where: str) -> str:
    value = frame.get(key)
    if not isinstance(value, str) or not Path(value).name:
        raise UserError(f"{where} has no '{key}' (a file name), got {show(value)}")
    return value


def _picture_path(path: Path) -> Path:
    """The file; Blender and instant-ngp may leave ".png" out."""
    with_png = path.with_name(path.name + ".png")
    return with_png if not path.suffix or (not _exists(path) and _exists(with_png)) else path


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_lens(document: Mapping[str, Any], frame: Mapping[str, Any], picture: Path, where: str) -> Lens:
    """The lens of a frame's picture, whose header is read where no size is given.

    Raises:
        UserError: what is wrong with it.
    """
    given = _intrinsics(document, frame)
    model = given.get("camera_model", "OPENCV_FISHEYE" if given.get("is_fisheye") is True else "OPENCV")
    if model not in _PERSPECTIVE + _FISHEYE:
        known = ", ".join(_PERSPECTIVE + _FISHEYE)
        raise UserError(f"{where}: unknown camera model {show(model)}; known are {known}")
    projection: Projection = "fisheye" if model in _FISHEYE else "perspective"
    if "w" in given and "h" in given:
        width, height = (_side(given[key], f"{where}: '{key}'") for key in ("w", "h"))
    else:
        width, height = picture_size(picture)
    named = {
        key: number(given[key], f"{where}: '{key}'") for key in (*_DISTORTION, "cx", "cy") if key in given
    }
    named["fx"] = _focal(given, "fl_x", "camera_angle_x", width, where)
    has_own = "fl_y" in given or ("camera_angle_y" in given and "fl_x" not in given)
    named["fy"] = _focal(given, "fl_y", "camera_angle_y", height, where) if has_own else named["fx"]
    return lens_from(named, width, height, projection, where)


def _focal(given: dict[str, Any], focal: str, angle: str, side: int, where: str) -> float:
    if focal in given:
        return number(given[focal], f"{where}: '{focal}' (pixels)", 0)
    if angle in given:
        name = f"{where}: '{angle}' (radians)"
        return focal_from_angle(side, number(given[angle], name, 1e-4, math.pi, open_above=True))
    raise UserError(
        f"{where}: neither '{focal}' (pixels) nor '{angle}' (radians) is given, there or globally"
    )


def _side(value: Any, where: str) -> int:
    side = number(value, where, 0)
    if side != int(side):
        raise UserError(f"{where} must be a whole number of pixels, got {show(value)}")
    return int(side)


def _declared_box(document: dict[str, Any], where: str) -> NDArray[np.float64] | None:
    """instant-ngp's box: a cube of ``aabb_scale`` unit cubes about the offset; None where it is unbounded.

    Its coordinates are 0.33 x + 0.5, unless the file has its own ``scale`` and ``offset``.
    """
    if "aabb_scale" not in document:
        return None
    aabb_scale = number(document["aabb_scale"], f"{where}: 'aabb_scale'", 0)
    if aabb_scale > _LARGEST_BOUNDED_SCALE:
        return None
    scale = number(document.get("scale", _NGP_SCALE), f"{where}: 'scale'", 0)
    offset = document.get("offset", [_NGP_OFFSET] * 3)
    offsets = [number(value, f"{where}: 'offset'") for value in list_of(offset, 3, 3, f"{where}: 'offset'")]
    centre, half = (0.5 - np.array(offsets)) / scale, aabb_scale / 2 / scale
    return np.concatenate([centre - half, centre + half])


def _listed_splits(document: dict[str, Any], path: Path) -> dict[str, list[int]]:
    """nerfstudio's lists ``train_filenames`` and so on."""
    index_of = {frame["file_path"]: index for index, frame in enumerate(document["frames"])}
    splits = {}
    for split in SPLITS:
        key = f"{split}_filenames"
        if key in document:
            names = list_of(document[key], 1, MOST_SHOTS, f"{path}: '{key}'")
            unknown = [name for name in names if not isinstance(name, str) or name not in index_of]
            if unknown:
                raise UserError(f"{path}: '{key}' lists {show(unknown[0])}, which is no frame's file_path")
            splits[split] = [index_of[name] for name in names]
    return splits
