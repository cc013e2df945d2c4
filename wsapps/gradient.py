"""The gradient of a global mean, over ranks and micro-batches of different sizes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from wsapps.objective import Batch

Totals = dict[str, Tensor]


def accumulate_gradient(accelerator: Accelerator, model: nn.Module, batches: Iterable[Batch]) -> Totals:
    """Leave in ``.grad`` the gradient of ``sum(loss_sum) / sum(count)`` and return the summed scalars.

    Both sums run over the micro-batches and over all ranks. A mean of per-batch means would weight
    the elements of small batches more.

    Args:
        model: an :class:`~wsapps.objective.Objective`, as prepared by the accelerator.
        batches: the micro-batches of one step, the same number on every rank.

    Returns:
        Every scalar of the objective, detached, float64 where the device has it, summed.

    Raises:
        ValueError: a required scalar is missing, or no rank counted anything.
    """
    batches = list(batches)
    totals: Totals = {}
    first_count = None
    for index, batch in enumerate(batches):
        is_last = index == len(batches) - 1
        with nullcontext() if is_last else accelerator.no_sync(model):
            terms = model(batch)
            sums = _sum_over_ranks(accelerator, terms)
            # DDP averages gradients over ranks, so the loss is multiplied by their number. Later
            # micro-batches are brought to the first one's scale, and all to the total's below.
            first_count = sums["count"] if first_count is None else first_count
            scale = accelerator.num_processes / first_count
            accelerator.backward(terms["loss_sum"] * scale.to(terms["loss_sum"].dtype))
        totals = {name: totals.get(name, 0) + value for name, value in sums.items()}
    if len(batches) > 1:
        _scale_gradients(model, first_count / totals["count"])
    return totals


def _sum_over_ranks(accelerator: Accelerator, terms: dict[str, Tensor]) -> Totals:
    missing = {"loss_sum", "count"} - terms.keys()
    if missing:
        raise ValueError(f"an objective must return loss_sum and count, missing: {', '.join(sorted(missing))}")
    names = sorted(terms)
    wide = torch.float32 if accelerator.device.type == "mps" else torch.float64
    stacked = torch.stack([torch.as_tensor(terms[name]).detach().to(accelerator.device, wide) for name in names])
    if accelerator.num_processes > 1:
        stacked = accelerator.reduce(stacked, reduction="sum")
    return dict(zip(names, stacked.unbind(), strict=True))


def _scale_gradients(model: nn.Module, factor: Tensor) -> None:
    for parameter in model.parameters():
        if parameter.grad is not None:
            parameter.grad.mul_(factor.to(parameter.grad.dtype))
