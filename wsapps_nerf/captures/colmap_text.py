"""COLMAP's text files: cameras.txt, images.txt, points3D.txt.

Format: https://colmap.github.io/format.html#text-format
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsapps.atomic import explained
from wsapps.errors import UserError
from wsapps_nerf.captures.capture import MOST_SHOTS
from wsapps_nerf.captures.colmap_models import make_lens
from wsapps_nerf.captures.colmap_records import ColmapImage, ColmapModel, add_camera
from wsapps_nerf.captures.lens import Lens


def read_text_model(folder: Path) -> ColmapModel:
    """Read the text model in a folder.

    Raises:
        UserError: a file is missing or malformed; with its name and line.
    """
    lenses, names = _read_cameras(folder / "cameras.txt")
    return ColmapModel(
        lenses, names, _read_images(folder / "images.txt"), _read_points(folder / "points3D.txt")
    )


def _read_cameras(path: Path) -> tuple[dict[int, Lens], dict[int, str]]:
    lenses: dict[int, Lens] = {}
    names: dict[int, str] = {}
    for where, line in _lines(path):
        words = line.split()
        if not words:
            continue
        if len(words) < 5:
            raise UserError(f"{where}: expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS..., got {_cut(line)}")
        number, width, height = (_integer(word, where) for word in (words[0], words[2], words[3]))
        values = [_number(word, where) for word in words[4:]]
        lens = make_lens(words[1], width, height, values, f"{where}, camera {number}")
        add_camera(lenses, names, number, words[1], lens, where)
    return lenses, names


def _read_images(path: Path) -> list[ColmapImage]:
    images = []
    lines = _lines(path)
    for where, line in lines:
        words = line.split(maxsplit=9)
        if not words:
            continue
        if len(words) < 10:
            raise UserError(
                f"{where}: expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, got {_cut(line)}; every "
                f"picture takes two lines, of which the second, its points, may be empty"
            )
        values = [_number(word, where) for word in words[1:8]]
        name = words[9].strip()
        images.append(ColmapImage(name, tuple(values[:4]), tuple(values[4:]), _integer(words[8], where)))
        if len(images) > MOST_SHOTS:
            raise UserError(f"{path} lists more than {MOST_SHOTS} pictures")
        next(lines, None)  # its points
    return images


def _read_points(path: Path) -> NDArray[np.float64]:
    points = []
    if path.is_file():
        for where, line in _lines(path):
            words = line.split(maxsplit=4)
            if words and len(words) < 4:
                raise UserError(f"{where}: expected POINT3D_ID X Y Z R G B ERROR TRACK..., got {_cut(line)}")
            if words:
                points.append([_number(word, where) for word in words[1:4]])
    return np.array(points, np.float64).reshape(-1, 3)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Place and content of every line that is no comment."""
    with (
        explained("read the COLMAP file", path),
        open(path, encoding="utf-8", errors="surrogateescape") as file,
    ):
        for index, line in enumerate(file, start=1):
            if not line.lstrip().startswith("#"):
                yield f"{path} line {index}", line.rstrip("\n")


def _number(word: str, where: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not abs(value) < 1e30:
        raise UserError(f"{where}: expected a finite number, got {_cut(word)}")
    return value


def _integer(word: str, where: str) -> int:
    if not (word.removeprefix("-").isascii() and word.removeprefix("-").isdigit() and len(word) < 20):
        raise UserError(f"{where}: expected a whole number, got {_cut(word)}")
    return int(word)


def _cut(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
