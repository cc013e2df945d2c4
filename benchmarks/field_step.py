"""Step time of fields: weight scaling against SIREN against ReLU + P.E., eager, compiled, allocator.

    python benchmarks/field_step.py

One process, rounds in which every variant takes one step (forward, backward, Adam), medians over rounds;
ratios are medians of the ratios within a round.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from wsapps.cpu import keep_freed_pages
from wsapps.fields import ReluPositionalField, SinusoidalField

WIDTH, HIDDEN = 128, 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=65_536)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{arguments.points} points, width {WIDTH}, {1 + HIDDEN} hidden layers, {device}")
    if device.type == "cpu":
        before = measure({"SIREN": stepper("siren", device)}, arguments.points, arguments.rounds, device)
        keep_freed_pages()
        after = measure({"SIREN": stepper("siren", device)}, arguments.points, arguments.rounds, device)
        ratio = statistics.median(before["SIREN"]) / statistics.median(after["SIREN"])
        print(f"glibc's default allocator against kept pages: {ratio:.2f} times the step time")
    variants = {
        "SIREN": stepper("siren", device),
        "weight scaling": stepper("weight_scaling", device),
        "ReLU + P.E.": stepper("relu_pe", device),
        "weight scaling, compiled": stepper("weight_scaling", device, compiled=True),
    }
    times = measure(variants, arguments.points, arguments.rounds, device)
    print("| field | step, ms | against SIREN |\n|---|---|---|")
    for name, seconds in times.items():
        ratios = [mine / siren for mine, siren in zip(seconds, times["SIREN"], strict=True)]
        print(f"| {name} | {1000 * statistics.median(seconds):.1f} | {statistics.median(ratios):.3f} |")


def stepper(kind: str, device: torch.device, compiled: bool = False) -> Callable[[torch.Tensor], None]:
    """One optimiser step on the mean square of a field's values."""
    torch.manual_seed(0)
    if kind == "relu_pe":
        field: torch.nn.Module = ReluPositionalField(3, 4, WIDTH, HIDDEN)
    else:
        alpha = 1.0 if kind == "siren" else 1.5
        field = SinusoidalField(3, 4, WIDTH, HIDDEN, omega_0=20, omega_hidden=10, alpha=alpha)
    field.to(device)
    optimizer = torch.optim.Adam(field.parameters(), lr=1e-5)
    forward = torch.compile(field) if compiled else field

    def step(points: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        forward(points).square().mean().backward()
        optimizer.step()

    return step


def measure(
    variants: dict[str, Callable[[torch.Tensor], None]], count: int, rounds: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of each variant in each round, after two rounds of warming up."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    for round_ in range(rounds + 2):
        points = torch.rand(count, 3, device=device) * 2 - 1
        for name, step in variants.items():
            _synchronize(device)
            started = time.perf_counter()
            step(points)
            _synchronize(device)
            if round_ >= 2:
                times[name].append(time.perf_counter() - started)
    return times


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
