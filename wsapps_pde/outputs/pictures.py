"""Pictures of solutions, by the number of variables: curves, maps, and slices of what has more.

Shapes: n_d nodes along axis d.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from wsapps.pictures import save_figure
from wsapps.report import Figure
from wsapps.video import write_video
from wsapps_pde.outputs.evaluation import Comparison

Array = NDArray[np.float64]

_DPI = 100
_FRAMES, _FPS = 48, 16
_SLICES = 3


def write_pictures(folder: Path, comparison: Comparison, time: int | None) -> list[Figure]:
    """``<unknown>.png`` for each unknown, and ``<unknown>.mp4`` where there is time.

    Args:
        time: the index of the time among the variables, or None.
    """
    figures = []
    for name in comparison.found:
        picture = folder / f"{name}.png"
        _save(picture, _picture(comparison, name, time))
        figures.append(Figure(picture.name, f"{name}: solution" + _beside(comparison, name)))
        if time is not None and comparison.axes is not None and len(comparison.axes) in (2, 3):
            video = folder / f"{name}.mp4"
            write_video(video, _frames(comparison, name, time), _FPS)
            figures.append(Figure(video.name, f"{name} over time"))
    return figures


def write_residual(folder: Path, axes: Mapping[str, Array], size: Array) -> Figure:
    """``residual.png``: the logarithm of the residual's size; a slice where there are over two variables."""
    with np.errstate(divide="ignore"):
        logarithm = np.log10(np.maximum(size, 1e-300))
    canvas = Canvas(figsize=(5, 3.6), dpi=_DPI, layout="constrained")
    names, values = _plane(axes, logarithm)
    _map(canvas, canvas.subplots(), {name: axes[name] for name in names}, values, "log10 |residual|", "magma")
    _save(folder / "residual.png", canvas)
    return Figure("residual.png", "residual at fresh points: where the equation holds less well")


def _beside(comparison: Comparison, name: str) -> str:
    return ", reference, and error" if name in comparison.reference else ""


def _columns(comparison: Comparison, name: str) -> list[tuple[str, Array]]:
    """Title and values of each panel."""
    found = comparison.levelled(name)
    panels = [(name, found)]
    if name in comparison.reference:
        reference = comparison.reference[name]
        panels += [(f"{name}, reference", reference), ("|error|", np.abs(found - reference))]
    if comparison.axes is None:
        return panels
    shape = tuple(len(axis) for axis in comparison.axes.values())
    return [(title, values.reshape(shape)) for title, values in panels]


def _picture(comparison: Comparison, name: str, time: int | None) -> Canvas:
    panels = _columns(comparison, name)
    if comparison.axes is None:
        return _scattered(comparison.points, panels, time)
    axes = comparison.axes
    if len(axes) == 1:
        return _curves(next(iter(axes.items())), panels)
    if len(axes) == 2:
        return _maps(axes, [panels])
    along = list(axes)[time] if time is not None else list(axes)[-1]
    index = list(axes).index(along)
    places = np.linspace(0, len(axes[along]) - 1, _SLICES + 2).astype(int)[1:-1]
    if time is not None:
        places = np.linspace(0, len(axes[along]) - 1, _SLICES).astype(int)
    rest = {variable: axis for variable, axis in axes.items() if variable != along}
    rows = [
        [(f"{title}, {along} = {axes[along][n]:.3g}", np.take(values, n, index)) for title, values in panels]
        for n in places
    ]
    return _maps(rest, rows)


def _curves(axis: tuple[str, Array], panels: list[tuple[str, Array]]) -> Canvas:
    canvas = Canvas(figsize=(9 if len(panels) > 1 else 5, 3.4), dpi=_DPI, layout="constrained")
    plots = np.atleast_1d(canvas.subplots(1, 2 if len(panels) > 1 else 1))
    for (title, values), style in zip(panels[:2], ("-", "--"), strict=False):
        plots[0].plot(axis[1], values, style, label=title)
    plots[0].legend()
    if len(panels) > 2:
        plots[1].semilogy(axis[1], np.maximum(panels[2][1], 1e-300))
        plots[1].set_ylabel("|error|")
    for plot in plots:
        plot.set_xlabel(axis[0])
    return canvas


def _maps(axes: Mapping[str, Array], rows: Sequence[list[tuple[str, Array]]]) -> Canvas:
    """A grid of maps; those of a column share the title's quantity, solution and reference their colours."""
    columns = len(rows[0])
    canvas = Canvas(figsize=(4.2 * columns, 3.3 * len(rows)), dpi=_DPI, layout="constrained")
    plots = np.atleast_2d(canvas.subplots(len(rows), columns, squeeze=False))
    for plot_row, row in zip(plots, rows, strict=True):
        values = [_plane(axes, panel)[1] for _, panel in row]
        names = _plane(axes, row[0][1])[0]
        limits = _limits(values[min(1, len(values) - 1)])
        for column, (plot, (title, _), panel) in enumerate(zip(plot_row, row, values, strict=True)):
            is_error = column == 2
            _map(
                canvas, plot, {name: axes[name] for name in names}, panel, title,
                "magma" if is_error else "viridis", None if is_error else limits,
            )  # fmt: skip
    return canvas


def _plane(axes: Mapping[str, Array], values: Array) -> tuple[tuple[str, str], Array]:
    """The last two variables, or (first, time) of two, and the values there; middle slices of the others."""
    names = list(axes)
    while values.ndim > 2:
        values, names = values[values.shape[0] // 2], names[1:]
    return (names[0], names[1]), values


def _map(
    canvas: Canvas, plot, axes: Mapping[str, Array], values: Array, title: str, colormap: str, limits=None
) -> None:
    """One map; time runs to the right."""
    (first, a), (second, b) = axes.items()
    if second != "t":
        first, a, second, b, values = second, b, first, a, values.T
    low, high = limits or _limits(values)
    image = plot.pcolormesh(
        b, a, values, cmap=colormap, vmin=low, vmax=high, shading="nearest", rasterized=True
    )
    canvas.colorbar(image, ax=plot)
    plot.set_xlabel(second)
    plot.set_ylabel(first)
    plot.set_title(title)
    if second != "t":
        plot.set_aspect("equal")


def _limits(values: Array) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _scattered(points: Array, panels: list[tuple[str, Array]], time: int | None) -> Canvas:
    """Points by the first two variables; of one space variable and time, time runs to the right."""
    right, up = (1, 0) if time == 1 else (0, min(1, points.shape[1] - 1))
    canvas = Canvas(figsize=(4.2 * len(panels), 3.4), dpi=_DPI, layout="constrained")
    plots = canvas.subplots(1, len(panels), squeeze=False)[0]
    for plot, (title, values) in zip(plots, panels, strict=True):
        if points.shape[1] == 1:
            plot.plot(points[:, 0], values, ".")
        else:
            image = plot.scatter(points[:, right], points[:, up], c=values, s=4)
            canvas.colorbar(image, ax=plot)
        plot.set_title(title)
    return canvas


def _frames(comparison: Comparison, name: str, time: int) -> Iterator[NDArray[np.uint8]]:
    """Pictures at times from first to last, all with the same limits."""
    assert comparison.axes is not None
    axes = comparison.axes
    panels = _columns(comparison, name)[:2]
    variable = list(axes)[time]
    rest = {key: axis for key, axis in axes.items() if key != variable}
    limits = _limits(panels[-1][1])
    for n in np.linspace(0, len(axes[variable]) - 1, min(_FRAMES, len(axes[variable]))).astype(int):
        slices = [(title, np.take(values, n, time)) for title, values in panels]
        canvas = Canvas(figsize=(4.4 * (len(slices) if len(rest) == 2 else 1), 3.4), dpi=_DPI)
        if len(rest) == 1:
            _frame_of_curves(canvas, next(iter(rest.items())), slices, limits)
        else:
            for plot, (title, values) in zip(
                canvas.subplots(1, len(slices), squeeze=False)[0], slices, strict=True
            ):
                _map(canvas, plot, rest, values, title, "viridis", limits)
        canvas.suptitle(f"{variable} = {axes[variable][n]:.3f}")
        yield _pixels(canvas)


def _frame_of_curves(canvas: Canvas, axis: tuple[str, Array], slices, limits) -> None:
    plot = canvas.subplots()
    margin = 0.05 * (limits[1] - limits[0])
    for (title, values), style in zip(slices, ("-", "--"), strict=False):
        plot.plot(axis[1], values, style, label=title)
    plot.set_ylim(limits[0] - margin, limits[1] + margin)
    plot.set_xlabel(axis[0])
    plot.legend(loc="upper right")


def _pixels(canvas: Canvas) -> NDArray[np.uint8]:
    agg = FigureCanvasAgg(canvas)
    agg.draw()
    return np.asarray(agg.buffer_rgba())[..., :3].copy()


def _save(path: Path, canvas: Canvas) -> None:
    with matplotlib.rc_context({"font.size": 9}):
        save_figure(path, canvas)
