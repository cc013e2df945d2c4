"""Random rays of the training views."""

from __future__ import annotations

import torch
from torch import Tensor

from wsapps.objective import Batch
from wsapps.seeding import generator
from wsapps_nerf.captures.picture_window import PictureWindow
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.scene import Views


class RaySampler:
    """Batches of rays through random pixels of all views, drawn by (seed, step, rank).

    Of pictures that stay on the disk, pixels are those that memory holds at that step.

    Args:
        views: training views, on the device on which they are sampled.
        objective: says how many rays a batch should have.
        seed: of the draws.
    """

    def __init__(self, views: Views, objective: RadianceObjective, seed: int):
        self.cameras, self.objective, self.seed = views.cameras, objective, seed
        if isinstance(views.rgba, Tensor):
            self.pixels = _AllPixels(views.rgba)
        else:
            self.pixels = PictureWindow(views.rgba, seed)

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        draws = generator(self.seed, "rays", step, rank)
        view, pixel, rgba = self.pixels.draw(self.objective.n_rays, step, draws)
        origins, directions = self.cameras.rays(view, pixel)
        return {"origins": origins, "directions": directions, "rgba": rgba, "view": view}


class _AllPixels:
    """Pixels of pictures ``(V, H, W, 4)`` that memory holds all the time."""

    def __init__(self, rgba: Tensor):
        self.pixels_per_view = rgba.shape[1] * rgba.shape[2]
        self.rgba = rgba.flatten(end_dim=-2)

    def draw(self, count: int, step: int, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """As :meth:`PictureWindow.draw`."""
        drawn = torch.randint(self.rgba.shape[0], (count,), generator=draws).to(self.rgba.device)
        return drawn // self.pixels_per_view, drawn % self.pixels_per_view, self.rgba[drawn]
