"""Trainable parameters of a problem, kept inside their bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsapps_pde.problems.parameters import Parameter

_INSIDE = 1e-3  # of the range, or of the size: where a parameter starts that is asked to start on a bound


class BoundedParameters(nn.Module):
    """Numbers that are trained, each a smooth function of a free one that respects its bounds.

    Without bounds the number itself is trained; above a minimum it is min + softplus(free), below a
    maximum max - softplus(free), and between two bounds min + (max - min) sigmoid(free).

    Args:
        parameters: name -> a trainable :class:`~wsapps_pde.problems.parameters.Parameter`.
    """

    def __init__(self, parameters: Mapping[str, Parameter]):
        super().__init__()
        self.bounds = {name: (each.minimum, each.maximum) for name, each in parameters.items()}
        self.free = nn.ParameterDict(
            {
                _key(name): nn.Parameter(torch.tensor(_free(each), dtype=torch.float64))
                for name, each in parameters.items()
            }
        )

    def values(self) -> dict[str, Tensor]:
        """Name -> 0-dimensional value."""
        return {name: self._bounded(name) for name in self.bounds}

    def _bounded(self, name: str) -> Tensor:
        (low, high), free = self.bounds[name], self.free[_key(name)]
        if low is not None and high is not None:
            return low + (high - low) * torch.sigmoid(free)
        if low is not None:
            return low + F.softplus(free)
        return high - F.softplus(free) if high is not None else free + 0.0


def _key(name: str) -> str:
    """The name in a ParameterDict, which knows no names of its own methods (half, to, values)."""
    return f"{name}'" if hasattr(nn.ParameterDict, name) else name


def _free(parameter: Parameter) -> float:
    """The free number of a parameter's start."""
    low, high, start = parameter.minimum, parameter.maximum, parameter.value
    if low is not None and high is not None:
        edge = _INSIDE * (high - low)
        start = low + edge if start == low else high - edge if start == high else start
        return math.log((start - low) / (high - start))
    if low is None and high is None:
        return start
    distance = start - low if low is not None else high - start  # type: ignore[operator]
    distance = distance or _INSIDE * max(1.0, abs(start))
    return distance + math.log(-math.expm1(-distance))  # softplus backwards
