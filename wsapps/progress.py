"""The progress bar: loss, metric, steps a second, time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

from tqdm import tqdm

_REDRAW_SECONDS = 0.1
_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} {unit} [{elapsed}{postfix}]"


class Progress:
    """A bar on stderr; silent where that or stdout is no terminal, and on ranks other than the first.

    With a limit in steps the bar counts these, by the name that ``unit`` gives them, else seconds. Rate and
    time left are those since the first update, which leaves compilation and what an earlier process did out;
    time left obeys both limits.
    """

    def __init__(
        self,
        max_steps: int | None,
        max_seconds: float | None,
        visible: bool,
        title: str = "",
        unit: str = "steps",
    ):
        self._max_steps, self._max_seconds, self._unit = max_steps, max_seconds, unit
        self._first: tuple[int, float] | None = None
        self._latest: tuple[int, float, Mapping[str, float]] | None = None
        self._drawn = 0.0
        shown = visible and _is_terminal(sys.stdout) and _is_terminal(sys.stderr)
        self._bar = tqdm(
            total=max_steps if max_steps is not None else max_seconds,
            desc=title or None,
            unit=unit if max_steps is not None else "s",
            disable=not shown,
            dynamic_ncols=True,
            bar_format=_FORMAT,
        )

    def update(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Move the bar to a state of the run and show figures beside it; at most ten times a second."""
        if self._bar.disable:
            return
        self._first = self._first or (step, seconds)
        self._latest = (step, seconds, figures)
        if time.monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._draw()

    def clear(self) -> None:
        """Take the bar off the terminal, for a message; the next update brings it back."""
        if not self._bar.disable:
            self._bar.clear()
            self._drawn = 0.0

    def close(self) -> None:
        """Draw the last state and leave it there."""
        if not self._bar.disable:
            self._draw()
        self._bar.close()

    def _draw(self) -> None:
        if self._latest is None or self._first is None:
            return
        step, seconds, figures = self._latest
        self._bar.n = min(step if self._max_steps is not None else seconds, self._bar.total)
        rate = (step - self._first[0]) / max(seconds - self._first[1], 1e-9)
        shown = [f"{name}={value:.4g}" for name, value in figures.items()]
        if self._max_steps is None:
            shown.append(f"step {step}")
        shown += [f"{rate:.3g} {self._unit}/s", f"ETA {self._time_left(step, seconds, rate)}"]
        self._bar.set_postfix_str(", ".join(shown), refresh=False)
        self._bar.refresh()
        self._drawn = time.monotonic()

    def _time_left(self, step: int, seconds: float, rate: float) -> str:
        left = []
        if self._max_steps is not None and rate > 0:
            left.append((self._max_steps - step) / rate)
        if self._max_seconds is not None:
            left.append(self._max_seconds - seconds)
        return tqdm.format_interval(max(0.0, min(left))) if left else "?"


def _is_terminal(stream: object) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())
