"""How well a field can interpolate, without training it: what training at one sample does to the next one.

A step of descent at a sample changes the value at another in proportion to the tangent kernel between them.
Where a field's kernel at the start hardly correlates a sample with its nearest one, fitting the samples says
nothing between them: the field memorises.

Source: Jacot, Gabriel & Hongler, NeurIPS 2018, for the kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsapps.analysis import tangent_kernel


def neighbour_correlation(field: nn.Module, coordinates_PD: Tensor) -> float:
    """The mean correlation k(x, y) / sqrt(k(x, x) k(y, y)) of each sample x with the nearest other one, y.

    The kernel is that of the first channel; at the start all follow one law.

    Args:
        field: at initialisation; ``(P, D)`` to ``(P, C)``.
        coordinates_PD: neighbouring samples, 2 at least, as dense as a run's.
    """
    kernel_PP = tangent_kernel(_FirstChannel(field), coordinates_PD)
    sizes_P = kernel_PP.diagonal().sqrt()
    distances_PP = torch.cdist(coordinates_PD.double(), coordinates_PD.double())
    distances_PP.fill_diagonal_(torch.inf)
    nearest_P = distances_PP.argmin(dim=1)
    rows_P = torch.arange(len(coordinates_PD))
    return float((kernel_PP[rows_P, nearest_P] / (sizes_P * sizes_P[nearest_P])).mean())


class _FirstChannel(nn.Module):
    def __init__(self, field: nn.Module):
        super().__init__()
        self.field = field

    def forward(self, x: Tensor) -> Tensor:
        return self.field(x)[..., :1]
