"""The learning rate that suits a fit."""

from __future__ import annotations

import importlib
import re

import pytest
import torch

import wsapps
from wsapps.accelerator import make_accelerator
from wsapps.config import from_yaml, to_yaml
from wsapps.errors import UserError
from wsapps.fields import SinusoidalField
from wsapps.fitting_rate import NARROWEST, RATE_BY_WIDTH, fitting_rate
from wsapps.projection import ProjectionConfig, output_solver
from wsapps.samplers import PointSampler
from wsapps.seeding import seed_global
from wsapps.trainer import Trainer, TrainerConfig
from wsapps_signals.config import FitConfig, fit_config, with_choices
from wsapps_signals.fit import load_signal, make_problem, make_training

fit_module = importlib.import_module("wsapps.fit")  # wsapps.fit is the function
TINY = ["signal.max_side=16", "signal.grey=true", "method.width=16", "method.hidden_layers=1", "alpha=null"]
UNSOLVED = ["projection.enabled=false"]

LINE = torch.linspace(-1, 1, 2000)[:, None]


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(len(LINE), 1, generator=torch.Generator().manual_seed(seed))


def solver_for(values: torch.Tensor, width: int = 16, weights: torch.Tensor | None = None):
    seed_global(0, "init")
    field = SinusoidalField(1, values.shape[1], width, hidden_layers=1)
    solver = output_solver(field, PointSampler(LINE, values, weights=weights), ProjectionConfig())
    assert solver is not None
    return field, solver


def test_what_is_missed_is_what_least_squares_leaves():
    values, weights = torch.cat([noise(1), LINE**2 + 3], dim=1), 2 * torch.rand(len(LINE))
    field, solver = solver_for(values, weights=weights)
    solver._drawn = solver.samples  # all samples, so that the closed form is one of them
    with torch.no_grad():
        features = torch.cat([field.features(LINE), torch.ones_like(LINE)], dim=1).double()
    root = weights.double().sqrt()[:, None]
    best = torch.linalg.lstsq(root * features, root * values.double()).solution
    left = (root * (features @ best - values)).square().sum()
    mean = (weights[:, None] * values).sum(dim=0) / weights.sum()
    whole = (root * (values - mean)).square().sum()
    assert solver.missed() == pytest.approx(float((left / whole).sqrt()), rel=1e-3)


def test_values_that_do_not_vary_leave_nothing():
    _, solver = solver_for(torch.full_like(LINE, 0.7))
    assert solver.missed() == 0


@pytest.mark.parametrize(("width", "rate"), [(16, 1e-3), (128, 1e-3), (256, 5e-4), (320, 4e-4)])
def test_the_rate_falls_with_the_width(width: int, rate: float):
    assert fitting_rate(*solver_for(noise(), width)) == pytest.approx(rate)


@pytest.mark.parametrize(("rest", "halvings"), [(0.1, 0), (0.05, 1), (0.025, 2), (0.0125, 3), (1e-5, 3)])
def test_it_is_halved_as_what_is_left_halves(rest: float, halvings: int):
    field, solver = solver_for(noise())
    with torch.no_grad():  # a signal that this field explains, but for a part of noise
        explained = field.features(LINE)[:, :1]
    _, solver = solver_for(explained / explained.std() + rest * noise())
    assert solver.missed() == pytest.approx(rest, rel=0.1, abs=1e-3)
    assert fitting_rate(field, solver) == pytest.approx(RATE_BY_WIDTH / NARROWEST / 2**halvings)


@pytest.mark.parametrize(("width", "rate"), [(16, 5e-4), (64, 4e-4), (128, 2e-4), (256, 2e-4)])
def test_where_the_output_is_trained_narrow_fields_have_a_larger_rate(width: int, rate: float):
    assert fitting_rate(solver_for(noise(), width)[0], None) == pytest.approx(rate)


def test_for_other_fields_nothing_is_chosen():
    _, solver = solver_for(noise())
    assert fitting_rate(torch.nn.Linear(1, 1), solver) is None
    assert fitting_rate(torch.nn.Linear(1, 1), None) is None


@pytest.mark.parametrize(
    ("settings", "rate"), [([], 1e-3), (["trainer.optimizer.lr=3e-3"], 3e-3), (UNSOLVED, 5e-4)]
)
def test_a_run_begins_with_it(tmp_path, settings: list[str], rate: float):
    config = fit_config([*TINY, *settings])
    problem = make_problem(config, load_signal(config))
    _, objective, trainer = make_training(problem, make_accelerator())
    assert trainer.optimizer.lr == pytest.approx(rate)
    assert (objective.solver is None) == (settings == UNSOLVED)


@pytest.mark.parametrize(("given", "rate"), [(None, 1e-3), (3e-3, 3e-3)])
def test_wsapps_fit_begins_with_it(monkeypatch, given: float | None, rate: float):
    seen: list[TrainerConfig] = []

    class Watched(Trainer):
        def __init__(self, config: TrainerConfig, *args, **kwargs):
            seen.append(config)
            super().__init__(config, *args, **kwargs)

    monkeypatch.setattr(fit_module, "Trainer", Watched)
    wsapps.fit(LINE, noise(), width=16, hidden_layers=1, steps=1, lr=given, progress=False)
    assert [config.optimizer.lr for config in seen] == pytest.approx([rate])


def test_runs_from_before_keep_the_rate_that_they_had():
    old = to_yaml(fit_config([])).replace("lr: auto\n", "", 1)
    read = from_yaml(FitConfig, old, "config.yaml")
    assert (read.lr, read.trainer.optimizer.lr) == (None, 2e-4)


def test_a_rate_that_is_given_is_taken():
    assert fit_config([]).lr == "auto"
    given = fit_config(["trainer.optimizer.lr=3e-3"])
    assert given.lr is None
    assert given.trainer.optimizer.lr == 3e-3
    assert fit_config(["trainer.optimizer.lr=auto"]).lr == "auto"
    assert fit_config(["trainer.optimizer.lr=3e-3", "lr=null"]).lr is None
    assert fit_config(["method=siren"]).lr == "auto"
    once = with_choices(["trainer.optimizer.lr=3e-3"])
    assert with_choices(once) == once


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["lr=1e-3"], "lr=1e-3: lr is auto or null; trainer.optimizer.lr=1e-3 sets the learning rate"),
        (
            ["lr=auto", "trainer.optimizer.lr=3e-3"],
            "lr=auto chooses trainer.optimizer.lr, which is 3e-3 here",
        ),
        (["trainer.optimizer.lr=auto", "trainer.optimizer.lr=1"], "which is 1 here; leave one of them out"),
    ],
)
def test_what_contradicts_itself_is_refused(settings: list[str], said: str):
    with pytest.raises(UserError, match=re.escape(said)):
        fit_config(settings)
