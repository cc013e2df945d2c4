"""Values of a field at many points: in batches, and shared among ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

_CPU_BATCH, _GPU_BATCH = 2**13, 2**18


@torch.no_grad()
def predict(field: nn.Module, coordinates: Tensor, batch: int | None = None) -> Tensor:
    """A field's values at ``(M, D)`` points, ``(M, C)`` on the CPU; the field may be on any device.

    Args:
        batch: points at once; None suits the device.
    """
    parameter = next(field.parameters())
    batch = batch or (_CPU_BATCH if parameter.device.type == "cpu" else _GPU_BATCH)
    parts = [field(part.to(parameter)).float().cpu() for part in coordinates.split(batch)]
    return torch.cat(parts)


def shared_prediction(field: nn.Module, accelerator: Accelerator) -> Callable[[Tensor], Tensor]:
    """:func:`predict` with the points divided among the ranks. All ranks must call it alike, and all get all
    values."""

    def shared(coordinates: Tensor) -> Tensor:
        world, rank = accelerator.num_processes, accelerator.process_index
        if world == 1:
            return predict(field, coordinates)
        share = -(-len(coordinates) // world)
        mine = coordinates[rank * share :][:share]
        padded = torch.cat([mine, coordinates[:1].expand(share - len(mine), -1)])
        values = predict(field, padded).to(accelerator.device)
        return cast(Tensor, accelerator.gather(values)).cpu()[: len(coordinates)]

    return shared
