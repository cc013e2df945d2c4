"""``python -m wsapps_signals.compare``: methods x signals x seeds, as tables and a page.

Every cell is a run folder of its own under ``cells/``. A finished one is not repeated and an interrupted one
continues, so that the command can be killed and called again, and started again beside itself: one process a
GPU, or a core, which share the cells.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsapps.accelerator import make_accelerator
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.run import Run
from wsapps.shared_runs import do_each, do_part, share_run, write_alone
from wsapps_signals.comparison.cells import Cell, Outcome, best_rate, read_outcome
from wsapps_signals.comparison.report import write_comparison
from wsapps_signals.config import fit_config
from wsapps_signals.fit import fit_signal, load_signal, make_problem
from wsapps_signals.kinds.signal import Signal

PROGRAM = "python -m wsapps_signals.compare"
METHODS = (
    "xavier", "relu_pe", "ffn", "siren", "gauss", "mfn", "wire", "nfsl", "sinc", "weight_scaling"
)  # fmt: skip


@dataclass
class SuiteConfig:
    """Which signals; one YAML file a suite in configs/signals/suite/, or your own."""

    name: str = doc("of the suite", default="embedded")
    signals: dict[str, list[str]] = doc(
        "name: settings of wsapps_signals.fit that choose the signal; a path is looked for under data.root",
        default_factory=dict,
    )


@dataclass
class ProtocolConfig:
    """How fields are fitted; one YAML file a protocol in configs/signals/protocol/."""

    name: str = doc("of the protocol", default="quick")
    settings: list[str] = doc("settings of wsapps_signals.fit for every cell", default_factory=list)
    kinds: dict[str, list[str]] = doc("further settings for a kind of signal", default_factory=dict)
    learning_rates: list[float] = doc(
        "rates of which each method takes its best on the first seed; empty keeps that of the settings",
        default_factory=list,
    )


@dataclass
class DataConfig:
    """Where the suite's files are."""

    root: str | None = doc("folder that a suite's paths start from; $WSAPPS_DATA otherwise", default=None)


@dataclass
class CompareConfig:
    """What is compared; configs/signals/compare.yaml fills it."""

    out: str | None = doc("folder; by default runs/signals/<suite>-<protocol>-<time>", default=None)
    suite: SuiteConfig = field(default_factory=SuiteConfig)
    protocol: ProtocolConfig = field(default_factory=ProtocolConfig)
    data: DataConfig = field(default_factory=DataConfig)
    methods: list[str] = doc("files of configs/signals/method/", default_factory=lambda: list(METHODS))
    seeds: int = doc("seeds a cell: 0, 1, ...", default=1)
    more_seeds: dict[str, int] = doc(
        "seeds of single methods, in place of seeds",
        default_factory=lambda: {"siren": 3, "weight_scaling": 3},
    )
    settings: list[str] = doc("further settings of wsapps_signals.fit for every cell", default_factory=list)

    def __post_init__(self) -> None:
        if self.seeds < 1 or any(count < 1 for count in self.more_seeds.values()):
            raise ValueError("seeds and more_seeds must be at least 1")
        if not self.methods or not self.suite.signals:
            raise ValueError("methods and suite.signals must not be empty")
        for name in self.suite.signals:
            if not re.fullmatch(r"\w[\w.-]*", name):
                raise ValueError(f"suite.signals: {name!r} is to name a folder, by letters, digits and _-.")
        if len(set(self.methods)) < len(self.methods):
            raise ValueError(f"methods must differ, got {self.methods}; seeds= repeats them")
        if unknown := sorted(set(self.more_seeds) - {*METHODS, *self.methods}):
            raise ValueError(f"more_seeds names {unknown[0]}, which is no method of methods={self.methods}")

    def seeds_of(self, method: str) -> range:
        return range(self.more_seeds.get(method, self.seeds))


def compare(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(CompareConfig, "compare", "signals", PROGRAM, arguments)
    if config is None:
        return
    first = next(_cells(config, Path())).config.trainer  # of all cells alike: _check
    prepare_cpu(first.num_threads)
    accelerator = make_accelerator(first.mixed_precision)
    _check(config)
    name = f"{config.suite.name}-{config.protocol.name}"
    with share_run(config, "signals", name, accelerator) as run:
        outcomes = _run_all(config, run)
        write_alone(run, lambda: write_comparison(run.folder, name, outcomes))


def _check(config: CompareConfig) -> None:
    """Read every signal and build every field once: what is wrong ends here, and not after an hour."""
    signals: dict[str, Signal] = {}
    ways: set[tuple[int, str]] = set()
    first_rate = next(iter(config.protocol.learning_rates), None)
    # Building a cell's configuration checks its settings; seeds and rates change nothing of the rest.
    for cell in _cells(config, Path(config.out or ".")):
        ways.add((cell.config.trainer.num_threads, cell.config.trainer.mixed_precision))
        if len(ways) > 1:
            raise UserError(
                f"trainer.num_threads and trainer.mixed_precision must be the same in all cells, got {ways}; "
                "give them in settings="
            )
        if cell.seed == 0 and cell.rate == first_rate:
            if cell.signal not in signals:
                signals = {cell.signal: load_signal(cell.config)}
            make_problem(cell.config, signals[cell.signal])


def _run_all(config: CompareConfig, run: Run) -> list[Outcome]:
    """Fit every cell that is not finished; the outcomes, each method at its own learning rate."""
    signals: dict[str, Signal] = {}
    rates = config.protocol.learning_rates or [None]
    cells = list(_cells(config, run.folder.path))
    trials = [cell for cell in cells if cell.seed == 0]
    rest = [cell for cell in cells if cell.seed > 0]
    total = len(trials) + len(rest) // len(rates)  # a further seed has one rate, the best

    def fit_cell(cell: Cell, own: Run) -> None:
        if cell.signal not in signals:
            signals.clear()  # one in memory
            signals[cell.signal] = load_signal(cell.config)
        fit_signal(make_problem(cell.config, signals[cell.signal]), own)

    def fit_all(chosen: Sequence[Cell], before: int = 0) -> list[Outcome]:
        numbers = {cell.title: number for number, cell in enumerate(chosen, start=before + 1)}

        def fit(cell: Cell) -> None:
            number = f"cell {numbers[cell.title]} of {total}"
            do_part(cell.config, "signals", cell.title, run, lambda own: fit_cell(cell, own), number)

        do_each(chosen, fit, run)
        return [read_outcome(cell) for cell in chosen]

    if len(rates) == 1:  # no seed waits until it is known which rate is best
        return fit_all([*trials, *rest])
    outcomes = fit_all(trials)
    others = [cell for cell in rest if cell.rate == best_rate(outcomes, cell.signal, cell.method)]
    return outcomes + fit_all(others, before=len(trials))


def _cells(config: CompareConfig, out: Path) -> Iterator[Cell]:
    for signal, chosen in config.suite.signals.items():
        settings = [_with_root(setting, config.data.root) for setting in chosen]
        kind = next((text.partition("=")[2] for text in settings if text.startswith("signal=")), "image")
        for method in config.methods:
            for seed in config.seeds_of(method):
                for rate in config.protocol.learning_rates or [None]:
                    folder = out / "cells" / signal / method / f"seed_{seed}"
                    folder = folder if rate is None else folder / f"lr_{rate:g}"
                    overrides = [
                        *settings, *config.protocol.settings, *config.protocol.kinds.get(kind, []),
                        *config.settings, f"method={method}", f"trainer.seed={seed}", f"out={folder}",
                    ]  # fmt: skip
                    if rate is not None:
                        overrides.append(f"trainer.optimizer.lr={rate}")
                    yield Cell(signal, method, seed, rate, fit_config(overrides))


def _with_root(setting: str, root: str | None) -> str:
    """A suite's ``path=`` below the data root; absolute paths stay."""
    key, _, value = setting.partition("=")
    if key != "path" or not value or Path(value).is_absolute():
        return setting
    base = root or os.environ.get("WSAPPS_DATA")
    if not base:
        raise UserError(
            f"the suite's {setting} needs data.root= or WSAPPS_DATA, the folder that it starts from"
        )
    return f"path={Path(base) / value}"


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(compare, arguments)


if __name__ == "__main__":
    sys.exit(main())
