"""Tables of a comparison: methods by signals, means and deviations over seeds, in four formats."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wsapps_signals.comparison.cells import Outcome, at_best_rates, score_names

_STYLES = {"iou": ".4f", "iou_samples": ".4f"}  # of a score; the others have two decimals
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
    style: str

    @property
    def mean(self) -> float:
        return statistics.fmean(self.scores) if self.scores else -math.inf

    def __str__(self) -> str:
        if not self.scores:
            return "-"
        if not math.isfinite(self.mean):
            return "diverged" if self.mean < 0 else "exact"
        text = f"{self.mean:{self.style}}"
        if len(self.scores) > 1:
            text += f" ± {statistics.stdev(self.scores):{self.style}}"
        return text


@dataclass(frozen=True)
class Table:
    """A title, column names, and rows of a name and entries; where ranked, the best stand out."""

    title: str
    columns: list[str]
    rows: list[tuple[str, list[Entry]]]
    ranked: bool = True

    def is_best(self, row: int, column: int) -> bool:
        means = [entries[column].mean for _, entries in self.rows]
        return self.ranked and math.isfinite(means[row]) and means[row] == max(means)

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

    def score(outcome: Outcome, name: str) -> float | None:
        if outcome.diverged:
            return -math.inf
        return outcome.psnr_at(limits.get(outcome.cell.signal, 0.0))

    return _table("Training PSNR (dB) at equal time", chosen, score, ("psnr",))


def rate_table(outcomes: Sequence[Outcome]) -> Table | None:
    """The learning rate at which each method was best; None where they were not varied."""
    if all(outcome.cell.rate is None for outcome in outcomes):
        return None
    first = [outcome for outcome in at_best_rates(outcomes) if outcome.cell.seed == 0]
    table = _table("Learning rates chosen", first, lambda o, _: o.cell.rate, ("psnr",))
    rows = [(name, [Entry(e.scores, "g") for e in entries]) for name, entries in table.rows]
    return Table(table.title, list(score_names(first)), rows, ranked=False)


def cells_csv(outcomes: Sequence[Outcome]) -> str:
    """Every cell with its learning rate and all its other figures, a line each."""
    names = sorted({name for outcome in outcomes for name in outcome.metrics} - {"lr"})
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["signal", "method", "seed", "learning_rate", *names])
    for outcome in outcomes:
        cell = outcome.cell
        rate = outcome.metrics.get("lr", cell.config.trainer.optimizer.lr)
        figures = [outcome.metrics.get(name, "") for name in names]
        writer.writerow([cell.signal, cell.method, cell.seed, rate, *figures])
    return stream.getvalue()


def _table(
    title: str,
    outcomes: Sequence[Outcome],
    score: Callable[[Outcome, str], float | None],
    names: tuple[str, ...] | None = None,
) -> Table:
    """Methods by columns, one for each signal and each of its scores (or of ``names``)."""
    columns = [(signal, name) for signal, own in score_names(outcomes).items() for name in names or own]
    rows = []
    for method in dict.fromkeys(outcome.cell.method for outcome in outcomes):
        entries = []
        for signal, name in columns:
            here = [o for o in outcomes if (o.cell.signal, o.cell.method) == (signal, method)]
            scores = [value for o in here if (value := score(o, name)) is not None]
            entries.append(Entry(scores, _STYLES.get(name, ".2f")))
        rows.append((method, entries))
    return Table(title, [f"{signal} ({_UNITS[name]})" for signal, name in columns], rows)


def _latex_text(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "_%&#$" else letter for letter in text)


def _latex_cell(text: str, best: bool) -> str:
    text = text.replace(" ± ", r" $\pm$ ")
    return rf"\textbf{{{text}}}" if best else text
