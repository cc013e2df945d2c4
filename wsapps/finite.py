"""Noticing the first value that is not finite, without waiting for the device in every step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from wsapps.errors import UserError

_NEVER = torch.iinfo(torch.int64).max
# fp16's loss scale starts at 2^16 and is halved after each overflow: far below anything of use by then.
_MOST_OVERFLOWS = 50


class Diverged(UserError):
    """A term of the loss stopped being finite."""


class FiniteWatch:
    """Remembers, on the device, the first step at which each term was not finite."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._first_bad: Tensor | None = None
        self._overflows = 0

    def note(self, step: int, terms: Mapping[str, Tensor]) -> None:
        """Look at the terms of a step, 0-dimensional tensors; costs no synchronisation."""
        names = sorted(terms)
        good = torch.isfinite(torch.stack([terms[name] for name in names]))
        if names != self._names or self._first_bad is None:
            self.check()
            self._names = names
            self._first_bad = torch.full((len(names),), _NEVER, dtype=torch.int64, device=good.device)
        self._first_bad = torch.where(good, self._first_bad, self._first_bad.clamp(max=step))

    def note_overflow(self, step: int, overflowed: bool) -> None:
        """Count the steps that fp16's gradient scaling skipped; one now and then is normal.

        Raises:
            Diverged: so many in a row that the gradient itself is not finite.
        """
        self._overflows = self._overflows + 1 if overflowed else 0
        if self._overflows >= _MOST_OVERFLOWS:
            raise Diverged(f"step {step}: the gradient has been NaN or infinite for {self._overflows} steps")

    def check(self) -> None:
        """Raise if any term has been bad; waits for the device.

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


def not_finite(named: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Names of the tensors that hold NaN or infinity; waits for the device once."""
    named = list(named)
    if not named:
        return []
    good = torch.stack([torch.isfinite(tensor.detach()).all() for _, tensor in named]).tolist()
    return [name for (name, _), fine in zip(named, good, strict=True) if not fine]
