"""Surface normals of a rendered view, from its depths.

Shapes: H x W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from wsapps_nerf.cameras import Cameras
from wsapps_nerf.evaluation import Picture


def view_normals(picture: Picture, cameras: Cameras, view: int) -> Tensor:
    """Unit normals ``(H, W, 3)`` in world axes, towards the camera; zero where a ray hit little.

    They belong to the surface of the points at the pixels' depths: the cross product of its differences along
    rows and columns. Of the two neighbours on either side, the one at the more similar depth counts, so that
    what is in front and what is behind do not mix at an edge.
    """
    pixel = torch.arange(picture.depth.numel())
    on_cpu = cameras.to(torch.device("cpu"))
    origins, directions = on_cpu.rays(torch.full_like(pixel, view), pixel)
    shape = (*picture.depth.shape, 3)
    points = (origins + directions * picture.depth.reshape(-1, 1)).view(shape)
    hit = picture.opacity > 0.5
    down, right = _difference(points, hit, picture.depth, 0), _difference(points, hit, picture.depth, 1)
    normals = F.normalize(torch.cross(down, right, dim=-1), dim=-1)
    facing = (normals * directions.view(shape)).sum(dim=-1, keepdim=True)
    return torch.where(hit[..., None], torch.where(facing > 0, -normals, normals), torch.zeros(()))


def normal_picture(normals: Tensor) -> Tensor:
    """Normals ``(H, W, 3)`` as colours (n + 1) / 2: x red, y green, z blue; white where there is none."""
    none = (normals == 0).all(dim=-1, keepdim=True)
    return torch.where(none, torch.ones(()), (normals + 1) / 2)


def _difference(points: Tensor, hit: Tensor, depth: Tensor, axis: int) -> Tensor:
    """Differences to the neighbour before or behind along an axis, whichever has the more similar depth."""
    length = points.shape[axis]
    if length == 1:
        return torch.zeros_like(points)
    forward = points.diff(dim=axis)
    jump = depth.diff(dim=axis).abs()
    both = hit.narrow(axis, 1, length - 1) & hit.narrow(axis, 0, length - 1)
    jump = torch.where(both, jump, torch.full((), torch.inf))
    padding = [0, 0, 0, 0]
    ahead, behind = padding.copy(), padding.copy()
    ahead[2 * (1 - axis) + 1] = behind[2 * (1 - axis)] = 1
    jump_ahead, jump_behind = (F.pad(jump, pad, value=torch.inf) for pad in (ahead, behind))
    step_ahead, step_behind = (F.pad(forward, [0, 0, *pad]) for pad in (ahead, behind))
    chosen = torch.where((jump_ahead <= jump_behind)[..., None], step_ahead, step_behind)
    alone = torch.isinf(torch.minimum(jump_ahead, jump_behind))
    return torch.where(alone[..., None], torch.zeros(()), chosen)
