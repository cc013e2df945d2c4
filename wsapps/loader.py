"""Batches from a dataset of items, for the trainer: what a DataLoader is for."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from wsapps.objective import Batch
from wsapps.seeding import generator


class LoaderBatches:
    """Epochs over a dataset, shuffled by (seed, epoch) and read through a DataLoader.

    Calls for consecutive steps go on with one loader, so that its workers read ahead; any other step, as
    when a run is continued, starts one there. Coordinates that fit in memory are better drawn by a
    PointSampler, 8 times faster. Random augmentation belongs into the objective's forward, whose
    generator is seeded anew in every step; the workers' are not.

    Args:
        dataset: has a length, and items by index (dicts of tensors, for torch's own collate function).
        batch_size: items a batch over all ranks, at least one a rank. What is left of an epoch over
            whole batches is left out of it; a smaller dataset is one batch.
        seed: of the order.
        num_workers, collate_fn: see torch's DataLoader.

    Raises:
        ValueError: the dataset is empty, or the batch size is below 1.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        seed: int = 0,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Batch] | None = None,
    ):
        if len(dataset) < 1 or batch_size < 1:
            raise ValueError(f"at least one item a batch is needed, got {len(dataset)} items, {batch_size=}")
        self.dataset, self.batch_size, self.seed = dataset, min(batch_size, len(dataset)), seed
        self.num_workers, self.collate_fn = num_workers, collate_fn
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)
        self._next: tuple[int, int, int] | None = None
        self._iterator: Iterator[Batch] = iter(())

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        if world > self.batch_size:
            raise ValueError(f"a batch of {self.batch_size} items cannot be shared by {world} ranks")
        if self._next != (step, rank, world):
            self._iterator = iter(
                DataLoader(
                    self.dataset,
                    batch_sampler=_Order(self, step, rank, world),
                    num_workers=self.num_workers,
                    collate_fn=self.collate_fn,
                    worker_init_fn=_leave_signals_to_the_trainer,
                )
            )
        self._next = (step + 1, rank, world)
        return next(self._iterator)

    def indices(self, step: int, rank: int, world: int) -> list[int]:
        """Which items a batch has."""
        epoch, batch = divmod(step, len(self.dataset) // self.batch_size)
        if epoch != self._epoch:
            self._order = torch.randperm(len(self.dataset), generator=generator(self.seed, "epoch", epoch))
            self._epoch = epoch
        return self._order[batch * self.batch_size :][: self.batch_size][rank::world].tolist()


class _Order:
    """The index lists of one rank's batches from a step on, without end."""

    def __init__(self, batches: LoaderBatches, step: int, rank: int, world: int):
        self._indices, self._step, self._rank, self._world = batches.indices, step, rank, world

    def __iter__(self) -> Iterator[list[int]]:
        step = self._step
        while True:
            yield self._indices(step, self._rank, self._world)
            step += 1


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Ctrl-C reaches the workers too, and the trainer still needs them to end its step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not the trainer's handler, which a fork inherits
