"""The gradient of a global mean, over ranks and micro-batches of different sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from wsapps.objective import Batch
from wsapps.precision import widest_float

Totals = dict[str, Tensor]


def accumulate_gradient(accelerator: Accelerator, model: nn.Module, batches: Iterable[Batch]) -> Totals:
    """Leave in ``.grad`` the gradient of ``sum(loss_sum) / sum(count)`` and return the summed scalars.

    Both sums run over the micro-batches and over all ranks. A mean of per-batch means would weight
    the elements of small batches more. Where nothing was counted at all the gradient is not finite, as
    the mean of nothing is; telling costs no wait for the device, so that is left to a FiniteWatch.

    Args:
        accelerator: the one that prepared the model.
        model: an :class:`~wsapps.objective.Objective`, as prepared by the accelerator.
        batches: the micro-batches of one step, the same number on every rank.

    Returns:
        Every scalar of the objective, 0-dimensional, detached, float64 where the device has it, summed.

    Raises:
        ValueError: a scalar is missing, is not 0-dimensional, or the loss depends on no parameter.
    """
    batches = list(batches)
    totals: Totals = {}
    reference: Tensor | None = None
    for index, batch in enumerate(batches):
        is_last = index == len(batches) - 1
        with nullcontext() if is_last else accelerator.no_sync(model):
            terms = model(batch)
            _check(terms)
            sums = _sum_over_ranks(accelerator, terms)
            if reference is None:
                # All micro-batches take the first one's scale, and get the total's below. With a
                # single one it is the total, and only the mean of nothing may divide by zero.
                count = sums["count"]
                reference = count if is_last else torch.where(count > 0, count, torch.ones_like(count))
            # DDP averages gradients over ranks, so the loss is multiplied by their number.
            scale = accelerator.num_processes / reference
            accelerator.backward(terms["loss_sum"] * scale.to(terms["loss_sum"].dtype))
        totals = {name: totals.get(name, 0) + value for name, value in sums.items()}
    if len(batches) > 1 and reference is not None:
        _scale_gradients(model, reference / totals["count"])
    return totals


def _check(terms: Mapping[str, Any]) -> None:
    if missing := {"loss_sum", "count"} - terms.keys():
        raise ValueError(
            f"an objective must return loss_sum and count, missing: {', '.join(sorted(missing))}"
        )
    for name, value in terms.items():
        if isinstance(value, Tensor) and value.dim() != 0:
            raise ValueError(
                f"an objective must return 0-dimensional tensors, got {name} of shape {tuple(value.shape)}"
            )
    if not terms["loss_sum"].requires_grad:
        raise ValueError(
            "loss_sum depends on no trainable parameter; a batch that counts nothing must stay connected, "
            "as the sum over an empty output of the field is"
        )


def _sum_over_ranks(accelerator: Accelerator, terms: Mapping[str, Any]) -> Totals:
    names = sorted(terms)
    wide = widest_float(accelerator.device)
    stacked = torch.stack([_widened(terms[name], accelerator.device, wide) for name in names])
    if accelerator.num_processes > 1:
        stacked = cast(Tensor, accelerator.reduce(stacked, reduction="sum"))
    return dict(zip(names, stacked.unbind(), strict=True))


def _widened(value: Any, device: torch.device, dtype: torch.dtype) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().to(device, dtype)
    return torch.full((), value, device=device, dtype=dtype)  # filled there: a copy would wait for the device


def _scale_gradients(model: nn.Module, factor: Tensor) -> None:
    """Multiply all gradients by a 0-dimensional factor, with few kernels."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    for dtype in {gradient.dtype for gradient in gradients}:
        same = [gradient for gradient in gradients if gradient.dtype == dtype]
        torch._foreach_mul_(same, factor.to(dtype))  # type: ignore[attr-defined]
