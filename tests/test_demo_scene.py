"""The embedded scene is well formed, agrees with its geometry, and is a fair test of a radiance field."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SCENE = ROOT / "wsapps_nerf" / "demo_scene"
SIZE = 128


def _read(split: str) -> tuple[np.ndarray, np.ndarray, float]:
    content = json.loads((SCENE / f"transforms_{split}.json").read_text())
    images = [np.asarray(Image.open(SCENE / f"{frame['file_path']}.png")) for frame in content["frames"]]
    poses = np.array([frame["transform_matrix"] for frame in content["frames"]])
    return np.stack(images), poses, content["camera_angle_x"]


@pytest.fixture(scope="module")
def train():
    return _read("train")


@pytest.fixture(scope="module")
def test():
    return _read("test")


@pytest.fixture(scope="module")
def surface_points() -> np.ndarray:
    """Points on the model's surface (N, 3), made in a process of their own: tools/ stays off sys.path."""
    code = (
        "import sys, numpy as np; from demo_scene_model import build; from demo_scene_shapes import join;"
        "np.save(sys.stdout.buffer, join(list(build().values())).sample(60000, np.random.default_rng(0)))"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tools", capture_output=True, check=True)
    return np.load(BytesIO(result.stdout))


def _on_white(images: np.ndarray) -> np.ndarray:
    rgba = images / 255
    return rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]


def _mean_psnr(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean(-10 * np.log10(((predicted - truth) ** 2).mean((1, 2, 3)))))


def _project(points: np.ndarray, pose: np.ndarray, angle: float) -> np.ndarray:
    """Pixel coordinates (N, 2), x right and y down, pixel centres at +0.5; OpenGL camera axes."""
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    focal = 0.5 * SIZE / np.tan(0.5 * angle)
    return np.stack([local[:, 0], -local[:, 1]], 1) / -local[:, 2:] * focal + SIZE / 2


def _hits(points: np.ndarray, pose: np.ndarray, angle: float) -> np.ndarray:
    pixel = np.floor(_project(points, pose, angle)).astype(int)
    hit = np.zeros((SIZE, SIZE), int)
    np.add.at(hit, (pixel[:, 1], pixel[:, 0]), 1)
    return hit


def test_layout(train, test) -> None:
    for (images, poses, angle), count in ((train, 60), (test, 10)):
        assert images.shape == (count, SIZE, SIZE, 4)
        assert images.dtype == np.uint8
        assert angle == train[2]
        assert 0.5 < angle < 0.8
        rotation = poses[:, :3, :3]
        assert np.allclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3), atol=1e-6)
        assert np.allclose(np.linalg.det(rotation), 1, atol=1e-6)
        assert np.allclose(poses[:, 3], (0, 0, 0, 1))
        distance = np.linalg.norm(poses[:, :3, 3], axis=1)
        assert np.allclose(distance, 4.0, atol=1e-6)
        assert np.allclose(poses[:, :3, 2] * distance[:, None], poses[:, :3, 3], atol=1e-6), (
            "looks at the origin"
        )
        assert (poses[:, 2, 1] > 0).all(), "the camera's up axis points up"


def test_small_enough_to_ship() -> None:
    files = [path for path in SCENE.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".png"]) == 70
    assert sum(path.stat().st_size for path in files) < 2_000_000


def test_alpha_is_straight_and_the_frame_is_clear_of_the_object(train, test) -> None:
    for images, _, _ in (train, test):
        assert not images[images[..., 3] == 0].any()
        border = np.concatenate([images[:, [0, -1], :, 3].ravel(), images[:, :, [0, -1], 3].ravel()])
        assert not border.any()
    images = train[0]
    partial = (images[..., 3] > 20) & (images[..., 3] < 128)
    # Premultiplied colours could not exceed their alpha.
    assert (images[partial][:, :3].max(1) > images[partial][:, 3]).mean() > 0.5


def test_surface_projects_onto_the_object_in_every_view(train, test, surface_points) -> None:
    assert np.abs(surface_points).max() < 1.2
    for images, poses, angle in (train, test):
        for image, pose in zip(images, poses, strict=True):
            hit = _hits(surface_points, pose, angle)
            assert hit[image[..., 3] > 0].sum() >= 0.995 * hit.sum()
            reached = sum(np.roll(hit, shift, axis) for shift in (-1, 0, 1) for axis in (0, 1)) > 0
            assert reached[image[..., 3] > 128].mean() >= 0.99


@pytest.mark.parametrize("flip", ["left-right", "up-down", "half a pixel and more"])
def test_the_projection_check_notices_wrong_conventions(train, surface_points, flip) -> None:
    images, poses, angle = train
    change = {
        "left-right": lambda alpha: alpha[:, ::-1],
        "up-down": lambda alpha: alpha[::-1],
        "half a pixel and more": lambda alpha: np.roll(alpha, 2, axis=1),
    }[flip]
    inside = total = 0
    for image, pose in zip(images[::6], poses[::6], strict=True):
        hit = _hits(surface_points, pose, angle)
        inside, total = inside + hit[change(image[..., 3]) > 0].sum(), total + hit.sum()
    assert inside < 0.99 * total


def test_colours_land_where_the_model_puts_them(train) -> None:
    """The lighthouse's dome is copper, in nearly every view (the balloon hides it in a few)."""
    images, poses, angle = train
    dome = np.array([[-0.40, 0.34, 1.00]])
    seen = []
    for image, pose in zip(images, poses, strict=True):
        x, y = np.floor(_project(dome, pose, angle)[0]).astype(int)
        seen.append(image[y, x])
    seen = np.array(seen, float)
    assert (seen[:, 3] == 255).all()
    copper = (seen[:, 0] > seen[:, 1] + 20) & (seen[:, 1] > seen[:, 2])
    assert copper.mean() > 0.8


def test_fair(train, test) -> None:
    images, poses, _ = test
    truth = _on_white(images)
    assert _mean_psnr(np.ones_like(truth), truth) <= 14
    assert (images[..., 3] > 128).mean() >= 0.25
    distance = np.linalg.norm(poses[:, None, :3, 3] - train[1][None, :, :3, 3], axis=-1)
    assert distance.min() > 0.1, "no test view repeats a training view"
    assert _mean_psnr(_on_white(train[0])[distance.argmin(1)], truth) <= 20


def test_detail_matters(test) -> None:
    """Blocks of 4x4 pixels averaged lose too much to reach 25 dB."""
    truth = _on_white(test[0])
    blocks = truth.reshape(len(truth), SIZE // 4, 4, SIZE // 4, 4, 3).mean((2, 4))
    assert _mean_psnr(blocks.repeat(4, 1).repeat(4, 2), truth) < 25
