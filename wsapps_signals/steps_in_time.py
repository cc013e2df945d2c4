"""How many steps a run makes in a time, for what has to be planned before it begins."""

from __future__ import annotations

import time
from copy import deepcopy

import torch
from torch import Tensor, nn

from wsapps.tiling import CPU_PART, TiledField

_CPU = torch.device("cpu")
_TIMED_POINTS, _TIMED_STEPS = 2**12, 2


def steps_in(
    seconds: float, field: nn.Module, coordinates: Tensor, points: int, device: torch.device = _CPU
) -> int:
    """About how many steps over so many points a run makes in a time, from a few timed ones; at least 1.

    Args:
        seconds: of training.
        field: what is trained; it is left as it is.
        coordinates: ``(N, D)``, of the signal.
        points: a step.
        device: on which it is trained.
    """
    field = deepcopy(field).to(device)
    if isinstance(field, TiledField):  # its points come tile by tile
        wanted = min(points, CPU_PART, len(coordinates))
        some = coordinates[field.tile_of(coordinates.to(device)).cpu().argsort(stable=True)[:wanted]]
    else:
        wanted = min(points, _TIMED_POINTS, len(coordinates))
        some = coordinates[:: len(coordinates) // wanted][:wanted]
    some = some.to(next(field.parameters()))
    _step(field, some)
    began = time.perf_counter()
    for _ in range(_TIMED_STEPS):
        _step(field, some)
    a_point = (time.perf_counter() - began) / (_TIMED_STEPS * len(some))
    return max(1, int(seconds / (a_point * points)))


def _step(field: nn.Module, points: Tensor) -> None:
    gradients = torch.autograd.grad(field(points).square().mean(), list(field.parameters()))
    gradients[0].flatten()[0].item()  # waits for the device
