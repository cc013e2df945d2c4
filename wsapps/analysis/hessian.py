"""The Hessian of a field's loss: its extreme eigenvalues and how far apart they are, by Lanczos' iteration.

Shapes: N points, D coordinates, C channels, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.analysis.lanczos import lanczos
from wsapps.seeding import generator

_BATCH = 4096  # points whose second-order graph is in memory at once


@dataclass(frozen=True)
class HessianFigures:
    """What so many steps of Lanczos' iteration saw of a Hessian.

    Attributes:
        largest, smallest: eigenvalues, to the accuracy that the steps gave; the Hessian of a field is not
            definite.
        condition_at_least: ratio of the largest to the smallest absolute value among converged eigenvalues.
            The Hessian has eigenvalues there, so its condition number is not less; with more parameters than
            values fitted the true one is out of reach, or infinite. NaN where none has converged.
        converged: how many eigenvalues that stands on.
    """

    largest: float
    smallest: float
    condition_at_least: float
    converged: int


def hessian_figures(
    field: nn.Module,
    coordinates_ND: Tensor,
    values_NC: Tensor,
    *,
    steps: int = 40,
    tolerance: float = 1e-2,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> HessianFigures:
    """Extreme eigenvalues of the Hessian of the mean squared error by all trainable parameters.

    Args:
        field: ``(N, D)`` to ``(N, C)``; it is copied into ``dtype``.
        coordinates_ND, values_NC: what it is fitted to.
        steps: of the iteration; each is one product, about four passes over the points.
        tolerance: relative error up to which an eigenvalue counts as converged.
        seed: of the starting vector.

    Raises:
        ValueError: values that do not pair up with the field's.
    """
    product, size = hessian_product(field, coordinates_ND, values_NC, dtype)
    start = torch.randn(size, generator=generator(seed, "lanczos"), dtype=torch.float64)
    start = start.to(next(field.parameters()).device, dtype)
    ritz = lanczos(product, start, steps)
    converged = ritz.converged(tolerance).abs()
    condition = float(converged.max() / converged.min()) if len(converged) else float("nan")
    return HessianFigures(float(ritz.values[-1]), float(ritz.values[0]), condition, len(converged))


def hessian_product(
    field: nn.Module, coordinates_ND: Tensor, values_NC: Tensor, dtype: torch.dtype = torch.float64
) -> tuple[Callable[[Tensor], Tensor], int]:
    """The Hessian of the mean squared error times a vector ``(P,)``, and P.

    Each product differentiates the gradient anew, in batches of points: memory does not grow with N.
    """
    field = deepcopy(field).to(dtype)
    parameters = [parameter for parameter in field.parameters() if parameter.requires_grad]
    sizes, device = [parameter.numel() for parameter in parameters], next(field.parameters()).device
    points, targets = coordinates_ND.to(device, dtype), values_NC.to(device, dtype)
    with torch.no_grad():
        shape = (len(points), *field(points[:1]).shape[1:])
    if targets.shape != shape:
        raise ValueError(f"values must have the shape of the field's, {shape}, got {tuple(targets.shape)}")
    batches = list(zip(points.split(_BATCH), targets.split(_BATCH), strict=True))

    @torch.enable_grad()
    def product(vector_P: Tensor) -> Tensor:
        parts = [
            part.view_as(parameter) for part, parameter in zip(vector_P.split(sizes), parameters, strict=True)
        ]
        total = torch.zeros_like(vector_P)
        for coordinates, values in batches:
            loss = (field(coordinates) - values).square().sum() / values_NC.numel()
            gradient = torch.autograd.grad(loss, parameters, create_graph=True, materialize_grads=True)
            along = torch.stack([(g * v).sum() for g, v in zip(gradient, parts, strict=True)]).sum()
            second = torch.autograd.grad(along, parameters, allow_unused=True, materialize_grads=True)
            total += torch.cat([part.reshape(-1) for part in second])
        return total

    return product, sum(sizes)
