"""How many steps a run makes in a time, for what has to be planned before it begins."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

_TIMED_POINTS, _TIMED_STEPS = 2**12, 2


def steps_in(seconds: float, field: nn.Module, coordinates: Tensor, points: int) -> int:
    """About how many steps over so many points a run makes in a time, from a few timed ones; at least 1.

    Args:
        seconds: of training.
        field: what is trained; it is left as it is.
        coordinates: ``(N, D)``, of the signal.
        points: a step.
    """
    wanted = min(points, _TIMED_POINTS, len(coordinates))
    some = coordinates[:: len(coordinates) // wanted][:wanted].to(next(field.parameters()))
    _step(field, some)
    began = time.perf_counter()
    for _ in range(_TIMED_STEPS):
        _step(field, some)
    a_point = (time.perf_counter() - began) / (_TIMED_STEPS * len(some))
    return max(1, int(seconds / (a_point * points)))


def _step(field: nn.Module, points: Tensor) -> None:
    torch.autograd.grad(field(points).square().mean(), list(field.parameters()))
