"""What ``alpha=auto`` expects of an alpha between the samples of a picture, by least squares.

    python benchmarks/alpha_expected.py DATA [--seed 0] [--other-seed 1] [--out DIR]

Of the pictures of every set of alpha_auto.py, whose whole runs it shares (give both the same ``--out``): the
held-out score of alpha 1.25 and 1.5 against that of alpha 1, over what samples leave open between them, by
itself and times how evenly they miss each other. Printed are the line, how near it comes to a picture that it
has not seen at any size, how many alphas chosen by it are within what alpha_auto.py asks, and the same of
alphas that a whole grid of another seed chooses: no rule that looks at the picture alone can be expected to
do better. Whole runs are kept: the command can be killed and called again.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from alpha_grid import SLOWER, SMALL, TOLERANCE, grid_curves, problem_of, runs_folder, steps_ratio
from torch import nn

from wsapps.accelerator import make_accelerator
from wsapps.alpha import REFERENCE, Curve, choose, with_alpha
from wsapps.alpha.by_samples import looks
from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.prediction import LEAST_EXPECTED, expected
from wsapps.cpu import prepare_cpu
from wsapps.fields import make_field

FITTED, LOOKED_AT = (1.25, 1.5), (1.25, 1.5, 1.75)
HOPELESS = -3.0  # dB: whoever is so far below is not chosen, and the line need not bend for it

#: Of one picture at one size: what was seen at each alpha, and how evenly samples miss each other.
Looks = tuple[Mapping[float, Interpolation], float]


@dataclass(frozen=True)
class Case:
    """A picture at one size: its looks, and the curves of whole runs."""

    name: str
    looks: Looks
    curves: Mapping[float, Curve]

    @property
    def picture(self) -> str:
        """The same at every size."""
        return self.name.partition(",")[0]

    @property
    def alphas(self) -> list[float]:
        """Those that the line is drawn through."""
        return [a for a in FITTED if a in self.curves and self.lost(a) > HOPELESS]

    def lost(self, alpha: float) -> float:
        """Its held-out score against that of alpha = 1, dB."""
        return self.curves[alpha].last_held_out - self.curves[REFERENCE].last_held_out

    def seen(self, alpha: float) -> list[float]:
        """What the line is drawn over."""
        found, evenness = self.looks
        return [-found[alpha].left_open, found[alpha].left_open * evenness]

    def within(self, alpha: float) -> bool:
        """Whether a choice is within what alpha_auto.py asks."""
        if alpha not in self.curves or self.lost(alpha) < -TOLERANCE:
            return False
        grid = choose(list(self.curves.values()), TOLERANCE)
        return steps_ratio(self.curves[alpha], self.curves[grid.alpha], grid.target) <= SLOWER


def main() -> None:
    arguments = _parse()
    prepare_cpu(1)
    accelerator = make_accelerator()
    cases = list(_cases(arguments, accelerator))
    lines = {case.picture: _line([c for c in cases if c.picture != case.picture]) for case in cases}
    print("lost at edges, less where even, dB:", np.round(_line(cases), 2))
    pairs = np.array(
        [(np.dot(case.seen(a), lines[case.picture]), case.lost(a)) for case in cases for a in case.alphas]
    )
    error = math.sqrt(np.mean((pairs[:, 0] - pairs[:, 1]) ** 2))
    print(
        f"of pictures not seen: root mean square error {error:.2f} dB, correlation "
        f"{np.corrcoef(pairs.T)[0, 1]:.2f}, {len(pairs)} runs of {len(cases)} signals, {len(lines)} pictures"
    )
    _print("alpha 1", cases, lambda case: REFERENCE)
    _print("alpha 1.25", cases, lambda case: 1.25)
    _print("by a line through other pictures", cases, lambda case: _largest(case, lines[case.picture]))
    _print("by the line in wsapps.alpha.prediction", cases, lambda case: _largest(case, None))
    if arguments.other_seed is not None:
        known = [case for case in cases if not arguments.others or case.name in arguments.others]
        others = {case.name: _grid_of(case.name, arguments, accelerator) for case in known}
        _print("of these, by a whole grid of another seed", known, lambda case: others[case.name])
        _print("the same, by the line", known, lambda case: _largest(case, None))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with kodak/, div2k/ and nerf_synthetic/")
    parser.add_argument("--seed", type=int, default=0, help="of fields, draws and looks")
    parser.add_argument("--other-seed", type=int, help="of the grid that is judged by the first one's runs")
    parser.add_argument("--others", nargs="*", help="signals that the other grid is made for; else all")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/alpha_auto"))
    return parser.parse_args()


def _cases(arguments: argparse.Namespace, accelerator: Accelerator) -> Iterator[Case]:
    for name, settings in SMALL.items():
        if "signal=image" in settings:
            curves = _curves(name, arguments.seed, arguments, accelerator)
            yield Case(name, _looks(name, arguments), curves)


def _curves(
    name: str, seed: int, arguments: argparse.Namespace, accelerator: Accelerator
) -> dict[float, Curve]:
    folder, settings = runs_folder(arguments.out, seed), (f"trainer.seed={seed}",)
    return {c.alpha: c for c in grid_curves(folder, name, arguments.data, settings, accelerator)}


def _looks(name: str, arguments: argparse.Namespace) -> Looks:
    """As alpha=auto looks, at every alpha of the line."""
    problem = problem_of(name, arguments.data, (f"trainer.seed={arguments.seed}",))
    seen = problem.signal.coordinates[problem.mask], problem.signal.values[problem.mask]

    def make(alpha: float) -> nn.Module:
        return make_field(seen[0].shape[1], seen[1].shape[1], with_alpha(problem.config, alpha).method)

    return looks(make, *seen, LOOKED_AT, seed=arguments.seed, least=-math.inf)


def _line(cases: list[Case]) -> np.ndarray:
    pairs = [(case.seen(alpha), case.lost(alpha)) for case in cases for alpha in case.alphas]
    seen, lost = (np.array(each) for each in zip(*pairs, strict=True))
    return np.linalg.lstsq(seen, lost, rcond=None)[0]


def _largest(case: Case, line: np.ndarray | None) -> float:
    """The largest alpha of which enough is expected, by a line or by the one that alpha=auto has."""
    found, evenness = case.looks
    chosen = REFERENCE
    for alpha in LOOKED_AT:
        score = expected(found[alpha], evenness) if line is None else float(np.dot(case.seen(alpha), line))
        if score < LEAST_EXPECTED:
            break
        chosen = alpha
    return chosen


def _grid_of(name: str, arguments: argparse.Namespace, accelerator: Accelerator) -> float:
    curves = _curves(name, arguments.other_seed, arguments, accelerator)
    return choose(list(curves.values()), TOLERANCE).alpha


def _print(what: str, cases: list[Case], choice: Callable[[Case], float]) -> None:
    chosen = [(case, choice(case)) for case in cases]
    lost = [case.lost(alpha) for case, alpha in chosen if alpha in case.curves]
    harmed = [each for each in lost if each < -TOLERANCE]
    print(
        f"{what}: {sum(case.within(alpha) for case, alpha in chosen)} of {len(cases)} within; {len(harmed)} "
        f"lose more than {TOLERANCE} dB, at most {-min([0.0, *harmed]):.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
