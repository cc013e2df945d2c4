"""Rendering whole views, and scoring them against pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor

from wsapps.metrics import psnr, ssim
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.perceptual import NAME as LPIPS
from wsapps_nerf.perceptual import Distance
from wsapps_nerf.scene import Views, composite


class Picture(NamedTuple):
    """A rendered view on the CPU: rgb ``(H, W, 3)`` in [0, 1], depth and opacity ``(H, W)``."""

    rgb: Tensor
    depth: Tensor
    opacity: Tensor


@dataclass(frozen=True)
class ViewScore:
    """Scores of one test view; ``lpips`` is None where it was not asked for."""

    name: str
    psnr: float
    ssim: float
    lpips: float | None = None


@torch.no_grad()
def render_view(
    objective: RadianceObjective,
    cameras: Cameras,
    view: int,
    rays_at_once: int | None = None,
    on_rays: Callable[[], None] = lambda: None,
) -> Picture:
    """Render one camera's picture.

    Args:
        objective: holds field and renderer; it is put into eval mode.
        cameras: on the objective's device.
        view: which camera.
        rays_at_once: rays in flight; by default what suits the device.
        on_rays: called before each part of the picture; it may raise to end it.
    """
    objective.eval()
    device = cameras.camera_to_world.device
    chunk = rays_at_once or (2**14 if device.type == "cuda" else 2**13)
    parts: list[tuple[Tensor, ...]] = []
    width, height = cameras.size(view)
    for pixel in torch.arange(width * height, device=device).split(chunk):
        on_rays()
        origins, directions = cameras.rays(torch.full_like(pixel, view), pixel)
        rendered = objective.renderer(objective.shown, origins, directions, objective.background)
        parts.append((rendered.rgb.clamp(0, 1), rendered.depth, rendered.opacity))
    columns = (torch.cat(column).unflatten(0, (height, width)).cpu() for column in zip(*parts, strict=True))
    rgb, depth, opacity = columns
    return Picture(rgb, depth, opacity)


def render_shared(
    objective: RadianceObjective, cameras: Cameras, accelerator: Accelerator
) -> Iterator[Picture]:
    """Pictures of all cameras in order, on the first rank; the others render their share and yield nothing.

    Every rank must run the iterator to its end.
    """
    rank, world = accelerator.process_index, accelerator.num_processes
    for first in range(0, len(cameras), world):
        channels = torch.zeros(cameras.height, cameras.width, 5)  # room for the largest view
        if first + rank < len(cameras):
            picture = render_view(objective, cameras, first + rank)
            both = torch.cat([picture.rgb, torch.stack([picture.depth, picture.opacity], dim=-1)], dim=-1)
            channels[: both.shape[0], : both.shape[1]] = both
        if world > 1:
            together = accelerator.gather(channels[None].to(accelerator.device))
            assert isinstance(together, torch.Tensor)
        else:
            together = channels[None]
        if accelerator.is_main_process:
            for view, one in enumerate(together[: len(cameras) - first].cpu(), start=first):
                width, height = cameras.size(view)
                one = one[:height, :width]
                yield Picture(one[..., :3], one[..., 3], one[..., 4])


def score_views(
    objective: RadianceObjective,
    views: Views,
    accelerator: Accelerator,
    every: int = 1,
    on_view: Callable[[int], None] | None = None,
    lpips: Distance | None = None,
) -> list[ViewScore]:
    """PSNR, SSIM, and LPIPS if it is given, of every ``every``-th view.

    The ranks share the work, and all get all scores.

    Pixels that a mask leaves out do not count for PSNR, and are taken from the truth for the others.
    ``on_view`` is told after each view how many this rank has scored.
    """
    mine = range(accelerator.process_index * every, len(views), accelerator.num_processes * every)
    scores = torch.zeros(len(views), 3, dtype=torch.float64, device=accelerator.device)
    for done, view in enumerate(mine, start=1):
        truth = composite(views.rgba[view], objective.background).cpu()
        picture = render_view(objective, views.cameras, view)
        rgb, kept = picture.rgb, views.kept(view)
        if kept is not None:
            rgb = torch.where(kept.cpu()[..., None], rgb, truth)
            scores[view, 0] = psnr(rgb[kept.cpu()], truth[kept.cpu()])
        else:
            scores[view, 0] = psnr(rgb, truth)
        scores[view, 1] = ssim(rgb, truth)
        distance = lpips(rgb, truth) if lpips is not None else None
        scores[view, 2] = math.nan if distance is None else distance
        if on_view is not None:
            on_view(done)
    if accelerator.num_processes > 1:
        scores = accelerator.reduce(scores, reduction="sum")
    return [_score_of(views.names[view], scores[view].tolist()) for view in range(0, len(views), every)]


def _score_of(name: str, row: list[float]) -> ViewScore:
    psnr_dB, ssim_part, distance = row
    return ViewScore(name, psnr_dB, ssim_part, None if math.isnan(distance) else distance)


def mean_scores(scores: list[ViewScore], split: str = "test") -> dict[str, float]:
    """Means over views, as tables report them: ``<split>/psnr`` in dB, ``<split>/ssim``, perhaps LPIPS."""
    means = {
        f"{split}/psnr": sum(score.psnr for score in scores) / len(scores),
        f"{split}/ssim": sum(score.ssim for score in scores) / len(scores),
    }
    distances = [score.lpips for score in scores if score.lpips is not None]
    if len(distances) == len(scores):
        means[f"{split}/{LPIPS}"] = sum(distances) / len(distances)
    return means
