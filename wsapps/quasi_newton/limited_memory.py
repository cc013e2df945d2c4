"""L-BFGS: the inverse Hessian as the last few steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wsapps.quasi_newton.inverse import Move, checked


class LimitedMemory:
    """H from the last ``memory`` steps, by the two-loop recursion (Nocedal & Wright, algorithm 7.4).

    Before the first of these steps H is ``s'y / y'y`` of the newest one (eq. 7.20) times the identity.

    Args:
        n: number of variables.
        memory: steps kept, >= 1; each takes two vectors.
        dtype, device: of the vectors.
        rescale: follow the newest step; else keep the scale of the first one, as dense BFGS does.
    """

    method = "lbfgs"

    def __init__(
        self,
        n: int,
        memory: int = 50,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        rescale: bool = True,
    ):
        if memory < 1:
            raise ValueError(f"memory must be at least 1, got {memory}")
        self._like = torch.empty(n, dtype=dtype, device=device)
        self._rescale = rescale
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=memory)  # s, y, 1 / s'y
        self._ratio, self._initial = 1.0, 1.0  # s'y / y'y of the last step; the scale in use

    def direction(self, gradient: Tensor) -> Tensor:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        q, parts = -gradient, []
        for s, y, rho in reversed(self._pairs):
            part = rho * torch.dot(s, q)
            q.sub_(y * part)
            parts.append(part)
        q.mul_(self._initial)
        for (s, y, rho), part in zip(self._pairs, reversed(parts), strict=True):
            q.add_(s * (part - rho * torch.dot(y, q)))
        return q

    def update(self, move: Move) -> Tensor:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        sy, yy = move.products()
        if sy > 0:
            self._ratio = sy / yy
            if self._rescale or not self._pairs:
                self._initial = self._ratio
            self._pairs.append((move.step, move.change, 1 / sy))
        return self.direction(move.gradient)

    def reset(self) -> None:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        self._pairs.clear()
        self._initial = self._ratio

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        return {
            "method": self.method,
            "pairs": [{"step": s, "change": y, "rho": rho} for s, y, rho in self._pairs],
            "ratio": self._ratio,
            "initial": self._initial,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`; a smaller memory keeps the newest steps."""
        if state.get("method") != self.method:
            raise ValueError(f"the method is {state.get('method')} in it and {self.method} here")
        pairs = [
            (checked(pair, "step", self._like), checked(pair, "change", self._like), float(pair["rho"]))
            for pair in state["pairs"]
        ]
        self._ratio, self._initial = float(state["ratio"]), float(state["initial"])
        self._pairs.clear()
        self._pairs.extend(pairs)
