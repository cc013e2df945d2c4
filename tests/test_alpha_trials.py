"""Trials as an ensemble are those of the fields one by one."""

from __future__ import annotations

import math

import pytest
import torch

from wsapps.alpha import EnsembleTrials, Points
from wsapps.fields import SinusoidalField
from wsapps.optimizer import OptimizerConfig, learning_rate

STEPS = 12


def make(alpha: float) -> SinusoidalField:
    torch.manual_seed(0)
    return SinusoidalField(1, 1, 8, 1, 5.0, 5.0, alpha)


def draw(seed: int, count: int = 10) -> Points:
    x = 2 * torch.rand(1, count, 1, generator=torch.Generator().manual_seed(seed)) - 1
    return Points(
        x, torch.sin(4 * x), 0.5 + torch.rand(1, count, generator=torch.Generator().manual_seed(seed))
    )


def make_trials(optimizer: OptimizerConfig, alphas=(1.0, 2.0, 3.0)) -> EnsembleTrials:
    fields = {alpha: [make(alpha)] for alpha in alphas}
    return EnsembleTrials(fields, draw, draw(100), draw(200), optimizer, STEPS, look_every=3)


def alone(alpha: float, config: OptimizerConfig) -> SinusoidalField:
    """The same training, written out."""
    field = make(alpha)
    optimizer = torch.optim.Adam(field.parameters(), lr=1.0, betas=(config.beta1, config.beta2))
    for step in range(STEPS):
        points = draw(step)
        squared = (field(points.coordinates[0]) - points.values[0]).square()
        optimizer.zero_grad()
        (squared * points.weights[0, :, None]).mean().backward()  # type: ignore[index]
        if config.clip_norm:
            torch.nn.utils.clip_grad_norm_(field.parameters(), config.clip_norm)
        optimizer.param_groups[0]["lr"] = learning_rate(config, step, step / STEPS)
        optimizer.step()
    return field


@pytest.mark.parametrize(
    "config",
    [
        OptimizerConfig(lr=1e-2),
        OptimizerConfig(lr=1e-2, schedule="cosine", warmup_steps=3, clip_norm=0.05),
    ],
)
def test_trials_together_are_those_alone_however_they_are_divided(config):
    """Some at once, some later, in pieces: moments and batches stay each field's own."""
    trials = make_trials(config)
    trials.advance([1.0, 3.0], 5)
    trials.advance([3.0], STEPS)
    trials.advance([2.0], STEPS)
    trials.advance([1.0], 9)
    trials.advance([1.0], STEPS)
    x = torch.linspace(-1, 1, 20)[:, None]
    for alpha in (1.0, 2.0, 3.0):
        field = trials._contestants[alpha].fields[0]
        torch.testing.assert_close(field(x), alone(alpha, config)(x), rtol=1e-4, atol=1e-5)


def test_looks_are_at_the_beginning_in_between_and_at_each_end():
    trials = make_trials(OptimizerConfig(lr=1e-2))
    trials.advance([1.0], 5)
    trials.advance([1.0], 5)  # nothing is left to do
    trials.advance([1.0], STEPS)
    curve = trials.curve(1.0)
    assert curve.steps == [0, 3, 5, 6, 9, 12]
    truth = draw(100)
    field = trials._contestants[1.0].fields[0]
    error = (field(truth.coordinates[0]) - truth.values[0]).square().mean()
    assert curve.fitted[-1] == pytest.approx(-10 * math.log10(error.item()), abs=1e-4)
    assert curve.fitted[-1] > curve.fitted[0]


def test_one_that_diverges_leaves_the_others_as_they_are():
    trials, others = make_trials(OptimizerConfig(lr=1e-2)), make_trials(OptimizerConfig(lr=1e-2))
    with torch.no_grad():
        trials._contestants[2.0].fields[0].output.weight.fill_(math.inf)  # type: ignore[union-attr]
    trials.advance([1.0, 2.0, 3.0], STEPS)
    others.advance([1.0, 3.0], STEPS)
    assert trials.curve(2.0).diverged
    assert trials.curve(3.0).fitted == pytest.approx(others.curve(3.0).fitted, rel=1e-4)


def test_those_that_are_trained_together_must_be_equally_far():
    trials = make_trials(OptimizerConfig())
    trials.advance([1.0], 2)
    with pytest.raises(ValueError, match="different numbers of steps"):
        trials.advance([1.0, 2.0], 4)


def test_running_means_are_scored_and_change_nothing_of_the_training():
    config = OptimizerConfig(lr=1e-2)
    plain = make_trials(config)
    means = EnsembleTrials(
        {1.0: [make(1.0)]}, draw, draw(100), draw(200), config, STEPS, look_every=3, average=0.5
    )
    mean, steps = make(1.0), range(1, STEPS + 1)
    for step in steps:
        plain.advance([1.0], step)
        means.advance([1.0], step)
        now = plain._contestants[1.0].fields[0]
        with torch.no_grad():
            for kept, parameter in zip(mean.parameters(), now.parameters(), strict=True):
                kept.lerp_(parameter, 0.5)
    both = (plain._contestants[1.0].fields[0], means._contestants[1.0].fields[0])
    for one, two in zip(*(field.parameters() for field in both), strict=True):
        torch.testing.assert_close(one, two)
    truth = draw(100)
    error = (mean(truth.coordinates[0]) - truth.values[0]).square().mean()
    assert means.curve(1.0).fitted[-1] == pytest.approx(-10 * math.log10(error.item()), abs=1e-4)
