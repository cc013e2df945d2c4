"""Levenberg-Marquardt steps with geodesic acceleration, on one flat vector.

A step v solves (J'J + damping D) v = -J'r. Half its acceleration a, (J'J + damping D) a = -J' r_vv with r_vv
the second derivative of r along v, is added (Transtrum & Sethna, *Improvements to the Levenberg-Marquardt
algorithm for nonlinear least-squares minimization*, 2012): valleys of residual losses are curved, and with it
steps may be many times longer.

D is the identity (Levenberg) or the diagonal of J'J (Marquardt). Neither is the better one for all problems,
by far, so that both are tried every few steps, and the one that gets lower is kept until then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from wsapps.least_squares.linearization import LeastSquares, Linearization
from wsapps.precision import widened
from wsapps.quasi_newton.inverse import checked
from wsapps.quasi_newton.minimizer import Step, Stopping

_FIRST = 1e-3  # the first damping, of the largest diagonal element of J'J
_BENT = 0.75  # 2 |a| / |v|, beyond which the acceleration is shortened
_ACCEPTED = 1e-4  # the least part of the predicted decrease that must come
_GOOD, _FAIR, _POOR = 0.6, 0.3, 0.1  # parts of it, at and under which the damping changes ...
_FALL, _EASE, _RISE = 1 / 3, 1 / 1.5, 2.0  # ... by these factors
_MOST_TRIALS = 30  # of one step, each with more damping
_LEAST = 1e-6  # the least element of Marquardt's D beside the largest, which is 1
_COMPARED = 5  # steps after which both are tried again
_NUMBERS = ("value", "norm", "reference")
_COUNTS = ("steps", "evaluations", "failures", "idle", "scaled")


class LevenbergMarquardt:
    """Minimises r(x)'r(x); the counterpart of :class:`~wsapps.quasi_newton.minimizer.Minimizer`.

    Steps whose value is not finite count as too long. What is carried from step to step is x and the damping;
    the linearization is made anew in every step, so that a state is small, and after another batch nothing is
    out of date.

    Args:
        function: the same on all ranks.
        x: where to start, 1-dimensional, float64 or float32.
        stopping: when ``finished`` says so; the gradient is the one where the last step began.
        share: a tensor -> the first rank's tensor; None for a single rank.
    """

    method = "levenberg_marquardt"

    def __init__(
        self,
        function: LeastSquares,
        x: Tensor,
        stopping: Stopping | None = None,
        share: Callable[[Tensor], Tensor] | None = None,
    ):
        self.function, self.stopping = function, stopping or Stopping()
        self._share = share or (lambda tensor: tensor)
        self.x = x.detach().clone()
        self.gradient = torch.zeros_like(self.x)
        self.value = self.reference = math.nan
        self.norm = math.inf
        self.dampings = [0.0, 0.0]  # with D the identity, and the diagonal; none yet
        self.scaled = 0  # whether D is the diagonal
        self._here: Linearization | None = None  # at x; not part of the state
        self.steps = self.evaluations = self.failures = self.idle = 0

    def start(self, keep_inverse: bool = True) -> None:
        """Evaluate the function at x; also after it became another one.

        Args:
            keep_inverse: whether to keep the damping.
        """
        self._linearized()
        self.reference, self.failures, self.idle = self.value, 0, 0
        if not keep_inverse:
            self.dampings = [0.0, 0.0]

    @property
    def damping(self) -> float:
        """Of the last step."""
        return self.dampings[self.scaled]

    @property
    def finished(self) -> str:
        """Why there is nothing more to gain, in words; empty where there is."""
        if self.norm <= self.stopping.gradient_tolerance:
            return f"the gradient's norm is {self.norm:.3g}"
        if self.failures:
            return "no step finds a lower value"
        if self.idle >= self.stopping.patience:
            return f"{self.idle} steps reduced the value by no more than {self.stopping.tolerance:g} of it"
        return ""

    def step(self) -> Step:
        """Take a step, of the length that lowers the value; where none does, x stays.

        Returns:
            Whether it moved; the damping, in place of a length; evaluations of residuals.

        Raises:
            ValueError: nothing was evaluated, or the value at x is not finite.
        """
        if not math.isfinite(self.value):
            raise ValueError(f"call start() first, and step only from a finite value, got {self.value}")
        before = self.evaluations
        here = self._here or self._linearized()
        (largest,) = self._numbers(here.gram.diagonal().max())
        lower: dict[int, tuple[float, Tensor]] = {}
        for kind in (self.scaled, 1 - self.scaled) if self.norm > 0 else ():
            compared = self.steps % _COMPARED == 0
            if (compared or not lower) and (found := self._search(here, kind, largest)) is not None:
                lower[kind] = found
        if lower:
            self.scaled = min(lower, key=lambda kind: lower[kind][0])
            self._accept(*lower[self.scaled])
            return Step(True, self.damping, self.evaluations - before)
        self.failures += 1
        return Step(False, 0.0, self.evaluations - before)

    def state_dict(self) -> dict[str, Any]:
        """Tensors (those in use, not copies) and numbers, from which a run continues bit for bit."""
        state: dict[str, Any] = {name: getattr(self, name) for name in (*_NUMBERS, *_COUNTS)}
        state |= {"x": self.x, "gradient": self.gradient, "dampings": list(self.dampings)}
        return state | {"method": self.method}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a saved state; nothing has to be evaluated.

        Raises:
            ValueError: it is of another size, dtype or method; nothing has been changed.
        """
        if state.get("method") != self.method:
            raise ValueError("it is not one of Levenberg and Marquardt's method")
        tensors = {name: checked(state, name, self.x) for name in ("x", "gradient")}
        try:
            numbers = {name: float(state[name]) for name in _NUMBERS}
            counts = {name: int(state[name]) for name in _COUNTS}
            identity, diagonal = (float(damping) for damping in state["dampings"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"it is damaged: {type(error).__name__} {error}") from error
        for name, value in (tensors | numbers | counts).items():
            setattr(self, name, value)
        self.dampings, self._here = [identity, diagonal], None

    def _linearized(self) -> Linearization:
        self._here = None  # its matrix would stay beside the new one
        here = self._here = self.function.linearize(self.x)
        self.evaluations += 1
        self.gradient = 2 * here.slope
        self.value, self.norm = self._numbers(here.value, self.gradient.norm())
        return here

    def _search(self, here: Linearization, scaled: int, largest: float) -> tuple[float, Tensor] | None:
        """A lower value and the step to it, with more damping until there is one; None where there is none.

        Args:
            scaled: whether D is the diagonal of J'J, divided by its largest element, or the identity.
        """
        damping, rise, found = self.dampings[scaled] or _FIRST * largest, _RISE, None
        D = here.gram.diagonal() / largest if scaled else torch.ones_like(self.x)
        D = D.clamp_min(_LEAST)
        for _ in range(_MOST_TRIALS):
            gain, value, step = self._trial(here, damping * D)
            if gain > _ACCEPTED:
                found = value, step
                damping *= (
                    _FALL if gain > _GOOD else _EASE if gain > _FAIR else 1.0 if gain > _POOR else _RISE
                )
                break
            damping, rise = damping * rise, rise * _RISE
        self.dampings[scaled] = damping if found else 0.0
        return found

    def _trial(self, here: Linearization, added: Tensor) -> tuple[float, float, Tensor]:
        """The part that comes of the predicted decrease, -1 where that is nothing; the value; the step."""
        damped = here.gram.clone()
        damped.diagonal().add_(added)
        factor, failed = torch.linalg.cholesky_ex(damped)
        if self._numbers(failed)[0]:  # rounding: the damping is too small for the matrix
            return -1.0, math.nan, self.x
        velocity = self._share(_solved(factor, -here.slope))
        acceleration = self._share(_solved(factor, -self.function.bend(self.x, velocity, here)))
        self.evaluations += 3
        # Of the linear model: what the velocity alone would bring.
        ratio, predicted = self._numbers(
            2 * acceleration.norm() / velocity.norm(), torch.dot(velocity, added * velocity - here.slope)
        )
        step = velocity
        if math.isfinite(ratio):
            step = velocity + acceleration * (0.5 * min(1.0, _BENT / max(ratio, _BENT)))
        value = self._evaluate(self.x + step)
        gain = (self.value - value) / predicted if predicted > 0 and math.isfinite(value) else -1.0
        return gain, value, step

    def _accept(self, value: float, step: Tensor) -> None:
        self.x, self.value, self._here = self.x + step, value, None
        self.steps += 1
        if self.reference - value > self.stopping.tolerance * abs(self.reference):
            self.reference, self.idle = value, 0
        else:
            self.idle += 1

    def _evaluate(self, x: Tensor) -> float:
        self.evaluations += 1
        return self._numbers(self.function.value(x))[0]

    def _numbers(self, *values: Tensor | float) -> list[float]:
        """Numbers read back from the device, at once; the first rank's."""
        return self._share(torch.stack([widened(value, self.x.device) for value in values])).tolist()


def _solved(factor: Tensor, right: Tensor) -> Tensor:
    return torch.cholesky_solve(right[:, None], factor)[:, 0]
