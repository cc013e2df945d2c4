"""Fields for residual losses: weight scaling, SIREN, tanh and Fourier features, at equal time and parameters.

    python benchmarks/pde_methods.py [--problems burgers wave] [--methods siren tanh] [--seeds 3]

Relative L2 errors of the first unknown against the problems' references: medians over seeds, with the range.
``sine`` is the default network, of low frequencies; what follows a name are settings of the method. A run is
a run folder of its own: the command can be killed and called again.
"""

from __future__ import annotations

import argparse
import math
import statistics
from pathlib import Path

from printed import markdown

from wsapps.run_folder import RunFolder
from wsapps_pde.library import main as library

PROBLEMS = ("burgers", "allen_cahn", "klein_gordon", "helmholtz", "wave", "poisson_2d")
TRAINED = ("stages.method=ssbroyden", "points.interior=4096")  # all alike, whatever a problem takes
METHODS = {
    "sine": ("method=sine",),
    "sine, alpha auto": ("method=sine", "alpha=auto"),
    "sine, alpha 1.5": ("method=weight_scaling",),
    "sine, alpha 2": ("method=sine", "method.alpha=2"),
    "siren": ("method=siren",),
    "tanh": ("method=tanh",),
    "ffn": ("method=ffn",),
}


def main() -> None:
    arguments = _parse()
    errors: dict[tuple[str, str], list[float]] = {}
    for seed in range(arguments.seeds):
        for name in arguments.methods:
            folder = arguments.out / f"{arguments.seconds:g}" / name.replace(", ", "_").replace(" ", "_")
            settings = [*METHODS[name], f"trainer.seed={seed}", f"trainer.max_seconds={arguments.seconds}"]
            settings += [*TRAINED, f"trainer.num_threads={arguments.threads}"]
            quoted = ",".join(f'"{setting}"' for setting in settings)
            out = folder / f"seed_{seed}"
            code = library(
                [f"problems=[{','.join(arguments.problems)}]", f"settings=[{quoted}]", f"out={out}"]
            )
            if code:
                raise SystemExit(code)
            for problem in arguments.problems:
                errors.setdefault((problem, name), []).append(_error(out / "problems" / problem))
        print(_table(arguments, errors), flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", nargs="+", default=list(PROBLEMS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=40.0, help="of training, each")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/pde_methods"))
    return parser.parse_args()


def _error(run: Path) -> float:
    metrics = RunFolder(run, "finished").read_metrics()
    found = [value for key, value in metrics.items() if key.startswith("relative_l2/")]
    return float(found[0]) if found and "diverged" not in metrics else math.nan


def _table(arguments: argparse.Namespace, errors: dict[tuple[str, str], list[float]]) -> str:
    rows = [
        [problem, *(_cell(errors.get((problem, name), [])) for name in arguments.methods)]
        for problem in arguments.problems
    ]
    title = f"Relative L2 after {arguments.seconds:g} s, {arguments.threads} thread, seeds: {arguments.seeds}"
    return markdown(title, ["problem", *arguments.methods], rows)


def _cell(values: list[float]) -> str:
    """The median, and in brackets the range; diverged runs are counted as infinite."""
    if not values:
        return "-"
    known = [math.inf if math.isnan(value) else value for value in values]
    return f"{statistics.median(known):.1e} ({min(known):.0e} to {max(known):.0e})"


if __name__ == "__main__":
    main()
