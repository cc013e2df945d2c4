"""A small objective with everything that can spoil an exact resume, shared by the trainer's tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wsapps import SinusoidalField
from wsapps.objective import Batch, Objective
from wsapps.optimizer import OptimizerConfig
from wsapps.seeding import generator, seed_global
from wsapps.trainer import Trainer, TrainerConfig


class NoisyObjective(Objective):
    """Noise in forward, buffers drawn before each step, and a buffer fed by the step's totals."""

    def __init__(self, seed: int = 0, noise: float = 0.05):
        super().__init__()
        seed_global(seed, "init")
        self.field = SinusoidalField(2, 1, 16, 1, 10.0, 10.0, 1.5)
        self.noise = noise
        self.register_buffer("centre", torch.zeros(2))
        self.register_buffer("seen", torch.zeros(2, dtype=torch.float64))

    def before_step(self, step: int) -> None:
        self.centre.mul_(0.5).add_(torch.rand(2))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        x = batch["x"] - 0.1 * self.centre
        if self.training and self.noise:
            x = x + self.noise * torch.randn_like(x)
        loss_sum = (self.field(x) - batch["y"]).square().sum()
        return {
            "loss_sum": loss_sum,
            "count": loss_sum.new_full((), x.shape[0]),
            "spread": x.detach().square().sum(),
        }

    def after_step(self, step: int, totals: Mapping[str, Tensor]) -> None:
        self.seen += torch.stack([totals["count"], totals["spread"]])

    def metrics(self, totals: Mapping[str, float]) -> dict[str, float]:
        return {"spread": totals["spread"] / totals["count"]}


def ragged_batch(step: int, rank: int, world: int) -> Batch:
    """5 to 8 points: more in some steps, and more on the second rank."""
    return points(5 + step % 4 + 2 * rank, step, rank)


def even_batch(step: int, rank: int, world: int) -> Batch:
    """8 points, as a static-shape compilation needs."""
    return points(8, step, rank)


def points(count: int, *seed: int) -> Batch:
    """``x (count, 2)`` in [-1, 1] and ``y (count, 1)``."""
    x = torch.rand(count, 2, generator=generator("points", *seed)) * 2 - 1
    return {"x": x, "y": torch.sin(3 * x.sum(dim=1, keepdim=True))}


def config(**changes: Any) -> TrainerConfig:
    """200 steps with accumulation, clipping, warm-up and decay."""
    optimizer = OptimizerConfig(lr=2e-3, schedule="exponential", warmup_steps=20, clip_norm=0.5)
    settings = {"max_steps": 200, "accumulate": 2, "log_every": 40, "optimizer": optimizer, **changes}
    return TrainerConfig(**settings)


def make_trainer(
    checkpoints: Path | None = None,
    batch: Callable[[int, int, int], Batch] = ragged_batch,
    objective: Objective | None = None,
    evaluate: Callable[[], dict[str, Any]] | None = None,
    tensorboard: Path | None = None,
    **changes: Any,
) -> Trainer:
    return Trainer(
        config(**changes),
        objective or NoisyObjective(),
        batch,
        evaluate=evaluate,
        checkpoints=checkpoints,
        tensorboard=tensorboard,
        show_progress=False,
    )


def signal_during(
    step: int, number: int = signal.SIGTERM, batch: Any = ragged_batch, accumulate: int = 2
) -> Any:
    """A batch source during whose ``step``-th step (from 1) this process gets a signal."""

    def source(micro_step: int, rank: int, world: int) -> Batch:
        if micro_step == accumulate * step - 1:
            os.kill(os.getpid(), number)
        return batch(micro_step, rank, world)

    return source


def final_state(trainer: Trainer) -> dict[str, Any]:
    """All of a run that must not depend on interruptions: everything but measured time."""
    moments = trainer.optimizer.state_dict()["state"]
    return {
        "step": trainer.step,
        **{f"objective.{name}": value.clone() for name, value in trainer.objective.state_dict().items()},
        **{f"adam.{i}.{name}": value.clone() for i in moments for name, value in moments[i].items()},
        "history": [
            {name: value for name, value in entry.items() if name != "seconds"} for entry in trainer.history
        ],
    }


def assert_same_state(a: Mapping[str, Any], b: Mapping[str, Any]) -> None:
    """Equal bit for bit."""
    assert a.keys() == b.keys()
    for name, value in b.items():
        if isinstance(value, Tensor):
            assert torch.equal(a[name], value), f"{name} differs by {(a[name] - value).abs().max()}"
        else:
            assert a[name] == value, name
