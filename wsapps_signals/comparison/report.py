"""What a comparison leaves: tables as CSV, Markdown and LaTeX, curves, sheets of reconstructions, a page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image

from wsapps.atomic import explained, write_text
from wsapps.pictures import save_png, side_by_side
from wsapps.report import Curve, Figure, Section, Series, TextTable, write_report
from wsapps.run_folder import RunFolder
from wsapps_signals.comparison.cells import Outcome, at_best_rates, score_names
from wsapps_signals.comparison.learning_curves import draw_learning_curves
from wsapps_signals.comparison.tables import (
    Table,
    cells_csv,
    equal_time_table,
    rate_table,
    score_table,
)

_SHEET_COLUMNS, _SHEET_HEIGHT = 5, 192
_MOST_CURVES = 10


def write_comparison(folder: RunFolder, title: str, outcomes: Sequence[Outcome]) -> None:
    """Write everything into the comparison's folder; ``metrics.json`` last."""
    tables = [score_table(outcomes), equal_time_table(outcomes)]
    if (rates := rate_table(outcomes)) is not None:
        tables.append(rates)
    write_text(folder.path / "cells.csv", cells_csv(outcomes))
    write_text(folder.path / "table.md", "\n".join(f"{t.title}\n\n{t.markdown()}" for t in tables))
    write_text(folder.path / "table.tex", "\n".join(f"% {t.title}\n{t.latex()}" for t in tables))
    draw_learning_curves(folder.path / "curves.png", at_best_rates(outcomes))
    first = [outcome for outcome in at_best_rates(outcomes) if outcome.cell.seed == 0]
    signals = list(dict.fromkeys(outcome.cell.signal for outcome in outcomes))
    sections, curves = [], []
    for signal in signals:
        here = [outcome for outcome in first if outcome.cell.signal == signal]
        figures = [*_sheet(folder.path, signal, here), *_figures(folder.path, here)]
        sections.append(Section(signal, figures=figures))
        curves.append(_curve(signal, here, by_time=False))
        curves.append(_curve(signal, here, by_time=True))
    write_report(
        folder.path,
        title=f"Comparison {title}",
        summary=_summary(outcomes),
        metrics={},
        sections=sections,
        curves=curves,
        config_yaml=folder.config_yaml,
        tables=[TextTable(table.title, ["method", *table.columns], _cells(table)) for table in tables],
    )
    folder.write_metrics(_headline(outcomes))


def _summary(outcomes: Sequence[Outcome]) -> str:
    seconds = sum(float(outcome.metrics.get("train_seconds", 0.0)) for outcome in outcomes)
    devices = sorted({str(o.metrics["device"]) for o in outcomes if "device" in o.metrics})
    return f"{len(outcomes)} fits, {seconds / 60:.0f} minutes of training on {', '.join(devices)}"


def _headline(outcomes: Sequence[Outcome]) -> dict[str, float | str]:
    """``<signal>/<method>/<score>``: means over seeds."""
    scores: dict[str, list[float]] = {}
    names = score_names(outcomes)
    for outcome in at_best_rates(outcomes):
        for name in names[outcome.cell.signal]:
            scores.setdefault(f"{outcome.cell.signal}/{outcome.cell.method}/{name}", []).append(
                outcome.value(name)
            )
    return {name: statistics.fmean(values) for name, values in scores.items()}


def _cells(table: Table) -> list[list[tuple[str, bool]]]:
    """Text of each cell and whether it stands out."""
    return [
        [(name, False), *((str(entry), table.is_best(row, c)) for c, entry in enumerate(entries))]
        for row, (name, entries) in enumerate(table.rows)
    ]


def _curve(signal: str, outcomes: Sequence[Outcome], by_time: bool) -> Curve:
    series = []
    for outcome in outcomes[:_MOST_CURVES]:
        steps, seconds, values = zip(*outcome.curve, strict=True) if outcome.curve else ((), (), ())
        series.append(Series(outcome.cell.method, seconds if by_time else steps, values))
    label = "seconds of training" if by_time else "step"
    return Curve(
        f"{signal}: training PSNR over {'time' if by_time else 'steps'}", label, "PSNR in dB", series
    )


def _sheet(folder: Path, signal: str, outcomes: Sequence[Outcome]) -> list[Figure]:
    """``sheet_<signal>.png``: the reconstructions of all methods in rows of five, with their scores; nothing
    where all have diverged."""
    tiles = []
    for outcome in outcomes:
        file = outcome.cell.folder / "preview.png"
        if file.is_file():
            caption = f"{outcome.cell.method} {outcome.score:.4g}"
            tiles.append((caption, _scaled(iio.imread(file))))
    if not tiles:
        return []
    rows = [
        side_by_side(tiles[first : first + _SHEET_COLUMNS]) for first in range(0, len(tiles), _SHEET_COLUMNS)
    ]
    width = max(row.shape[1] for row in rows)
    rows = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=1.0) for row in rows]
    name = f"sheet_{signal}.png"
    save_png(folder / name, np.concatenate(rows))
    return [Figure(name, f"{signal}: all methods, the first seed")]


def _scaled(pixels: np.ndarray) -> np.ndarray:
    """A picture at the sheet's height, ``(H, W, 3)`` uint8."""
    image = Image.fromarray(pixels).convert("RGB")
    width = max(1, round(image.width * _SHEET_HEIGHT / image.height))
    return np.asarray(image.resize((width, _SHEET_HEIGHT), Image.Resampling.LANCZOS))


def _figures(folder: Path, outcomes: Sequence[Outcome]) -> list[Figure]:
    """The first picture of each method: truth, reconstruction and error side by side."""
    figures = []
    for outcome in outcomes:
        pictures = [figure for figure in outcome.figures if figure.path.endswith(".png")]
        if pictures:
            with explained("read", outcome.cell.folder):
                place = (outcome.cell.folder / pictures[0].path).resolve().relative_to(folder.resolve())
            figures.append(Figure(str(place), f"{outcome.cell.method}: {pictures[0].caption}"))
    return figures
