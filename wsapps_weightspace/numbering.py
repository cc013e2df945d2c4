"""Which sample, initial weights and view a field of a dataset has, by its number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Numbers:
    """Of some fields, ``(N,)`` int64 each: the sample, which of its initial weights, which of its views."""

    sample: Tensor
    init: Tensor
    view: Tensor

    def __len__(self) -> int:
        return len(self.sample)

    def rows(self) -> list[tuple[int, int, int]]:
        """``(sample, init, view)`` of each field."""
        return list(zip(self.sample.tolist(), self.init.tolist(), self.view.tolist(), strict=True))


@dataclass(frozen=True)
class Numbering:
    """Fields in order: sample by sample, in a sample its initial weights, for each of them its views."""

    samples: int
    inits: int = 1
    views: int = 1

    @property
    def fields(self) -> int:
        """How many there are."""
        return self.samples * self.inits * self.views

    def numbers(self, first: int, last: int) -> Numbers:
        """Of the fields ``first`` to ``last``, excluded."""
        if not 0 <= first <= last <= self.fields:
            raise ValueError(f"there are {self.fields} fields, got {first} to {last}")
        field = torch.arange(first, last)
        rest, view = field // self.views, field % self.views
        return Numbers(rest // self.inits, rest % self.inits, view)
