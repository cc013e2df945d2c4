"""``alpha=auto`` on measurements: noise on smooth functions, and samples dense in one direction only.

    python benchmarks/alpha_noise.py [--seeds 0 1 2] [--only noise 0.3] [--width 256] [--steps 150]

Made-up functions, sampled as stations, tracks, repeated measurements and grids are, with normal noise.
Fields are fitted by ``wsapps.fit``, as it chooses and with alphas 1, 1.5 and 2.5, and scored on samples that
none has seen: other stations, other tracks, other places. What counts is how much is lost against alpha 1, in
dB, where 0.5 may be.
"""

from __future__ import annotations

import argparse
import logging
import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

import torch
from printed import markdown
from torch import Tensor

import wsapps
from wsapps.cpu import prepare_cpu

GIVEN = (1.0, 1.5, 2.5)

Draw = Callable[[torch.Generator], tuple[Tensor, Tensor]]  # -> samples (N, D), which of them are fitted (N,)


def main() -> None:
    arguments = _parse()
    prepare_cpu(1)
    logging.getLogger("wsapps").setLevel(logging.WARNING)
    rows = []
    for name, (function, noise, draw) in SIGNALS.items():
        if not all(word in name for word in arguments.only):
            continue
        runs = [_run(function, noise, draw, seed, arguments) for seed in arguments.seeds]
        alphas = sorted({run["auto"][0] for run in runs})
        lost = [statistics.median(run[key][1] for run in runs) for key in ("auto", *GIVEN[1:])]
        worst = min(run["auto"][1] for run in runs)
        said = f"{alphas[0]:g}" + (f" to {alphas[-1]:g}" if len(alphas) > 1 else "")
        rows.append([name, said, f"{lost[0]:+.2f} ({worst:+.2f})", *(f"{each:+.2f}" for each in lost[1:])])
        print("|", " | ".join(rows[-1]), "|", flush=True)
    columns = [
        "samples",
        "chosen",
        "auto, median (worst), dB",
        *(f"alpha {alpha:g}, dB" for alpha in GIVEN[1:]),
    ]
    print(markdown("Held-out score against alpha 1:", columns, rows))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="of samples, noise and fields"
    )
    parser.add_argument("--only", nargs="+", default=[], help="words that a signal's name has")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--steps", type=int, default=150)
    return parser.parse_args()


def _run(
    function: Callable[[Tensor], Tensor], noise: float, draw: Draw, seed: int, arguments: argparse.Namespace
) -> Mapping[str | float, tuple[float, float]]:
    """Alpha and score against alpha 1, dB, by ``"auto"`` and by the alphas that are given."""
    generator = torch.Generator().manual_seed(seed)
    samples, fitted = draw(generator)
    values = function(samples) + noise * torch.randn(len(samples), 1, generator=generator)

    def score(alpha: float | None) -> tuple[float, float]:
        field: Any = wsapps.fit(
            samples[fitted], values[fitted], alpha=alpha, width=arguments.width, steps=arguments.steps,
            seed=seed, progress=False,
        )  # fmt: skip
        with torch.no_grad():
            error = float((field(samples[~fitted]) - values[~fitted]).square().mean())
        return field.alpha, -10 * math.log10(error)

    scores = {"auto": score(None), **{alpha: score(alpha) for alpha in GIVEN}}
    return {key: (alpha, found - scores[1.0][1]) for key, (alpha, found) in scores.items()}


def _wave(frequency: float) -> Callable[[Tensor], Tensor]:
    return lambda samples: torch.sin(frequency * samples + 0.5).prod(dim=1, keepdim=True)


def _grid(dimensions: int, count: int) -> Draw:
    """Every other sample is fitted."""

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        axes = torch.meshgrid(*[torch.arange(count)] * dimensions, indexing="ij")
        numbers = torch.stack(axes, dim=-1).reshape(-1, dimensions)
        return torch.linspace(-1, 1, count)[numbers], numbers.sum(dim=1) % 2 == 0

    return draw


def _stations(count: int, times: int) -> Draw:
    """Places (x, y) with a series each; one of six is held out."""

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        places = 2 * torch.rand(count, 2, generator=generator) - 1
        series = torch.linspace(-1, 1, times).repeat(count)[:, None]
        held_out = torch.arange(count).repeat_interleave(times) % 6 == 0
        return torch.cat([places.repeat_interleave(times, 0), series], dim=1), ~held_out

    return draw


def _tracks(count: int, samples: int) -> Draw:
    """Straight lines through the square; one of six is held out."""

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        first, last = (2 * torch.rand(count, 1, 2, generator=generator) - 1 for _ in range(2))
        along = torch.linspace(0, 1, samples)[:, None]
        held_out = torch.arange(count).repeat_interleave(samples) % 6 == 0
        return torch.lerp(first, last, along).reshape(-1, 2), ~held_out

    return draw


def _repeats(places: int, times: int, shaken: float = 0.0) -> Draw:
    """Every place measured many times, to so much; every third one is held out."""

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        samples = torch.linspace(-1, 1, places)[:, None].repeat_interleave(times, 0)
        samples = samples + shaken * torch.randn(len(samples), 1, generator=generator) if shaken else samples
        return samples, torch.arange(places).repeat_interleave(times) % 3 != 1

    return draw


SIGNALS: Mapping[str, tuple[Callable[[Tensor], Tensor], float, Draw]] = {
    "sin 5x, 2,000 of which half are fitted": (_wave(5), 0.0, _grid(1, 2000)),
    "the same with noise of 0.1": (_wave(5), 0.1, _grid(1, 2000)),
    "noise of 0.3": (_wave(5), 0.3, _grid(1, 2000)),
    "noise of 0.1, 600 samples": (_wave(5), 0.1, _grid(1, 600)),
    "noise of 0.1, 10,000 samples": (_wave(5), 0.1, _grid(1, 10_000)),
    "sin 40x, noise of 0.1, 4,000 samples": (_wave(40), 0.1, _grid(1, 4000)),
    "sin 3x sin 3y, noise of 0.1, 64x64": (_wave(3), 0.1, _grid(2, 64)),
    "sin 3x sin 3y, noise of 0.3, 96x96": (_wave(3), 0.3, _grid(2, 96)),
    "72 stations by 100 times, noise of 0.1": (_wave(1.5), 0.1, _stations(72, 100)),
    "24 tracks of 200, noise of 0.1": (_wave(1.5), 0.1, _tracks(24, 200)),
    "45 places 100 times, noise of 0.1": (_wave(3), 0.1, _repeats(45, 100)),
    "45 places 100 times, to a thousandth, noise of 0.1": (_wave(3), 0.1, _repeats(45, 100, 1e-3)),
}


if __name__ == "__main__":
    main()
