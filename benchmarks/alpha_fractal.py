"""What ``alpha=auto`` expects of pictures that are as smooth as one likes, and what training gives.

    python benchmarks/alpha_fractal.py [--powers 2 1.75 1.5 1.25] [--draws 0 2 4] [--seeds 0 1] [--side 64]

Random pictures whose amplitudes fall as the frequency to a power: of 2 they are clouds, of 1.25 as rough as
photographs. Every other pixel is fitted, by fields of width 128 with alpha 1 and 1.25, otherwise the defaults
of a fit. The bound :data:`wsapps.alpha.prediction.MADE_UP` was chosen by them; no photograph is so smooth and
so even, so that alpha_expected.py says nothing of it.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from alpha_grid import COMMON, grid_curve, looks_of, picture, problem_from
from printed import markdown

from wsapps.accelerator import make_accelerator
from wsapps.alpha import REFERENCE
from wsapps.alpha.prediction import expected, weighed
from wsapps.cpu import prepare_cpu
from wsapps_signals.fit import FitProblem

_LARGER = 1.25


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--powers", type=float, nargs="+", default=[2.0, 1.75, 1.5, 1.25])
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 2, 4], help="of pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of fields and looks")
    parser.add_argument("--side", type=int, default=64)
    arguments = parser.parse_args()
    prepare_cpu(1)
    rows = []
    for power in arguments.powers:
        found = [
            _scores(power, draw, seed, arguments.side) for draw in arguments.draws for seed in arguments.seeds
        ]
        rows.append(
            [f"{power:g}", *(f"{min(each):.2f} to {max(each):.2f}" for each in zip(*found, strict=True))]
        )
        print("|", " | ".join(rows[-1]), "|", flush=True)
    columns = ["power", "missed by neighbours", "measured, dB", "by the weights alone", "expected"]
    print(markdown(f"Held-out score of alpha {_LARGER:g} against 1:", columns, rows))


def _scores(power: float, draw: int, seed: int, side: int) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fractal.png"
        iio.imwrite(file, _fractal(power, draw, side))
        settings = *COMMON, *picture(str(file), side, "every_other"), f"trainer.seed={seed}"
        ends = {
            alpha: grid_curve(
                Path(folder) / f"{alpha:g}.json",
                problem_from([*settings, f"method.alpha={alpha}"]),
                alpha,
                make_accelerator(),
            ).last_held_out
            for alpha in (REFERENCE, _LARGER)
        }
        missed, alone, now = _expected(problem_from(settings), seed)
    return missed, ends[_LARGER] - ends[REFERENCE], alone, now


def _fractal(power: float, draw: int, side: int) -> np.ndarray:
    """16-bit pixels ``(side, side)`` over their whole range."""
    frequencies = np.fft.fftfreq(side)
    size = np.hypot(frequencies[:, None], frequencies)
    size[0, 0] = 1.0
    noise = np.random.default_rng(draw).standard_normal((side, side))
    values = np.fft.ifft2(np.fft.fft2(noise) / size**power).real
    return (65535 * (values - values.min()) / np.ptp(values)).astype(np.uint16)


def _expected(problem: FitProblem, seed: int) -> tuple[float, float, float]:
    """What neighbours miss, as a part of the deviation, and the score by the weights alone and in all."""
    found, texture = looks_of(problem, (REFERENCE, _LARGER), seed)
    larger, one = found[_LARGER], found[REFERENCE]
    missed = min(larger.left_out, one.left_out) ** 0.5
    return missed, weighed(larger, one, texture), expected(larger, one, texture)


if __name__ == "__main__":
    main()
