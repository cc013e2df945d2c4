"""Pictures of what models do: confusion matrices, scatter plots, sheets of rendered fields."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from wsapps.pictures import Picture, side_by_side, to_uint8

_DOTS = 100  # pixels an inch
_MOST_NUMBERS = 20  # classes up to which each cell of a confusion matrix has its number


def confusion_figure(confusion: Tensor, classes: Sequence[str]) -> Figure:
    """A confusion matrix ``(K, K)``, true classes by rows: parts of rows as colours, counts as numbers."""
    counts = confusion.double().numpy()
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(10.0, 2.5 + 0.45 * len(classes))
    figure = Figure(figsize=(side, side), dpi=_DOTS, layout="constrained")
    plot = figure.subplots()
    plot.imshow(parts, vmin=0, vmax=1, cmap="Blues")
    if len(classes) <= _MOST_NUMBERS:
        for row, column in np.ndindex(*counts.shape):
            colour = "white" if parts[row, column] > 0.5 else "black"
            text = f"{counts[row, column]:.0f}"
            plot.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
        plot.set_xticks(range(len(classes)), classes, rotation=45, ha="right", fontsize=8)
        plot.set_yticks(range(len(classes)), classes, fontsize=8)
    plot.set_xlabel("given class")
    plot.set_ylabel("true class")
    return figure


def scatter_figure(x: Tensor, y: Tensor, x_label: str, y_label: str) -> Figure:
    """Points ``(N,)``, ``(N,)`` in the same units, and the line on which they are equal."""
    figure = Figure(figsize=(5, 5), dpi=_DOTS, layout="constrained")
    plot = figure.subplots()
    ends = [min(float(x.min()), float(y.min())), max(float(x.max()), float(y.max()))]
    plot.plot(ends, ends, color="#6b7280", linewidth=0.8)
    plot.scatter(x.numpy(), y.numpy(), s=6, alpha=0.4, color="#2b6cb0", linewidths=0)
    plot.set_xlabel(x_label)
    plot.set_ylabel(y_label)
    return figure


def sheet(
    rows: Sequence[Sequence[tuple[str, Picture]]], height: int = 72, gap: int = 4
) -> NDArray[np.float32]:
    """Rows of captioned pictures of one size, each row as many, as one picture ``(H, W, 3)`` in [0, 1].

    Args:
        rows: of (caption, picture ``(h, w, 1 or 3)``).
        height: pictures are enlarged by a whole factor, without smoothing, to about this many pixels.
    """
    strips = []
    for row in rows:
        enlarged = []
        for caption, image in row:
            pixels = to_uint8(image)
            factor = max(1, round(height / pixels.shape[0]))
            enlarged.append((caption, pixels.repeat(factor, axis=0).repeat(factor, axis=1)))
        strips.append(side_by_side(enlarged, gap=gap))
    width = max(strip.shape[1] for strip in strips)
    padded = [np.pad(s, ((0, gap), (0, width - s.shape[1]), (0, 0)), constant_values=1.0) for s in strips]
    return np.concatenate(padded)
