"""``python -m wsapps_nerf.render out=RUN``: videos and depths of a run along an orbit or a camera path."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.errors import UserError
from wsapps_nerf.camera_path import orbit_around
from wsapps_nerf.camera_path_file import MAX_SIDE, CameraPath, load_camera_path
from wsapps_nerf.cameras import Cameras, focal_from_angle
from wsapps_nerf.load import load_cameras
from wsapps_nerf.render_files import write_files
from wsapps_nerf.same_views import check_views
from wsapps_nerf.trained import DataPlace, open_trained

PROGRAM = "python -m wsapps_nerf.render"
_DEFAULT_FPS = 30.0


@dataclass
class RenderConfig:
    """What is rendered; configs/nerf/render.yaml fills it."""

    out: str = doc(
        "run folder, as training left it; render_rgb.mp4, render_depth.mp4, ... are written into it"
    )
    videos: list[Literal["rgb", "depth", "normal"]] = doc(
        "what is seen: colours, distances (near blue, far red), normals (x, y, z as red, green, blue)",
        default_factory=lambda: ["rgb", "depth"],
    )
    raw_depth: bool = doc(
        "also write render_depth.npz: distances in world units, and the cameras", default=False
    )
    path: str | None = doc("camera path, a JSON file; null is an orbit of the scene", default=None)
    frames: int = doc("frames of the orbit; a camera path has its own", default=120)
    fps: float | None = doc("frames a second; null is the camera path's, or 30", default=None)
    width: int | None = doc(
        "null is the camera path's, or what goes with height, or the training pictures'",
        default=None,
        unit="pixels",
    )
    height: int | None = doc("as width", default=None, unit="pixels")
    elevation: float | None = doc(
        "of the orbit above the horizontal; null is the training cameras' median",
        default=None,
        unit="degrees",
    )
    radius: float | None = doc(
        "of the orbit; null is the training cameras' median", default=None, unit="world units"
    )
    data: DataPlace = field(default_factory=DataPlace)

    def __post_init__(self) -> None:
        if len(set(self.videos)) != len(self.videos) or not (self.videos or self.raw_depth):
            raise ValueError(
                "videos must name each of rgb, depth, normal once at most, and one where raw_depth is "
                f"false, got {self.videos}"
            )
        if self.frames < 1:
            raise ValueError(f"frames must be at least 1, got {self.frames}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"fps must be above 0 and at most 1000, got {self.fps}")
        for name in ("width", "height"):
            if not 1 <= (getattr(self, name) or 1) <= MAX_SIDE or getattr(self, name) == 0:
                raise ValueError(f"{name} must be 1 to {MAX_SIDE} pixels, got {getattr(self, name)}")
        if self.elevation is not None and not -90 < self.elevation < 90:
            raise ValueError(f"elevation must be between -90 and 90 degrees, got {self.elevation}")
        if self.radius is not None and not 0 < self.radius < 1e30:
            raise ValueError(f"radius must be positive, got {self.radius}")
        if self.path is not None and (self.elevation is not None or self.radius is not None):
            raise ValueError(
                "elevation and radius are of the orbit, and path= replaces it; give one of the two"
            )


def render(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(RenderConfig, "render", "nerf", PROGRAM, arguments)
    if config is None:
        return
    path = load_camera_path(Path(config.path)) if config.path is not None else None
    trained = open_trained(config.out, config.data.root)
    if path is None:
        check_views(trained)
    training = load_cameras(trained.config.scene, trained.config.data, "train")
    cameras = path_cameras(config, path, training).to(trained.accelerator.device)
    fps = config.fps or (path.fps if path is not None else _DEFAULT_FPS)
    files = write_files(trained, cameras, fps, config.videos, config.raw_depth)
    if trained.accelerator.is_main_process:
        print(f"{len(cameras)} frames of {cameras.width}x{cameras.height}: {', '.join(map(str, files))}")


def path_cameras(config: RenderConfig, path: CameraPath | None, training: Cameras) -> Cameras:
    """The cameras of a video: a path's, or an orbit like the training cameras.

    Size: the configuration's, else the path's, else the training pictures'; of a single side given, the
    other follows their shape. Horizontal field of view: the path's, else the training cameras'.

    Raises:
        UserError: the training cameras have no centre to go around.
    """
    if path is not None:
        poses = path.camera_to_world
    else:
        try:
            poses = orbit_around(training.camera_to_world, config.frames, config.radius, config.elevation)
        except ValueError as error:
            raise UserError(
                f"no orbit goes around these training cameras: {error}; or choose a path="
            ) from error
    model = training
    if path is not None and path.width is not None and path.height is not None:
        model = replace(training, width=path.width, height=path.height)
    width, height = config.width, config.height
    if width is None:
        width = model.width if height is None else max(1, round(height * model.width / model.height))
    if height is None:
        height = max(1, round(width * model.height / model.width))
    if path is not None and path.camera_angle_x is not None:
        focal = focal_from_angle(width, path.camera_angle_x)
    else:
        focal = training.focal * width / training.width
    return Cameras(poses, focal, width, height)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(render, arguments)


if __name__ == "__main__":
    sys.exit(main())
