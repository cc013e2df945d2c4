"""What the files of a COLMAP model hold, before pictures are looked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_nerf.captures.lens import Lens


@dataclass(frozen=True)
class ColmapImage:
    """A registered picture: world-to-camera rotation as a quaternion (w, x, y, z), translation, camera."""

    name: str
    quaternion: tuple[float, ...]
    translation: tuple[float, ...]
    camera: int

    def camera_to_world(self, where: str) -> NDArray[np.float64]:
        """``(3, 4)`` with OpenGL's camera axes; UserError for values that are no pose."""
        q, t = np.array(self.quaternion), np.array(self.translation)
        sized = np.abs(q).max() < 1e6 and np.abs(t).max() < 1e30  # false for NaN, too
        length = float(np.linalg.norm(q)) if sized else 0.0
        if not length > 1e-6:
            raise UserError(
                f"{where}: picture {self.name!r} has no pose: quaternion {q.tolist()}, "
                f"translation {t.tolist()}"
            )
        w, x, y, z = q / length
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        position = -rotation.T @ t
        # OpenCV's axes are x right, y down, z forward; OpenGL's are x right, y up, z backward.
        return np.concatenate([rotation.T * [1.0, -1.0, -1.0], position[:, None]], axis=1)


@dataclass(frozen=True)
class ColmapModel:
    """A sparse model: lenses by camera number, pictures, and points ``(P, 3)``."""

    lenses: dict[int, Lens]
    model_names: dict[int, str]
    images: list[ColmapImage]
    points: NDArray[np.float64]


def add_camera(
    lenses: dict[int, Lens], model_names: dict[int, str], number: int, name: str, lens: Lens, where: str
) -> None:
    """Enter a camera; UserError when its number is taken."""
    if number in lenses:
        raise UserError(f"{where}: camera {number} is there twice")
    lenses[number], model_names[number] = lens, name
