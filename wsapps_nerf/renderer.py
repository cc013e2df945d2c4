"""Volume rendering of a radiance field: occupancy grid, samples, compositing.

Shapes: R rays, N samples.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import nerfacc
import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps_nerf.carving import carve
from wsapps_nerf.contraction import expand, mark_outside, sample_contracted, shrinkage
from wsapps_nerf.occupancy import OccupancyGrid
from wsapps_nerf.proposal import Proposal, ProposalConfig, Proposed, weights_of
from wsapps_nerf.sampling import Samples, sample_rays
from wsapps_nerf.scene import Views

_MOST_STEPS = 1024  # along the box's diagonal, as instant-ngp takes
_STEP_IN_PIXELS = 1.25
_RARER = 8  # updates of a grid beside a proposal
_MOST_SAMPLES = 50_000  # through the box; the batched sampler holds rays x samples


@dataclass
class RendererConfig:
    """Settings of the :class:`Renderer`."""

    sampler: Literal["grid", "proposal"] = doc(
        "where rays are sampled: in steps through the grid's occupied cells, or where a small field of its "
        "own expects something (the grid is kept for meshes and pages)",
        default="grid",
    )
    proposal: ProposalConfig = field(default_factory=ProposalConfig)
    step_size: float | None = doc(
        "length of a sample along the ray; null is 1.25 pixels' width at the middle of near and far",
        default=None,
        unit="world units",
    )
    picture_substeps: int = doc("samples that take a step's place when pictures are rendered", default=2)
    carve: bool = doc("empty the cells that a training view sees through (needs alpha)", default=True)
    grid_resolution: int = doc("occupancy cells along each edge of the scene box", default=64)
    grid_update_every: int = doc("steps between updates of the grid", default=16)
    grid_warmup_steps: int = doc("steps during which every cell is updated", default=256)
    grid_threshold: float = doc("a cell is kept while density times step size exceeds this", default=0.2)
    grid_decay: float = doc("decay of a cell's remembered opacity an update", default=0.95)

    def __post_init__(self) -> None:
        if self.step_size is not None and not self.step_size > 0:
            raise ValueError(f"step_size must be positive or null, got {self.step_size}")
        if not 2 <= self.grid_resolution <= 512 or self.grid_update_every < 1:
            raise ValueError(
                f"grid_resolution must lie in 2..512 and grid_update_every be at least 1, got "
                f"{self.grid_resolution} and {self.grid_update_every}"
            )
        if self.picture_substeps < 1:
            raise ValueError(f"picture_substeps must be at least 1, got {self.picture_substeps}")
        if not 0 < self.grid_decay <= 1 or not self.grid_threshold > 0:
            raise ValueError(
                f"grid_decay must lie in (0, 1] and grid_threshold be positive, got {self.grid_decay} and "
                f"{self.grid_threshold}"
            )


class Rendered(NamedTuple):
    """Colour ``(R, 3)``, opacity ``(R,)``, depth ``(R,)`` in world units, and the sample count N.

    ``proposal_loss`` ``(R,)`` is what a proposal learns from, where there is one.
    """

    rgb: Tensor
    opacity: Tensor
    depth: Tensor
    samples: int
    proposal_loss: Tensor | None = None


class Renderer(nn.Module):
    """Renders a field inside a box, skipping what its occupancy grid knows to be empty.

    The grid is part of the module's state: it is saved and loaded with the field.

    Args:
        config: the settings.
        box: ``(6,)`` the space that may hold something.
        near, far: distances between which rays are sampled.
        contracted: whether the box is that of contracted space; see :class:`~wsapps_nerf.scene.Space`.
    """

    step_size: Tensor  # 0-dimensional

    def __init__(
        self, config: RendererConfig, box: Tensor, near: float, far: float, contracted: bool = False
    ):
        super().__init__()
        self.config, self.near, self.far, self.contracted = config, near, far, contracted
        diagonal = float((box[3:] - box[:3]).norm())
        step_size = config.step_size or diagonal / _MOST_STEPS
        if diagonal / step_size > _MOST_SAMPLES:
            raise UserError(
                f"renderer.step_size={step_size:g} makes {diagonal / step_size:.0f} samples through the "
                f"scene box's diagonal of {diagonal:g}; at most {_MOST_SAMPLES} are taken"
            )
        self.register_buffer("step_size", torch.tensor(step_size))
        self.grid = OccupancyGrid(box.tolist(), resolution=config.grid_resolution)
        self.grid.binaries.fill_(True)  # nerfacc starts from nothing: keep all until the first update
        if contracted:
            mark_outside(self.grid)
        proposed = config.sampler == "proposal"
        self.proposal = Proposal(config.proposal, box, near, far, contracted) if proposed else None

    def adapt_to(self, views: Views) -> None:
        """Choose what depends on the training views: step size, where it is not configured, and carving."""
        if self.config.step_size is None:
            pixel_width = (self.near + self.far) / 2 / views.cameras.focal
            self.step_size.clamp_(min=_STEP_IN_PIXELS * pixel_width)
        # The hull of a background without end is all of space.
        if self.config.carve and views.has_alpha and not self.contracted:
            carve(self.grid, views)

    def sample(self, origins: Tensor, directions: Tensor, step_size: float, stratified: bool) -> Samples:
        """Samples along rays ``(R, 3)`` where there may be something."""
        march = sample_contracted if self.contracted else sample_rays
        return march(self.grid, origins, directions, self.near, self.far, step_size, stratified)

    def forward(
        self,
        field: Callable[..., tuple[Tensor, Tensor]],
        origins: Tensor,
        directions: Tensor,
        background: Tensor,
        stratified: bool = False,
        view: Tensor | None = None,
    ) -> Rendered:
        """Render rays.

        Args:
            field: positions ``(N, 3)``, directions ``(N, 3)`` to colour ``(N, 3)``, density ``(N,)``.
            origins, directions: ``(R, 3)`` world space; directions of unit length.
            background: ``(3,)`` or ``(R, 3)``.
            stratified: shift samples along each ray by a random part of a step, for training.
            view: ``(R,)`` the training picture of each ray, a third argument of the field; None for none.
        """
        # Training averages over shifts of coarse steps; a picture takes finer ones in their stead.
        finer = 1 if stratified else self.config.picture_substeps
        proposed = None
        if self.proposal is not None:
            proposed = self.proposal(origins, directions, stratified, finer)
            samples = proposed.samples
        else:
            samples = self.sample(origins, directions, float(self.step_size) / finer, stratified)
        positions = samples.positions(origins, directions)
        pictures = () if view is None else (view[samples.ray],)
        rgb, density = field(positions, directions[samples.ray], *pictures)
        if proposed is not None:
            return composite_proposed(proposed, rgb, density, background)
        return composite_samples(samples, rgb, density, origins.shape[0], background)

    def update_grid(self, step: int, density: Callable[[Tensor], Tensor]) -> None:
        """Refresh the occupancy grid when ``step`` is due; draws from the global generator.

        Args:
            step: training step.
            density: world positions ``(N, 3)`` to density ``(N,)``.
        """
        config = self.config

        def opacity(x: Tensor) -> Tensor:
            if self.contracted:  # cells and steps are in contracted space
                world = expand(x)
                return (density(world) / shrinkage(world) * self.step_size)[:, None]
            return (density(x) * self.step_size)[:, None]

        rarer, warmup = 1, config.grid_warmup_steps
        if self.proposal is not None:  # nothing in training looks at the grid: seldom, but then all of it
            rarer, warmup = _RARER, sys.maxsize
        self.grid.train()
        self.grid.update_every_n_steps(
            step,
            occ_eval_fn=opacity,
            occ_thre=config.grid_threshold,
            ema_decay=config.grid_decay**rarer,
            warmup_steps=warmup,
            n=config.grid_update_every * rarer,
        )


def composite_samples(
    samples: Samples, rgb: Tensor, density: Tensor, n_rays: int, background: Tensor
) -> Rendered:
    """Emission-absorption compositing by nerfacc: packed on CUDA, batched on the CPU."""
    n_samples = samples.ray.shape[0]
    if n_samples == 0:  # nerfacc would cut the graph, and a rank without gradient stops the others
        nothing = (rgb.sum() + density.sum()) * 0
        zeros = rgb.new_zeros(n_rays)
        return Rendered(background.expand(n_rays, 3) + nothing, zeros, zeros, 0)
    if samples.ray.is_cuda:
        colour, opacity, depth, _ = nerfacc.rendering(
            samples.start,
            samples.end,
            samples.ray,
            n_rays=n_rays,
            rgb_sigma_fn=lambda *_: (rgb, density),
            render_bkgd=background,
        )
        return Rendered(colour, opacity.squeeze(-1), depth.squeeze(-1), n_samples)
    slot = _slot_in_ray(samples.ray, n_rays)
    width = int(slot.max()) + 1
    flat = samples.ray * width + slot

    def spread(values: Tensor) -> Tensor:
        padded = values.new_zeros((n_rays * width, *values.shape[1:]))
        return padded.index_copy(0, flat, values).unflatten(0, (n_rays, width))

    # Padding has zero length, hence no opacity.
    colour, opacity, depth, _ = nerfacc.rendering(
        spread(samples.start),
        spread(samples.end),
        rgb_sigma_fn=lambda *_: (spread(rgb), spread(density)),
        render_bkgd=background,
    )
    return Rendered(colour, opacity.squeeze(-1), depth.squeeze(-1), n_samples)


def composite_proposed(proposed: Proposed, rgb: Tensor, density: Tensor, background: Tensor) -> Rendered:
    """The same where all rays have M samples: colours ``(R M, 3)``, densities ``(R M,)``, ray by ray."""
    edges = proposed.edges
    shape = edges.shape[0], edges.shape[1] - 1
    weights = weights_of(density.view(shape), edges)
    opacity = weights.sum(dim=-1)
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    depth = (weights * middle).sum(dim=-1) / opacity.clamp(min=torch.finfo(opacity.dtype).eps)
    colour = (weights[..., None] * rgb.view(*shape, 3)).sum(dim=-2)
    colour = colour + background * (1 - opacity)[:, None]
    return Rendered(colour, opacity, depth, len(rgb), proposed.loss(weights))


def _slot_in_ray(ray: Tensor, n_rays: int) -> Tensor:
    """Position of each sample among those of its ray, ``(N,)``."""
    counts = torch.bincount(ray, minlength=n_rays)
    first = counts.cumsum(0) - counts
    return torch.arange(ray.shape[0], device=ray.device) - first[ray]
