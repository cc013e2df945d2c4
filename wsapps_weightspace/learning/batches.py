"""Batches of fields that stay in memory."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wsapps.loader import LoaderBatches
from wsapps.objective import Batch


class FieldBatches:
    """Epochs over rows of tensors, shuffled by (seed, epoch); no DataLoader.

    The order is that of :class:`~wsapps.loader.LoaderBatches`: what is left of an epoch over whole batches is
    left out of it, and ranks share each batch.

    Args:
        tensors: name -> ``(N, ...)``.
        rows: ``(M,)`` int64, the rows that take part: a split of the dataset.
        batch_size: fields a batch over all ranks.
        seed: of the order.

    Raises:
        ValueError: no row, or a batch size below 1.
    """

    def __init__(self, tensors: Mapping[str, Tensor], rows: Tensor, batch_size: int, seed: int = 0):
        self.tensors, self.rows = dict(tensors), rows
        self._order = LoaderBatches(range(len(rows)), batch_size, seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return len(self.rows) // self._order.batch_size

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        if world > self._order.batch_size:
            raise ValueError(f"a batch of {self._order.batch_size} fields cannot be shared by {world} ranks")
        chosen = torch.tensor(self._order.indices(step, rank, world), device=self.rows.device)
        rows = self.rows[chosen]
        return {name: tensor[rows] for name, tensor in self.tensors.items()}
