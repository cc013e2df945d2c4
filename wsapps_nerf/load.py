"""Finding and loading the scene that a configuration names."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.metrics import SSIM_WINDOW
from wsapps_nerf.blender import load_blender_cameras, load_blender_views
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.scene import Scene, Space, Views

EMBEDDED = Path(__file__).parent / "demo_scene"
_HOW_TO_GET = (
    "get nerf_synthetic.zip from the NeRF authors (https://www.matthewtancik.com/nerf) and unpack it"
)


@dataclass
class SceneConfig:
    """A scene: where it lies and the space it fills. One YAML file a scene in configs/nerf/scene/."""

    name: str = doc("for titles and run folders", default="demo")
    folder: str | None = doc("folder under the data root; null is the embedded scene", default=None)
    box: list[float] = doc(
        "x0 y0 z0 x1 y1 z1 of the space that is not empty",
        default_factory=lambda: [-1.5, -1.5, -1.5, 1.5, 1.5, 1.5],
        unit="world units",
    )
    near: float = doc("nearest distance along a ray that is sampled", default=2.0, unit="world units")
    far: float = doc("farthest distance along a ray that is sampled", default=6.0, unit="world units")

    def __post_init__(self) -> None:
        box = self.box
        sides = zip(box[:3], box[3:], strict=False)
        if len(box) != 6 or not all(-math.inf < low < high < math.inf for low, high in sides):
            raise ValueError(f"box must be x0 y0 z0 x1 y1 z1 with each lower end below its upper, got {box}")
        if not 0 <= self.near < self.far:
            raise ValueError(f"0 <= near < far is needed, got near={self.near}, far={self.far}")


@dataclass
class DataConfig:
    """How the pictures are read."""

    root: str | None = doc("the scene's folder, or one that holds it; $WSAPPS_DATA otherwise", default=None)
    downscale: int = doc("average blocks of this many pixels squared", default=1)


def load_scene(scene: SceneConfig, data: DataConfig) -> Scene:
    """Load the training and test views of a scene, on the CPU.

    Raises:
        UserError: the scene is not where it was looked for, or its files are malformed.
    """
    space = space_of(scene)
    return Scene(
        name=scene.name,
        train=load_views(scene, data, "train"),
        test=load_views(scene, data, "test"),
        box=space.box,
        near=space.near,
        far=space.far,
    )


def space_of(scene: SceneConfig) -> Space:
    """The space that a scene fills, from its configuration alone."""
    return Space(box=torch.tensor(scene.box, dtype=torch.float32), near=scene.near, far=scene.far)


def load_views(scene: SceneConfig, data: DataConfig, split: str) -> Views:
    """Load the views of one split, "train", "test" or "val"; errors as in :func:`load_scene`."""
    views = load_blender_views(find_scene(scene, data.root), split, data.downscale)
    cameras = views.cameras
    if min(cameras.width, cameras.height) < SSIM_WINDOW:
        raise UserError(
            f"scene={scene.name}: with data.downscale={data.downscale} its pictures have "
            f"{cameras.width}x{cameras.height} pixels, and SSIM needs {SSIM_WINDOW}x{SSIM_WINDOW} at least"
        )
    return views


def load_cameras(scene: SceneConfig, data: DataConfig, split: str) -> Cameras:
    """The cameras of one split, without its pictures; errors as in :func:`load_scene`."""
    return load_blender_cameras(find_scene(scene, data.root), split, data.downscale)


def find_scene(scene: SceneConfig, root: str | None) -> Path:
    """The folder that holds the scene's ``transforms_train.json``.

    ``root`` may be that folder itself, or one above it; without it ``$WSAPPS_DATA`` is looked at.

    Raises:
        UserError: it is in none of the places; the message lists them.
    """
    if root is None and scene.folder is None:
        return EMBEDDED
    base = root or os.environ.get("WSAPPS_DATA")
    if not base:
        raise UserError(
            f"scene={scene.name}: neither data.root= nor WSAPPS_DATA is set; set one to the folder that "
            f"holds {scene.folder} ({_HOW_TO_GET})"
        )
    tried = [Path(base)]
    if scene.folder is not None:
        tried = [Path(base) / scene.folder, Path(base) / Path(scene.folder).name, Path(base)]
    for folder in tried:
        if (folder / "transforms_train.json").is_file():
            return folder
    places = ", ".join(str(folder) for folder in tried)
    raise UserError(
        f"scene={scene.name}: no transforms_train.json in {places}; set data.root= or WSAPPS_DATA to the "
        f"folder that holds it, or {_HOW_TO_GET}"
    )
