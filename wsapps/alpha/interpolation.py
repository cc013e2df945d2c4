"""How well a field can interpolate samples, without training it.

Training moves a value by what the tangent kernel says of it and of the samples. Where, of fields drawn by the
law of the start, the samples around a place leave open what is there, fitting them says nothing between them:
the field memorises. And where each sample is guessed better from its neighbours by the kernel of a smaller
alpha, the signal is smoother than the fields of a larger one.

Sources: Jacot, Gabriel & Hongler, NeurIPS 2018, for the kernel; Rasmussen & Williams, *Gaussian processes for
machine learning*, 2006, eq. 2.26 for the variance that is left, 2.7 for the unknown mean, and 5.12 for
leaving one sample out. Shapes: P samples, I of them inner ones, B places between them, C values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.alpha.patches import innermost
from wsapps.analysis import tangent_kernel

#: Of gradient descent, which learns a pattern at the rate of its eigenvalue in the correlations. About a fit
#: of the default length, by what alpha = 1 learns of pictures of 64 to 256 pixels a side.
LEARNING_TIME = 1e6
_JITTER = 1e-6  # of the correlations, so that samples which say the same can be inverted


@dataclass(frozen=True)
class Interpolation:
    """Of a field at the start, on a patch of samples.

    Attributes:
        explained: the part of the variance between samples that they explain, k(x, X) K^-1 k(X, x) / k(x, x),
            in [0, 1]: the median of as many places as there are samples, each on the way from one of the
            inner samples to another. Where samples are drawn at random, a few holes would make the mean.
        left_open: the mean over these places of the deviation that is left, sqrt(1 - explained), in [0, 1]:
            of holes as well.
        unexplained: the mean of its square, the variance that is left, in [0, 1].
        left_out: the mean square error of an inner sample when it is guessed from all others.
        unlearned: the part of the kernel's patterns on the samples that descent has not learned after
            :data:`LEARNING_TIME`, in [0, 1]: of fields too smooth for so dense samples.
        values_unlearned: the mean square of the values' part, less their mean, that is in such patterns.
    """

    explained: float
    left_open: float
    unexplained: float
    left_out: float
    unlearned: float
    values_unlearned: float = 0.0

    @property
    def spread(self) -> float:
        """The standard deviation over places of what is left open there."""
        return math.sqrt(max(0.0, self.unexplained - self.left_open**2))


def interpolation(
    field: nn.Module, samples_PD: Tensor, values_PC: Tensor, generator: torch.Generator
) -> Interpolation:
    """How a field would interpolate a patch. The kernel is that of the first channel; all follow one law.

    Args:
        field: at initialisation; ``(P, D)`` to ``(P, C)``.
        samples_PD: neighbouring samples, 2 at least, as dense as a run's.
        values_PC: of the signal there.
        generator: draws the places.
    """
    places_BD = _between(samples_PD, generator)
    correlations = _correlations(field, torch.cat([samples_PD, places_BD]))
    count = len(samples_PD)
    factor_PP, across_PB = _factor(correlations[:count, :count]), correlations[:count, count:]
    whitened_PB = torch.linalg.solve_triangular(factor_PP, across_PB, upper=False)
    explained_B = whitened_PB.square().sum(dim=0).clamp(0, 1)
    unexplained_B = 1 - explained_B
    missed_IC = _inner_errors(factor_PP, samples_PD, values_PC)
    return Interpolation(
        float(explained_B.median()),
        float(unexplained_B.sqrt().mean()),
        float(unexplained_B.mean()),
        float(missed_IC.square().mean()),
        *_unlearned(correlations[:count, :count], values_PC),
    )


def inner_errors(field: nn.Module, samples_PD: Tensor, values_PC: Tensor) -> Tensor:
    """By how much each inner sample is missed when it is guessed from all others, ``(I, C)``.

    Args as :func:`interpolation`, which costs three times as much.
    """
    return _inner_errors(_factor(_correlations(field, samples_PD)), samples_PD, values_PC)


def left_out_errors(precision_PP: Tensor, values_PC: Tensor) -> Tensor:
    """By how much each value is missed when it is guessed from all others, ``(P, C)``.

    Args:
        precision_PP: the inverse of the values' correlations, whose mean is unknown.
        values_PC: the values.
    """
    weights_P = precision_PP.sum(dim=1)
    mean_C = weights_P @ values_PC / weights_P.sum()
    # Of the precision when the mean is unknown, which has a row and a column less of rank.
    diagonal_P = precision_PP.diagonal() - weights_P.square() / weights_P.sum()
    return precision_PP @ (values_PC - mean_C) / diagonal_P[:, None]


def _correlations(field: nn.Module, points_ND: Tensor) -> Tensor:
    kernel = tangent_kernel(_FirstChannel(field), points_ND)
    sizes = kernel.diagonal().sqrt()
    return kernel / (sizes[:, None] * sizes)


def _factor(correlations_PP: Tensor) -> Tensor:
    within_PP = correlations_PP.clone()
    within_PP.diagonal().add_(_JITTER)
    return torch.linalg.cholesky(within_PP)


def _unlearned(correlations_PP: Tensor, values_PC: Tensor) -> tuple[float, float]:
    """The part of the patterns, and the mean square of the values' part in them."""
    rates_P, patterns_PP = torch.linalg.eigh(correlations_PP)
    left_P = torch.exp(-2 * LEARNING_TIME * rates_P.clamp(min=0))
    sizes_PC = patterns_PP.T @ (values_PC - values_PC.mean(dim=0)).to(patterns_PP)
    return float(left_P.mean()), float((left_P[:, None] * sizes_PC.square()).sum() / values_PC.numel())


def _inner_errors(factor_PP: Tensor, samples_PD: Tensor, values_PC: Tensor) -> Tensor:
    errors_PC = left_out_errors(torch.cholesky_inverse(factor_PP), values_PC.to(factor_PP))
    return errors_PC[innermost(samples_PD)]


def _between(samples_PD: Tensor, generator: torch.Generator) -> Tensor:
    """Places ``(P, D)`` on the lines that join inner samples, a random pair each."""
    count = len(samples_PD)
    inner_I = innermost(samples_PD)
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
