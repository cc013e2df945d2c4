"""What the figures share: panels beside one another, one colour a factor, writing the file."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

_PANEL_INCHES = (4.6, 3.4)


def make_panels(titles: Sequence[str]) -> tuple[Canvas, list[Axes]]:
    """A canvas with panels in a row, their titles and a grid."""
    size = (_PANEL_INCHES[0] * len(titles), _PANEL_INCHES[1])
    canvas = Canvas(figsize=size, layout="constrained")
    panels = list(np.atleast_1d(canvas.subplots(1, len(titles), squeeze=False)[0]))
    for panel, title in zip(panels, titles, strict=True):
        panel.set_title(title, fontsize=10)
        panel.grid(alpha=0.3)
    return canvas, panels


def colours(count: int) -> list[tuple[float, ...]]:
    """From dark to bright, for as many factors."""
    palette = matplotlib.colormaps["viridis"]
    return [palette(0.9 * index / max(count - 1, 1)) for index in range(count)]
