"""What a run leaves for people: pictures, a turntable, scores and a page."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from wsapps.atomic import write_json
from wsapps.config import doc
from wsapps.pictures import colourize, error_map, save_png, side_by_side, to_uint8
from wsapps.report import Curve, Figure, Section, Series, write_report
from wsapps.run_folder import RunFolder
from wsapps.video import VideoWriter
from wsapps_nerf.camera_path import orbit_around
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.evaluation import Picture, ViewScore, render_shared
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.scene import Scene, composite

_log = logging.getLogger("wsapps")


@dataclass
class OutputsConfig:
    """What is rendered when training has ended."""

    test_pictures: int = doc("test views shown beside the truth, spread evenly; 0 for none", default=5)
    turntable_frames: int = doc("frames of the turntable video; 0 for none", default=60)
    turntable_fps: int = doc("frames a second", default=20)

    def __post_init__(self) -> None:
        if self.test_pictures < 0 or self.turntable_frames < 0 or self.turntable_fps < 1:
            raise ValueError(
                "test_pictures and turntable_frames must be at least 0, turntable_fps at least 1"
            )


def write_test_pictures(
    folder: Path, objective: RadianceObjective, scene: Scene, count: int, accelerator: Accelerator
) -> list[Figure]:
    """``test_<view>.png`` (truth, render, error) and ``depth_<view>.png`` for up to ``count`` views.

    The ranks share the rendering, and the first one writes.
    """
    figures: list[Figure] = []
    views = scene.test
    chosen = np.unique(np.linspace(0, len(views) - 1, min(count, len(views))).astype(int)).tolist()
    if not chosen:
        return figures
    cameras = views.cameras.select(chosen)
    for view, picture in zip(chosen, render_shared(objective, cameras, accelerator), strict=False):
        truth = composite(views.rgba[view], objective.background).cpu()
        name = views.names[view]
        row = side_by_side(
            [("truth", truth), ("rendered", picture.rgb), ("error x 4", error_map(picture.rgb, truth))]
        )
        save_png(folder / f"test_{name}.png", row)
        low, high = depth_range([picture], scene.near, scene.far)
        save_png(folder / f"depth_{name}.png", depth_picture(picture, low, high))
        figures += [
            Figure(f"test_{name}.png", f"{name}: truth, rendered, error"),
            Figure(f"depth_{name}.png", f"{name}: depth"),
        ]
    return figures


def depth_range(pictures: Iterable[Picture], near: float, far: float) -> tuple[float, float]:
    """Depths between which colours are spread: all but the outermost of what the pictures hit.

    [near, far] where they hit nothing. World units.
    """
    depths = torch.cat([picture.depth[picture.opacity > 0.5] for picture in pictures])
    if len(depths) == 0:
        return near, far
    # A few stray pixels must not take up the range.
    low, high = np.quantile(depths.numpy(), [0.005, 0.995])
    return float(low), max(float(high), float(low) + 1e-6)


def depth_picture(picture: Picture, low: float, high: float) -> np.ndarray:
    """Depth from ``low`` to ``high`` in colours ``(H, W, 3)``; where the ray hit little, white."""
    return colourize(picture.depth, low, high, mask=picture.opacity > 0.5)


def turntable_cameras(cameras: Cameras, frames: int) -> Cameras:
    """Cameras on a closed orbit at the training cameras' distance and height."""
    poses = orbit_around(cameras.camera_to_world.cpu(), frames).to(cameras.camera_to_world.device)
    return cameras.pinholes(poses)


def write_turntable(
    folder: Path,
    objective: RadianceObjective,
    scene: Scene,
    config: OutputsConfig,
    accelerator: Accelerator,
) -> list[Figure]:
    """``turntable.mp4``: the scene from all sides. Nothing where the cameras have no common centre.

    The ranks share the rendering, and the first one writes.
    """
    try:
        cameras = turntable_cameras(scene.train.cameras, config.turntable_frames)
    except ValueError as error:
        if accelerator.is_main_process:
            _log.warning("no turntable: %s", error)
        return []
    pictures = render_shared(objective, cameras, accelerator)
    if not accelerator.is_main_process:
        for _ in pictures:
            pass
        return []
    with VideoWriter(folder / "turntable.mp4", config.turntable_fps) as video:
        for picture in pictures:
            video.add(to_uint8(picture.rgb))
    return [Figure("turntable.mp4", "turntable")]


def write_outputs(
    run: RunFolder,
    objective: RadianceObjective,
    scene: Scene,
    config: OutputsConfig,
    scores: Sequence[ViewScore],
    metrics: dict[str, float | str],
    history: Sequence[dict[str, float]],
    accelerator: Accelerator,
) -> None:
    """Everything but ``metrics.json``, which is written last of all and marks the run as finished."""
    figures = write_test_pictures(run.path, objective, scene, config.test_pictures, accelerator)
    videos: list[Figure] = []
    if config.turntable_frames:
        videos = write_turntable(run.path, objective, scene, config, accelerator)
    if accelerator.is_main_process:
        write_json(run.path / "test_scores.json", [asdict(score) for score in scores])
        write_report(
            run.path,
            title=f"Radiance field of {scene.name}",
            summary=(
                f"{metrics['test/psnr']:.2f} dB over {len(scores)} test views after "
                f"{metrics['train_seconds']:.0f} s of training on {metrics['device']}"
            ),
            metrics=metrics,
            sections=[Section("Turntable", figures=videos), Section("Test views", figures=figures)],
            curves=learning_curves(history),
            config_yaml=run.config_yaml,
        )
    accelerator.wait_for_everyone()


def learning_curves(history: Sequence[dict[str, float]]) -> list[Curve]:
    """PSNR over training time, of the training batches and of the test views."""
    series = []
    for name, label in (("psnr", "training rays"), ("test/psnr", "test views")):
        points = [(entry["seconds"], entry[name]) for entry in history if name in entry]
        if points:
            seconds, values = zip(*points, strict=True)
            series.append(Series(label, seconds, values))
    return [Curve("Learning curve", "training time in seconds", "PSNR in dB", series)] if series else []
