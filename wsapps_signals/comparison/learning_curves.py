"""``curves.png``: the learning curves of a comparison, a panel for each signal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from wsapps.pictures import save_figure
from wsapps_signals.comparison.cells import Outcome

_COLUMNS = 3
_PANEL_INCHES = (4.2, 3.2)
_THICK = "weight_scaling"  # what the comparison is about


def draw_learning_curves(file: Path, outcomes: Sequence[Outcome]) -> None:
    """Draw the training PSNR over steps: a panel a signal, a line a method, the mean over its seeds."""
    signals = list(dict.fromkeys(outcome.cell.signal for outcome in outcomes))
    methods = list(dict.fromkeys(outcome.cell.method for outcome in outcomes))
    columns = min(_COLUMNS, len(signals))
    rows = math.ceil(len(signals) / columns)
    canvas = Canvas(figsize=(_PANEL_INCHES[0] * columns, _PANEL_INCHES[1] * rows + 0.6), layout="constrained")
    panels = canvas.subplots(rows, columns, squeeze=False).ravel()
    for panel, signal in zip(panels, signals, strict=False):
        here = [outcome for outcome in outcomes if outcome.cell.signal == signal]
        _draw_panel(panel, signal, here, methods)
    for panel in panels[len(signals) :]:
        panel.set_axis_off()
    handles: dict[str, Any] = {}
    for panel in panels:
        lines, labels = panel.get_legend_handles_labels()
        handles.update(zip(labels, lines, strict=True))
    if handles:
        canvas.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, frameon=False)
    save_figure(file, canvas, 120)


def _draw_panel(panel: Axes, signal: str, outcomes: Sequence[Outcome], methods: Sequence[str]) -> None:
    palette = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for number, method in enumerate(methods):
        curves = [o.curve for o in outcomes if o.cell.method == method and not o.diverged and o.curve]
        if curves:
            steps, values = _mean_curve(curves)
            panel.plot(
                steps, values, color=palette[number % len(palette)], label=method,
                linewidth=2.4 if method == _THICK else 1.2, linestyle="--" if number >= len(palette) else "-",
            )  # fmt: skip
    panel.set(title=signal, xlabel="step", ylabel="training PSNR, dB")
    panel.grid(alpha=0.3)


def _mean_curve(curves: Sequence[Sequence[tuple[float, float, float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and mean values of learning curves, at the steps that all of them have."""
    by_step = [{step: value for step, _, value in curve} for curve in curves]
    steps = sorted(set.intersection(*(set(values) for values in by_step)))
    return np.array(steps), np.array([np.mean([values[step] for values in by_step]) for step in steps])
