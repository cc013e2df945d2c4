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
#: What grows by less, from neighbours to the rim of a patch, is noise: of noise on smooth waves in one to
#: three dimensions it was 0.91 to 1.14 (a thousand samples leave 0.05 to chance), and of all but 7 of 309
#: pictures, maps and sounds more.
NOISE = 1.15
# Ranks of a sample's neighbours by distance: those next to it, and those near the rim of half of the patch.
_NEXT, _FAR = (1, 3), (0.25, 0.5)


@dataclass(frozen=True)
class Texture:
    """Of a signal, whatever the field.

    Attributes:
        evenness: see :func:`evenness_of`, in [0, 0.6745].
        growth: see :func:`growth_of`, at least 0.
        is_fine: whether a kernel rougher than that of alpha = 1 guesses samples better from their neighbours.
    """

    evenness: float = NORMAL
    growth: float = float("inf")
    is_fine: bool = False

    @property
    def is_noise(self) -> bool:
        """Whether what neighbours do not say of each other is noise: nothing is won between them.

        A texture as fine as the samples grows as little, but rougher fields suit it, and do not suit noise.
        """
        return self.growth < NOISE and not self.is_fine


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
        Infinity where there is nothing to tell it by, or where neighbours are equal.
    """
    next_to, far = 0.0, 0.0
    for samples_PD, values_PC in patches:
        first, last = (int(part * len(samples_PD)) for part in _FAR)
        if first < _NEXT[1]:
            continue
        rest_PC, inner_I = _less_surface(samples_PD.double(), values_PC.double()), innermost(samples_PD)
        nearest_IP = torch.cdist(samples_PD[inner_I], samples_PD).argsort(dim=1, stable=True)
        squares_IP = (rest_PC[inner_I][:, None] - rest_PC[nearest_IP]).square().mean(dim=2)
        next_to += float(squares_IP[:, slice(*_NEXT)].mean())
        far += float(squares_IP[:, first:last].mean())
    return far / next_to if next_to > 0 else float("inf")


def _less_surface(samples_PD: Tensor, values_PC: Tensor) -> Tensor:
    """Values less the surface of second degree by least squares, of the shortest where many are as near."""
    local_PD = samples_PD - samples_PD.mean(dim=0)
    local_PD = local_PD / local_PD.abs().max().clamp(min=torch.finfo(local_PD.dtype).tiny)
    first_E, second_E = torch.triu_indices(local_PD.shape[1], local_PD.shape[1])
    parts = torch.ones_like(local_PD[:, :1]), local_PD, local_PD[:, first_E] * local_PD[:, second_E]
    design_PE = torch.cat(parts, dim=1)
    return values_PC - design_PE @ torch.linalg.lstsq(design_PE, values_PC, driver="gelsd").solution
