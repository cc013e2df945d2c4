"""Finding and loading the scene that a configuration names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps_nerf.blender import load_blender_views
from wsapps_nerf.scene import Scene

EMBEDDED = Path(__file__).parent / "demo_scene"
_HOW_TO_GET = "get nerf_synthetic.zip from the NeRF authors (https://www.matthewtancik.com/nerf) and unpack it"


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
        if len(box) != 6 or not all(low < high for low, high in zip(box[:3], box[3:], strict=True)):
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
    folder = find_scene(scene, data.root)
    return Scene(
        name=scene.name,
        train=load_blender_views(folder, "train", data.downscale),
        test=load_blender_views(folder, "test", data.downscale),
        box=torch.tensor(scene.box),
        near=scene.near,
        far=scene.far,
    )


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
            f"scene={scene.name}: neither data.root= nor WSAPPS_DATA is set; set one to the folder that holds "
            f"{scene.folder} ({_HOW_TO_GET})"
        )
    tried = [Path(base)]
    if scene.folder is not None:
        tried = [Path(base) / scene.folder, Path(base) / Path(scene.folder).name, Path(base)]
    for folder in tried:
        if (folder / "transforms_train.json").is_file():
            return folder
    places = ", ".join(str(folder) for folder in tried)
    raise UserError(f"scene={scene.name}: no transforms_train.json in {places}; {_HOW_TO_GET}")
