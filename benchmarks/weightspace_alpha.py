"""How weight scaling changes a pipeline of fitted fields: alpha x biases x init x seeds.

    python benchmarks/weightspace_alpha.py dataset=mnist_5k
    python benchmarks/weightspace_alpha.py --alphas 1 2.5 --seeds 1 --piece 540

For every cell: steps and seconds until fields reach a PSNR, at a constant learning rate, each target in a fit
of its own over the same fields; and the accuracy of classifiers on fields of ``--steps`` steps: an MLP on the
weights where the init is shared, a symmetric model where it is random, probes for both. Cells that are done
are kept, so the command can be killed and called again. ``key=value`` goes to wsapps_weightspace.build.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from printed import markdown, mean_and_deviation
from weightspace_runs import Pieces

from wsapps.accelerator import make_accelerator
from wsapps.atomic import write_json
from wsapps.config import default_config_dir, load_config
from wsapps.cpu import prepare_cpu
from wsapps_weightspace.build import fit_numbers, make_problem
from wsapps_weightspace.build_config import BuildConfig
from wsapps_weightspace.numbering import Numbers

WEIGHT_MODEL = {"shared": "flat_mlp", "random": "scale_gmn"}
FUNCTION_MODEL = "probes"
Scores = dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One initialisation, with a seed."""

    init: str
    bias: str
    alpha: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.init}-{self.bias}-{self.alpha:g}-{self.seed}"

    @property
    def settings(self) -> list[str]:
        return [
            f"init={self.init}",
            f"init.bias={self.bias}",
            f"init.alpha={self.alpha}",
            f"seed={self.seed}",
        ]


def main() -> None:
    arguments = _parse()
    pieces = Pieces(arguments.piece, apart=False)
    prepare_cpu()
    cells = [
        Cell(*one)
        for one in itertools.product(
            arguments.inits, arguments.biases, arguments.alphas, range(arguments.seeds)
        )
    ]
    results = {}
    for cell in cells:
        pieces.check()
        results[cell] = _speed(cell, arguments) | _accuracy(cell, pieces, arguments)
    _print(results, arguments)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alphas", type=float, nargs="+", default=[1, 1.5, 2, 3, 4])
    parser.add_argument("--biases", nargs="+", default=["zero", "pytorch"])
    parser.add_argument("--inits", nargs="+", default=["shared", "random"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--targets", type=float, nargs="+", default=[25, 30, 35, 40], help="PSNRs, dB")
    parser.add_argument("--lr", type=float, default=2e-3, help="constant rate of the fits to a PSNR")
    parser.add_argument("--most_steps", type=int, default=1000, help="of the fits to a PSNR")
    parser.add_argument("--fields", type=int, default=256, help="fields that are fitted to each PSNR")
    parser.add_argument("--steps", type=int, default=100, help="of the fields that are classified")
    parser.add_argument("--limit", type=int, default=2000, help="samples that are classified")
    parser.add_argument("--epochs", type=float, default=20, help="of each classifier's training")
    parser.add_argument("--no_accuracy", action="store_true", help="measure steps and seconds alone")
    parser.add_argument(
        "--piece", type=float, help="stop this call after so many seconds; call again to go on"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/weightspace_alpha"))
    parser.add_argument("overrides", nargs="*", help="key=value for wsapps_weightspace.build")
    return parser.parse_args()


def _root(arguments: argparse.Namespace) -> Path:
    """A folder for these settings alone: figures of other ones are not taken for theirs."""
    apart = ("alphas", "biases", "inits", "seeds", "no_accuracy", "piece", "out")  # which cells, and when
    settings = {key: value for key, value in vars(arguments).items() if key not in apart}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return arguments.out / digest[:8]


def _speed(cell: Cell, arguments: argparse.Namespace) -> Scores:
    """Of fields spread over the dataset: for each target, the median step and the part that reached it."""
    path = _root(arguments) / "speed" / f"{cell.name}.json"
    if path.is_file():
        return json.loads(path.read_text())
    overrides = ["dataset=mnist_5k", *arguments.overrides, *cell.settings]
    config = load_config(
        BuildConfig, "build", config_dir=default_config_dir("weightspace"), overrides=overrides
    )
    constant = replace(config.fitting, lr=arguments.lr, schedule="constant", steps=arguments.most_steps)
    accelerator = make_accelerator()
    scores: Scores = {}
    for target in arguments.targets:
        settings = replace(config, fitting=replace(constant, target_psnr=target))
        problem = make_problem(settings, accelerator)
        samples = torch.linspace(0, len(problem.samples) - 1, arguments.fields).long()
        numbers = Numbers(samples, torch.zeros_like(samples), torch.zeros_like(samples))
        fitter = problem.fitter(accelerator)
        began = time.perf_counter()
        fitted = fit_numbers(problem, fitter, numbers)
        scores[f"seconds/{target:g}"] = time.perf_counter() - began
        reached = fitted.psnr >= target - 1e-3
        scores[f"steps/{target:g}"] = float(fitted.steps.double().median())
        scores[f"reached/{target:g}"] = float(reached.double().mean())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, scores)
    return scores


def _accuracy(cell: Cell, pieces: Pieces, arguments: argparse.Namespace) -> Scores:
    """PSNR of fields of equal steps, and how well they are classified."""
    if arguments.no_accuracy:
        return {}
    fields = _root(arguments) / "fields" / cell.name
    settings = ["dataset=mnist_5k", f"data.limit={arguments.limit}", *arguments.overrides, *cell.settings]
    built = pieces.run("build", fields, [*settings, f"fitting.steps={arguments.steps}"])
    scores: Scores = {"psnr": built["fit/psnr"]}
    for kind, model in (("weights", WEIGHT_MODEL[cell.init]), ("function", FUNCTION_MODEL)):
        settings = [
            f"dataset={fields}", f"classifier={model}", f"epochs={arguments.epochs}",
            f"trainer.seed={cell.seed}",
        ]  # fmt: skip
        trained = pieces.run("train", _root(arguments) / "runs" / cell.name / model, settings)
        scores[f"accuracy/{kind}"] = 100 * trained["accuracy"]
    return scores


def _print(results: dict[Cell, Scores], arguments: argparse.Namespace) -> None:
    targets = [f"{target:g}" for target in arguments.targets]
    for init, bias in itertools.product(arguments.inits, arguments.biases):
        columns = ["alpha", *(f"steps to {t} dB" for t in targets), *(f"s to {t} dB" for t in targets)]
        columns += [f"PSNR at {arguments.steps} steps", f"{WEIGHT_MODEL[init]}, %", f"{FUNCTION_MODEL}, %"]
        rows = []
        for alpha in arguments.alphas:
            seeds = [
                scores
                for cell, scores in results.items()
                if cell == replace(cell, init=init, bias=bias, alpha=alpha)
            ]
            row = [f"{alpha:g}", *(_steps(seeds, t) for t in targets)]
            row += [_mean(seeds, f"seconds/{t}", 2) for t in targets]
            row += [_mean(seeds, "psnr", 2), _mean(seeds, "accuracy/weights", 1)]
            rows.append([*row, _mean(seeds, "accuracy/function", 1)])
        print(markdown(f"{init} init, {bias} biases", columns, rows))
    print(
        f"\n{arguments.fields} fields for steps and seconds, at most {arguments.most_steps} steps, Adam at a "
        f"constant {arguments.lr:g}; medians over fields, means ± deviations over {arguments.seeds} seeds; "
        f"seconds are for all of these fields at once, on {torch.get_num_threads()} threads. "
        f"{arguments.limit} samples classified, {arguments.epochs:g} epochs each."
    )


def _steps(seeds: list[Scores], target: str) -> str:
    """Median steps, and the part of the fields that came there where it is not all of them."""
    reached = statistics.fmean(scores[f"reached/{target}"] for scores in seeds)
    if reached < 0.5:
        return f"reached by {100 * reached:.0f} %"
    text = _mean(seeds, f"steps/{target}", 0)
    return text if reached == 1 else f"{text} ({100 * reached:.0f} %)"


def _mean(seeds: list[Scores], name: str, digits: int) -> str:
    return mean_and_deviation(list(_values(seeds, name)), digits)


def _values(seeds: list[Scores], name: str) -> Iterator[float]:
    return (scores[name] for scores in seeds if name in scores)


if __name__ == "__main__":
    main()
