"""An objective on a frozen batch as residuals of one flat vector, and its normal equations.

Shapes: M residuals of this rank, n parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wsapps.least_squares.sample_rows import LeastSquaresObjective, SampleRows, residuals_and_jacobian
from wsapps.quasi_newton.frozen import FrozenObjective

_NUMBERS_AT_ONCE = 2**21  # of the Jacobian: 16 MiB
_BAND = 256  # columns of J'J that are computed together
_REACH = 0.1  # how far along a step its second derivative is looked for


@dataclass(frozen=True)
class Linearization:
    """The sum of squares near x: ``f + 2 slope'd + d' gram d``, all over the residuals of all ranks.

    Attributes:
        value: r'r.
        slope: J'r (n,), half the gradient.
        gram: J'J (n, n).
        residuals: r (M,), this rank's.
    """

    value: float
    slope: Tensor
    gram: Tensor
    residuals: Tensor


class LeastSquares(Protocol):
    """What is minimised: r(x)'r(x), the same on every rank."""

    def value(self, x: Tensor) -> float:
        """r'r at x (n,)."""
        ...

    def linearize(self, x: Tensor) -> Linearization:
        """r, J'r and J'J at x."""
        ...

    def bend(self, x: Tensor, step: Tensor, here: Linearization) -> Tensor:
        """J'w (n,), where w is the second derivative of r along ``step`` at x."""
        ...


class FrozenResiduals:
    """Residuals of a :class:`LeastSquaresObjective` on the batches of a :class:`FrozenObjective`."""

    def __init__(self, frozen: FrozenObjective, objective: LeastSquaresObjective):
        self._frozen, self._objective = frozen, objective

    def value(self, x: Tensor) -> float:
        """See :class:`LeastSquares`."""
        return float(self._frozen.summed(self._residuals(x).square().sum()))

    def linearize(self, x: Tensor) -> Linearization:
        """See :class:`LeastSquares`."""
        self._frozen.assign(x)
        slope, gram = torch.zeros_like(x), x.new_zeros(len(x), len(x))
        found = []
        for rows in self._rows():
            count = max(1, _NUMBERS_AT_ONCE // len(x))
            for first in range(0, len(rows), count):
                residuals, jacobian = residuals_and_jacobian(self._objective, rows.part(first, first + count))
                slope.addmv_(jacobian.T, residuals)
                _add_gram(gram, jacobian)
                found.append(residuals)
        residuals = torch.cat(found)
        slope = self._frozen.summed(slope)
        gram = _mirrored(self._frozen.summed(gram))
        return Linearization(float(self._frozen.summed(residuals.square().sum())), slope, gram, residuals)

    def bend(self, x: Tensor, step: Tensor, here: Linearization) -> Tensor:
        """See :class:`LeastSquares`; by central differences, and one reverse pass."""
        ahead, behind = self._residuals(x + _REACH * step), self._residuals(x - _REACH * step)
        second = (ahead - 2 * here.residuals + behind) / _REACH**2
        self._frozen.assign(x)
        total, first = torch.zeros_like(x), 0
        for rows in self._rows():  # one after the other: of all at once activations would be kept
            with torch.enable_grad():
                residuals = rows.residuals(rows.samples).flatten()
                along = torch.dot(residuals, second[first : first + len(residuals)])
                gradients = torch.autograd.grad(
                    along, self._frozen.parameters, materialize_grads=True, allow_unused=True
                )
            first += len(residuals)
            total += torch.cat([gradient.flatten() for gradient in gradients])
        return self._frozen.summed(total)

    def _residuals(self, x: Tensor) -> Tensor:
        self._frozen.assign(x)
        with torch.no_grad():
            return torch.cat([rows.residuals(rows.samples).flatten() for rows in self._rows()])

    def _rows(self) -> Iterator[SampleRows]:
        for batch in self._frozen.batches:
            yield from self._objective.sample_rows(batch)


def _add_gram(gram: Tensor, jacobian: Tensor) -> None:
    """Add J'J, on and above the diagonal band by band."""
    for first in range(0, len(gram), _BAND):
        band = jacobian[:, first : first + _BAND]
        gram[first : first + _BAND, first:].addmm_(band.T, jacobian[:, first:])


def _mirrored(upper: Tensor) -> Tensor:
    """The symmetric matrix of what stands on and above the diagonal."""
    return torch.triu(upper) + torch.triu(upper, 1).T
