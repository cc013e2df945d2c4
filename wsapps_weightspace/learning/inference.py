"""A model's outputs for many fields: in batches, and shared among ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat

_BATCH = 256  # fields at once


@torch.no_grad()
def outputs_of(
    model: Callable[[FieldWeights], Tensor],
    flat_NP: Tensor,
    architecture: Architecture,
    batch: int = _BATCH,
    device: torch.device | None = None,
) -> Tensor:
    """What a model gives for fields, ``(N, ...)`` float32 on the CPU.

    Args:
        model: ``model(fields) -> (B, ...)``; a module is put into eval mode.
        flat_NP: ``(N, P)`` parameters, at least one row.
        batch: fields at once.
        device: where the model is; by default where the parameters are.
    """
    if isinstance(model, nn.Module):
        model.eval()
    device = device or flat_NP.device
    parts = [model(from_flat(part.to(device), architecture)).float().cpu() for part in flat_NP.split(batch)]
    return torch.cat(parts)


def shared_outputs(
    model: Callable[[FieldWeights], Tensor],
    flat_NP: Tensor,
    architecture: Architecture,
    accelerator: Accelerator,
) -> Tensor:
    """:func:`outputs_of` with the fields divided among the ranks; all must call it alike, and all get all."""
    world, rank = accelerator.num_processes, accelerator.process_index
    if world == 1:
        return outputs_of(model, flat_NP, architecture, device=accelerator.device)
    share = -(-len(flat_NP) // world)
    mine = flat_NP[rank * share :][:share]
    padded = torch.cat([mine, flat_NP[:1].expand(share - len(mine), -1)])
    values = outputs_of(model, padded, architecture, device=accelerator.device).to(accelerator.device)
    return cast(Tensor, accelerator.gather(values)).cpu()[: len(flat_NP)]
