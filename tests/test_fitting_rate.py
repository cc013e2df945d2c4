"""The learning rate that suits a fit."""

from __future__ import annotations

import pytest
import torch

from wsapps.fields import SinusoidalField
from wsapps.fitting_rate import RATE_BY_WIDTH, fitting_rate
from wsapps.optimizer import USUAL_FITTING_RATE
from wsapps.projection import ProjectionConfig, output_solver
from wsapps.samplers import PointSampler
from wsapps.seeding import seed_global
from wsapps_signals.config import fit_config, with_choices

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


@pytest.mark.parametrize("width", [16, 64])
def test_the_rate_falls_with_the_width(width: int):
    assert fitting_rate(*solver_for(noise(), width)) == pytest.approx(RATE_BY_WIDTH / width)


@pytest.mark.parametrize(("rest", "halvings"), [(0.1, 0), (0.05, 1), (0.025, 2), (0.0125, 3), (1e-5, 3)])
def test_it_is_halved_as_what_is_left_halves(rest: float, halvings: int):
    field, solver = solver_for(noise())
    with torch.no_grad():  # a signal that this field explains, but for a part of noise
        explained = field.features(LINE)[:, :1]
    _, solver = solver_for(explained / explained.std() + rest * noise())
    assert solver.missed() == pytest.approx(rest, rel=0.1, abs=1e-3)
    assert fitting_rate(field, solver) == pytest.approx(RATE_BY_WIDTH / 16 / 2**halvings)


def test_other_fits_have_the_usual_rate():
    field, solver = solver_for(noise())
    assert fitting_rate(field, None) == USUAL_FITTING_RATE
    assert fitting_rate(torch.nn.Linear(1, 1), solver) == USUAL_FITTING_RATE


def test_a_rate_that_is_given_is_taken():
    assert fit_config([]).lr == "auto"
    given = fit_config(["trainer.optimizer.lr=3e-3"])
    assert given.lr is None
    assert given.trainer.optimizer.lr == 3e-3
    assert fit_config(["trainer.optimizer.lr=auto"]).lr == "auto"
    assert fit_config(["trainer.optimizer.lr=3e-3", "lr=auto"]).lr == "auto"
    assert fit_config(["method=siren"]).lr == "auto"
    once = with_choices(["trainer.optimizer.lr=3e-3"])
    assert with_choices(once) == once
