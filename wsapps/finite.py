"""Noticing the first value that is not finite, without waiting for the device in every step."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from wsapps.errors import UserError

_NEVER = torch.iinfo(torch.int64).max


class Diverged(UserError):
    """A term of the loss stopped being finite."""


class FiniteWatch:
    """Remembers, on the device, the first step at which each term was not finite."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._first_bad: Tensor | None = None

    def note(self, step: int, terms: Mapping[str, Tensor]) -> None:
        """Look at the terms of a step; costs no synchronisation."""
        names = sorted(terms)
        good = torch.isfinite(torch.stack([terms[name] for name in names]))
        if names != self._names or self._first_bad is None:
            self.check()
            self._names = names
            self._first_bad = torch.full((len(names),), _NEVER, dtype=torch.int64, device=good.device)
        self._first_bad = torch.where(good, self._first_bad, self._first_bad.clamp(max=step))

    def check(self) -> None:
        """Raise if any term has been bad.

        Raises:
            Diverged: names the step and the terms that were bad first.
        """
        if self._first_bad is None:
            return
        steps = self._first_bad.tolist()
        first = min(steps)
        if first == _NEVER:
            return
        terms = [name for name, step in zip(self._names, steps, strict=True) if step == first]
        raise Diverged(f"step {first}: {' and '.join(terms)} became NaN or infinite")
