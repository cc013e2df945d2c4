"""The learning-rate schedule in closed form, and the optimiser that the settings give."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from wsapps.optimizer import OptimizerConfig, learning_rate, make_optimizer, momentum, set_rates

SCHEDULES = ["constant", "cosine", "exponential"]

configs = st.builds(
    OptimizerConfig,
    lr=st.floats(1e-8, 10.0),
    schedule=st.sampled_from(SCHEDULES),
    final_lr_factor=st.floats(1e-6, 1.0),
    warmup_steps=st.integers(0, 1000),
)
fractions = st.floats(0.0, 1.0)


@pytest.mark.parametrize("step", [0, 1, 10**9])
@pytest.mark.parametrize("progress", [0.0, 0.3, 1.0])
def test_constant(step, progress):
    assert learning_rate(OptimizerConfig(lr=0.02), step, progress) == 0.02


@pytest.mark.parametrize(
    ("schedule", "at_half"), [("cosine", (1 + 0.01) / 2), ("exponential", 0.1), ("constant", 1.0)]
)
def test_half_way_in_closed_form(schedule, at_half):
    config = OptimizerConfig(lr=2.0, schedule=schedule, final_lr_factor=0.01)
    assert learning_rate(config, 500, 0.5) == pytest.approx(2.0 * at_half)


@settings(deadline=None)
@given(progress=fractions, floor=st.floats(1e-6, 1.0))
def test_decay_in_closed_form(progress, floor):
    cosine, exponential = (
        OptimizerConfig(lr=1.0, schedule=schedule, final_lr_factor=floor)
        for schedule in ("cosine", "exponential")
    )
    # cos^2(pi p / 2) runs from 1 to 0.
    expected = floor + (1 - floor) * math.cos(math.pi * progress / 2) ** 2
    assert learning_rate(cosine, 0, progress) == pytest.approx(expected, rel=1e-9)
    assert math.log(learning_rate(exponential, 0, progress)) == pytest.approx(
        progress * math.log(floor), abs=1e-9
    )


@settings(deadline=None)
@given(configs)
def test_endpoints(config):
    after_warmup = config.warmup_steps
    assert learning_rate(config, after_warmup, 0.0) == pytest.approx(config.lr)
    last = config.lr if config.schedule == "constant" else config.lr * config.final_lr_factor
    assert learning_rate(config, after_warmup, 1.0) == pytest.approx(last)
    assert learning_rate(config, after_warmup, 1.7) == learning_rate(config, after_warmup, 1.0)
    assert learning_rate(config, after_warmup, -0.1) == learning_rate(config, after_warmup, 0.0)


@settings(deadline=None)
@given(configs, fractions, fractions, st.integers(0, 2000))
def test_never_rises_with_progress(config, one, two, step):
    early, late = sorted((one, two))
    assert learning_rate(config, step, late) <= learning_rate(config, step, early) * (1 + 1e-12)


@settings(deadline=None)
@given(configs, st.integers(0, 2000), fractions)
def test_positive_and_at_most_lr(config, step, progress):
    assert 0 < learning_rate(config, step, progress) <= config.lr * (1 + 1e-12)


@settings(deadline=None)
@given(configs, fractions)
def test_warmup_rises_in_equal_parts(config, progress):
    full = learning_rate(config, config.warmup_steps, progress)
    parts = config.warmup_steps + 1
    for step in {0, config.warmup_steps // 2, config.warmup_steps}:
        assert learning_rate(config, step, progress) == pytest.approx(full * (step + 1) / parts)
    assert learning_rate(config, config.warmup_steps + 100, progress) == full


def test_warmup_of_four_steps():
    config = OptimizerConfig(lr=1.0, warmup_steps=4)
    assert [learning_rate(config, step, 0.0) for step in range(6)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    )


@pytest.mark.parametrize(
    "values",
    [
        {"lr": 0.0},
        {"lr": -1e-3},
        {"lr": math.nan},
        {"lr": math.inf},
        {"final_lr_factor": 0.0},
        {"final_lr_factor": 1.1},
        {"final_lr_factor": math.nan},
        {"beta1": 1.0},
        {"beta1": -0.1},
        {"beta2": 1.0},
        {"beta2": math.nan},
        {"warmup_steps": -1},
        {"weight_decay": -1e-4},
        {"weight_decay": math.nan},
        {"clip_norm": -1.0},
        {"eps": 0.0},
        {"eps": math.nan},
    ],
)
def test_values_out_of_range(values):
    (name,) = values
    with pytest.raises(ValueError, match=name):
        OptimizerConfig(**values)


def test_settings_reach_adam():
    module = nn.Linear(2, 3)
    optimizer = make_optimizer(OptimizerConfig(lr=0.02, beta1=0.8, beta2=0.95, eps=1e-6), module)
    assert type(optimizer) is torch.optim.Adam
    (group,) = optimizer.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.02, (0.8, 0.95), 1e-6)
    assert {id(p) for p in group["params"]} == {id(p) for p in module.parameters()}


def test_frozen_parameters_are_left_out():
    module = nn.Linear(2, 3)
    module.bias.requires_grad_(False)
    (group,) = make_optimizer(OptimizerConfig(), module).param_groups
    assert [id(p) for p in group["params"]] == [id(module.weight)]


def test_first_step_of_adam_has_the_length_of_lr():
    """Adam's first step is lr * sign(gradient), whatever the gradient's size."""
    parameter = nn.Parameter(torch.tensor([1.0, 1.0]))
    module = nn.Module()
    module.p = parameter
    optimizer = make_optimizer(OptimizerConfig(lr=0.5), module)
    set_rates(optimizer, OptimizerConfig(lr=0.25), 0, 0.0)
    parameter.grad = torch.tensor([3.0, -700.0])
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.tensor([0.75, 1.25]))


def test_weight_decay_is_decoupled():
    """With no gradient AdamW still shrinks by lr * weight_decay, which Adam's L2 term would turn into lr."""
    module = nn.Module()
    module.p = nn.Parameter(torch.tensor([4.0]))
    optimizer = make_optimizer(OptimizerConfig(lr=0.5, weight_decay=0.1), module)
    assert isinstance(optimizer, torch.optim.AdamW)
    module.p.grad = torch.zeros(1)
    optimizer.step()
    torch.testing.assert_close(module.p.detach(), torch.tensor([4.0 * (1 - 0.05)]))


def test_rates_are_set_in_every_group():
    one, two = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([{"params": [one], "lr": 1.0}, {"params": [two], "lr": 2.0}])
    set_rates(optimizer, OptimizerConfig(lr=0.125, beta1=0.9, beta1_first=0.5, beta1_steps=40), 10, 0.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.125]
    assert [group["betas"] for group in optimizer.param_groups] == [(pytest.approx(0.6), 0.999)] * 2


@settings(deadline=None)
@given(first=st.floats(0, 0.99), last=st.floats(0, 0.99), steps=st.integers(1, 100), step=st.integers(0, 300))
def test_momentum_rises_linearly_and_stays(first, last, steps, step):
    config = OptimizerConfig(beta1=last, beta1_first=first, beta1_steps=steps)
    assert momentum(config, 0) == first
    assert momentum(config, steps) == pytest.approx(last)
    assert momentum(config, steps + step) == pytest.approx(last)
    assert momentum(OptimizerConfig(beta1=last), step) == last
    within = min(step, steps - 1)
    assert momentum(config, within + 1) - momentum(config, within) == pytest.approx(
        (last - first) / steps, abs=1e-12
    )
