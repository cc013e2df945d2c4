"""Tables of a comparison: methods by signals, means and deviations over seeds, in four formats."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wsapps_signals.comparison.cells import Outcome, at_best_rates

_DIGITS = {"iou": 4, "iou_samples": 4}  # of a score's decimals; the others have two
_UNITS = {
    "iou": "IoU, grid",
    "iou_samples": "IoU, samples",
    "psnr": "PSNR, dB",
    "test_psnr": "test PSNR, dB",
    "train_psnr": "training PSNR, dB",
}


@dataclass(frozen=True)
class Entry:
    """Scores of one method on one signal, over its seeds."""

    scores: list[float]
    digits: int

    @property
    def mean(self) -> float:
        return statistics.fmean(self.scores) if self.scores else -math.inf

    def __str__(self) -> str:
        if not self.scores:
            return "-"
        if not math.isfinite(self.mean):
            return "diverged" if self.mean < 0 else "exact"
        text = f"{self.mean:.{self.digits}f}"
        if len(self.scores) > 1:
            text += f" ± {statistics.stdev(self.scores):.{self.digits}f}"
        return text


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of a name and entries; the best entry of a column stands out."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Entry]]]

    def is_best(self, row: int, column: int) -> bool:
        means = [entries[column].mean for _, entries in self.rows]
        return math.isfinite(means[row]) and means[row] == max(means)

    def markdown(self) -> str:
        lines = [f"| method | {' | '.join(self.columns)} |", "|---" * (len(self.columns) + 1) + "|"]
        for row, (name, entries) in enumerate(self.rows):
            cells = [f"**{e}**" if self.is_best(row, c) else str(e) for c, e in enumerate(entries)]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"

    def latex(self) -> str:
        lines = [
            r"\begin{tabular}{l" + "r" * len(self.columns) + "}",
            r"\hline",
            " & ".join(map(_latex_text, ["method", *self.columns])) + r" \\",
            r"\hline",
        ]
        for row, (name, entries) in enumerate(self.rows):
            cells = [_latex_cell(str(e), self.is_best(row, c)) for c, e in enumerate(entries)]
            lines.append(" & ".join([_latex_text(name), *cells]) + r" \\")
        return "\n".join([*lines, r"\hline", r"\end{tabular}", ""])


def score_table(outcomes: Sequence[Outcome]) -> Table:
    """The scores of the paper's table, PSNR, or IoU for shapes, at each method's best rate."""
    chosen = at_best_rates(outcomes)
    return _table("Scores at equal steps", chosen, Outcome.value)


def equal_time_table(outcomes: Sequence[Outcome]) -> Table:
    """Training PSNR at the time at which the fastest method of a signal had done all its steps."""
    chosen = at_best_rates(outcomes)
    limits: dict[str, float] = {}
    for outcome in chosen:
        if not outcome.diverged:
            seconds = float(outcome.metrics["train_seconds"])
            limits[outcome.cell.signal] = min(seconds, limits.get(outcome.cell.signal, math.inf))

    def score(outcome: Outcome, name: str) -> float:
        value = outcome.psnr_at(limits.get(outcome.cell.signal, 0.0))
        return -math.inf if value is None else value

    return _table("Training PSNR (dB) at equal time", chosen, score, ("psnr",))


def rate_table(outcomes: Sequence[Outcome]) -> Table | None:
    """The learning rate at which each method was best; None where they were not varied."""
    if all(outcome.cell.rate is None for outcome in outcomes):
        return None
    first = [outcome for outcome in at_best_rates(outcomes) if outcome.cell.seed == 0]
    table = _table("Learning rates chosen", first, lambda o, _: o.cell.rate or 0.0, ("psnr",))
    rows = [(name, [Entry(e.scores, 4) for e in entries]) for name, entries in table.rows]
    return Table(table.title, table.columns, rows)


def cells_csv(outcomes: Sequence[Outcome]) -> str:
    """Every cell with all its figures, a line each."""
    names = sorted({name for outcome in outcomes for name in outcome.metrics})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["signal", "method", "seed", "learning_rate", *names])
    for outcome in outcomes:
        cell = outcome.cell
        rate = cell.config.trainer.optimizer.lr
        figures = [outcome.metrics.get(name, "") for name in names]
        writer.writerow([cell.signal, cell.method, cell.seed, rate, *figures])
    return stream.getvalue()


def _table(
    title: str,
    outcomes: Sequence[Outcome],
    score: Callable[[Outcome, str], float],
    score_names: tuple[str, ...] | None = None,
) -> Table:
    """Methods by columns, one for each signal and each of its scores (or of ``score_names``)."""
    names = {outcome.cell.signal: score_names or outcome.score_names for outcome in outcomes}
    columns = [(signal, name) for signal, several in names.items() for name in several]
    rows = []
    for method in dict.fromkeys(outcome.cell.method for outcome in outcomes):
        entries = []
        for signal, name in columns:
            here = [o for o in outcomes if (o.cell.signal, o.cell.method) == (signal, method)]
            entries.append(Entry([score(outcome, name) for outcome in here], _DIGITS.get(name, 2)))
        rows.append((method, entries))
    return Table(title, [f"{signal} ({_UNITS[name]})" for signal, name in columns], rows)


def _latex_text(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "_%&#$" else letter for letter in text)


def _latex_cell(text: str, best: bool) -> str:
    text = text.replace(" ± ", r" $\pm$ ")
    return rf"\textbf{{{text}}}" if best else text
