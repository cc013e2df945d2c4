"""A shaded ball in front of nothing, drawn by its equation: scenes small enough for tests."""

from __future__ import annotations

import json
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch

from wsapps_nerf.camera_path import orbit
from wsapps_nerf.cameras import Cameras, focal_from_angle

ANGLE = 0.6
# A training run of a fraction of a second on it.
TINY = [
    "method.width=16",
    "renderer.step_size=0.1",
    "renderer.grid_resolution=16",
    "rays.first=64",
    "rays.least=64",
    "rays.target_samples=2048",
    "trainer.num_threads=1",
    "trainer.log_every=5",
    "outputs.test_pictures=2",
    "outputs.turntable_frames=3",
]


def ball_picture(pose: torch.Tensor, size: int, radius: float = 0.9) -> np.ndarray:
    """A ball coloured by its normals, seen from a pose (3, 4): uint8 RGBA (size, size, 4)."""
    cameras = Cameras(pose[None], focal_from_angle(size, ANGLE), size, size)
    pixel = torch.arange(size * size)
    origins, directions = cameras.rays(torch.zeros_like(pixel), pixel)
    middle = -(origins * directions).sum(-1)
    squared = radius**2 - origins.square().sum(-1) + middle.square()
    normals = (origins + directions * (middle - squared.clamp(min=0).sqrt())[:, None]) / radius
    rgb = (normals + 1) / 2 * (squared > 0)[:, None]
    rgba = torch.cat([rgb, (squared > 0).float()[:, None]], dim=-1)
    return (rgba * 255).round().to(torch.uint8).numpy().reshape(size, size, 4)


def write_ball_scene(folder: Path, size: int = 12) -> Path:
    """Five training, three test and two validation views of the ball, in Blender's format."""
    for split, count, start in (("train", 5, 0.0), ("test", 3, 20.0), ("val", 2, 50.0)):
        (folder / split).mkdir(parents=True)
        frames = []
        for index, pose in enumerate(orbit(count, radius=4.0, elevation_degrees=30.0, start_degrees=start)):
            name = f"{split}/r_{index}"
            imageio.imwrite(folder / f"{name}.png", ball_picture(pose, size))
            matrix = [*pose.double().tolist(), [0.0, 0.0, 0.0, 1.0]]
            frames.append({"file_path": f"./{name}", "transform_matrix": matrix})
        document = {"camera_angle_x": ANGLE, "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(document))
    return folder
