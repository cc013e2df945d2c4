"""What ``alpha=auto`` expects of an alpha between the samples of a picture, by least squares.

    python benchmarks/alpha_expected.py DATA [--seeds 0 1 2] [--out DIR] [--picture FILE]

Of the pictures of every set of alpha_auto.py, whose whole runs it shares (give both one ``--out``): the
held-out score of alpha 1.25 and 1.5 against that of alpha 1, over what samples leave open between them, its
spread times how evenly they miss each other, and what alpha 1 does not learn. Printed are the line, how near
it comes to a picture that it has not seen at any size, and how many alphas chosen by it are within what
alpha_auto.py asks.

One seed tells little of a picture. So grey photographs have runs with every other seed as well, and choices
are judged by the mean of the other seeds' curves too, those by the line and those of a whole grid. Whole runs
are kept: the command can be killed and called again. The picture has what was expected of every run, by a
line through other pictures, and what it gave.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from alpha_grid import (
    LARGER,
    SEVERAL_SEEDS,
    SLOWER,
    SMALL,
    TOLERANCE,
    grid_curves,
    looks_of,
    mean_of,
    problem_of,
    runs_folder,
    steps_ratio,
)
from matplotlib.figure import Figure
from printed import markdown

from wsapps.accelerator import make_accelerator
from wsapps.alpha import REFERENCE, Curve, choose
from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.prediction import LEAST_EXPECTED, expected, lost_and_won
from wsapps.alpha.texture import Texture
from wsapps.cpu import prepare_cpu
from wsapps.pictures import save_figure

FITTED, LOOKED_AT = (1.25, 1.5), (1.25, 1.5, 1.75, 2.0)
HOPELESS = -3.0  # dB: whoever is so far below is not chosen, and the line need not bend for it

Curves = Mapping[float, Curve]


@dataclass(frozen=True)
class Case:
    """A picture at one size and a seed: what was seen of it, and the curves of whole runs."""

    name: str
    found: Mapping[float, Interpolation]
    texture: Texture
    curves: Curves

    @property
    def picture(self) -> str:
        """The same at every size."""
        return self.name.partition(",")[0]

    @property
    def alphas(self) -> list[float]:
        """Those that the line is drawn through."""
        return [a for a in FITTED if a in self.curves and lost(self.curves, a) > HOPELESS]

    def seen(self, alpha: float) -> tuple[float, float, float]:
        """What the line is drawn over."""
        return lost_and_won(self.found[alpha], self.found[REFERENCE], self.texture)

    def largest(self, score: Callable[[float], float]) -> float:
        """The largest alpha of which enough is expected."""
        chosen = REFERENCE
        for alpha in LOOKED_AT:
            if score(alpha) < LEAST_EXPECTED:
                break
            chosen = alpha
        return chosen


def main() -> None:
    arguments = _parse()
    prepare_cpu(1)
    cases = list(_cases(arguments, make_accelerator()))
    lines = {case.picture: _line([c for c in cases if c.picture != case.picture]) for case in cases}
    print("lost for what is open, won by spread where even, and by learning, dB:", np.round(_line(cases), 2))
    pairs = {
        alpha: np.array(
            [
                (np.dot(case.seen(alpha), lines[case.picture]), lost(case.curves, alpha))
                for case in cases
                if alpha in case.alphas
            ]
        )
        for alpha in FITTED
    }
    wanted, got = np.concatenate(list(pairs.values())).T
    error = math.sqrt(np.mean((wanted - got) ** 2))
    print(
        f"of pictures not seen: root mean square error {error:.2f} dB, correlation "
        f"{np.corrcoef(wanted, got)[0, 1]:.2f}, {len(got)} runs, {len(lines)} pictures"
    )
    if arguments.picture is not None:
        save_figure(arguments.picture, _drawn(pairs), 120)
    rules: dict[str, Callable[[Case], float]] = {
        "1": lambda case: REFERENCE,
        "1.25": lambda case: 1.25,
        "by a line through other pictures": lambda case: case.largest(
            lambda alpha: float(np.dot(case.seen(alpha), lines[case.picture]))
        ),
        "by the line in wsapps.alpha.prediction": lambda case: case.largest(
            lambda alpha: expected(case.found[alpha], case.found[REFERENCE], case.texture)
        ),
        "of this seed's whole grid": lambda case: choose(list(case.curves.values()), TOLERANCE).alpha,
    }
    print(_table(cases, rules))


def lost(curves: Curves, alpha: float) -> float:
    """The held-out score against that of alpha = 1, dB; minus infinity where the grid had ended before."""
    return curves[alpha].last_held_out - curves[REFERENCE].last_held_out if alpha in curves else -math.inf


def within(curves: Curves, alpha: float) -> bool:
    """Whether a choice is within what alpha_auto.py asks."""
    if lost(curves, alpha) < -TOLERANCE:
        return False
    grid = choose(list(curves.values()), TOLERANCE)
    return steps_ratio(curves[alpha], curves[grid.alpha], grid.target) <= SLOWER


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with kodak/, div2k/ and nerf_synthetic/")
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[0],
        help="of fields, draws and looks; the first of all pictures",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/alpha_auto"))
    parser.add_argument("--picture", type=Path, help="PNG of what was expected and what runs gave")
    return parser.parse_args()


def _cases(arguments: argparse.Namespace, accelerator: Accelerator) -> Iterator[Case]:
    pictures = [name for name, settings in (SMALL | LARGER).items() if "signal=image" in settings]
    for number, seed in enumerate(arguments.seeds):
        folder, settings = runs_folder(arguments.out, seed), (f"trainer.seed={seed}",)
        for name in pictures if number == 0 else SEVERAL_SEEDS:
            curves = grid_curves(folder, name, arguments.data, settings, accelerator)
            problem = problem_of(name, arguments.data, settings)
            yield Case(name, *looks_of(problem, LOOKED_AT, seed), curves)


def _line(cases: list[Case]) -> np.ndarray:
    pairs = [(case.seen(alpha), lost(case.curves, alpha)) for case in cases for alpha in case.alphas]
    seen, missed = (np.array(each) for each in zip(*pairs, strict=True))
    return np.linalg.lstsq(seen, missed, rcond=None)[0]


def _drawn(pairs: Mapping[float, np.ndarray]) -> Figure:
    """What runs gave over what was expected, (expected, given) in dB by alpha."""
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for alpha, points in pairs.items():
        axes.scatter(*points.T, s=12, alpha=0.6, linewidths=0, label=f"alpha {alpha:g}")
    ends = min(map(np.min, pairs.values())), max(map(np.max, pairs.values()))
    axes.plot(ends, ends, color="0.5", linewidth=1, label="as expected")
    for line in (axes.axhline, axes.axvline):
        line(LEAST_EXPECTED, color="0.7", linewidth=0.8, linestyle="--")
    axes.set(
        xlabel="expected, by a line through other pictures [dB]",
        ylabel="held-out score against alpha 1 [dB]",
        aspect="equal",
    )
    axes.legend(frameon=False)
    return figure


def _table(cases: list[Case], rules: Mapping[str, Callable[[Case], float]]) -> str:
    by_name = {name: [case for case in cases if case.name == name] for name in {c.name for c in cases}}
    own = [(case, case.curves) for case in cases]
    others = [
        (case, mean_of([other.curves for other in by_name[case.name] if other is not case]))
        for case in cases
        if len(by_name[case.name]) > 1
    ]
    rows = [
        [alpha, *(_counted(judged, choice) for judged in (own, others))] for alpha, choice in rules.items()
    ]
    columns = ["alpha", "within by its own runs", "by the mean of the other seeds'"]
    return markdown("Choices within what is asked:", columns, rows)


def _counted(judged: Sequence[tuple[Case, Curves]], choice: Callable[[Case], float]) -> str:
    if not judged:
        return "not measured"
    chosen = [(curves, choice(case)) for case, curves in judged]
    good = sum(within(*each) for each in chosen)
    harmed = sum(lost(*each) < -TOLERANCE for each in chosen)
    return f"{good} of {len(judged)} ({100 * good / len(judged):.0f} %), {harmed} lose more"


if __name__ == "__main__":
    sys.exit(main())
