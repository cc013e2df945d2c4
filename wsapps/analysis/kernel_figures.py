"""What a tangent kernel says about training: how unevenly directions are learned, and how well they suit the
task.

In gradient flow on squared errors the residual's part along an eigenvector of K decays at a rate in
proportion to its eigenvalue. A small condition number means that all of it is learned at like rates; a high
alignment that what there is to learn lies along large eigenvalues.

Source: Yeom et al., ICLR 2025, for both figures.

Shapes: R rows of a kernel, N points times C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wsapps.analysis.tangent_kernel import tangent_kernel


@dataclass(frozen=True)
class KernelFigures:
    """Figures of one kernel.

    Attributes:
        largest, smallest: eigenvalues; the smallest not below ``floor``.
        floor: ``R eps largest``: what is smaller cannot be told from 0 in the kernel's precision.
        rank: eigenvalues above the floor.
        alignment: with the targets, see :func:`alignment`.
        centred_alignment: with the targets less their mean, which a bias alone would learn.
    """

    largest: float
    smallest: float
    floor: float
    rank: int
    alignment: float
    centred_alignment: float

    @property
    def condition(self) -> float:
        """``largest / smallest``; a lower bound where the kernel is not of full rank (``rank`` < R)."""
        return self.largest / self.smallest


def kernel_figures(kernel_RR: Tensor, targets: Tensor) -> KernelFigures:
    """Eigenvalues, condition number and alignment of a kernel.

    Args:
        kernel_RR: symmetric, positive semi-definite.
        targets: R values, in any shape whose order is the kernel's: ``(N, C)``.

    Raises:
        ValueError: their sizes differ, or the kernel is zero or not finite.
    """
    if not bool(torch.isfinite(kernel_RR).all()) or not bool(kernel_RR.any()):
        raise ValueError("the kernel is zero, or not finite: the network has diverged or died")
    eigenvalues = torch.linalg.eigvalsh(kernel_RR)
    largest = float(eigenvalues[-1])
    floor = len(eigenvalues) * torch.finfo(kernel_RR.dtype).eps * largest
    centred = targets - targets.mean(dim=0, keepdim=True)
    return KernelFigures(
        largest=largest,
        smallest=max(float(eigenvalues[0]), floor),
        floor=floor,
        rank=int((eigenvalues > floor).sum()),
        alignment=alignment(kernel_RR, targets),
        centred_alignment=alignment(kernel_RR, centred),
    )


def alignment(kernel_RR: Tensor, targets: Tensor) -> float:
    """Kernel-task alignment ``y^T K y / (||K||_F ||y||^2)``, in [0, 1] for a positive semi-definite K.

    1 where the targets are K's only eigenvector; about 1/sqrt(R) for a kernel that knows no direction. 0
    where all targets are 0.

    Raises:
        ValueError: not one target for each of the kernel's rows.
    """
    targets_R = targets.flatten().to(kernel_RR)
    if kernel_RR.shape != (len(targets_R), len(targets_R)):
        raise ValueError(
            f"a kernel {tuple(kernel_RR.shape)} needs as many targets as rows, got {len(targets_R)}"
        )
    square = targets_R.square().sum()
    if square == 0:
        return 0.0
    return float(targets_R @ (kernel_RR @ targets_R) / (torch.linalg.matrix_norm(kernel_RR) * square))


class KernelWatch:
    """Follows a network's kernel through training: the trainer's ``evaluate``, or a part of it.

    Args:
        network: looked at whenever this is called.
        coordinates_ND, targets_NC: points, all the same at every look, and what is to be learned there.
    """

    def __init__(self, network: nn.Module, coordinates_ND: Tensor, targets_NC: Tensor):
        self.network, self.coordinates_ND, self.targets_NC = network, coordinates_ND, targets_NC

    def __call__(self) -> dict[str, float]:
        """``kernel/condition``, ``kernel/alignment`` and the other figures, now."""
        kernel = tangent_kernel(self.network, self.coordinates_ND)
        figures = kernel_figures(kernel, self.targets_NC)
        return {
            "kernel/condition": figures.condition,
            "kernel/largest": figures.largest,
            "kernel/rank": float(figures.rank),
            "kernel/rows": float(len(kernel)),
            "kernel/alignment": figures.alignment,
            "kernel/centred_alignment": figures.centred_alignment,
        }
