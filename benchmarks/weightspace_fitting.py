"""Fitting many small fields on a CPU: our engines, torch.func.vmap, and JAX's vmap and scan as in fit-a-nef.

    python benchmarks/weightspace_fitting.py [rounds=5] [fields=256] [points=784] [width=32] [threads=2]
        [cpu=0]

Each round takes every method in turn, so that what else the machine does meets all of them; medians over the
rounds. A net-step is one step of Adam, over all points, of one field. JAX is left out where it is not
installed (``pip install jax``). All methods have one loss, one optimiser and float32. With cpu=1 seconds are
those that the process had a core, times threads: for a machine that does other things, too.
"""

from __future__ import annotations

import importlib.util
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

_SETTINGS = {"rounds": 5, "fields": 256, "points": 784, "width": 32, "threads": 2, "cpu": 0}
for _argument in sys.argv[1:]:
    _key, _, _value = _argument.partition("=")
    if _key not in _SETTINGS or not _value.isdigit():
        sys.exit(f"usage: {' '.join(f'[{key}={value}]' for key, value in _SETTINGS.items())}")
    _SETTINGS[_key] = int(_value)
# Before JAX is imported, which takes all cores that it sees.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: _SETTINGS["threads"]])

import torch  # noqa: E402

from wsapps.cpu import keep_freed_pages  # noqa: E402
from wsapps.grid import regular_grid  # noqa: E402
from wsapps.seeding import generator  # noqa: E402
from wsapps_weightspace.fitting import FittingConfig, make_fitter  # noqa: E402
from wsapps_weightspace.initial import InitialConfig, initial_weights  # noqa: E402
from wsapps_weightspace.numbering import Numbering  # noqa: E402
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate  # noqa: E402

STEPS, LR, OMEGA = 40, 1e-3, 30.0
Run = Callable[[], float]  # STEPS steps of all fields; gives their mean squared error at the end


class Problem:
    """Random pictures, and the fields that are to fit them."""

    def __init__(self, fields: int, points: int, width: int):
        side = math.isqrt(points)
        self.architecture = Architecture((2, width, width, 1), OMEGA, OMEGA)
        numbers = Numbering(fields).numbers(0, fields)
        self.initial = initial_weights(self.architecture, InitialConfig("random"), numbers, seed=0)
        self.coordinates = regular_grid((side, points // side))
        shape = (fields, len(self.coordinates), 1)
        self.targets = 2 * torch.rand(shape, generator=generator("benchmark")) - 1


def ours(problem: Problem, engine: Any) -> Run:
    """One of our engines."""
    config = FittingConfig(steps=STEPS, lr=LR, schedule="constant", engine=engine, chunk=len(problem.targets))
    fitter = make_fitter(config, problem.architecture, peak=2.0)

    def run() -> float:
        fitted = fitter.fit(problem.initial, problem.coordinates, problem.targets)
        return float((4 * 10 ** (-fitted.psnr.double() / 10)).mean())

    return run


def torch_vmap(problem: Problem) -> Run:
    """torch.func.vmap of the gradient of one field, eager, and torch's Adam formula."""
    architecture = problem.architecture

    def error(parameters: list[torch.Tensor], target: torch.Tensor) -> torch.Tensor:
        one = [tensor[None] for tensor in parameters]
        half = len(one) // 2
        values = evaluate(
            FieldWeights(tuple(one[:half]), tuple(one[half:])), architecture, problem.coordinates
        )
        return (values[0] - target).square().mean()

    gradient = torch.func.vmap(torch.func.grad_and_value(error))

    @torch.no_grad()
    def run() -> float:
        p = [*problem.initial.weights, *problem.initial.biases]
        m, v = ([torch.zeros_like(tensor) for tensor in p] for _ in "mv")
        for step in range(1, STEPS + 1):
            g, _ = gradient(p, problem.targets)
            m = [0.9 * a + 0.1 * b for a, b in zip(m, g, strict=True)]
            v = [0.999 * a + 0.001 * b * b for a, b in zip(v, g, strict=True)]
            rate, root = LR / (1 - 0.9**step), 1 / math.sqrt(1 - 0.999**step)
            p = [a - rate * b / (c.sqrt() * root + 1e-8) for a, b, c in zip(p, m, v, strict=True)]
        return float(gradient(p, problem.targets)[1].mean())

    return run


def jax_scan(problem: Problem) -> Run:
    """jax.vmap over fields, jax.lax.scan over steps, compiled as a whole: how fit-a-nef fits."""
    import jax  # pyright: ignore[reportMissingImports]
    import jax.numpy as jnp  # pyright: ignore[reportMissingImports]

    x = jnp.asarray(problem.coordinates.numpy())
    targets = jnp.asarray(problem.targets.numpy())
    initial = [(jnp.asarray(w.numpy()), jnp.asarray(b.numpy())) for w, b in problem.initial]

    def error(parameters: Any, target: Any) -> Any:
        h = x
        for w, b in parameters[:-1]:
            h = jnp.sin(OMEGA * (h @ w + b))
        w, b = parameters[-1]
        return jnp.mean((h @ w + b - target) ** 2)

    def fit_one(parameters: Any, target: Any) -> Any:
        zeros = jax.tree_util.tree_map(jnp.zeros_like, parameters)

        def step(state: Any, t: Any) -> Any:
            p, m, v = state
            g = jax.grad(error)(p, target)
            tree = jax.tree_util.tree_map
            m = tree(lambda a, b: 0.9 * a + 0.1 * b, m, g)
            v = tree(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
            rate, root = LR / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
            p = tree(lambda a, b, c: a - rate * b / (jnp.sqrt(c) * root + 1e-8), p, m, v)
            return (p, m, v), None

        times = jnp.arange(1, STEPS + 1, dtype=jnp.float32)
        (p, _, _), _ = jax.lax.scan(step, (parameters, zeros, zeros), times)
        return error(p, target)

    compiled = jax.jit(jax.vmap(fit_one))

    def run() -> float:
        return float(jnp.mean(compiled(initial, targets)))

    return run


def main() -> None:
    """Measure, and print a table."""
    torch.set_num_threads(_SETTINGS["threads"])
    keep_freed_pages()
    problem = Problem(_SETTINGS["fields"], _SETTINGS["points"], _SETTINGS["width"])
    methods: dict[str, Run] = {
        "ours, native": ours(problem, "native"),
        "ours, compiled": ours(problem, "compiled"),
        "ours, eager": ours(problem, "eager"),
        "torch.func.vmap, eager": torch_vmap(problem),
    }
    if importlib.util.find_spec("jax"):
        methods["JAX vmap + scan"] = jax_scan(problem)
    errors = {name: run() for name, run in methods.items()}  # compilation is not measured
    rates: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(_SETTINGS["rounds"]):
        for name, run in methods.items():
            began = clock()
            run()
            rates[name].append(_SETTINGS["fields"] * STEPS / (clock() - began))
    sizes = "-".join(str(size) for size in problem.architecture.sizes)
    print(
        f"{sizes}, {len(problem.coordinates)} points, {_SETTINGS['fields']} fields, {_SETTINGS['threads']} "
        f"threads, {_SETTINGS['rounds']} rounds{', CPU seconds' if _SETTINGS['cpu'] else ''}\n"
    )
    last = list(methods)[-1]
    print(f"| method | net-steps/s | times {last} | error after {STEPS} steps |")
    print("|---|---|---|---|")
    for name, values in rates.items():
        ratio = statistics.median(a / b for a, b in zip(values, rates[last], strict=True))
        print(f"| {name} | {statistics.median(values):,.0f} | {ratio:.2f} | {errors[name]:.7f} |")


def clock() -> float:
    """Seconds on the wall, or, with cpu=1, of the process on a core over the number of threads."""
    return time.process_time() / _SETTINGS["threads"] if _SETTINGS["cpu"] else time.perf_counter()


if __name__ == "__main__":
    main()
