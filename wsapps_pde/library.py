"""``python -m wsapps_pde.library out=DIR``: solve many problems and tabulate how well.

Each problem is a run folder of its own; a finished one is not repeated and an interrupted one continues, so
that the command can be killed and called again, and started again beside itself: processes share them.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsapps.accelerator import make_accelerator
from wsapps.atomic import is_temporary, write_text
from wsapps.command import run_command
from wsapps.config import default_config_dir, doc, load_config, load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.report import Figure, Section, TextTable, write_report
from wsapps.run import Run
from wsapps.run_folder import RunFolder
from wsapps.shared_runs import do_each, do_part, share_run, write_alone
from wsapps_pde.config import SolveConfig
from wsapps_pde.problems.problem import Problem
from wsapps_pde.solve import prepare, solve_problem, with_own_settings

PROGRAM = "python -m wsapps_pde.library"
_COLUMNS = [
    "problem",
    "unknown",
    "relative L2",
    "reference's own",
    "estimated",
    "estimated / true",
    "time, s",
]
_log = logging.getLogger("wsapps")


def shipped_problems() -> list[str]:
    """The files of configs/pde/problem/."""
    return sorted(path.stem for path in (default_config_dir("pde") / "problem").glob("*.yaml"))


@dataclass
class LibraryConfig:
    """What is solved; configs/pde/library.yaml fills it."""

    out: str = doc("folder of all runs and of the table")
    problems: list[str] = doc("names, or YAML files; all that are shipped if empty", default_factory=list)
    settings: list[str] = doc(
        'settings of wsapps_pde.solve for every problem, as in ["trainer.max_seconds=600"]',
        default_factory=list,
    )


def library(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(LibraryConfig, "library", "pde", PROGRAM, arguments)
    if config is None:
        return
    configs = [_solve_config(name, config) for name in config.problems or shipped_problems()]
    _check(configs)
    prepare_cpu(configs[0].trainer.num_threads)
    accelerator = make_accelerator()
    with share_run(config, "pde", "library", accelerator) as run:

        def solve(numbered: tuple[int, SolveConfig]) -> None:
            number, each = numbered
            told = f"problem {number} of {len(configs)}"
            do_part(each, "pde", each.problem.name, run, lambda own: _solve(each, own), told)

        do_each(list(enumerate(configs, start=1)), solve, run)
        write_alone(run, lambda: _write(run.folder, [Path(each.out or ".") for each in configs]))


def _check(configs: Sequence[SolveConfig]) -> None:
    """Read every problem: what is wrong with the last one ends here, and not after hours."""
    folders = [config.out for config in configs]
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise UserError(f"two problems would go into {twice[0]}: give their files different names")
    for config in configs:
        Problem.from_config(config.problem)


def _solve_config(name: str, config: LibraryConfig) -> SolveConfig:
    folder = Path(config.out) / "problems" / Path(name).stem
    arguments = with_own_settings([f"problem={name}", *config.settings, f"out={folder}"])
    return load_config(SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=arguments)


def _solve(config: SolveConfig, run: Run) -> None:
    solve_problem(config, prepare(config), run)


def _write(folder: RunFolder, runs: Sequence[Path]) -> None:
    """``table.md`` and ``index.html``."""
    rows = [row for run in runs for row in _rows(run)]
    lines = [f"| {' | '.join(_COLUMNS)} |", "|" + "---|" * len(_COLUMNS)]
    write_text(
        folder.path / "table.md", "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
    )
    write_report(
        folder.path,
        title="Problems solved",
        summary=f"{len(runs)} problems",
        metrics={},
        sections=[Section(run.name, figures=_figures(folder.path, run)) for run in runs],
        config_yaml=folder.config_yaml,
        tables=[TextTable("Errors", _COLUMNS, [[(cell, False) for cell in row] for row in rows])],
    )
    folder.write_metrics({"problems": len(runs)})


def _rows(run: Path) -> list[list[str]]:
    metrics = RunFolder(run, "finished").read_metrics()
    if "diverged" in metrics:
        return [[run.name, "", "diverged", "", "", "", ""]]
    unknowns = [name.split("/", 1)[1] for name in metrics if name.startswith("estimated_error/")]
    rows = []
    for number, unknown in enumerate(unknowns):
        error, reference, estimated = (
            float(metrics.get(f"{kind}/{unknown}", math.nan))
            for kind in ("relative_l2", "reference_error", "estimated_error")
        )
        ratio = f"{estimated / error:.2g}" if error > 0 and not math.isnan(estimated) else "-"
        seconds = f"{float(metrics['train_seconds']):.0f}" if number == 0 else ""
        own = "exact" if reference == 0 else _shown(reference)
        shown = [_shown(error), own, _shown(estimated)]
        rows.append([run.name if number == 0 else "", unknown, *shown, ratio, seconds])
    return rows


def _shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1e}"


def _figures(folder: Path, run: Path) -> list[Figure]:
    """The picture of each unknown."""
    pictures = sorted(
        path for path in run.glob("*.png") if path.name != "residual.png" and not is_temporary(path.name)
    )
    return [Figure(str(path.resolve().relative_to(folder.resolve())), path.stem) for path in pictures]


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(library, arguments)


if __name__ == "__main__":
    sys.exit(main())
