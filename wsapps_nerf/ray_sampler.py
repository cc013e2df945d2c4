"""Random rays of the training views."""

from __future__ import annotations

import torch

from wsapps.objective import Batch
from wsapps.seeding import generator
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.scene import Views


class RaySampler:
    """Batches of rays through random pixels of all views, drawn by (seed, step, rank).

    Args:
        views: training views, on the device on which they are sampled.
        objective: says how many rays a batch should have.
        seed: of the draws.
    """

    def __init__(self, views: Views, objective: RadianceObjective, seed: int):
        self.cameras, self.objective, self.seed = views.cameras, objective, seed
        self.rgba = views.rgba.flatten(end_dim=-2)

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        drawn = torch.randint(
            self.rgba.shape[0], (self.objective.n_rays,), generator=generator(self.seed, "rays", step, rank)
        ).to(self.rgba.device)
        pixels = self.cameras.pixels_per_view
        origins, directions = self.cameras.rays(drawn // pixels, drawn % pixels)
        return {"origins": origins, "directions": directions, "rgba": self.rgba[drawn]}
