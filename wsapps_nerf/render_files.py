"""What rendering a camera path leaves: videos of colours, depths and normals, and raw depths.

All are written view by view, from one rendering of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from wsapps.pictures import Picture as Image
from wsapps.pictures import to_uint8
from wsapps.progress import Progress
from wsapps.video import VideoWriter
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.depth_file import DepthFile
from wsapps_nerf.evaluation import Picture, render_shared, render_view
from wsapps_nerf.normals import normal_picture, view_normals
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.outputs import depth_picture, depth_range
from wsapps_nerf.trained import TrainedRun

_PREVIEW_FRAMES, _PREVIEW_SIDE = 12, 64  # of the small pictures that the depth range is taken from


def write_files(
    trained: TrainedRun, cameras: Cameras, fps: float, videos: Sequence[str], raw_depth: bool
) -> list[Path]:
    """Render all cameras, and write ``render_<video>.mp4`` for each of ``videos`` ("rgb", "depth", "normal")
    and ``render_depth.npz`` into the run folder; the paths of the files.

    The ranks share the views, and the first one writes. The files appear together, when all is done.
    """
    folder, accelerator, started = trained.run.path, trained.accelerator, time.monotonic()
    files = [folder / f"render_{name}.mp4" for name in videos]
    pictures = render_shared(trained.objective, cameras, accelerator)
    if not accelerator.is_main_process:
        for _ in pictures:
            pass
        return files
    drawings = {name: _drawing(name, trained, cameras) for name in videos}
    with ExitStack() as stack:
        progress = Progress(len(cameras), None, True, title="rendering")
        stack.callback(progress.close)
        writers = [
            (stack.enter_context(VideoWriter(file, fps)), name)
            for file, name in zip(files, videos, strict=True)
        ]
        depths = None
        if raw_depth:
            files.append(folder / "render_depth.npz")
            depths = stack.enter_context(DepthFile(files[-1], cameras, fps))
        for view, picture in enumerate(pictures):
            for writer, name in writers:
                writer.add(to_uint8(drawings[name](picture, view)))
            if depths is not None:
                depths.add(picture)
            progress.update(view + 1, time.monotonic() - started, {})
    return files


def _drawing(name: str, trained: TrainedRun, cameras: Cameras) -> Callable[[Picture, int], Image]:
    """A function (picture, view) to an image ``(H, W, 3)``."""
    if name == "depth":
        renderer = trained.objective.renderer
        low, high = preview_depth_range(trained.objective, cameras, renderer.near, renderer.far)
        return lambda picture, _: depth_picture(picture, low, high)
    if name == "normal":
        return lambda picture, view: normal_picture(view_normals(picture, cameras, view))
    return lambda picture, _: picture.rgb


def preview_depth_range(
    objective: RadianceObjective, cameras: Cameras, near: float, far: float
) -> tuple[float, float]:
    """One depth range for all frames, so that colours do not flicker, from small pictures of a few."""
    factor = min(1.0, _PREVIEW_SIDE / max(cameras.width, cameras.height))
    width, height = (max(1, round(side * factor)) for side in (cameras.width, cameras.height))
    small = replace(cameras, focal=cameras.focal * width / cameras.width, width=width, height=height)
    every = max(1, len(cameras) // _PREVIEW_FRAMES)
    return depth_range(
        (render_view(objective, small, view) for view in range(0, len(cameras), every)), near, far
    )
