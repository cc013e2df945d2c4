"""What a minimiser needs of a quasi-Newton method: an inverse Hessian that learns from steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Move:
    """An accepted step from x to x + step.

    Attributes:
        step: s (n,), a multiple of ``direction``.
        change: y (n,), of the gradient.
        gradient: (n,), at the new point.
        direction: (n,), along which the step was taken: minus H times the gradient before.
        curvature: s'Bs, the model's curvature along the step, B being the inverse of H; > 0.
    """

    step: Tensor
    change: Tensor
    gradient: Tensor
    direction: Tensor
    curvature: float

    def products(self) -> tuple[float, float]:
        """``s'y`` and ``y'y``; s'y is 0 where it is not safely positive, so that no update may use it."""
        s, y = self.step, self.change
        sy, yy, ss = torch.stack([torch.dot(s, y), torch.dot(y, y), torch.dot(s, s)]).tolist()
        safe = sy > torch.finfo(s.dtype).eps * (ss * yy) ** 0.5 and 0 < yy < float("inf")
        return (sy if safe else 0.0), yy


class Inverse(Protocol):
    """An approximation H of the inverse Hessian, symmetric and positive definite; ``method`` names it."""

    method: str

    def direction(self, gradient: Tensor) -> Tensor:
        """Minus H times the gradient (n,)."""
        ...

    def update(self, move: Move) -> Tensor:
        """Learn from a step, unless its curvature is not positive, and return the next direction (n,)."""
        ...

    def reset(self) -> None:
        """Forget everything but the scale: H becomes s'y / y'y of the last step, times the identity."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers from which :meth:`load_state_dict` continues bit for bit."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError, changing nothing, where the state is of another kind or size."""
        ...


def checked(state: Mapping[str, Any], name: str, like: Tensor) -> Tensor:
    """A tensor of a saved state, on the device of ``like``; ValueError where shape or dtype differ."""
    value = state.get(name)
    if not isinstance(value, Tensor) or value.shape != like.shape or value.dtype != like.dtype:
        found = f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"{name} is {found} in it and {tuple(like.shape)} {like.dtype} here")
    return value.to(like.device)
