"""Finding and loading the scene that a configuration names."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.errors import UserError
from wsapps.metrics import SSIM_WINDOW
from wsapps_nerf import contraction
from wsapps_nerf.blender import load_blender_cameras, load_blender_views
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.captures.found_space import FoundSpace, PlacementConfig
from wsapps_nerf.captures.open_capture import OpenCapture, open_capture
from wsapps_nerf.scene import Scene, Space, Views

_log = logging.getLogger("wsapps")
EMBEDDED = Path(__file__).parent / "demo_scene"
_HOW_TO_GET = (
    "get nerf_synthetic.zip from the NeRF authors (https://www.matthewtancik.com/nerf) and unpack it"
)


@dataclass
class SceneConfig:
    """A scene: where it lies and the space it fills. One YAML file a scene in configs/nerf/scene/."""

    name: str = doc("for titles and run folders", default="demo")
    format: Literal["blender", "capture", "colmap", "transforms"] = doc(
        "of its files; capture finds out whether COLMAP or a transforms.json (nerfstudio, instant-ngp)",
        default="blender",
    )
    folder: str | None = doc("folder under the data root; null is the embedded scene", default=None)
    box: list[float] | None = doc(
        "x0 y0 z0 x1 y1 z1 of the space that is not empty; null finds it in a capture; not used with "
        "contraction",
        default_factory=lambda: [-1.5, -1.5, -1.5, 1.5, 1.5, 1.5],
        unit="world units",
    )
    near: float | None = doc(
        "nearest distance along a ray that is sampled; null as box", default=2.0, unit="world units"
    )
    far: float | None = doc(
        "farthest distance along a ray that is sampled, or, with contraction, evenly sampled; null as box",
        default=6.0,
        unit="world units",
    )
    contraction: bool | None = doc(
        "space without an end, all of it inside the box; null: where a capture's pictures are opaque",
        default=False,
    )
    placement: PlacementConfig = field(default_factory=PlacementConfig)

    def __post_init__(self) -> None:
        box = self.box
        if box is not None:
            sides = zip(box[:3], box[3:], strict=False)
            if len(box) != 6 or not all(-math.inf < low < high < math.inf for low, high in sides):
                raise ValueError(
                    f"box must be x0 y0 z0 x1 y1 z1 with each lower end below its upper, got {box}"
                )
        near = 0.0 if self.near is None else self.near
        if not 0 <= near < (math.inf if self.far is None else self.far):
            raise ValueError(f"0 <= near < far is needed, got near={self.near}, far={self.far}")
        if self.format == "blender" and None in (box, self.near, self.far, self.contraction):
            raise ValueError(
                "box, near, far and contraction are found in captures alone; format=blender needs them"
            )


@dataclass
class DataConfig:
    """How the pictures are read."""

    root: str | None = doc("the scene's folder, or one that holds it; $WSAPPS_DATA otherwise", default=None)
    downscale: int = doc("average blocks of this many pixels squared", default=1)
    pictures: str | None = doc("folder of a COLMAP model's pictures; null looks beside it", default=None)
    test_every: int = doc(
        "a capture's pictures of which one is for the test, where it does not say", default=8
    )
    memory_gib: float = doc(
        "memory for a capture's decoded pictures; when they are more, they take turns",
        default=2.0,
        unit="GiB",
    )
    rotate_every: int = doc("steps after which another picture takes its turn", default=25)

    def __post_init__(self) -> None:
        at_least_one(self, "rotate_every")
        if self.test_every < 2 or not 0 < self.memory_gib < 2**20:
            raise ValueError(
                f"test_every must be at least 2 and memory_gib positive, got {self.test_every} and "
                f"{self.memory_gib}"
            )


def load_scene(scene: SceneConfig, data: DataConfig) -> Scene:
    """Load the training and test views of a scene, on the CPU.

    What ``scene`` leaves to a capture's data (null) is set in it, so that a run's configuration says it.

    Raises:
        UserError: the scene is not where it was looked for, or its files are malformed.
    """
    if scene.format == "blender":
        train, test = (load_views(scene, data, split) for split in ("train", "test"))
    else:
        opened = open_configured(scene, data)
        for note in opened.notes:
            _log.info("%s: %s", scene.name, note)
        settle(scene, opened.space)
        train, test = (_checked(opened.views(split), scene, data) for split in ("train", "test"))
    if not scene.contraction and not train.has_alpha:
        _log.warning("warning: %s", _endless_warning(scene, train))
    return Scene(name=scene.name, train=train, test=test, **vars(space_of(scene)))


def open_configured(scene: SceneConfig, data: DataConfig) -> OpenCapture:
    """Open the capture that a scene's configuration names; errors as in :func:`load_scene`."""
    assert scene.format != "blender"
    return open_capture(
        find_capture(scene, data.root),
        scene.format,
        scene.placement,
        scene.contraction,
        downscale=data.downscale,
        pictures=data.pictures,
        test_every=data.test_every,
        memory=int(data.memory_gib * 2**30),
        rotate_every=data.rotate_every,
    )


def settle(scene: SceneConfig, found: FoundSpace) -> None:
    """Set what a configuration leaves to the data."""
    scene.contraction = found.contracted
    scene.box = found.box if scene.box is None else scene.box
    scene.near = found.near if scene.near is None else scene.near
    scene.far = found.far if scene.far is None else scene.far
    if not scene.near < scene.far:
        raise UserError(
            f"scene={scene.name}: near must be below far, got scene.near={scene.near:g} and "
            f"scene.far={scene.far:g}"
        )


def space_of(scene: SceneConfig) -> Space:
    """The space that a scene fills, from its configuration alone, as :func:`load_scene` left it.

    Raises:
        UserError: it is left to the data, which has not been read.
    """
    if scene.box is None or scene.near is None or scene.far is None or scene.contraction is None:
        raise UserError(
            f"scene={scene.name}: box, near, far and contraction are null, to be found in the data; a run's "
            f"config.yaml has their values"
        )
    box = [-contraction.RADIUS] * 3 + [contraction.RADIUS] * 3 if scene.contraction else scene.box
    return Space(
        box=torch.tensor(box, dtype=torch.float32),
        near=scene.near,
        far=scene.far,
        contracted=scene.contraction,
    )


def load_views(scene: SceneConfig, data: DataConfig, split: str) -> Views:
    """Load the views of one split, "train", "test" or "val"; errors as in :func:`load_scene`."""
    if scene.format != "blender":
        return _checked(open_configured(scene, data).views(split), scene, data)
    return _checked(load_blender_views(find_scene(scene, data.root), split, data.downscale), scene, data)


def _checked(views: Views, scene: SceneConfig, data: DataConfig) -> Views:
    """The views; UserError where their pictures are too small."""
    cameras = views.cameras
    smallest = min(min(cameras.size(view)) for view in range(len(views)))
    if smallest < SSIM_WINDOW:
        raise UserError(
            f"scene={scene.name}: with data.downscale={data.downscale} its pictures have "
            f"{cameras.width}x{cameras.height} pixels, and SSIM needs {SSIM_WINDOW}x{SSIM_WINDOW} at least"
        )
    return views


def load_cameras(scene: SceneConfig, data: DataConfig, split: str) -> Cameras:
    """Pinhole cameras of one split, without its pictures; errors as in :func:`load_scene`."""
    if scene.format != "blender":
        return open_configured(scene, data).pinholes(split)
    return load_blender_cameras(find_scene(scene, data.root), split, data.downscale)


def find_capture(scene: SceneConfig, root: str | None) -> Path:
    """The folder or JSON file of a capture: data.root, or scene.folder below it.

    Raises:
        UserError: neither data.root nor $WSAPPS_DATA says where.
    """
    base = root or os.environ.get("WSAPPS_DATA")
    if not base:
        raise UserError(f"scene={scene.name}: set data.root= to the capture's folder")
    below = Path(base) / scene.folder if scene.folder is not None else Path(base)
    return below if below.exists() else Path(base)


def _endless_warning(scene: SceneConfig, train: Views) -> str:
    return (
        f"scene={scene.name}: the {len(train)} training pictures are opaque; without contraction all that "
        f"they show must lie in the box {scene.box}, or becomes fog within it; for a background without end "
        f"set scene.contraction=true"
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
