"""``python -m wsapps_nerf.inspect scene=capture data.root=DIR``: cameras and box, and what is assumed."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.atomic import explained, write_json, write_text
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.captures.drawing import Drawing, draw_scene
from wsapps_nerf.captures.open_capture import OpenCapture
from wsapps_nerf.captures.upright import Placement
from wsapps_nerf.load import DataConfig, SceneConfig, load_cameras, open_configured, settle, space_of
from wsapps_nerf.scene import Space

PROGRAM = "python -m wsapps_nerf.inspect"
_LARGE = 1_500_000  # pixels a picture, above which rendering test views takes long


@dataclass
class InspectConfig:
    """What is inspected; configs/nerf/inspect.yaml fills it."""

    out: str | None = doc(
        "folder for inspect.png, .txt and .json, and cameras.json; by default runs/nerf/inspect-<scene>",
        default=None,
    )
    scene: SceneConfig = field(default_factory=SceneConfig)
    data: DataConfig = field(default_factory=DataConfig)


@dataclass(frozen=True)
class Inspected:
    """A scene as it would be trained.

    Attributes:
        notes: what was assumed, a line each.
        cameras: of the training and the test views.
        space: where the scene lies.
        placement: of a capture, from the data's coordinates to the scene's, in which all others are.
        points: ``(P, 3)``, where the capture has them.
    """

    notes: list[str]
    cameras: dict[str, Cameras]
    space: Space
    placement: Placement = field(default_factory=lambda: Placement(np.eye(3), np.zeros(3)))
    points: NDArray[np.float64] | None = None


def inspect(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(InspectConfig, "inspect", "nerf", PROGRAM, arguments)
    if config is None:
        return
    scene = inspect_scene(config.scene, config.data)
    text = "\n".join([f"scene {config.scene.name}", *(f"    {line}" for line in _lines(scene))])
    folder = Path(config.out) if config.out else Path("runs/nerf") / f"inspect-{config.scene.name}"
    with explained("make the folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
    draw_scene(folder / "inspect.png", Drawing(config.scene.name, scene.cameras, scene.space, scene.points))
    write_text(folder / "inspect.txt", text + "\n")
    write_json(folder / "inspect.json", _figures(scene))
    write_json(folder / "cameras.json", camera_path_of(scene.cameras["train"]))
    print(text)
    print(f"picture: {folder / 'inspect.png'}")


def inspect_scene(scene: SceneConfig, data: DataConfig) -> Inspected:
    """Read a scene's cameras and find its space; errors as in :func:`wsapps_nerf.load.load_scene`."""
    if scene.format == "blender":
        cameras = {split: load_cameras(scene, data, split) for split in ("train", "test")}
        return Inspected(["Blender scene; box, near and far as configured"], cameras, space_of(scene))
    opened = open_configured(scene, data)
    settle(scene, opened.space)
    placement, points = opened.space.placement, opened.capture.points
    return Inspected(
        notes=[*opened.notes, *_warnings(opened, scene)],
        cameras={split: opened.cameras(opened.split(split)) for split in ("train", "test")},
        space=space_of(scene),
        placement=placement,
        points=placement.points(points) if points is not None else None,
    )


def camera_path_of(cameras: Cameras) -> dict[str, Any]:
    """Cameras as a camera path for ``wsapps_nerf.render path=``, a frame each: a start for one's own."""
    last_row = [0.0, 0.0, 0.0, 1.0]
    return {
        "fps": 10,
        "width": cameras.width,
        "height": cameras.height,
        "camera_angle_x": 2 * math.atan(cameras.width / 2 / cameras.focal),
        "frames": [{"transform_matrix": [*pose, last_row]} for pose in cameras.camera_to_world.tolist()],
    }


def _figures(scene: Inspected) -> dict[str, Any]:
    placement, space = scene.placement, scene.space
    linear = placement.scale * placement.rotation
    shift = -linear @ placement.centre
    return {
        "scene_from_data": [*np.column_stack([linear, shift]).tolist(), [0.0, 0.0, 0.0, 1.0]],
        "contraction": space.contracted,
        "box": space.box.tolist(),
        "near": space.near,
        "far": space.far,
    }


def _warnings(opened: OpenCapture, scene: SceneConfig) -> Iterator[str]:
    if not opened.alpha and not scene.contraction:
        outside = opened.space.outside
        share = f" ({outside:.0%} of the points lie outside)" if outside is not None else ""
        yield (
            f"warning: opaque pictures without contraction{share}: what they show outside of the box becomes "
            f"fog within it"
        )
    train = opened.split("train")
    pixels = [opened.lens(shot).width * opened.lens(shot).height for shot in train]
    if max(pixels) > _LARGE:
        yield f"up to {max(pixels) / 1e6:.1f} million pixels a picture; data.downscale= makes them smaller"
    size = sum(pixels) * (4 if opened.alpha else 3)
    if size > opened.memory:
        yield (
            f"decoded, the training pictures take {size / 2**30:.2f} GiB, more than data.memory_gib="
            f"{opened.memory / 2**30:.3g}: they take turns, a new one every {opened.rotate_every} steps"
        )


def _lines(scene: Inspected) -> Iterator[str]:
    yield from scene.notes
    for split, cameras in scene.cameras.items():
        angle = 2 * math.degrees(math.atan(cameras.width / 2 / cameras.focal))
        distance = cameras.camera_to_world[:, :, 3].norm(dim=-1)
        yield (
            f"{split}: {len(cameras)} cameras of {cameras.width}x{cameras.height}, focal length "
            f"{cameras.focal:.1f} pixels ({angle:.0f} degrees), {float(distance.min()):.3g} to "
            f"{float(distance.max()):.3g} from the origin"
        )
    space = scene.space
    box = "[" + ", ".join(f"{value:.4g}" for value in space.box.tolist()) + "]"
    if space.contracted:
        yield f"space: contracted beyond the unit ball; samples from {space.near:g}, even up to {space.far:g}"
    else:
        yield f"space: scene.box={box} scene.near={space.near:g} scene.far={space.far:g}"


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(inspect, arguments)


if __name__ == "__main__":
    sys.exit(main())
