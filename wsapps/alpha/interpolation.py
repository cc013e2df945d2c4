"""How well a field will interpolate, without training it: regression with its tangent kernel at the start.

While its features hardly change, a field that is trained to the end is the kernel regression

    f(x) = f_0(x) + k(x, X) (K + lambda I)^-1 (y - f_0(X)),

and what it would say at a sample that it had not seen has a closed form, for all samples at once: the error
at sample i is r_i / A_ii with A = (K + lambda I)^-1 and r = A (y - f_0(X)). A few hundred neighbouring
samples are enough: what counts is how dense they are.

Sources: Jacot, Gabriel & Hongler, NeurIPS 2018, for the regression; Rasmussen & Williams, Gaussian Processes
for Machine Learning, 2006, equation 5.12, for the errors.

Shapes: P points, D coordinates, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsapps.analysis import tangent_kernel

RIDGE = 1e-3  # lambda, as a part of the kernel's mean diagonal: what a run of usual length leaves unfitted


def left_out_errors(
    field: nn.Module, coordinates_PD: Tensor, values_PC: Tensor, ridge: float = RIDGE
) -> Tensor:
    """Squared errors ``(P,)``, means over channels, at each point of a regression on the others.

    One channel's kernel serves all: at the start they follow one law.

    Args:
        field: at initialisation; ``(P, D)`` to ``(P, C)``.
        coordinates_PD, values_PC: neighbouring samples of a signal, some hundred.
        ridge: at least 0, as a part of the kernel's mean diagonal.
    """
    kernel_PP = tangent_kernel(_FirstChannel(field), coordinates_PD)
    with torch.no_grad():
        rest_PC = (values_PC.to(coordinates_PD.device) - field(coordinates_PD)).double()
    kernel_PP.diagonal().add_((ridge + 1e-12) * kernel_PP.diagonal().mean())
    inverse_PP = torch.linalg.inv(kernel_PP)
    errors_PC = (inverse_PP @ rest_PC) / inverse_PP.diagonal()[:, None]
    return errors_PC.square().mean(dim=1)


class _FirstChannel(nn.Module):
    def __init__(self, field: nn.Module):
        super().__init__()
        self.field = field

    def forward(self, x: Tensor) -> Tensor:
        return self.field(x)[..., :1]
