"""The progress bar: loss, metric, steps a second, time left."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tqdm import tqdm


class Progress:
    """A bar on stderr; silent where that or stdout is no terminal, and on ranks other than the first.

    With a limit in steps the bar counts steps; with a limit in seconds it counts those.
    """

    def __init__(self, max_steps: int | None, max_seconds: float | None, visible: bool, title: str = ""):
        self._in_seconds = max_steps is None
        shown = visible and sys.stdout.isatty() and sys.stderr.isatty()
        self._bar = tqdm(
            total=max_steps if max_steps is not None else max_seconds,
            desc=title or None,
            disable=not shown,
            dynamic_ncols=True,
            bar_format=_SECONDS_FORMAT if self._in_seconds else None,
        )

    def update(self, step: int, seconds: float, figures: Mapping[str, float]) -> None:
        """Move the bar to a state of the run and show figures beside it."""
        if self._bar.disable:
            return
        self._bar.n = min(seconds, self._bar.total) if self._in_seconds else step
        shown = {name: f"{value:.4g}" for name, value in figures.items()}
        if self._in_seconds:
            shown |= {"step": str(step), "steps/s": f"{step / seconds:.3g}" if seconds else "?"}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


_SECONDS_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}{postfix}]"
