"""Derivatives by coordinates: one pass of jets, eager and compiled, against nested autograd.

    python benchmarks/derivatives.py [points=8192] [rounds=9] [threads=1] [networks=128x4,24x4]
        [dtypes=float32,float64] [only="burgers,order 3"] [out=results.json]

A sine network of (x, t); what is timed is the gradient, by all parameters, of the sum of the mean squares of
the wanted derivatives, each divided by omega^order so that all count, or of Burgers' residual. In each round
every way takes one turn; times are medians of CPU seconds over the rounds, all threads together, which a busy
machine disturbs less; ratios are medians of the ratios within a round. "operators" carries the derivatives
of the highest order as one stream, their sum: one term instead of two, and the same loss for Burgers alone.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from wsapps.cpu import keep_freed_pages
from wsapps.derivatives import autograd_derivatives, derivatives
from wsapps.fields import SinusoidalField
from wsapps.jets import Index, JetSpace

NU, OMEGA = 0.01 / math.pi, 10.0
Loss = Callable[[nn.Module, Tensor], Tensor]
#: Case to what is merged into an operator, and what is wanted besides.
CASES: dict[str, tuple[dict[Index, float], list[Index]]] = {
    "order 1": ({(1, 0): 1.0, (0, 1): 1.0}, [(0, 0)]),
    "order 2": ({(2, 0): 1.0, (0, 2): 1.0}, [(0, 0), (1, 0), (0, 1)]),
    "order 3": ({(3, 0): 1.0, (0, 1): 1.0}, [(0, 0), (1, 0)]),
    "order 4": ({(4, 0): 1.0, (0, 1): 1.0}, [(0, 0), (1, 0), (2, 0)]),
    "order 4 mixed": ({(4, 0): 1.0, (2, 2): 2.0, (0, 4): 1.0}, [(0, 0)]),
    "burgers": ({(0, 1): 1.0, (2, 0): -NU}, [(0, 0), (1, 0)]),
}
WAYS = ("nested autograd", "jets, eager", "jets", "jets, operators")


def main() -> None:
    options = {"points": "8192", "rounds": "9", "threads": "1", "networks": "128x4,24x4"}
    options |= {"dtypes": "float32,float64", "only": ",".join(CASES), "out": ""}
    options |= dict(argument.split("=", 1) for argument in sys.argv[1:])
    torch.set_num_threads(int(options["threads"]))
    keep_freed_pages()
    cases = [case for case in CASES if case in options["only"].split(",")]
    points, rounds = int(options["points"]), int(options["rounds"])
    print(f"{platform.machine()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, ", end="")
    print(f"torch {torch.__version__}, {points} points\n")
    print("| network | precision | case | streams | " + " | ".join(f"{way}, ms" for way in WAYS), end=" | ")
    print(" | ".join(f"autograd / {way}" for way in WAYS[1:]) + " | gradients differ by |")
    print("|" + "---|" * (5 + len(WAYS) + len(WAYS[1:])), flush=True)
    results = []
    for network in options["networks"].split(","):
        for dtype in options["dtypes"].split(","):
            for case in cases:
                results.append(measure(case, network, dtype, points, rounds))
                print(row(results[-1]), flush=True)
                if options["out"]:
                    Path(options["out"]).write_text(json.dumps(results, indent=1), encoding="utf-8")


def losses(case: str) -> dict[str, Loss]:
    """Way to loss. With operators it is another loss, but for Burgers' residual."""
    operator, besides = CASES[case]
    wanted = [*besides, *operator]

    def of_values(values: dict, operated: Tensor | None) -> Tensor:
        if case == "burgers":
            linear = operated if operated is not None else values[0, 1] - NU * values[2, 0]
            return (linear + values[0, 0] * values[1, 0]).square().mean()
        kept = besides if operated is not None else wanted
        terms = [values[index] / OMEGA ** sum(index) for index in kept]
        if operated is not None:
            terms.append(operated / OMEGA ** max(map(sum, operator)))
        return torch.stack([term.square().mean() for term in terms]).sum()

    def nested(field: nn.Module, x: Tensor) -> Tensor:
        return of_values(autograd_derivatives(field, x, wanted), None)

    def jets(field: nn.Module, x: Tensor) -> Tensor:
        return of_values(derivatives(field, x, wanted), None)

    def operators(field: nn.Module, x: Tensor) -> Tensor:
        values = derivatives(field, x, besides, {"operator": operator})
        return of_values(values, values["operator"])

    compiled = [torch.compile(loss, fullgraph=True) for loss in (jets, operators)]
    return dict(zip(WAYS, (nested, jets, *compiled), strict=True))


def measure(case: str, network: str, dtype: str, points: int, rounds: int) -> dict:
    """One line of the table, as a dictionary."""
    torch.compiler.reset()
    width, layers = map(int, network.split("x"))
    torch.manual_seed(0)
    field = SinusoidalField(2, 1, width, layers - 1, OMEGA, OMEGA, alpha=1.0)
    field.to(getattr(torch, dtype))
    x = torch.rand(points, 2, dtype=getattr(torch, dtype)) * 2 - 1
    ways = losses(case)
    gradients = {way: gradient(loss, field, x) for way, loss in ways.items()}  # compiles, too
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, loss in ways.items():
            started = time.process_time()
            gradient(loss, field, x)
            seconds[way].append(time.process_time() - started)
    baseline = seconds[WAYS[0]]
    operator, besides = CASES[case]
    return {
        "network": network,
        "dtype": dtype,
        "case": case,
        "points": points,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "streams": [
            len(JetSpace.of(2, [*besides, *operator])),
            len(JetSpace.of(2, besides, [operator])),
        ],
        "cpu_seconds": {way: statistics.median(times) for way, times in seconds.items()},
        "ratios": {
            way: statistics.median(a / b for a, b in zip(baseline, seconds[way], strict=True))
            for way in WAYS[1:]
        },
        "difference": difference(gradients[WAYS[0]], gradients["jets"]),
    }


def gradient(loss: Loss, field: nn.Module, x: Tensor) -> Tensor:
    """By all parameters, in one vector."""
    parameters = list(field.parameters())
    parts = torch.autograd.grad(loss(field, x), parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


def difference(expected: Tensor, found: Tensor) -> float:
    """Relative to the largest entry."""
    return float((found - expected).abs().max() / expected.abs().max())


def row(result: dict) -> str:
    """A line of the Markdown table."""
    cells = [result["network"], result["dtype"], result["case"], " / ".join(map(str, result["streams"]))]
    cells += [f"{1000 * result['cpu_seconds'][way]:.1f}" for way in WAYS]
    cells += [f"{result['ratios'][way]:.2f}" for way in WAYS[1:]]
    return f"| {' | '.join(cells)} | {result['difference']:.1e} |"


if __name__ == "__main__":
    main()
