"""An objective on a frozen global batch, as a function of one flat vector."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, send_to_device
from torch import Tensor

from wsapps.gradient import Totals, accumulate_gradient
from wsapps.objective import Batch, Objective
from wsapps.seeding import seed_global


class FrozenObjective:
    """``x -> value, gradient`` of ``sum(loss_sum) / sum(count)`` over the batches of all ranks.

    Every rank gets the same value and gradient. The objective is called as it is, not as a trainer wrapped it
    for several ranks: what has to be summed over them is summed here. Noise that it draws from the global
    generator is the same in every evaluation.

    Args:
        accelerator: which ranks there are, and on which device.
        objective: on that device; its trainable parameters are the vector, in their order.
        seed: of the global generator.

    Attributes:
        parameters: those that are trained.
        batches: this rank's micro-batches.

    Raises:
        ValueError: no parameter is trainable, or they are of several dtypes.
    """

    def __init__(self, accelerator: Accelerator, objective: Objective, seed: int = 0):
        self._accelerator, self._objective, self._seed = accelerator, objective, seed
        self.parameters = [p for p in objective.parameters() if p.requires_grad]
        dtypes = {p.dtype for p in self.parameters}
        if len(dtypes) != 1:
            raise ValueError(f"trainable parameters of one dtype are needed, got {sorted(map(str, dtypes))}")
        self.batches: list[Batch] = []
        self._number = 0
        self._latest: Tensor | None = None  # the gradient that was returned last, ...
        self._totals: Totals = {}  # ... and the scalars that came with it

    def freeze(self, batches: Sequence[Batch], number: int) -> None:
        """Take this rank's micro-batches, as many as every other rank's; ``number`` counts the refreshes."""
        if not batches:
            raise ValueError("at least one micro-batch is needed")
        self.batches = [send_to_device(batch, self._accelerator.device) for batch in batches]
        self._number = number

    def vector(self) -> Tensor:
        """A copy of the parameters (n,)."""
        return torch.cat([parameter.detach().flatten() for parameter in self.parameters])

    def assign(self, x: Tensor) -> None:
        """Put a vector (n,) into the parameters."""
        with torch.no_grad():
            for parameter, part in zip(self.parameters, self._split(x), strict=True):
                parameter.copy_(part.view_as(parameter))

    def __call__(self, x: Tensor) -> tuple[float, Tensor]:
        """Value and gradient (n,) at x (n,), which stays in the parameters."""
        accelerator = self._accelerator
        self.assign(x)
        self._objective.train()
        self._clear()
        seed_global(self._seed, "frozen", self._number, accelerator.process_index)
        with torch.enable_grad():
            totals = accumulate_gradient(accelerator, self._objective, self.batches)
        gradient = torch.cat([_gradient(parameter) for parameter in self.parameters])
        if accelerator.num_processes > 1:  # each has been multiplied by the number of ranks
            gradient = cast(Tensor, accelerator.reduce(gradient, reduction="mean"))
        self._clear()
        self._latest, self._totals = gradient, totals
        return float(totals["loss_sum"] / totals["count"]), gradient

    def terms(self, x: Tensor, gradient: Tensor) -> Mapping[str, float]:
        """The objective's scalars at x, summed over ranks and micro-batches.

        Args:
            x, gradient: a point and what was returned there; evaluated again unless it was the last one.
        """
        if gradient is not self._latest:
            self(x)
        values = torch.stack(list(self._totals.values())).tolist()
        return dict(zip(self._totals, values, strict=True))

    def bad_terms(self) -> list[str]:
        """Names of what was not finite in the last evaluation."""
        values = {**self._totals, "1 / count": 1 / self._totals["count"]}
        bad = [name for name, value in values.items() if not math.isfinite(float(value))]
        if not bad and self._latest is not None:
            names = [name for name, p in self._objective.named_parameters() if p.requires_grad]
            parts = zip(names, self._split(self._latest), strict=True)
            bad = [f"the gradient of {name}" for name, part in parts if not bool(part.isfinite().all())]
        return bad

    def from_first(self, tensor: Tensor) -> Tensor:
        """The first rank's tensor, on all ranks."""
        if self._accelerator.num_processes == 1:
            return tensor
        return cast(Tensor, broadcast(tensor, from_process=0))

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all ranks, on all ranks."""
        if self._accelerator.num_processes == 1:
            return tensor
        return cast(Tensor, self._accelerator.reduce(tensor, reduction="sum"))

    def _split(self, x: Tensor) -> Sequence[Tensor]:
        return x.split([parameter.numel() for parameter in self.parameters])

    def _clear(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None


def _gradient(parameter: Tensor) -> Tensor:
    """A parameter's gradient, flat; zeros where the loss did not depend on it."""
    gradient = parameter.grad
    return torch.zeros_like(parameter).flatten() if gradient is None else gradient.detach().flatten()
