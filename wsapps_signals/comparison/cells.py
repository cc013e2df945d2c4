"""The cells of a comparison, and what came out of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsapps.report import Figure
from wsapps.run_folder import RunFolder
from wsapps_signals.config import FitConfig

# What a table shows of a cell, the first one found and what belongs beside it.
_SCORES = (("test_psnr", "train_psnr"), ("iou", "iou_samples"), ("psnr",))


@dataclass(frozen=True)
class Cell:
    """One fit of a comparison: a method on a signal, with a seed and perhaps a learning rate."""

    signal: str
    method: str
    seed: int
    rate: float | None
    config: FitConfig

    @property
    def folder(self) -> Path:
        return Path(self.config.out or ".")

    @property
    def title(self) -> str:
        rate = "" if self.rate is None else f", lr {self.rate:g}"
        return f"{self.method} on {self.signal}, seed {self.seed}{rate}"


@dataclass(frozen=True)
class Outcome:
    """What a finished cell left: scores, learning curve ``(step, seconds, psnr)``, and pictures."""

    cell: Cell
    metrics: dict[str, float | str]
    curve: list[tuple[float, float, float]]
    figures: list[Figure]

    @property
    def diverged(self) -> bool:
        return "diverged" in self.metrics

    @property
    def score_names(self) -> tuple[str, ...]:
        """What the table shows of it: IoU of a grid and of the samples, PSNR of held-out and of fitted
        samples, or the PSNR of all. The first one decides which rate is best."""
        return next((names for names in _SCORES if names[0] in self.metrics), ("psnr",))

    @property
    def score(self) -> float:
        return self.value(self.score_names[0])

    def value(self, name: str) -> float:
        """One of the metrics; -infinity where the field diverged."""
        return float("-inf") if self.diverged else float(self.metrics[name])

    def psnr_at(self, seconds: float) -> float | None:
        """The training PSNR logged last by a training time; None before the first."""
        values = [value for _, when, value in self.curve if when <= seconds]
        return values[-1] if values else None


def score_names(outcomes: Sequence[Outcome]) -> dict[str, tuple[str, ...]]:
    """The names of each signal's scores, as those of its fields have them that did not diverge."""
    names = {outcome.cell.signal: ("psnr",) for outcome in outcomes}
    return names | {o.cell.signal: o.score_names for o in outcomes if not o.diverged}


def read_outcome(cell: Cell) -> Outcome:
    """Read a finished cell's folder."""
    metrics = RunFolder(cell.folder, "finished").read_metrics()
    history = _read_json(cell.folder / "history.json", [])
    curve = [(entry["step"], entry["seconds"], entry["psnr"]) for entry in history if "psnr" in entry]
    figures = [Figure(**figure) for figure in _read_json(cell.folder / "figures.json", [])]
    return Outcome(cell, metrics, curve, figures)


def best_rate(outcomes: Sequence[Outcome], signal: str, method: str) -> float | None:
    """The learning rate with the best score of the first seed."""
    tried = [
        outcome
        for outcome in outcomes
        if (outcome.cell.signal, outcome.cell.method, outcome.cell.seed) == (signal, method, 0)
    ]
    return max(tried, key=lambda outcome: outcome.score).cell.rate


def at_best_rates(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes whose learning rate is the best one of their method and signal."""
    best = {
        pair: best_rate(outcomes, *pair)
        for pair in {(outcome.cell.signal, outcome.cell.method) for outcome in outcomes}
    }
    return [o for o in outcomes if o.cell.rate == best[o.cell.signal, o.cell.method]]


def _read_json(path: Path, default: list) -> list:
    return json.loads(path.read_text()) if path.is_file() else default
