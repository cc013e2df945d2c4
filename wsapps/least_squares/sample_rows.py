"""A loss that is a sum of squares, sample by sample.

Shapes: N samples, K residuals of a sample, P parameters.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from wsapps.objective import Batch, Objective


@dataclass(frozen=True)
class SampleRows:
    """Residuals of samples of one kind.

    Args:
        samples: tensors with the samples first, ``(N, ...)``.
        residuals: of such samples, any number of them, ``(N, K)``; those of a sample depend on it alone and
            on the parameters. It is called under ``torch.func`` transforms: no in-place writes, no noise, no
            ``autograd.grad``.
    """

    samples: Mapping[str, Tensor]
    residuals: Callable[[Mapping[str, Tensor]], Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.samples.values())))

    def part(self, first: int, last: int) -> SampleRows:
        """The samples from ``first`` on, up to ``last``."""
        return SampleRows({name: s[first:last] for name, s in self.samples.items()}, self.residuals)


class LeastSquaresObjective(Objective):
    """An objective whose loss is a sum of squares: that of all rows of all batches of all ranks."""

    @property
    def has_rows(self) -> bool:
        """Whether :meth:`sample_rows` can be differentiated by ``torch.func``."""
        return True

    @abstractmethod
    def sample_rows(self, batch: Batch) -> Sequence[SampleRows]:
        """The rows of a batch; their squares add up to its ``loss_sum / count``, over all batches."""


class _Called(nn.Module):
    """The objective's rows as a module's forward, for functional_call."""

    def __init__(self, objective: nn.Module):
        super().__init__()
        self.objective = objective

    def forward(self, rows: SampleRows) -> Tensor:
        return rows.residuals(rows.samples)


def residuals_and_jacobian(objective: nn.Module, rows: SampleRows) -> tuple[Tensor, Tensor]:
    """``(N K,)`` residuals, and ``(N K, P)`` their derivatives by the trainable parameters, in their order.

    One reverse pass for a sample, all samples at once: it holds N K P numbers.
    """
    parameters = {f"objective.{n}": p for n, p in objective.named_parameters() if p.requires_grad}
    called = _Called(objective)

    def of_one(values: Mapping[str, Tensor], sample: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        one = SampleRows({name: s.unsqueeze(0) for name, s in sample.items()}, rows.residuals)
        found = functional_call(called, dict(values), (one,))[0]
        return found, found

    with torch.no_grad():
        found = vmap(jacrev(of_one, has_aux=True), in_dims=(None, 0))(parameters, dict(rows.samples))
    jacobian, residuals = found
    flat = torch.cat([jacobian[name].reshape(*residuals.shape, -1) for name in parameters], dim=-1)
    return residuals.flatten(), flat.flatten(0, 1)
