"""Radiance fields side by side: PSNR over training time, and time to given PSNRs, for several methods.

    python benchmarks/nerf_methods.py --seconds 300 -- scene=lego data.root=DATA data.downscale=8
    python benchmarks/nerf_methods.py --preset gpu --piece 540 -- scene=lego data.root=DATA

Every method is one training run in its own process, one after the other on an otherwise idle machine;
what stands after ``--`` goes to all of them. Finished runs are not repeated and interrupted ones
continue, so the command can be killed and called again; ``--piece`` makes it stop by itself after so many
seconds. PSNR over time is over about five test views, the last one over all of them.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from wsapps import checkpoint

CPU = {
    "weight scaling": ["method=weight_scaling"],
    "SIREN": ["method=siren"],
    # Sine fields want less; each kind has the best rate of a small grid (docs/benchmarks.md).
    "ReLU + P.E.": ["method=relu_pe", "trainer.optimizer.lr=6e-3"],
}
_GPU = [
    "data.downscale=1",
    "renderer.grid_resolution=128",
    "rays.target_samples=262144",
    "rays.most=65536",
    "trainer.log_every=200",
]
GPU = {
    "weight scaling": [
        "method=weight_scaling", "method.width=256", "method.hidden_layers=4", "method.omega_0=30", *_GPU,
    ],
    "SIREN": ["method=siren", "method.width=256", "method.hidden_layers=4", "method.omega_0=30", *_GPU],
    "ReLU + P.E., 8 x 256": [
        "method=relu_pe", "method.width=256", "method.hidden_layers=7", "trainer.optimizer.lr=5e-4", *_GPU,
    ],
}  # fmt: skip
PRESETS = {"cpu": CPU, "gpu": GPU}


@dataclass
class Result:
    """What one run gave: PSNR over training seconds, and its final figures if it has finished."""

    name: str
    curve: list[tuple[float, float]]
    metrics: dict[str, float]

    def at(self, seconds: float) -> str:
        """The last PSNR measured by then, or "-"."""
        values = [psnr for when, psnr in self.curve if when <= seconds * 1.02]
        return f"{values[-1]:.2f}" if values else "-"

    def time_to(self, psnr: float) -> str:
        """Training time at the first evaluation that reached a PSNR."""
        times = [when for when, value in self.curve if value >= psnr]
        return f"{times[0]:.0f} s" if times else "not reached"


def main() -> None:
    arguments = _parse()
    deadline = time.monotonic() + arguments.piece if arguments.piece else None
    methods = PRESETS[arguments.preset]
    for name in arguments.methods or methods:
        _run(arguments.out / _slug(name), methods[name], arguments, deadline)
    results = [_result(name, arguments.out / _slug(name)) for name in arguments.methods or methods]
    _print_tables(results, arguments)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="cpu", help="sizes for a CPU or for a GPU")
    parser.add_argument("--methods", nargs="*", help="some of the preset's names; default all")
    parser.add_argument("--seconds", type=float, default=300, help="training time of each run")
    parser.add_argument("--every", type=float, default=30, help="training time between evaluations")
    parser.add_argument(
        "--piece", type=float, help="stop this call after so many seconds; call again to go on"
    )
    parser.add_argument("--targets", type=float, nargs="*", default=[30, 32, 33.69], help="PSNRs to time")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/nerf_methods"))
    parser.add_argument("overrides", nargs="*", help="key=value for wsapps_nerf.train, after --")
    return parser.parse_args()


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def _run(folder: Path, settings: list[str], arguments: argparse.Namespace, deadline: float | None) -> None:
    """Train, or go on training, until it has finished or the piece is over."""
    command = [
        sys.executable, "-m", "wsapps_nerf.train", f"out={folder}",
        f"trainer.max_seconds={arguments.seconds}",
        f"trainer.evaluate_seconds={arguments.every}", *settings, *arguments.overrides,
    ]  # fmt: skip
    process = subprocess.Popen(command)
    try:
        code = process.wait(None if deadline is None else max(1.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait()
        sys.exit("this piece is over, its state is saved; call the same command again")
    if code:
        sys.exit(code)


def _result(name: str, folder: Path) -> Result:
    latest = checkpoint.load_latest(folder / "checkpoint")
    history = latest.state["history"] if latest else []
    curve = [(entry["seconds"], entry["test/psnr"]) for entry in history if "test/psnr" in entry]
    return Result(name, curve, json.loads((folder / "metrics.json").read_text()))


def _print_tables(results: list[Result], arguments: argparse.Namespace) -> None:
    ticks = [arguments.seconds * part for part in (0.1, 0.2, 0.4, 0.6, 0.8)]
    print("\nPSNR in dB over training time")
    print("| method |" + "".join(f" {tick:.0f} s |" for tick in ticks) + " end, all views | SSIM | steps |")
    print("|---|" + "---|" * (len(ticks) + 3))
    for result in results:
        cells = [result.at(tick) for tick in ticks]
        final = result.metrics
        cells += [f"{final['test/psnr']:.2f}", f"{final['test/ssim']:.4f}", f"{final['steps']:.0f}"]
        print(f"| {result.name} | " + " | ".join(cells) + " |")
    print("\nTraining time to a PSNR")
    print("| method |" + "".join(f" {target:g} dB |" for target in arguments.targets))
    print("|---|" + "---|" * len(arguments.targets))
    for result in results:
        print(
            f"| {result.name} | " + " | ".join(result.time_to(target) for target in arguments.targets) + " |"
        )
    print(f"\non {results[0].metrics['device']}, wsapps {results[0].metrics['version']}")


if __name__ == "__main__":
    main()
