"""Burgers' equation beside DeepXDE: time per Adam step, paired, and the error after the same steps.

    pip install deepxde
    python benchmarks/pde_deepxde.py [steps=2000] [width=32] [dtype=float32] [points=4096] [seeds=5]

Both solve for u = -sin(pi x) + t (1 - x^2) network(x, t), the conditions built in, with the same network
(tanh, Glorot, 4 layers), number of points, rate and precision, on the CPU. Rounds of 50 steps of either
alternate; the first round, in which ours compiles, is left out. Error: relative L2 against Cole-Hopf, over
several seeds of the weights.
"""

from __future__ import annotations

import os
import statistics
import sys
import time

os.environ.setdefault("DDE_BACKEND", "pytorch")

import deepxde as dde
import numpy as np
import torch

from wsapps.config import default_config_dir, load_config
from wsapps.cpu import prepare_cpu
from wsapps.trainer import Trainer
from wsapps_pde.config import SolveConfig, make_objective
from wsapps_pde.outputs.evaluation import make_reference, values_at
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import load_problem
from wsapps_pde.references import relative_l2

NU = 0.01 / np.pi
ROUND = 50


class DeepXde:
    """DeepXDE's model, trained in rounds."""

    def __init__(self, width: int, points: int, dtype: str, lr: float, seed: int):
        dde.config.set_default_float(dtype)
        dde.config.set_random_seed(seed)
        domain = dde.geometry.GeometryXTime(dde.geometry.Interval(-1, 1), dde.geometry.TimeDomain(0, 1))

        def residual(x, u):
            u_x, u_t = dde.grad.jacobian(u, x, i=0, j=0), dde.grad.jacobian(u, x, i=0, j=1)
            return u_t + u * u_x - NU * dde.grad.hessian(u, x, i=0, j=0)

        data = dde.data.TimePDE(domain, residual, [], num_domain=points, train_distribution="Sobol")
        network = dde.nn.FNN([2] + [width] * 4 + [1], "tanh", "Glorot normal")
        network.apply_output_transform(
            lambda x, n: -torch.sin(np.pi * x[:, :1]) + x[:, 1:] * (1 - x[:, :1] ** 2) * n
        )
        self.model = dde.Model(data, network)
        self.model.compile("adam", lr=lr, verbose=0)

    def run(self, steps: int) -> float:
        began = time.perf_counter()
        self.model.train(iterations=steps, display_every=10**9, verbose=0)
        return time.perf_counter() - began

    def error(self, points: np.ndarray, exact: np.ndarray) -> float:
        return relative_l2(self.model.predict(points)[:, 0].astype(np.float64), exact)


class Ours:
    """This project's trainer, in rounds."""

    def __init__(self, width: int, points: int, dtype: str, lr: float, seed: int):
        torch.compiler.reset()  # the seed before had another module
        overrides = [
            "problem=burgers", "method=tanh", f"method.width={width}", f"points.interior={points}",
            f"dtype={dtype}", "points.every=0", f"trainer.optimizer.lr={lr}", "trainer.max_steps=1",
            "trainer.log_every=1000", f"trainer.seed={seed}",
        ]  # fmt: skip
        config = load_config(SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=overrides)
        self.objective = make_objective(config, Problem.from_config(config.problem))
        self.config = config.trainer
        self.trainer = Trainer(
            self.config, self.objective, lambda *step: self.objective.batch(0, 1), show_progress=False
        )

    def run(self, steps: int) -> float:
        self.config.max_steps = self.trainer.step + steps
        began = time.perf_counter()
        self.trainer.fit()
        return time.perf_counter() - began

    def error(self, points: np.ndarray, exact: np.ndarray) -> float:
        return relative_l2(values_at(self.objective.solution, points)["u"], exact)


SIDES = {"deepxde": DeepXde, "wsapps": Ours}


def main() -> None:
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    steps, width = int(options.get("steps", 2000)), int(options.get("width", 32))
    points, dtype = int(options.get("points", 4096)), options.get("dtype", "float32")
    prepare_cpu()
    reference = make_reference(load_problem("burgers"))
    assert reference is not None
    grid, exact = reference.coordinates(), reference.values["u"].ravel()
    times: dict[str, list[float]] = {name: [] for name in SIDES}
    errors: dict[str, list[float]] = {name: [] for name in SIDES}
    for seed in range(int(options.get("seeds", 5))):
        sides = {name: side(width, points, dtype, 1e-3, seed) for name, side in SIDES.items()}
        for number in range(max(2, steps // ROUND)):
            for name, side in sides.items():
                seconds = side.run(ROUND) / ROUND
                if number > 0:
                    times[name].append(seconds)
        for name, side in sides.items():
            errors[name].append(side.error(grid, exact))
    print(f"{width} x 4 tanh, {points} points, {dtype}, {steps} Adam steps, {len(errors['wsapps'])} seeds")
    print("| library | ms a step, median | relative L2, median | least to most |\n|---|---|---|---|")
    for name in SIDES:
        median, error = statistics.median(times[name]), statistics.median(errors[name])
        spread = f"{min(errors[name]):.1e} to {max(errors[name]):.1e}"
        print(f"| {name} | {1e3 * median:.2f} | {error:.1e} | {spread} |")
    ratio = statistics.median(a / b for a, b in zip(times["deepxde"], times["wsapps"], strict=True))
    print(f"\ndeepxde / wsapps, median of paired rounds: {ratio:.2f}")


if __name__ == "__main__":
    main()
