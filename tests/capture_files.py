"""A shaded ball photographed by any camera, from anywhere, written as a COLMAP model or a transforms.json."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from wsapps_nerf.camera_path import orbit
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.captures.colmap_records import ColmapModel
from wsapps_nerf.captures.lens import Lens, make_lenses
from wsapps_nerf.captures.writing import (
    colmap_image,
    write_colmap_binary,
    write_colmap_text,
    write_transforms,
)

DISTORTION = (0.1, -0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.004, -0.003, 0.0, 0.0)
TEST_NAMES = ["r_1.png", "r_5.png"]


class Similarity:
    """x -> scale * rotation x + shift, of points and of camera poses (V, 3, 4) in float64."""

    def __init__(self, seed: int = 0, scale: float = 1.0, shift: float = 0.0):
        draws = np.random.default_rng(seed)
        self.rotation = Rotation.random(random_state=seed).as_matrix() if seed else np.eye(3)
        self.scale, self.shift = scale, shift * draws.standard_normal(3)

    def points(self, points: NDArray) -> NDArray:
        return self.scale * points @ self.rotation.T + self.shift

    def poses(self, poses: NDArray) -> NDArray:
        return np.concatenate(
            [self.rotation @ poses[:, :, :3], self.points(poses[:, :, 3])[:, :, None]], axis=2
        )


def around(count: int = 8, radius: float = 4.0) -> NDArray:
    """Camera poses (V, 3, 4) float64 on two rings about the origin, z up."""
    rings = [orbit(count // 2, radius, elevation, start_degrees=elevation) for elevation in (20.0, 45.0)]
    poses = torch.cat(rings).double().numpy()
    # From float32: exact rotations again.
    left, _, right = np.linalg.svd(poses[:, :, :3])
    return np.concatenate([left @ right, poses[:, :, 3:]], axis=2)


def plain_lens(size: int = 16, distorted: bool = False) -> Lens:
    """A lens that sees the ball whole from a distance of 4, perhaps with DISTORTION."""
    lens = Lens(size, size, size * 1.6, size * 1.6, size / 2, size / 2)
    return Lens(**{**vars(lens), "coefficients": DISTORTION}) if distorted else lens


def ball_colours(origins: torch.Tensor, directions: torch.Tensor, radius: float = 0.9) -> torch.Tensor:
    """RGBA (R, 4) that rays (R, 3) see of a ball at the origin, coloured by its normals."""
    middle = -(origins * directions).sum(-1)
    squared = radius**2 - origins.square().sum(-1) + middle.square()
    normals = (origins + directions * (middle - squared.clamp(min=0).sqrt())[:, None]) / radius
    rgb = (normals + 1) / 2 * (squared > 0)[:, None]
    return torch.cat([rgb, (squared > 0).float()[:, None]], dim=-1)


def photograph(poses: NDArray, lens: Lens, radius: float = 0.9) -> list[NDArray[np.uint8]]:
    """RGBA pictures of the ball at the origin, through a lens, by its equation."""
    lenses = make_lenses([lens], [0] * len(poses))
    cameras = Cameras(torch.from_numpy(poses).float(), lens.fx, lens.width, lens.height, lenses)
    pixel = torch.arange(lens.width * lens.height)
    pictures = []
    for view in range(len(poses)):
        rgba = ball_colours(*cameras.rays(torch.full_like(pixel, view), pixel), radius)
        pictures.append((rgba * 255).round().to(torch.uint8).numpy().reshape(lens.height, lens.width, 4))
    return pictures


def write_pictures(folder: Path, pictures: list[NDArray[np.uint8]], opaque: bool = False) -> list[str]:
    """r_0.png and so on; opaque ones over white. Returns the names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for index, picture in enumerate(pictures):
        if opaque:
            alpha = picture[..., 3:] / 255.0
            picture = np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
        names.append(f"r_{index}.png")
        imageio.imwrite(folder / names[-1], picture)
    return names


def ball_points(count: int = 400, radius: float = 0.9) -> NDArray:
    """Points (P, 3) on the ball, evenly (a Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    height, angle = 1 - 2 * index / count, np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    return radius * np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)


def model_of(names: list[str], poses: NDArray, lens: Lens, model: str, points: NDArray) -> ColmapModel:
    """A COLMAP model of one camera, number 3."""
    images = [colmap_image(name, pose, 3) for name, pose in zip(names, poses, strict=True)]
    return ColmapModel({3: lens}, {3: model}, images, points)


def write_colmap_ball(
    folder: Path,
    move: Similarity | None = None,
    binary: bool = True,
    distorted: bool = False,
    opaque: bool = False,
    size: int = 16,
    points: NDArray | None = None,
    count: int = 8,
) -> Path:
    """The ball as a COLMAP capture: images/, sparse/0/, and test.txt in it."""
    move, lens, poses = move or Similarity(), plain_lens(size, distorted), around(count)
    names = write_pictures(folder / "images", photograph(poses, lens), opaque)
    sparse = folder / "sparse" / "0"
    sparse.mkdir(parents=True)
    on_ball = ball_points() if points is None else points
    model = model_of(
        names, move.poses(poses), lens, "OPENCV" if distorted else "PINHOLE", move.points(on_ball)
    )
    (write_colmap_binary if binary else write_colmap_text)(sparse, model)
    (sparse / "test.txt").write_text("\n".join(TEST_NAMES) + "\n")
    return folder


def write_transforms_ball(
    folder: Path,
    move: Similarity | None = None,
    distorted: bool = False,
    opaque: bool = False,
    size: int = 16,
    count: int = 8,
    **more,
) -> Path:
    """The ball as a nerfstudio capture: images/ and transforms.json."""
    move, lens, poses = move or Similarity(), plain_lens(size, distorted), around(count)
    names = write_pictures(folder / "images", photograph(poses, lens), opaque)
    files = [f"images/{name}" for name in names]
    tests = [f"images/{name}" for name in TEST_NAMES]
    write_transforms(
        folder / "transforms.json", files, move.poses(poses), lens, **{"test_filenames": tests, **more}
    )
    return folder
