"""Lanczos' iteration: extreme eigenvalues, and more, of a symmetric matrix known by its products alone.

Source: Golub & Van Loan, *Matrix Computations*, section 10.1; error bounds: Parlett, *The Symmetric
Eigenvalue Problem*, section 13.2.

Shapes: n unknowns, k steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RitzValues:
    """Eigenvalues of a matrix's projection on a Krylov space, ascending, all ``(k,)``.

    Attributes:
        values: each lies between the matrix's extreme eigenvalues.
        errors: an eigenvalue of the matrix is at most so far from each.
        weights: of a quadrature for the spectral density as the starting vector sees it; their sum is 1.
    """

    values: Tensor
    errors: Tensor
    weights: Tensor

    def converged(self, tolerance: float = 1e-3) -> Tensor:
        """Those whose error is at most ``tolerance`` times their own size."""
        return self.values[self.errors <= tolerance * self.values.abs()]


def lanczos(product: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> RitzValues:
    """Run Lanczos' iteration with full reorthogonalisation, which keeps k vectors of n numbers.

    It ends early where the Krylov space is exhausted; all values are eigenvalues then.

    Args:
        product: the symmetric matrix times a vector ``(n,)``.
        start: ``(n,)``, not zero; a random one sees every eigenvalue.
        steps: k, at least 1; more than n are not made.

    Raises:
        ValueError: a start of zero, ``steps`` below 1, or a product that is not finite.
    """
    norm = start.norm()
    if steps < 1 or not (torch.isfinite(norm) and norm > 0):
        raise ValueError(
            f"at least one step and a finite start other than zero are needed, got {steps} steps"
        )
    basis = start.new_empty(min(steps, len(start)), len(start))
    diagonal, beside = [], []
    vector = start / norm
    for step in range(len(basis)):
        basis[step] = vector
        image = product(vector)
        if not bool(torch.isfinite(image).all()):
            raise ValueError(f"the product of step {step} is not finite")
        diagonal.append(float(image @ vector))
        # Twice: what the first pass leaves of a long basis is of the size of the rounding of the image.
        for _ in range(2):
            image = image - basis[: step + 1].T @ (basis[: step + 1] @ image)
        beta = float(image.norm())
        beside.append(beta)
        scale = max(max(abs(entry) for entry in diagonal), max(beside))
        # Rounding of a product of n terms; n eps would end float32 after a few steps of a large matrix.
        if beta <= len(start) ** 0.5 * torch.finfo(start.dtype).eps * scale:
            break
        vector = image / beta
    return _ritz(diagonal, beside)


def _ritz(diagonal: list[float], beside: list[float]) -> RitzValues:
    inner = torch.tensor(beside[:-1], dtype=torch.float64)
    matrix = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    matrix += torch.diag(inner, 1) + torch.diag(inner, -1)
    values, vectors = torch.linalg.eigh(matrix)
    return RitzValues(values, beside[-1] * vectors[-1].abs(), vectors[0].square())
