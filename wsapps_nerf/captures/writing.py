"""Captures written as COLMAP models and as nerfstudio's JSON: for conversions, tests and benchmarks."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.atomic import write_bytes, write_json, write_text
from wsapps_nerf.captures.colmap_models import MODELS
from wsapps_nerf.captures.colmap_records import ColmapImage, ColmapModel
from wsapps_nerf.captures.distortion import COEFFICIENTS
from wsapps_nerf.captures.lens import Lens


def colmap_image(name: str, camera_to_world: NDArray[np.float64], camera: int) -> ColmapImage:
    """The record of a picture taken from a camera-to-world pose ``(3, 4)`` with OpenGL's axes."""
    rotation = (camera_to_world[:, :3] * [1.0, -1.0, -1.0]).T
    translation = -rotation @ camera_to_world[:, 3]
    return ColmapImage(name, _quaternion(rotation), tuple(translation.tolist()), camera)


def write_colmap_text(folder: Path, model: ColmapModel) -> None:
    """cameras.txt, images.txt and points3D.txt, no point of which has a track."""
    cameras = [
        f"{number} {model.model_names[number]} {lens.width} {lens.height} "
        + " ".join(repr(value) for value in _parameters(lens, model.model_names[number]))
        for number, lens in model.lenses.items()
    ]
    write_text(folder / "cameras.txt", _lines("# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]", cameras))
    images = []
    for index, image in enumerate(model.images, start=1):
        values = " ".join(repr(value) for value in (*image.quaternion, *image.translation))
        images += [f"{index} {values} {image.camera} {image.name}", ""]
    write_text(folder / "images.txt", _lines("# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", images))
    points = [
        f"{index} {x!r} {y!r} {z!r} 128 128 128 0.0"
        for index, (x, y, z) in enumerate(model.points.tolist(), start=1)
    ]
    write_text(folder / "points3D.txt", _lines("# POINT3D_ID X Y Z R G B ERROR TRACK[]", points))


def write_colmap_binary(folder: Path, model: ColmapModel) -> None:
    """cameras.bin, images.bin and points3D.bin, no point of which has a track."""
    cameras = [struct.pack("<Q", len(model.lenses))]
    for number, lens in model.lenses.items():
        name = model.model_names[number]
        values = _parameters(lens, name)
        cameras.append(struct.pack("<IiQQ", number, MODELS[name].number, lens.width, lens.height))
        cameras.append(struct.pack(f"<{len(values)}d", *values))
    write_bytes(folder / "cameras.bin", b"".join(cameras))
    images = [struct.pack("<Q", len(model.images))]
    for index, image in enumerate(model.images, start=1):
        images.append(struct.pack("<I7dI", index, *image.quaternion, *image.translation, image.camera))
        images.append(image.name.encode("utf-8", errors="surrogateescape") + b"\0" + struct.pack("<Q", 0))
    write_bytes(folder / "images.bin", b"".join(images))
    points = [struct.pack("<Q", len(model.points))]
    for index, point in enumerate(model.points.tolist(), start=1):
        points.append(struct.pack("<Q3d3BdQ", index, *point, 128, 128, 128, 0.0, 0))
    write_bytes(folder / "points3D.bin", b"".join(points))


def write_transforms(
    path: Path, files: Sequence[str], poses: NDArray[np.float64], lens: Lens, **more: Any
) -> None:
    """A nerfstudio JSON of one camera without denominator or prism terms, and ``more`` keys beside it.

    Args:
        path: the JSON file.
        files: pictures, relative to its folder.
        poses: ``(V, 3, 4)`` camera to world with OpenGL's axes.
        lens: perspective or fisheye.
        more: other keys of the document, such as ``test_filenames``.
    """
    coefficients = dict(zip(COEFFICIENTS, lens.coefficients, strict=True))
    document = {
        "camera_model": "OPENCV_FISHEYE" if lens.projection == "fisheye" else "OPENCV",
        "w": lens.width, "h": lens.height, "fl_x": lens.fx, "fl_y": lens.fy, "cx": lens.cx, "cy": lens.cy,
        **{key: coefficients[key] for key in ("k1", "k2", "k3", "k4", "p1", "p2")},
        **more,
        "frames": [
            {"file_path": file, "transform_matrix": [*pose.tolist(), [0.0, 0.0, 0.0, 1.0]]}
            for file, pose in zip(files, poses, strict=True)
        ],
    }  # fmt: skip
    write_json(path, document)


def _parameters(lens: Lens, model: str) -> list[float]:
    """The values that COLMAP lists for a camera of a model."""
    named = {"f": lens.fx, "fx": lens.fx, "fy": lens.fy, "cx": lens.cx, "cy": lens.cy, "omega": lens.omega}
    named |= dict(zip(COEFFICIENTS, lens.coefficients, strict=True))
    return [float(named[key]) for key in MODELS[model].parameters]


def _lines(comment: str, lines: list[str]) -> str:
    return "\n".join([comment, *lines]) + "\n"


def _quaternion(rotation: NDArray[np.float64]) -> tuple[float, ...]:
    """(w, x, y, z) of a rotation ``(3, 3)``, from its largest component for the digits (Shepperd, 1978)."""
    trace = float(np.trace(rotation))
    diagonal = np.array([trace, *np.diag(rotation)])
    largest = int(diagonal.argmax())
    size = 2 * math.sqrt(max(0.0, 1 + 2 * float(diagonal[largest]) - trace))
    w_part = [
        rotation[2, 1] - rotation[1, 2],
        rotation[0, 2] - rotation[2, 0],
        rotation[1, 0] - rotation[0, 1],
    ]
    if largest == 0:
        size = 2 * math.sqrt(max(0.0, 1 + trace))
        return (size / 4, *(float(value) / size for value in w_part))
    i = largest - 1
    parts = [float(rotation[i, j] + rotation[j, i]) / size for j in range(3)]
    parts[i] = size / 4
    return (float(w_part[i]) / size, *parts)
