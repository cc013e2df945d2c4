"""COLMAP's binary files: cameras.bin, images.bin, points3D.bin, little-endian.

Format: https://colmap.github.io/format.html#binary-file-format. Counts are believed only as far as the
file is long enough for them, so that a broken file costs no more memory than its size.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.atomic import explained
from wsapps.errors import UserError
from wsapps_nerf.captures.capture import MOST_SHOTS
from wsapps_nerf.captures.colmap_models import MODELS, NAME_OF, make_lens
from wsapps_nerf.captures.colmap_records import ColmapImage, ColmapModel, add_camera
from wsapps_nerf.captures.lens import Lens

_COUNT = struct.Struct("<Q")
_CAMERA = struct.Struct("<IiQQ")  # number, model, width, height; then the parameters
_IMAGE = struct.Struct("<I7dI")  # number, quaternion, translation, camera; then name, NUL, points
_POINT = struct.Struct("<Q3d3BdQ")  # number, position, colour, error, length of the track
_OBSERVATION, _TRACK = 24, 8  # bytes of a point in a picture, and of an entry of a track
_LONGEST_NAME = 4096


def read_binary_model(folder: Path) -> ColmapModel:
    """Read the binary model in a folder.

    Raises:
        UserError: a file is missing, cut off or malformed; with its name and the place in bytes.
    """
    with _opened(folder / "cameras.bin") as file:
        lenses, names = _read_cameras(file)
    with _opened(folder / "images.bin") as file:
        images = _read_images(file)
    points = np.zeros((0, 3))
    if (folder / "points3D.bin").is_file():
        with _opened(folder / "points3D.bin") as file:
            points = _read_points(file)
    return ColmapModel(lenses, names, images, points)


class _Reader:
    """A position in the bytes of a file; every step is checked against their end."""

    def __init__(self, path: Path, data: bytes | mmap.mmap):
        self.path, self.data, self.at = path, data, 0

    def take(self, layout: struct.Struct, what: str) -> tuple[Any, ...]:
        self.need(layout.size, what)
        values = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return values

    def skip(self, size: int, what: str) -> None:
        self.need(size, what)
        self.at += size

    def count(self, smallest: int, what: str) -> int:
        """A number of entries of ``smallest`` bytes at least."""
        (number,) = self.take(_COUNT, f"the number of {what}")
        room = (len(self.data) - self.at) // smallest
        if number > room:
            raise UserError(
                f"{self.path}: it says {number} {what} and has room for {room}: "
                f"it is cut off, or no COLMAP file"
            )
        return number

    def text(self, what: str) -> str:
        end = self.data.find(b"\0", self.at, min(len(self.data), self.at + _LONGEST_NAME + 1))
        if end < 0:
            raise UserError(
                f"{self.path}: {what} at byte {self.at} does not end within {_LONGEST_NAME} bytes"
            )
        text = self.data[self.at : end].decode("utf-8", errors="surrogateescape")
        self.at = end + 1
        return text

    def need(self, size: int, what: str) -> None:
        if size > len(self.data) - self.at:
            raise UserError(
                f"{self.path} ends within {what}: {size} bytes are needed at byte {self.at}, "
                f"{len(self.data) - self.at} are left"
            )


@contextmanager
def _opened(path: Path) -> Iterator[_Reader]:
    with explained("read the COLMAP file", path), open(path, "rb") as file:
        if file.seek(0, 2) == 0:  # an empty file cannot be mapped
            yield _Reader(path, b"")
        else:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield _Reader(path, data)


def _read_cameras(file: _Reader) -> tuple[dict[int, Lens], dict[int, str]]:
    lenses: dict[int, Lens] = {}
    names: dict[int, str] = {}
    for _ in range(file.count(_CAMERA.size + 3 * 8, "cameras")):
        number, model, width, height = file.take(_CAMERA, "a camera")
        where = f"{file.path}, camera {number}"
        if model not in NAME_OF:
            known = ", ".join(f"{index} {name}" for index, name in NAME_OF.items())
            raise UserError(f"{where}: unknown camera model {model}; known are {known}")
        name = NAME_OF[model]
        values = file.take(struct.Struct(f"<{len(MODELS[name].parameters)}d"), f"the parameters of {name}")
        add_camera(lenses, names, number, name, make_lens(name, width, height, values, where), str(file.path))
    return lenses, names


def _read_images(file: _Reader) -> list[ColmapImage]:
    count = file.count(_IMAGE.size + 1 + _COUNT.size, "pictures")
    if count > MOST_SHOTS:
        raise UserError(f"{file.path} lists {count} pictures; at most {MOST_SHOTS} are read")
    images = []
    for index in range(count):
        _, *pose, camera = file.take(_IMAGE, f"picture {index}")
        name = file.text(f"the name of picture {index}")
        file.skip(file.count(_OBSERVATION, f"points in picture {index}") * _OBSERVATION, f"picture {index}")
        images.append(ColmapImage(name, tuple(pose[:4]), tuple(pose[4:]), camera))
    return images


def _read_points(file: _Reader) -> NDArray[np.float64]:
    points = np.empty((file.count(_POINT.size, "points"), 3))
    for index in range(len(points)):
        values = file.take(_POINT, f"point {index}")
        points[index] = values[1:4]
        length = values[-1]
        if length > (len(file.data) - file.at) // _TRACK:
            raise UserError(f"{file.path} ends within the track of point {index}, which has {length} entries")
        file.at += length * _TRACK
    return points
