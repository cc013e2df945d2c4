"""What of a signal is seen in small patches of its samples: how even it is, and whether it is noise.

Shapes: P samples of a patch, D coordinates, C values, E terms of a surface, I inner ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps.alpha.patches import innermost

#: The evenness of normal errors; none counts as more even.
NORMAL = 0.6745
#: Growth of noise: on smooth waves in one to three dimensions 0.92 to 1.04 of four thousand samples and more,
#: of a thousand one in twelve had 1.13. Less is of waves as long as two or three spacings; of 309 pictures,
#: maps and sounds three had less than 1.07, stones and fur as fine as the pixels.
NOISE = 0.85, 1.07
# Ranks of a sample's neighbours by distance: those next to it, and those near the rim of half of the patch.
_NEXT, _FAR = (1, 3), (0.25, 0.5)
_ROUNDING = 1e-12  # of the mean square of values: what float32 leaves is no noise
_LEAST_SAMPLES = 3  # of a patch, for each term of its surface


@dataclass(frozen=True)
class Texture:
    """Of a signal, whatever the field.

    Attributes:
        evenness: see :func:`evenness_of`, in [0, 0.6745].
        growth: see :func:`growth_of`, at least 0.
        two_valued: whether there are two values only, as inside and outside of a shape: what is between
            samples are edges, which alpha = 1 learns best.
    """

    evenness: float = NORMAL
    growth: float = float("inf")
    two_valued: bool = False

    @property
    def is_noise(self) -> bool:
        """Whether what neighbours do not say of each other is noise: nothing is won between them."""
        return NOISE[0] < self.growth < NOISE[1]


def evenness_of(errors_IC: Tensor) -> float:
    """The median size of errors over their root mean square, less where few are large.

    At most :data:`NORMAL`. Of every channel by itself, and the mean by their squares, so that channels may be
    of any size.
    """
    squares_C = errors_IC.square().mean(dim=0)
    medians_C = errors_IC.abs().quantile(0.5, dim=0)
    ratios_C = medians_C / squares_C.sqrt().clamp(min=torch.finfo(errors_IC.dtype).tiny)
    whole = float(squares_C.sum())
    return min(float((ratios_C * squares_C).sum()) / whole, NORMAL) if whole > 0 else NORMAL


def growth_of(patches: Sequence[tuple[Tensor, Tensor]]) -> float:
    """How much more samples differ from those at the rim of half a patch than from their neighbours.

    The mean square of the one over that of the other (the variogram of geostatistics at two distances), of
    values less the surface of second degree through those of their patch. About 1 of noise, whatever smooth
    signal it lies on.

    Args:
        patches: samples ``(P, D)`` and values ``(P, C)``; those of too few samples to tell say nothing.

    Returns:
        Infinity where there is nothing to tell it by, or where neighbours are equal but for rounding.
    """
    next_to, far, least = 0.0, 0.0, 0.0
    for samples_PD, values_PC in patches:
        least += float(values_PC.double().square().mean()) * _ROUNDING
        local_PD = (samples_PD - samples_PD.mean(dim=0)).double()  # float32 would order dense ones wrongly
        design_PE = _second_degree(local_PD)
        if len(samples_PD) < _LEAST_SAMPLES * design_PE.shape[1]:
            continue
        rest_PC, inner_I = _less(design_PE, values_PC.double()), innermost(local_PD)
        nearest_IP = torch.cdist(local_PD[inner_I], local_PD).argsort(dim=1, stable=True)
        first, last = (int(part * len(samples_PD)) for part in _FAR)
        squares_IP = (rest_PC[inner_I][:, None] - rest_PC[nearest_IP]).square().mean(dim=2)
        next_to += float(squares_IP[:, slice(*_NEXT)].mean())
        far += float(squares_IP[:, first:last].mean())
    return far / next_to if next_to > least else float("inf")


def _second_degree(local_PD: Tensor) -> Tensor:
    """The terms of a surface of second degree at samples about the origin, ``(P, E)``."""
    unit_PD = local_PD / local_PD.abs().max().clamp(min=torch.finfo(local_PD.dtype).tiny)
    first_E, second_E = torch.triu_indices(unit_PD.shape[1], unit_PD.shape[1])
    products_PE = unit_PD[:, first_E] * unit_PD[:, second_E]
    return torch.cat([torch.ones_like(unit_PD[:, :1]), unit_PD, products_PE], dim=1)


def _less(design_PE: Tensor, values_PC: Tensor) -> Tensor:
    """What least squares leaves of values, by the shortest solution where many are as near."""
    return values_PC - design_PE @ torch.linalg.lstsq(design_PE, values_PC, driver="gelsd").solution
