"""The minimiser: steps along quasi-Newton directions, on one flat vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wsapps.precision import widened
from wsapps.quasi_newton.inverse import Inverse, Move, checked
from wsapps.quasi_newton.line_search import LineSearch, Point

Function = Callable[[Tensor], tuple[Any, Tensor]]  # x (n,) -> value (number or 0-dim.), gradient (n,)
Share = Callable[[Tensor], Tensor]
# A search first tries the last length, made this much longer, and no more than 1. Self-scaled methods take
# steps of about a half, so that trying 1 every time costs a second evaluation in two of three steps.
_LONGER = 1.2
_MOST_FAILURES = 2  # line searches in a row that find nothing: one with H, one with a scaled identity
_NUMBERS = ("value", "norm", "reference", "slope", "length")
_COUNTS = ("steps", "evaluations", "failures", "idle")


@dataclass(frozen=True)
class Stopping:
    """When there is nothing more to gain.

    Attributes:
        gradient_tolerance: stop where the gradient's Euclidean norm is at most this.
        tolerance: stop where ``patience`` steps together reduced the value by no more than this part of it.
        patience: steps, >= 1.
    """

    gradient_tolerance: float = 0.0
    tolerance: float = 0.0
    patience: int = 50

    def __post_init__(self) -> None:
        if not (self.gradient_tolerance >= 0 and self.tolerance >= 0 and self.patience >= 1):
            raise ValueError(f"tolerances must not be negative, and patience at least 1, got {self}")


@dataclass(frozen=True)
class Step:
    """What one step did: whether it moved, the length along its direction, and evaluations it took."""

    accepted: bool
    length: float
    evaluations: int


class Minimizer:
    """Minimises a smooth function of a vector x (n,) by a quasi-Newton method and a line search.

    Values that are not finite are treated as too high, so that a search steps back from them. Where a line
    search finds nothing lower, H becomes a multiple of the identity; where that does not help either, the
    minimiser is ``finished``.

    On several ranks ``function`` is to give the same on all of them. H then lives on the first alone:
    ``share`` gives the others its direction and the numbers that decide, so that all take the same branches
    even where they round differently.

    Args:
        function: x -> value and gradient. It must not keep or change x, nor change a returned gradient.
        x: where to start, 1-dimensional, float64 or float32.
        inverse: H; None on ranks other than the first.
        search: the line search.
        stopping: when ``finished`` says so.
        share: a tensor -> the first rank's tensor; None for a single rank.
    """

    def __init__(
        self,
        function: Function,
        x: Tensor,
        inverse: Inverse | None,
        search: LineSearch | None = None,
        stopping: Stopping | None = None,
        share: Share | None = None,
    ):
        if x.dim() != 1 or not x.is_floating_point() or x.numel() == 0:
            raise ValueError(f"x must be a floating-point vector (n,), got {tuple(x.shape)} {x.dtype}")
        self.function, self.inverse = function, inverse
        self.search, self.stopping = search or LineSearch(), stopping or Stopping()
        self._share = share or (lambda tensor: tensor)
        self.x = x.detach().clone()
        self.gradient, self.direction = torch.zeros_like(self.x), torch.zeros_like(self.x)
        self.value = self.norm = self.reference = math.nan
        self.slope, self.length = 0.0, 1.0
        self.steps = self.evaluations = self.failures = self.idle = 0

    def start(self, keep_inverse: bool = True) -> None:
        """Evaluate the function at x; also after it became another one, with or without what H learned.

        Where ``value`` or ``norm`` (of the gradient) are not finite afterwards, no step can be taken.
        """
        point, self.norm = self._evaluate(0.0)
        self.value, self.gradient = point.value, point.payload
        self.reference, self.failures, self.idle = self.value, 0, 0
        if not keep_inverse:
            self._forget()
        self._turn()

    @property
    def method(self) -> str:
        """The name of the method that is used; empty where H lives on another rank."""
        return "" if self.inverse is None else self.inverse.method

    @property
    def finished(self) -> str:
        """Why there is nothing more to gain, in words; empty where there is."""
        if self.norm <= self.stopping.gradient_tolerance:
            return f"the gradient's norm is {self.norm:.3g}"
        if self.failures >= _MOST_FAILURES:
            return "the line search finds no lower value"
        if self.idle >= self.stopping.patience:
            return f"{self.idle} steps reduced the value by no more than {self.stopping.tolerance:g} of it"
        return ""

    def step(self) -> Step:
        """Take a step. After a failed line search x is as it was, and H a multiple of the identity.

        Raises:
            ValueError: nothing was evaluated, or the value at x is not finite.
        """
        if not math.isfinite(self.value):
            raise ValueError(f"call start() first, and step only from a finite value, got {self.value}")
        if not -math.inf < self.slope < 0:  # H has lost its definiteness to rounding
            self._start_anew()
        if not -math.inf < self.slope < 0:
            return Step(False, 0.0, 0)
        norms: dict[float, float] = {}

        def evaluate(length: float) -> Point:
            point, norms[length] = self._evaluate(length)
            return point

        start = Point(0.0, self.value, self.slope, self.gradient)
        found = self.search.search(evaluate, start, self._first_length())
        if found.point is None:
            self._start_anew()
            return Step(False, 0.0, found.evaluations)
        self._move(found.point, norms[found.point.length])
        return Step(True, found.point.length, found.evaluations)

    def state_dict(self) -> dict[str, Any]:
        """Tensors (those in use, not copies) and numbers, from which a run continues bit for bit."""
        state: dict[str, Any] = {name: getattr(self, name) for name in (*_NUMBERS, *_COUNTS)}
        state |= {"x": self.x, "gradient": self.gradient, "direction": self.direction}
        state["inverse"] = self.inverse.state_dict() if self.inverse is not None else None
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state; nothing has to be evaluated.

        Raises:
            ValueError: it is of another size, dtype or method; nothing has been changed.
        """
        tensors = {name: checked(state, name, self.x) for name in ("x", "gradient", "direction")}
        try:
            numbers = {name: float(state[name]) for name in _NUMBERS}
            counts = {name: int(state[name]) for name in _COUNTS}
            if self.inverse is not None:
                self.inverse.load_state_dict(state["inverse"])
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"it is damaged: {type(error).__name__} {error}") from error
        for name, value in (tensors | numbers | counts).items():
            setattr(self, name, value)

    def _evaluate(self, length: float) -> tuple[Point, float]:
        """The point at a length along the direction, its gradient as payload, and the gradient's norm."""
        value, gradient = self.function(self._at(length))
        self.evaluations += 1
        numbers = [
            widened(value, self.x.device),
            torch.dot(gradient, self.direction),
            torch.linalg.vector_norm(gradient),
        ]
        found, slope, norm = self._numbers(numbers)
        return Point(length, found, slope, gradient), norm

    def _first_length(self) -> float:
        if self.steps:
            return min(1.0, _LONGER * self.length)
        # H is the identity: a step that moves no variable by much, and the search lengthens it.
        return min(1.0, 1 / (self.norm * math.sqrt(self.x.numel())))

    def _at(self, length: float) -> Tensor:
        return torch.add(self.x, self.direction, alpha=length)

    def _move(self, point: Point, norm: float) -> None:
        """Accept a point, and learn from the step to it."""
        step, change = self.direction * point.length, point.payload - self.gradient
        # The old direction is minus H times the old gradient, so B s is minus that gradient times the length.
        move = Move(step, change, point.payload, self.direction, -self.slope * point.length**2)
        self.x, self.value, self.gradient, self.norm = (
            self._at(point.length), point.value, point.payload, norm,
        )  # fmt: skip
        # The first step says nothing of the next: H gets its scale after it.
        self.length = point.length if self.steps else 1.0
        self.steps, self.failures = self.steps + 1, 0
        if self.reference - self.value > self.stopping.tolerance * abs(self.reference):
            self.reference, self.idle = self.value, 0
        else:
            self.idle += 1
        self._turn(move)

    def _start_anew(self) -> None:
        self.failures += 1
        self._forget()
        self._turn()

    def _forget(self) -> None:
        self.length = 1.0
        if self.inverse is not None:
            self.inverse.reset()

    def _turn(self, move: Move | None = None) -> None:
        """Take the next direction from H, on the first rank, and its slope."""
        if self.inverse is None:
            direction = torch.empty_like(self.x)
        elif move is None:
            direction = self.inverse.direction(self.gradient)
        else:
            direction = self.inverse.update(move)
        self.direction = self._share(direction)
        (self.slope,) = self._numbers([torch.dot(self.gradient, self.direction)])

    def _numbers(self, values: list[Tensor]) -> list[float]:
        """Numbers read back from the device, at once; the first rank's."""
        return self._share(torch.stack([widened(value.detach(), self.x.device) for value in values])).tolist()
