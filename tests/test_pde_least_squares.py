"""Problems' losses as sums of squares, and solved as such."""

from __future__ import annotations

import json
import logging
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from small_problems import LIBRARY, objective, shipped, solution
from torch import nn

from wsapps.accelerator import make_accelerator
from wsapps.config import default_config_dir, load_config
from wsapps.fields import SinusoidalField
from wsapps.least_squares import FrozenResiduals, LevenbergMarquardt
from wsapps.quasi_newton import Minimizer, QuasiNewtonConfig
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps.seeding import generator
from wsapps.stages import QuasiNewtonStage
from wsapps_pde.config import SolveConfig, StagesConfig, descent_config, quasi_newton_config
from wsapps_pde.learning.collocation import CollocationConfig
from wsapps_pde.learning.moving import Moves, MovingObjective
from wsapps_pde.solve import main

MINE = """
name: mine
domain: {x: [0, 1], t: [0, 1]}
unknowns: [u]
parameters: {a: {initial: 0.3, min: 0}}
residuals: ["u_t - a*u_xx"]
conditions: [{at: "t = 0", u: "sin(pi*x)"}, {at: boundary, u: 0}]
data: {file: points.csv, unknowns: [u]}
reference: {exact: {u: "exp(-a*pi**2*t)*sin(pi*x)"}, parameters: {a: 0.1}}
"""
SETTINGS = [
    "method.width=8", "method.hidden_layers=1", "points.interior=64", "points.condition=16",
    "trainer.compile=false", "trainer.log_every=10", "trainer.num_threads=1",
    "stages.method=levenberg_marquardt",
]  # fmt: skip


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("by_construction", [True, False])
def test_squares_of_the_rows_are_the_loss(name, by_construction):
    """Weights and balance included, in micro-batches; and the normal equations' slope is its gradient."""
    loss = objective(shipped(name), points=6, by_construction=by_construction)
    numbers = generator("rows")
    loss.balance.copy_(torch.rand(len(loss.balance), generator=numbers, dtype=torch.float64) + 0.5)
    for points in loss.points:
        points.weights.copy_(torch.rand(len(points), generator=numbers, dtype=torch.float64) + 0.5)
    frozen = FrozenObjective(make_accelerator(), loss)
    frozen.freeze([loss.batch(part, 2) for part in range(2)], 0)
    x = frozen.vector()
    value, gradient = frozen(x)
    here = FrozenResiduals(frozen, loss).linearize(x)
    assert here.value == pytest.approx(value, rel=1e-11)
    assert float((2 * here.slope - gradient).norm()) <= 1e-9 * float(gradient.norm())


@pytest.fixture
def written(tmp_path, monkeypatch) -> str:
    """The problem's argument, in a folder where pictures are left out."""
    monkeypatch.setattr("wsapps_pde.solve.write_outputs", lambda *arguments: None)
    (tmp_path / "mine.yaml").write_text(MINE, encoding="utf-8")
    (tmp_path / "points.csv").write_text("x,t,u\n0.25,0.5,0.4317\n0.5,0.5,0.6105\n0.5,0.9,0.4114\n")
    return f"problem={tmp_path / 'mine.yaml'}"


def left(out: Path) -> dict[str, Any]:
    found = json.loads((out / "metrics.json").read_text())
    values = {name: value for name, value in found.items() if "seconds" not in name}
    return {**values, "solution": (out / "solution" / "solution.safetensors").read_bytes()}


def test_it_goes_far_below_the_others_in_few_steps(written, tmp_path):
    errors = {}
    for method in ("levenberg_marquardt", "ssbroyden"):
        out = tmp_path / method
        steps = ["trainer.max_steps=60", "stages.descent=0.5", f"stages.method={method}"]
        assert main([written, f"out={out}", *SETTINGS, *steps]) == 0
        errors[method] = json.loads((out / "metrics.json").read_text())["relative_l2/u"]
    assert errors["levenberg_marquardt"] < 1e-3
    assert errors["levenberg_marquardt"] < 0.1 * errors["ssbroyden"]


@pytest.mark.parametrize("calls", [[1], [7], [3, 5]], ids=str)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(written, tmp_path, calls, monkeypatch):
    settings = [*SETTINGS, "trainer.max_steps=24", "stages.refresh_every=4", "by_construction=false"]
    assert main([written, f"out={tmp_path / 'whole'}", *settings]) == 0
    step = LevenbergMarquardt.step
    for number in calls:
        seen = [0]

        def counted(self, number=number, seen=seen):
            seen[0] += 1
            if seen[0] == number:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(self)

        monkeypatch.setattr(LevenbergMarquardt, "step", counted)
        assert main([written, f"out={tmp_path / 'run'}", *settings]) == 143
    monkeypatch.setattr(LevenbergMarquardt, "step", step)
    assert main([written, f"out={tmp_path / 'run'}", *settings]) == 0
    assert left(tmp_path / "run") == left(tmp_path / "whole")


def test_fields_that_need_nested_autograd_get_another_method(caplog):
    caplog.set_level(logging.INFO, "wsapps")

    def foreign(in_features: int, out_features: int) -> nn.Module:
        return nn.Sequential(nn.Linear(in_features, 5), nn.Softplus(), nn.Linear(5, out_features))

    loss = objective(shipped("burgers"), points=6, make=foreign)
    assert not loss.has_rows
    settings = QuasiNewtonConfig("levenberg_marquardt", max_steps=2)
    stage = QuasiNewtonStage(settings, loss, lambda *where: [loss.batch(0, 1)], show_progress=False)
    assert isinstance(stage.minimizer, Minimizer)
    assert "using ssbroyden" in caplog.text
    assert stage.fit().steps == 2
    assert "ssbroyden: 2 steps" in caplog.text


def test_matrices_that_are_too_large_get_another_method(caplog):
    loss = objective(shipped("burgers"), points=6)
    settings = QuasiNewtonConfig("levenberg_marquardt", max_steps=2, dense_limit_bytes=20_000)
    stage = QuasiNewtonStage(settings, loss, lambda *where: [loss.batch(0, 1)], show_progress=False)
    assert isinstance(stage.minimizer, Minimizer)
    assert "using ssbroyden" in caplog.text


@pytest.mark.parametrize(
    ("settings", "refresh", "descent"),
    [
        ({}, 500, (0.15, 0.15)),
        ({"method": "levenberg_marquardt"}, 10, (0.5, 0.05)),
        ({"method": "levenberg_marquardt", "descent": 0.2, "refresh_every": 0}, 0, (0.2, 0.2)),
        ({"method": "none"}, 500, (1.0, 1.0)),
    ],
)
def test_what_a_method_takes_by_default(settings, refresh, descent):
    stages = StagesConfig(**settings)
    assert (stages.refresh, stages.descent_part) == (refresh, descent)


@pytest.mark.parametrize(
    ("points", "width", "layers", "method"),
    [
        (20, 4, 1, "levenberg_marquardt"),  # 17 parameters
        (10, 4, 1, "ssbroyden"),
        (4000, 24, 4, "levenberg_marquardt"),  # 1,897
        (4000, 40, 4, "ssbroyden"),  # 5,081
    ],
)
def test_auto_wants_few_parameters_and_no_more_of_them_than_residuals(points, width, layers, method):
    def field(in_features: int, out_features: int) -> nn.Module:
        return SinusoidalField(in_features, out_features, width, layers - 1)

    moves = Moves(CollocationConfig(interior=points))
    loss = MovingObjective(solution(shipped("burgers"), make=field), moves, 0, torch.float64)
    assert StagesConfig().suited(loss) == StagesConfig(method=method)
    assert StagesConfig(method="lbfgs").suited(loss).method == "lbfgs"


def test_a_run_without_limits_takes_fewer_of_its_large_steps():
    folder = default_config_dir("pde")
    for method, descent, rest in (("levenberg_marquardt", 200, 200), ("ssbroyden", 900, 5100)):
        overrides = ["trainer.default_steps=6000", f"stages.method={method}"]
        config = load_config(SolveConfig, "solve", config_dir=folder, overrides=overrides)
        first, second = descent_config(config), quasi_newton_config(config, descent, 1.0)
        assert first is not None
        assert second is not None
        assert (first.last_step, second.max_steps) == (descent, rest)
