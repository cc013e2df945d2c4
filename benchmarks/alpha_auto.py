"""``alpha=auto`` against the same rule on the full grid of alphas, on small signals with half held out.

    python benchmarks/alpha_auto.py DATA [--unseen | --fresh | --sizes | --larger] [--seed 0] [--judges 0 1 2]
    python benchmarks/alpha_auto.py DATA --signals era5 00

Pictures of 96x96, a map, meshes and sounds of about 9,216 samples, or with ``--unseen`` and ``--fresh`` those
of other sizes, densities and held-out parts, or with ``--sizes`` pictures at many sizes; fields of width 128,
otherwise the defaults of a fit. With ``--larger`` they are pictures of 192x192 and 256x256, and fields of
width 256. By all of these pictures the line was drawn that ``alpha=auto`` expects scores by:
alpha_expected.py says how it does on pictures that it was not drawn through.

A whole run is made with each alpha, ascending until one is 3 dB worse than alpha = 1 between the samples; the
rule on their curves is the grid's choice, of meshes among those that keep the IoU. ``alpha=auto`` sees what a
run sees, the fitted part. One seed tells little of a signal: with ``--judges`` the choice is judged by the
mean curves of several. Whole runs are kept: the command can be killed and called again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from alpha_grid import (
    ALL,
    FRESH,
    LARGER,
    SIGNALS,
    SIZES,
    SLOWER,
    TOLERANCE,
    UNSEEN,
    grid_curve,
    grid_curves,
    mean_of,
    problem_of,
    runs_folder,
    steps_ratio,
)

from wsapps.accelerator import make_accelerator
from wsapps.alpha import REFERENCE, Curve, choose
from wsapps.cpu import prepare_cpu
from wsapps_signals.choose_alpha import choose_alpha

IOU = 0.001


@dataclass(frozen=True)
class Row:
    """One signal: alphas, steps of alpha=auto over those of the grid's choice, and what it costs.

    ``held_out`` and ``iou`` are differences from alpha = 1; ``cost`` is counted, ``seconds`` is the time of
    the choice over that of the run with it.
    """

    signal: str
    grid: float
    auto: float
    speed_up: float
    steps: float
    held_out: float
    iou: float | None
    cost: float
    seconds: float

    @property
    def good(self) -> bool:
        """Within what is asked."""
        between = self.held_out >= -TOLERANCE if self.iou is None else self.iou >= -IOU
        return self.steps <= SLOWER and between


def main() -> None:
    arguments = _parse()
    prepare_cpu(1)
    began, rows = time.monotonic(), []
    for name in arguments.signals or arguments.names:
        rows.append(_row(name, arguments, make_accelerator()))
        print(_line(rows[-1]), flush=True)
        if arguments.piece is not None and time.monotonic() - began > arguments.piece:
            print("this piece is over, what is done is kept; call the same command again")
            break
    _print(rows)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with kodak/, div2k/, era5/, mesh/ and audio/")
    parser.add_argument("--signals", nargs="+", choices=list(ALL), metavar="NAME")
    others = parser.add_mutually_exclusive_group()
    for option, names, what in (
        ("--unseen", UNSEEN, "the second set of signals"),
        ("--fresh", FRESH, "the third set of signals"),
        ("--sizes", SIZES, "pictures at other sizes"),
        ("--larger", LARGER, "larger pictures, in wider fields"),
    ):
        others.add_argument(option, dest="names", action="store_const", const=names, help=what)
    parser.set_defaults(names=SIGNALS)
    parser.add_argument("--steps", type=int, default=150, help="of every run")
    parser.add_argument("--seed", type=int, default=0, help="of fields, draws and looks")
    parser.add_argument(
        "--judges",
        type=int,
        nargs="+",
        metavar="SEED",
        help="of the runs whose mean judges; else the seed's own",
    )
    parser.add_argument("--piece", type=float, help="seconds after which no other signal begins")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/alpha_auto"))
    return parser.parse_args()


def _row(name: str, arguments: argparse.Namespace, accelerator: Accelerator) -> Row:
    problem = problem_of(name, arguments.data, _settings(arguments, arguments.seed))
    parts = replace(problem.config, alpha="auto"), problem.signal, problem.mask, problem.field
    choose_alpha(*parts)  # once before it is timed
    began = time.process_time()
    choice, cost = choose_alpha(*parts)
    seconds = time.process_time() - began
    if choice.memorises and problem.config.projection.enabled is not False:
        raise SystemExit(f"{name}: alpha=auto trains the output layer here, and the grid's runs solve for it")
    judges = [_Judge(name, seed, arguments, accelerator) for seed in arguments.judges or [arguments.seed]]
    curves = mean_of([judge.grid() for judge in judges])
    ious = {alpha: _mean_iou(judges, alpha) for alpha in curves}
    grid = choose([curves[a] for a in curves if _keeps_the_iou(ious[a], ious[REFERENCE])], TOLERANCE)
    if choice.alpha not in curves:
        curves |= mean_of([{choice.alpha: judge.curve(choice.alpha)} for judge in judges])
    taken, one = curves[choice.alpha], curves[REFERENCE]
    iou, of_one = _mean_iou(judges, choice.alpha), ious[REFERENCE]
    return Row(
        name,
        grid.alpha,
        choice.alpha,
        grid.chosen.speed_up,
        steps_ratio(taken, curves[grid.alpha], grid.target),
        taken.last_held_out - one.last_held_out,
        None if iou is None or of_one is None else iou - of_one,
        cost,
        seconds / statistics.fmean(judge.record(choice.alpha)["cpu_seconds"] for judge in judges),
    )


@dataclass(frozen=True)
class _Judge:
    """Whole runs of a signal with a seed."""

    name: str
    seed: int
    arguments: argparse.Namespace
    accelerator: Accelerator

    @property
    def folder(self) -> Path:
        return runs_folder(self.arguments.out, self.seed, self.arguments.steps)

    @property
    def settings(self) -> tuple[str, ...]:
        return _settings(self.arguments, self.seed)

    def grid(self) -> dict[float, Curve]:
        return grid_curves(self.folder, self.name, self.arguments.data, self.settings, self.accelerator)

    def curve(self, alpha: float) -> Curve:
        problem = problem_of(self.name, self.arguments.data, (*self.settings, f"method.alpha={alpha}"))
        return grid_curve(self.folder / self.name / f"{alpha:g}.json", problem, alpha, self.accelerator)

    def record(self, alpha: float) -> dict:
        return json.loads((self.folder / self.name / f"{alpha:g}.json").read_text())


def _settings(arguments: argparse.Namespace, seed: int) -> tuple[str, ...]:
    return f"trainer.max_steps={arguments.steps}", f"trainer.seed={seed}"


def _mean_iou(judges: Sequence[_Judge], alpha: float) -> float | None:
    """None of signals that are not inside or outside."""
    ious = [judge.record(alpha)["iou"] for judge in judges]
    return None if None in ious else statistics.fmean(ious)


def _keeps_the_iou(iou: float | None, of_one: float | None) -> bool:
    return iou is None or of_one is None or iou >= of_one - IOU


def _line(row: Row) -> str:
    iou = "" if row.iou is None else f"{row.iou:+.4f}"
    return (
        f"| {row.signal} | {row.grid:g} | {row.auto:g} | {row.speed_up:.2f} | {row.steps:.2f} | "
        f"{row.held_out:+.2f} | {iou} | {100 * row.cost:.1f} % | {100 * row.seconds:.1f} % | "
        f"{'yes' if row.good else 'no'} |"
    )


def _print(rows: list[Row]) -> None:
    columns = (
        "signal | grid | auto | speed-up of the grid's | steps, auto / grid | held-out against alpha 1, dB"
    )
    columns += " | IoU against alpha 1 | cost, counted | cost, time | within what is asked"
    print(f"\n| {columns} |\n" + "|---" * 10 + "|")
    print("\n".join(map(_line, rows)))
    good = sum(row.good for row in rows)
    steps = statistics.median(row.steps for row in rows)
    print(
        f"\n{good} of {len(rows)} within: steps at most {SLOWER} times the grid's, held-out score at most "
        f"{TOLERANCE} dB ({IOU} IoU) under that of alpha = 1. Median of steps {steps:.2f}. "
        f"{torch.get_num_threads()} thread."
    )


if __name__ == "__main__":
    sys.exit(main())
