"""Carving: cells that some training view sees through are empty.

The training pictures have an alpha channel. A grid cell whose whole footprint is transparent in one
view cannot hold anything, so it need never be sampled: what is left is the visual hull of the masks
(Laurentini, 1994). Pictures without transparency carve nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps_nerf.occupancy import OccupancyGrid
from wsapps_nerf.scene import Views


@torch.no_grad()
def carve(grid: OccupancyGrid, views: Views) -> float:
    """Mark the cells outside the visual hull as empty for good, in place; return the part that is left.

    A cell is removed only where a view contains its whole footprint and sees nothing in it; what lies
    outside all pictures or behind a camera stays. nerfacc never looks at marked cells (occs = -1) again.

    Raises:
        UserError: no cell is left, because poses and masks do not belong together.
    """
    box = grid.aabbs[0]
    resolution = grid.resolution.to(box.dtype)
    edge = (box[3:] - box[:3]) / resolution
    centres = box[:3] + (grid.grid_coords.to(box.dtype) + 0.5) * edge
    radius = float(edge.norm()) / 2
    kept = torch.ones(centres.shape[0], dtype=torch.bool, device=box.device)
    for view in range(len(views)):
        remaining = torch.nonzero(kept).squeeze(-1)
        kept[remaining[_seen_empty(views, view, centres[remaining], radius)]] = False
    if not bool(kept.any()):
        raise UserError(
            f"the masks (alpha) of the {len(views)} training views share no volume of the scene box; "
            "check the poses and scene.box, or train without masks by renderer.carve=false"
        )
    grid.occs[~kept] = -1.0
    grid.binaries &= kept.view(grid.binaries.shape)
    return float(kept.float().mean())


def _seen_empty(views: Views, view: int, centres: Tensor, radius: float) -> Tensor:
    """Which balls around ``centres (M, 3)`` project into the picture, onto transparent pixels alone."""
    x, y, known, margin = views.cameras.footprints(view, centres, radius)
    mask = (views.rgba[view][..., 3] > 0).float()[None, None]
    for dim in (2, 3):  # a square maximum is separable
        kernel, padding = [1, 1], [0, 0]
        kernel[dim - 2], padding[dim - 2] = 2 * margin + 1, margin
        mask = torch.nn.functional.max_pool2d(mask, kernel, stride=1, padding=padding)
    width, height = views.cameras.size(view)
    inside = (x >= margin) & (x < width - margin) & (y >= margin) & (y < height - margin)
    column = x.long().clamp(0, width - 1)
    row = y.long().clamp(0, height - 1)
    return known & inside & (mask[0, 0, row, column] == 0)
