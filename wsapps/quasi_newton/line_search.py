"""A line search for the strong Wolfe conditions that still works where the function is all rounding.

Bracketing and zoom after Nocedal & Wright, Numerical Optimization (2nd ed.), algorithms 3.5 and 3.6, with
cubic interpolation (eq. 3.59) kept off the ends of the interval. Near a minimum differences of values drown
in rounding long before slopes do; there the approximate Wolfe conditions of Hager & Zhang (SIAM J. Optim. 16,
2005, eqs. 4.1 and 4.2) replace the sufficient decrease.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_GROWTH = (1.1, 10.0)  # of the step between two trials that are both too short
_MARGIN = 0.1  # of the interval, kept clear at its ends
_SHRINK = 0.1  # of the step, after a value that is not finite
_HALVED = 0.66  # two trials must reduce the interval at least to this part, or the next one bisects it


@dataclass(frozen=True)
class Point:
    """The function on the line at ``x + length * direction``.

    Attributes:
        length: of the step.
        value, slope: there, the slope along the direction.
        payload: whatever the caller wants back with the accepted point.
    """

    length: float
    value: float
    slope: float
    payload: Any = None

    @property
    def finite(self) -> bool:
        return math.isfinite(self.value) and math.isfinite(self.slope)


@dataclass(frozen=True)
class Found:
    """How a search ended.

    Attributes:
        point: the accepted point, or None where nothing lower was found.
        evaluations: of the function.
        wolfe: whether both conditions hold; else the point is only lower than the start.
    """

    point: Point | None
    evaluations: int
    wolfe: bool


@dataclass(frozen=True)
class LineSearch:
    """Settings of the search.

    A point is accepted where ``value <= start.value + decrease * length * start.slope`` and
    ``|slope| <= curvature * |start.slope|``. Where ``length * |start.slope|`` is less than
    ``resolution * |start.value|``, the first becomes ``value <= start.value + resolution * |start.value|``.

    Attributes:
        decrease, curvature: the constants c1 < c2 in (0, 1).
        resolution: part of the value below which its differences say less than the slopes; >= 0.
        evaluations: the most that one search may take, >= 1.
    """

    decrease: float = 1e-4
    curvature: float = 0.9
    resolution: float = 1e-6
    evaluations: int = 25

    def __post_init__(self) -> None:
        if not 0 < self.decrease < self.curvature < 1:
            raise ValueError(f"0 < decrease < curvature < 1 must hold, got {self.decrease}, {self.curvature}")
        if self.evaluations < 1 or not self.resolution >= 0:
            raise ValueError(
                f"evaluations must be at least 1 and resolution at least 0, got {self.evaluations}, "
                f"{self.resolution}"
            )

    def search(self, evaluate: Callable[[float], Point], start: Point, first: float) -> Found:
        """Look for a step along a descent direction.

        Args:
            evaluate: length -> the point there; values that are not finite shorten the step.
            start: length 0, a finite value and a negative slope.
            first: length tried first, > 0.
        """
        if not (start.slope < 0 and math.isfinite(start.value) and first > 0):
            raise ValueError(
                f"a search needs a descent direction and a first length > 0, got {start}, {first}"
            )
        return _Search(self, evaluate, start).run(first)


class _Search:
    """One search in progress."""

    def __init__(self, settings: LineSearch, evaluate: Callable[[float], Point], start: Point):
        self.settings, self.evaluate, self.start = settings, evaluate, start
        self.evaluations = 0

    def run(self, length: float) -> Found:
        """Lengthen the step until it brackets acceptable points (algorithm 3.5)."""
        low, ceiling = self.start, math.inf  # nothing finite was seen from the ceiling on
        while self.left:
            point = self.trial(length)
            if not point.finite:
                ceiling = length
                length = low.length + _SHRINK * (length - low.length)
                continue
            if self.too_high(point) or (low is not self.start and self.worse(point, low)):
                return self.zoom(low, point)
            if self.flat(point):
                return Found(point, self.evaluations, True)
            if point.slope >= 0:
                return self.zoom(point, low)
            length, low = min(_longer(low, point), 0.5 * (point.length + ceiling)), point
        return self.only_lower(low)

    def zoom(self, low: Point, high: Point) -> Found:
        """Narrow an interval whose lower end falls towards the other (algorithm 3.6)."""
        before = [math.inf, math.inf]  # widths of the two intervals before this one
        while self.left:
            width = abs(high.length - low.length)
            if width <= 4e-16 * max(high.length, low.length):
                break
            middle = 0.5 * (low.length + high.length)
            length = middle if width > _HALVED * before[0] else self.between(low, high)
            before = [before[1], width]
            point = self.trial(length)
            if self.too_high(point) or self.worse(point, low):
                high = point
                continue
            if self.flat(point):
                return Found(point, self.evaluations, True)
            if point.slope * (high.length - low.length) >= 0:
                high = low
            low = point
        return self.only_lower(low)

    @property
    def left(self) -> int:
        return self.settings.evaluations - self.evaluations

    def trial(self, length: float) -> Point:
        self.evaluations += 1
        return self.evaluate(length)

    def only_lower(self, low: Point) -> Found:
        return Found(low if low.value < self.start.value else None, self.evaluations, False)

    def blurred(self, length: float) -> bool:
        """Whether the decrease that the slope promises is too small to be seen in the values."""
        return length * -self.start.slope <= self.settings.resolution * abs(self.start.value)

    def too_high(self, point: Point) -> bool:
        if not point.finite:
            return True
        start, settings = self.start, self.settings
        if point.value <= start.value + settings.decrease * point.length * start.slope:
            return False
        rounding = settings.resolution * abs(start.value)
        return not (self.blurred(point.length) and point.value <= start.value + rounding)

    def worse(self, point: Point, low: Point) -> bool:
        return point.value >= low.value and not self.blurred(point.length)

    def flat(self, point: Point) -> bool:
        return abs(point.slope) <= self.settings.curvature * -self.start.slope

    def between(self, low: Point, high: Point) -> float:
        """Where to look in an interval; its middle where there is nothing better."""
        width = high.length - low.length
        if not high.finite:
            return low.length + _SHRINK * width
        if self.blurred(max(low.length, high.length)):
            found = _secant(low, high)
        else:
            found = _cubic(low, high)
        if found is None:
            return low.length + 0.5 * width
        part = (found - low.length) / width
        return low.length + min(max(part, _MARGIN), 1 - _MARGIN) * width


def _longer(before: Point, point: Point) -> float:
    """The next length after two that were both too short."""
    step = point.length - before.length
    least, most = (point.length + growth * step for growth in _GROWTH)
    found = _cubic(before, point)
    return most if found is None or found <= point.length else min(max(found, least), most)


def _cubic(a: Point, b: Point) -> float | None:
    """Minimiser of the cubic with the values and slopes of two points, or None."""
    width = b.length - a.length
    chord = a.slope + b.slope - 3 * (b.value - a.value) / width
    square = chord * chord - a.slope * b.slope
    if not 0 <= square < math.inf:
        return None
    root = math.copysign(math.sqrt(square), width)
    denominator = b.slope - a.slope + 2 * root
    if denominator == 0:
        return None
    return b.length - width * (b.slope + root - chord) / denominator


def _secant(a: Point, b: Point) -> float | None:
    """Where the slope vanishes, by its values at two points that differ in sign; or None."""
    if a.slope * b.slope >= 0:
        return None
    return a.length - a.slope * (b.length - a.length) / (b.slope - a.slope)
