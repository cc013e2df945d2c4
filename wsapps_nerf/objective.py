"""What a radiance field minimises: the squared error of rendered rays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.finite import Diverged
from wsapps.metrics import psnr_from_mse
from wsapps.objective import Batch, Objective
from wsapps_nerf.averaging import running_mean
from wsapps_nerf.field import RadianceField
from wsapps_nerf.renderer import Renderer
from wsapps_nerf.scene import composite

_WHITE, _BLACK = 1.0, 0.0
_SMALLER_RATE = "try a smaller trainer.optimizer.lr or method.alpha"
# Small steps learn faster a second on a few cores (docs/experiments.md); a GPU wants to be filled.
_CPU_SAMPLES, _GPU_SAMPLES = 2**14, 2**18


@dataclass
class RaysConfig:
    """How many rays a step takes, and what lies behind them."""

    target_samples: int | None = doc(
        "samples a step and rank, which the number of rays follows; null is 2^14 on a CPU, 2^18 on a GPU",
        default=None,
    )
    first: int = doc("rays of the first steps, before the samples a ray are known", default=1024)
    least: int = doc("fewest rays a step", default=256)
    most: int = doc("most rays a step", default=2**16)
    adjust_every: int = doc("steps between adjustments", default=16)
    background: Literal["white", "black", "random"] = doc(
        "behind transparent pixels; random in training means white in test", default="white"
    )

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.first <= self.most:
            raise ValueError(
                f"1 <= least <= first <= most is needed, got {self.least}, {self.first}, {self.most}"
            )
        if (self.target_samples is not None and self.target_samples < 1) or self.adjust_every < 1:
            raise ValueError("target_samples and adjust_every must be at least 1")


class RadianceObjective(Objective):
    """Mean squared error of rendered colours.

    Batches hold ``origins``, ``directions`` ``(R, 3)``, ``rgba`` ``(R, 4)`` with straight alpha, and where
    pictures have codes ``view`` ``(R,)``.
    The number of rays that the next batch should have is ``n_rays``: it follows the number of samples
    that a ray takes, in factors of sqrt(2), so that only a few sizes occur.

    Args:
        field, renderer, rays: what is trained, and how.
        average_decay: of the running mean of the field's weights; 0 for none.
    """

    ray_count: Tensor  # 0-dimensional, int
    seen: Tensor  # (2,) samples and rays since the last adjustment, over all ranks

    def __init__(
        self, field: RadianceField, renderer: Renderer, rays: RaysConfig, average_decay: float = 0.0
    ):
        super().__init__()
        self.field, self.renderer, self.rays = field, renderer, rays
        self.averaged = running_mean(field, average_decay) if average_decay else None
        self.register_buffer("ray_count", torch.tensor(rays.first))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.float64))

    @property
    def n_rays(self) -> int:
        return int(self.ray_count)

    @property
    def shown(self) -> RadianceField:
        """The field that pictures, meshes and pages show: the one trained, or its running mean."""
        return self.field if self.averaged is None else cast(RadianceField, self.averaged.module)

    @property
    def background(self) -> Tensor:
        """``(3,)`` what lies behind the object in pictures."""
        level = _BLACK if self.rays.background == "black" else _WHITE
        return self.renderer.grid.aabbs.new_full((3,), level)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        origins, rgba = batch["origins"], batch["rgba"]
        background = self.background
        if self.rays.background == "random":
            background = torch.rand_like(rgba[:, :3])
        rendered = self.renderer(
            self.field,
            origins,
            batch["directions"],
            background,
            stratified=self.training,
            view=batch["view"] if self.field.appearance is not None else None,
        )
        error = rendered.rgb - composite(rgba, background)
        loss_sum = squared = error.square().mean(dim=-1).sum()
        if rendered.proposal_loss is not None:
            loss_sum = squared + rendered.proposal_loss.sum()
        return {
            "loss_sum": loss_sum,
            "squared_error": squared.detach(),
            "count": loss_sum.new_full((), origins.shape[0]),
            "samples": loss_sum.new_full((), rendered.samples),
        }

    def check_rays(self, batch: Batch) -> None:
        """Refuse rays of which none has a sample: every step would be one of the background alone.

        Raises:
            UserError: says which settings place the samples.
        """
        renderer = self.renderer
        rays = batch["origins"], batch["directions"]
        samples = renderer.sample(*rays, float(renderer.step_size), stratified=False)
        if not len(samples.ray):
            raise UserError(
                f"none of {len(rays[0])} training rays has a sample in the scene's box; check scene.box, "
                f"scene.near={renderer.near:g}, scene.far={renderer.far:g} and "
                f"renderer.step_size={float(renderer.step_size):g}"
            )

    def before_step(self, step: int) -> None:
        """Refresh the grid and the number of rays.

        Raises:
            Diverged: the density is not finite, or nothing is left in the grid: the loss is that of the
                background then, finite and without a gradient, and would stay so.
        """
        grid = self.renderer.grid
        self.renderer.update_grid(step, self.field.density)
        if step % self.renderer.config.grid_update_every == 0:
            finite, occupied = torch.stack([torch.isfinite(grid.occs).all(), grid.binaries.any()]).tolist()
            if not finite:
                raise Diverged(f"step {step}: the density became NaN or infinite; {_SMALLER_RATE}")
            if not occupied:
                raise Diverged(f"step {step}: no cell of the grid is occupied any more; {_SMALLER_RATE}")
        if step and step % self.rays.adjust_every == 0:
            samples, rays = self.seen.tolist()
            self.ray_count.fill_(self._rays_for(samples / max(rays, 1.0)))
            self.seen.zero_()

    def after_step(self, step: int, totals: Mapping[str, Tensor]) -> None:
        self.seen += torch.stack([totals["samples"], totals["count"]]).to(self.seen)
        if self.averaged is not None:
            self.averaged.update_parameters(self.field)

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        return {
            "psnr": psnr_from_mse(totals["squared_error"] / totals["count"]),
            "rays": totals["count"],
            "samples_per_ray": totals["samples"] / totals["count"],
        }

    def compile_(self) -> None:
        """Compile the field; sampling and compositing have sizes that depend on the data."""
        self.field.compile(dynamic=True)

    def _rays_for(self, samples_per_ray: float) -> int:
        target = self.rays.target_samples or (_GPU_SAMPLES if self.ray_count.is_cuda else _CPU_SAMPLES)
        wanted = target / max(samples_per_ray, 1e-3)
        stepped = 2.0 ** (math.floor(2.0 * math.log2(wanted)) / 2.0)
        return int(min(self.rays.most, max(self.rays.least, stepped)))
