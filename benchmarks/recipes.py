"""Recipes of training a sinusoidal field: steps and time to 40 dB, and the score between the samples.

    python benchmarks/recipes.py DATA [--size 96] [--width 128] [--steps 150] [--recipes "alpha 1.5, 1e-4"]

Kodak pictures in grey, each recipe twice: on all pixels, for the first step at which they are fitted to the
target and the seconds of CPU until then, and on a chessboard of half of them, for the score of the other half
at the end. A recipe is settings of ``wsapps_signals.fit``. Whole runs are kept: the command can be killed and
called again. The first recipe is SIREN, the second plain weight scaling as in the paper.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from dataclasses import dataclass
from pathlib import Path

from alpha_grid import KODAK, grid_curve, picture, problem_from
from printed import markdown, mean_and_deviation

from wsapps.accelerator import make_accelerator
from wsapps.cpu import prepare_cpu
from wsapps_signals.fit import FitProblem

PLAIN = "alpha 2.5, 1e-4"
_CONSTANT = ("trainer.optimizer.schedule=constant",)
_TRAINED, _SOLVED = ("projection.enabled=false",), ("projection.enabled=true",)
_STEADY = ("trainer.optimizer.beta1=0.9", "trainer.optimizer.beta1_first=null")
_RISING = ("trainer.optimizer.beta1=0.95", "trainer.optimizer.beta1_first=0.5")
_PUBLISHED = (*_TRAINED, *_STEADY, *_CONSTANT)


def _recipe(alpha: float, rate: float, *settings: str) -> tuple[str, ...]:
    return (f"method.alpha={alpha:g}", f"trainer.optimizer.lr={rate:g}", *settings)


RECIPES = {
    "SIREN, 1e-4": _recipe(1, 1e-4, *_PUBLISHED),
    PLAIN: _recipe(2.5, 1e-4, *_PUBLISHED),
    "alpha 1.5, 1e-4": _recipe(1.5, 1e-4, *_PUBLISHED),
    "alpha 1.375, 5e-4": _recipe(1.375, 5e-4, *_PUBLISHED),
    "alpha 1.375, 5e-4, rising momentum": _recipe(1.375, 5e-4, *_TRAINED, *_RISING, *_CONSTANT),
    "alpha 1.25, 2e-4, output solved, momentum 0.9": _recipe(1.25, 2e-4, *_SOLVED, *_STEADY),
    **{
        f"alpha {alpha:g}, {label}, output solved": _recipe(alpha, rate, *_SOLVED, *_RISING)
        for alpha, rate, label in (
            (1, 2e-4, "2e-4"),
            (1, 1e-3, "1e-3"),
            (1.25, 2e-4, "2e-4"),
            (1.25, 5e-4, "5e-4"),
            (1.25, 1e-3, "1e-3"),
            (1.5, 1e-3, "1e-3"),
            (1.375, 2e-4, "2e-4"),
            (2.5, 1e-4, "1e-4"),
            (2.5, 2e-4, "2e-4"),
        )
    },
    **{
        f"alpha {alpha:g}, 2e-4, output solved, ridge {ridge:g}": _recipe(
            alpha, 2e-4, *_SOLVED, *_RISING, f"projection.ridge={ridge:g}"
        )
        for alpha, ridge in (
            *((1, 0.1), (1.25, 0.01), (1.25, 0.1), (1.375, 0.01), (1.375, 0.1), (1.5, 0.1), (1.75, 0.1)),
            *((2.5, 0.1), (1.5, 1e-6)),
        )
    },
    "SIREN, 2e-4, output solved, momentum 0.9": _recipe(1, 2e-4, *_SOLVED, *_STEADY),
}


@dataclass(frozen=True)
class Score:
    """Of one recipe on one picture: steps and CPU seconds to the target, and dB at the end."""

    steps: float
    seconds: float
    fitted: float
    held_out: float


def main() -> None:
    arguments = _parse()
    prepare_cpu(arguments.threads)
    table = {}
    for name in arguments.recipes:
        table[name] = [_score(name, each, arguments) for each in KODAK[: arguments.pictures]]
        print(f"| {' | '.join(_cells(name, table[name], None))} |", flush=True)
    plain = table.get(PLAIN)
    columns = ["recipe", f"steps to {arguments.target:g} dB", "reached by", "CPU s", "times fewer steps"]
    columns += ["fitted at the end, dB", "between the samples, dB"]
    print(
        markdown(_title(arguments), columns, [_cells(name, scores, plain) for name, scores in table.items()])
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with kodak/")
    parser.add_argument("--recipes", nargs="+", choices=list(RECIPES), default=list(RECIPES), metavar="NAME")
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--size", type=int, default=96, help="of the longer side")
    parser.add_argument("--width", type=int, default=128, help="of the fields")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--target", type=float, default=40.0, help="dB")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/recipes"))
    return parser.parse_args()


def _title(arguments: argparse.Namespace) -> str:
    return (
        f"{arguments.pictures} Kodak pictures, {arguments.size} pixels, width {arguments.width}, "
        f"{arguments.steps} steps, {arguments.threads} thread"
    )


def _score(recipe: str, name: str, arguments: argparse.Namespace) -> Score:
    size = f"{arguments.size}-{arguments.width}-{arguments.steps}"
    folder = arguments.out / size / recipe.replace(", ", "-").replace(" ", "_")
    file, half = folder / f"{name}.json", folder / f"{name}-half.json"
    curve = grid_curve(file, _problem(recipe, name, "none", arguments), 0.0, make_accelerator())
    between = grid_curve(half, _problem(recipe, name, "every_other", arguments), 0.0, make_accelerator())
    steps = curve.steps_to(arguments.target)
    seconds = json.loads(file.read_text())["cpu_seconds"] * steps / arguments.steps
    return Score(steps, seconds, curve.fitted[-1], between.last_held_out)


def _problem(recipe: str, name: str, holdout: str, arguments: argparse.Namespace) -> FitProblem:
    settings = [
        *picture(f"{arguments.data}/kodak/{name}.png", arguments.size, holdout),
        f"method.width={arguments.width}",
        f"trainer.max_steps={arguments.steps}",
        *RECIPES[recipe],
    ]
    return problem_from(settings)


def _cells(name: str, scores: list[Score], plain: list[Score] | None) -> list[str]:
    reached = [score for score in scores if math.isfinite(score.steps)]
    steps = statistics.median(score.steps for score in scores)
    seconds = statistics.median(score.seconds for score in scores)
    fewer = math.nan if plain is None else statistics.median(score.steps for score in plain) / steps
    return [
        name,
        f"{steps:.0f}" if math.isfinite(steps) else "not by half",
        f"{len(reached)} of {len(scores)}",
        f"{seconds:.1f}" if math.isfinite(seconds) else "-",
        f"{fewer:.1f}" if math.isfinite(fewer) and fewer > 0 else "-",
        mean_and_deviation([score.fitted for score in scores]),
        mean_and_deviation([score.held_out for score in scores]),
    ]


if __name__ == "__main__":
    main()
