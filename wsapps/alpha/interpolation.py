"""How well a field can interpolate, without training it: what the samples say about a place between them.

Training moves a value by what the tangent kernel says of it and of the samples. Where, of fields drawn by the
law of the start, the samples around a place leave open what is there, fitting them says nothing between them:
the field memorises.

Source: Jacot, Gabriel & Hongler, NeurIPS 2018, for the kernel; Rasmussen & Williams, *Gaussian processes for
machine learning*, 2006, eq. 2.26, for the variance that is left. Shapes: P samples, B places between them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsapps.analysis import tangent_kernel

_INNER = 3  # places lie between one of so many samples, the innermost: those at the edge miss neighbours
_LEAST_INNER = 2
_JITTER = 1e-6  # of the correlations, so that samples which say the same can be inverted


def explained_part(field: nn.Module, samples_PD: Tensor, generator: torch.Generator) -> float:
    """The part of the variance between samples that they explain, k(x, X) K^-1 k(X, x) / k(x, x), in [0, 1].

    The mean over as many places as there are samples, each on the way from one of the inner samples to
    another. The kernel is that of the first channel; at the start all follow one law.

    Args:
        field: at initialisation; ``(P, D)`` to ``(P, C)``.
        samples_PD: neighbouring samples, 2 at least, as dense as a run's.
        generator: draws the places.
    """
    places_BD = _between(samples_PD, generator)
    kernel = tangent_kernel(_FirstChannel(field), torch.cat([samples_PD, places_BD]))
    sizes = kernel.diagonal().sqrt()
    correlations = kernel / (sizes[:, None] * sizes)
    count = len(samples_PD)
    within_PP, across_PB = correlations[:count, :count].clone(), correlations[:count, count:]
    within_PP.diagonal().add_(_JITTER)
    factor_PP = torch.linalg.cholesky(within_PP)
    whitened_PB = torch.linalg.solve_triangular(factor_PP, across_PB, upper=False)
    return float(whitened_PB.square().sum(dim=0).mean().clamp(0, 1))


def _between(samples_PD: Tensor, generator: torch.Generator) -> Tensor:
    """Places ``(P, D)`` on the lines that join inner samples, a random pair each."""
    count = len(samples_PD)
    from_centre_P = (samples_PD - samples_PD.mean(dim=0)).norm(dim=1)
    inner_I = from_centre_P.topk(max(_LEAST_INNER, count // _INNER), largest=False).indices
    first_P = torch.randint(len(inner_I), (count,), generator=generator)
    other_P = (first_P + torch.randint(1, len(inner_I), (count,), generator=generator)) % len(inner_I)
    part_P1 = torch.rand(count, 1, generator=generator)
    return torch.lerp(samples_PD[inner_I[first_P]], samples_PD[inner_I[other_P]], part_P1)


class _FirstChannel(nn.Module):
    def __init__(self, field: nn.Module):
        super().__init__()
        self.field = field

    def forward(self, x: Tensor) -> Tensor:
        return self.field(x)[..., :1]
