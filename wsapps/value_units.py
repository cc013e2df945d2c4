"""The units of a signal's values: fields are trained on values without any, and give values in them.

Weights, rates and rounding suit values about 0 and of size 1; temperatures in kelvin or charges in coulombs
are far from both.

Shapes: N samples, C values.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ValueUnits:
    """Values are ``offset + scale * v``.

    Attributes:
        offset_C: the mean of each channel, float64.
        scale: twice the deviation, of all channels together, so that they count against each other as they do
            in the mean square error; 1 of constant values.
    """

    offset_C: Tensor
    scale: float

    @classmethod
    def of(cls, values_NC: Tensor) -> ValueUnits:
        """Those in which so given values are about 0 and within about -1 and 1."""
        values_NC = values_NC.double()
        offset_C = values_NC.mean(dim=0)
        largest = float((values_NC - offset_C).abs().max())  # so that no square overflows or is lost
        if not largest > torch.finfo(torch.float64).eps * float(offset_C.abs().max()):
            return cls(offset_C, 1.0)
        deviation = float(((values_NC - offset_C) / largest).square().mean().sqrt())
        return cls(offset_C, 2 * deviation * largest)

    def without(self, values_NC: Tensor) -> Tensor:
        """The values without their units, float64."""
        return (values_NC.double() - self.offset_C) / self.scale

    @torch.no_grad()
    def give(self, output: nn.Linear) -> None:
        """Make a field's output layer give its values in these units."""
        weight, bias = output.weight.double() * self.scale, output.bias.double() * self.scale
        output.weight.copy_(weight)
        output.bias.copy_(bias + self.offset_C.to(bias))
