"""How well a field can interpolate, without training it: what training at some samples says about another.

Training moves a value by what the tangent kernel says of it and of the samples. Where, of fields drawn by the
law of the start, a sample can hardly be told from the ones around it, fitting the samples says nothing
between them: the field memorises.

Source: Jacot, Gabriel & Hongler, NeurIPS 2018, for the kernel; leave-one-out of a Gaussian process as in
Rasmussen & Williams, 2006, eq. 5.12.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsapps.analysis import tangent_kernel

_INNER = 4  # of a patch, one sample of so many is judged: those at the edge miss neighbours
_JITTER = 1e-8  # of the correlations, so that samples which say the same can be inverted


def explained_part(field: nn.Module, coordinates_PD: Tensor) -> float:
    """The part of a sample's variance that all the others explain, 1 - 1 / (k(x, x) [K^-1]_xx), in [0, 1].

    The mean over the inner quarter of the samples. The kernel is that of the first channel; at the start all
    follow one law.

    Args:
        field: at initialisation; ``(P, D)`` to ``(P, C)``.
        coordinates_PD: neighbouring samples, 2 at least, as dense as a run's.
    """
    kernel_PP = tangent_kernel(_FirstChannel(field), coordinates_PD)
    sizes_P = kernel_PP.diagonal().sqrt()
    correlations_PP = kernel_PP / (sizes_P[:, None] * sizes_P)
    correlations_PP.diagonal().add_(_JITTER)
    inverse_PP = torch.cholesky_inverse(torch.linalg.cholesky(correlations_PP))
    unexplained_P = 1 / inverse_PP.diagonal()
    from_centre_P = (coordinates_PD - coordinates_PD.mean(dim=0)).norm(dim=1)
    inner = from_centre_P.topk(-(-len(coordinates_PD) // _INNER), largest=False).indices
    return float((1 - unexplained_P[inner]).mean().clamp(0, 1))


class _FirstChannel(nn.Module):
    def __init__(self, field: nn.Module):
        super().__init__()
        self.field = field

    def forward(self, x: Tensor) -> Tensor:
        return self.field(x)[..., :1]
