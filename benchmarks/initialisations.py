"""Initialisations of a sinusoidal field beside weight scaling: steps to 40 dB, and the score between samples.

    python benchmarks/initialisations.py DATA [--size 64] [--pictures 8] [--out DIR]

Kodak pictures in grey, width 128, 150 steps at 1e-3 with the output solved and rising momentum; each twice,
as in recipes.py: on all pixels and on a chessboard of half of them. Fields are drawn as SIREN's, and then

* layer-wise alpha: every layer but the last is multiplied by a factor of its own (all 1.25: weight scaling;
  the first alone: frequency scaling);
* gradient-controlled (arXiv 2512.06427): hidden weights from U(-sqrt(3 / n) / omega, +), which is alpha =
  1 / sqrt(2), biases 0; with several factors of the first layer;
* noise, the idea of WINNER (arXiv 2509.09719): normal noise on the first two layers' weights. There its size
  comes from the signal's spectral centroid; here several are tried, and the best of them counts;
* evenly: the first weights are points of a scrambled Sobol sequence, spread over the same square more evenly
  than draws are.

Whole runs are kept: the command can be killed and called again.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from alpha_grid import KODAK, grid_curve, picture, problem_from
from printed import markdown, mean_and_deviation

from wsapps.accelerator import make_accelerator
from wsapps.alpha import Curve
from wsapps.cpu import prepare_cpu
from wsapps.fields import SinusoidalField
from wsapps.fields.sinusoidal import SineLayer
from wsapps.seeding import generator

_RECIPE = ("method.width=128", "method.alpha=1", "trainer.optimizer.lr=1e-3", "trainer.max_steps=150")
TARGET = 40.0


def layer_wise(layers: list[SineLayer], factors: Sequence[float]) -> None:
    for layer, factor in zip(layers, factors, strict=True):
        layer.linear.weight.mul_(factor)


def gradient_controlled(layers: list[SineLayer], first: float) -> None:
    layer_wise(layers, (first, *[2**-0.5] * 3))
    for layer in layers:
        layer.linear.bias.zero_()


def noise(layers: list[SineLayer], sizes: Sequence[float]) -> None:
    for index, (layer, size) in enumerate(zip(layers, sizes, strict=False)):
        weight = layer.linear.weight
        draw = torch.randn(weight.shape, generator=generator(0, "noise", index))
        weight.add_(draw, alpha=size / layer.omega)


def evenly(layers: list[SineLayer], alpha: float) -> None:
    weight = layers[0].linear.weight
    points = torch.quasirandom.SobolEngine(weight.shape[1], scramble=True, seed=0).draw(len(weight))
    weight.copy_((2 * points - 1) / weight.shape[1])
    layer_wise(layers, [alpha] * len(layers))


_FACTORS = {
    "all 1 (SIREN)": (1.0, 1.0, 1.0, 1.0),
    "all 1.25 (weight scaling)": (1.25, 1.25, 1.25, 1.25),
    "the first 2.44 (frequency scaling)": (2.44, 1.0, 1.0, 1.0),
    "the first 1.56, others 1.16": (1.56, 1.16, 1.16, 1.16),
    "the first 1, others 1.35": (1.0, 1.35, 1.35, 1.35),
    "rising, 1 to 1.5": (1.0, 1.17, 1.33, 1.5),
    "falling, 1.5 to 1": (1.5, 1.33, 1.17, 1.0),
}
STARTS: dict[str, Callable[[list[SineLayer]], None]] = {
    **{name: partial(layer_wise, factors=factors) for name, factors in _FACTORS.items()},
    **{
        f"gradient-controlled, the first {first:g}": partial(gradient_controlled, first=first)
        for first in (1.0, 2.0, 4.0)
    },
    **{
        f"noise of {first:g} and {second:g}": partial(noise, sizes=(first, second))
        for first, second in ((5.0, 0.5), (10.0, 1.0), (20.0, 2.0))
    },
    **{f"all {alpha:g}, the first evenly": partial(evenly, alpha=alpha) for alpha in (1.0, 1.25)},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with kodak/")
    parser.add_argument("--size", type=int, default=64, help="of the longer side")
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--starts", nargs="+", choices=list(STARTS), default=list(STARTS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/initialisations"))
    arguments = parser.parse_args()
    prepare_cpu(1)
    rows = []
    for name in arguments.starts:
        rows.append([name, *_scores(name, arguments)])
        print(f"| {' | '.join(rows[-1])} |", flush=True)
    columns = ["start", f"steps to {TARGET:g} dB", "fitted at the end, dB", "between the samples, dB"]
    title = f"{arguments.pictures} Kodak pictures, {arguments.size} pixels, width 128, 1e-3, output solved"
    print(markdown(title, columns, rows))


def _scores(start: str, arguments: argparse.Namespace) -> list[str]:
    steps, fitted, between = [], [], []
    for name in KODAK[: arguments.pictures]:
        curves = [_curve(start, name, holdout, arguments) for holdout in ("none", "every_other")]
        steps.append(curves[0].steps_to(TARGET))
        fitted.append(curves[0].last_fitted)
        between.append(curves[1].last_held_out)
    return [f"{statistics.median(steps):.0f}", *(mean_and_deviation(scores) for scores in (fitted, between))]


def _curve(start: str, name: str, holdout: str, arguments: argparse.Namespace) -> Curve:
    path = f"{arguments.data}/kodak/{name}.png"
    problem = problem_from([*picture(path, arguments.size, holdout), *_RECIPE])
    assert isinstance(problem.field, SinusoidalField)
    with torch.no_grad():
        STARTS[start]([layer for layer in problem.field.layers if isinstance(layer, SineLayer)])
    folder = arguments.out / f"{arguments.size}" / start.replace(", ", "-").replace(" ", "_")
    return grid_curve(folder / f"{name}-{holdout}.json", problem, 1.0, make_accelerator())


if __name__ == "__main__":
    main()
