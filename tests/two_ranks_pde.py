"""What each rank of tests/test_pde_two_ranks.py does: torchrun starts ``two_ranks_pde.py DIR [windows]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_problems import HEAT, problem, solution
from torch import Tensor

from wsapps.accelerator import make_accelerator, prepare
from wsapps.gradient import accumulate_gradient
from wsapps.least_squares import FrozenResiduals
from wsapps.optimizer import OptimizerConfig, make_optimizer
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps_pde.learning.balance import BalanceConfig, PointWeightsConfig
from wsapps_pde.learning.collocation import CollocationConfig
from wsapps_pde.learning.moving import Moves, MovingObjective
from wsapps_pde.problems.problem import Problem
from wsapps_pde.solve import main

#: Name -> problem, points of a condition, micro-batches.
CASES: dict[str, tuple[Problem, int, int]] = {
    "a residual alone": (problem(**HEAT), 7, 1),
    "in parts": (problem(**HEAT), 7, 3),
    "conditions": (
        problem(
            **{**HEAT, "parameters": {"a": {"initial": 0.1, "min": 0}}, "residuals": ["u_t - a*u_xx"]},
        ),
        5,
        2,
    ),
    "a rank without points of a condition": (problem(**HEAT), 1, 1),
}
BUILT_IN = ("a residual alone", "in parts")

COMMAND = [
    "method.width=8", "method.hidden_layers=1", "points.interior=50", "points.condition=9",
    "trainer.max_steps=20", "trainer.compile=false", "trainer.log_every=5", "trainer.num_threads=1",
    "stages.descent=0.5",
    "by_construction=false", "points.every=4", "balance.every=3", "stages.refresh_every=5",
]  # fmt: skip

WINDOWED = [*COMMAND, "windows.count=2", "trainer.max_steps=12"]


def objective(case: str) -> MovingObjective:
    """After a redraw by residual, with attention and balanced terms."""
    of, condition, _ = CASES[case]
    moves = Moves(
        CollocationConfig(interior=25, condition=condition, every=1),
        BalanceConfig(every=1),
        PointWeightsConfig(attention=0.1),
    )
    loss = MovingObjective(solution(of, by_construction=case in BUILT_IN), moves, 0, torch.float64)
    loss.before_step(0)
    loss.before_step(1)
    return loss


def gradient(case: str, rank: int, world: int) -> dict[str, Tensor]:
    """By the framework's own accumulation, and the state of the loss beside it."""
    accelerator, loss, parts = make_accelerator(), objective(case), CASES[case][2]
    model, _ = prepare(accelerator, loss, make_optimizer(OptimizerConfig(), loss))
    accumulate_gradient(
        accelerator, model, [loss.batch(n * world + rank, parts * world) for n in range(parts)]
    )
    found = {f"gradient {name}": p.grad for name, p in loss.named_parameters() if p.grad is not None}
    found.update(normal_equations(loss, rank, world, parts))
    return {**found, **{f"state {name}": value for name, value in loss.state_dict().items()}}


def normal_equations(loss: MovingObjective, rank: int, world: int, parts: int) -> dict[str, Tensor]:
    """As Levenberg-Marquardt steps take them."""
    frozen = FrozenObjective(make_accelerator(), loss)
    frozen.freeze([loss.batch(n * world + rank, parts * world) for n in range(parts)], 0)
    residuals, x = FrozenResiduals(frozen, loss), frozen.vector()
    here = residuals.linearize(x)
    bend = residuals.bend(x, torch.ones_like(x), here)
    value = torch.tensor([here.value, residuals.value(x)], dtype=torch.float64)
    return {"rows slope": here.slope, "rows gram": here.gram, "rows value": value, "rows bend": bend}


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    if "windows" in sys.argv[2:]:  # a process has one command
        sys.exit(main([f"problem={folder / 'heat.yaml'}", f"out={folder / 'windows'}", *WINDOWED]))
    tensors = {
        f"{case}/{name}": value.contiguous()
        for case in CASES
        for name, value in gradient(case, rank, 2).items()
    }
    save_file(tensors, folder / f"tensors_{rank}.safetensors")
    sys.exit(main([f"problem={folder / 'mine.yaml'}", f"out={folder / 'run'}", *COMMAND]))
