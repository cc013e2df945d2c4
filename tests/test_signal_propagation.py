"""Signals and gradients deep in real networks at initialisation, against the mean-field law.

Statistics: a figure is the mean over SEEDS networks. It must lie within 4 standard errors of the law, plus
0.5 % (2 % at width 32) for the law's own error, which is of order 1/width. Seeds are fixed, so a
test passes always or never. Every comparison has a companion showing that the law without one of its
terms is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from wsapps.fields import SinusoidalField
from wsapps.mean_field import arcsine_cdf, backward_gain, mean_cosine, preactivation_variance

OMEGA = 30.0
WIDTH = 256
SEEDS = 32
ALPHAS = [1.0, 1.5, 2.0, 2.5, 3.0]


@dataclass
class Statistic:
    """Mean over networks and its standard error."""

    mean: float
    error: float

    def agrees_with(self, law: float, bias: float = 0.005) -> bool:
        return abs(self.mean - law) <= 4 * self.error + bias * law


def statistic(values: list[float]) -> Statistic:
    tensor = torch.tensor(values, dtype=torch.float64)
    return Statistic(float(tensor.mean()), float(tensor.std()) / math.sqrt(len(values)))


def propagate(
    alpha: float, width: int, biases: bool, seed: int, points: int = 48, omega_0: float = OMEGA
) -> tuple[list[Tensor], list[Tensor]]:
    """The sines' arguments ``(points, width)``, layer by layer, and a loss's gradients there.

    The gradient at the last argument is drawn at random, independently of the network.
    """
    torch.manual_seed(seed)
    field = SinusoidalField(2, 1, width, 7, omega_0, OMEGA, alpha)
    coordinates = torch.rand(points, 2) * 2 - 1
    hidden, arguments = coordinates, []
    for layer in field.layers:
        if not biases:
            nn.init.zeros_(layer.linear.bias)
        arguments.append(layer.omega * layer.linear(hidden))
        hidden = torch.sin(arguments[-1])
    assert torch.equal(hidden, field.features(coordinates)), "the loop above is not the field's forward pass"
    gradients = torch.autograd.grad(arguments[-1], arguments, torch.randn(points, width))
    return [argument.detach() for argument in arguments], list(gradients)


@cache
def measured(
    alpha: float, biases: bool, width: int = WIDTH, omega_0: float = OMEGA
) -> tuple[Statistic, Statistic]:
    """sigma^2 of the three deepest layers and the squared gain of the four deepest steps back."""
    variances, gains = [], []
    for seed in range(SEEDS):
        arguments, gradients = propagate(alpha, width, biases, seed, omega_0=omega_0)
        variances.append(float(torch.stack(arguments[-3:]).square().mean()))
        squares = [float(gradient.square().mean()) for gradient in gradients[-5:]]
        gains.append((squares[0] / squares[-1]) ** (1 / 4))
    return statistic(variances), statistic(gains)


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("alpha", ALPHAS)
def test_variance_and_gain_follow_the_law(alpha, biases):
    variance, gain = measured(alpha, biases)
    terms = (OMEGA, WIDTH) if biases else ()
    assert variance.agrees_with(preactivation_variance(alpha, *terms, uniform_bias=True)), variance
    assert gain.agrees_with(backward_gain(alpha, *terms, uniform_bias=True) ** 2), gain


@pytest.mark.parametrize("alpha", ALPHAS)
def test_law_with_normal_biases_is_a_good_approximation(alpha):
    variance, gain = measured(alpha, biases=True)
    assert variance.agrees_with(preactivation_variance(alpha, OMEGA, WIDTH), bias=0.01)
    assert gain.agrees_with(backward_gain(alpha, OMEGA, WIDTH) ** 2, bias=0.035)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_law_without_the_bias_term_is_refused(alpha):
    variance, _ = measured(alpha, biases=True)
    assert not variance.agrees_with(preactivation_variance(alpha))
    variance, _ = measured(alpha, biases=False)
    assert not variance.agrees_with(preactivation_variance(alpha, OMEGA, WIDTH))


def test_law_without_the_feedback_term_is_refused():
    """e^(-2 sigma^2) matters at alpha = 1: sigma^2 is not alpha^2, and the gain is not alpha."""
    variance, gain = measured(1.0, biases=False)
    assert not variance.agrees_with(1.0)
    assert not gain.agrees_with(1.0)


def test_bias_is_uniform_not_normal():
    """At alpha = 1 the measurement tells the two forms of the law apart, by the gain's side of 1."""
    _, gain = measured(1.0, biases=True)
    assert (
        backward_gain(1.0, OMEGA, WIDTH) ** 2 > 1 > backward_gain(1.0, OMEGA, WIDTH, uniform_bias=True) ** 2
    )
    assert gain.mean + 4 * gain.error < 1


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_narrow_networks_are_ruled_by_their_biases(alpha):
    variance, gain = measured(alpha, biases=True, width=32)
    law = preactivation_variance(alpha, OMEGA, 32, uniform_bias=True)
    assert law > 9.4  # of which the bias term is 9.375
    assert variance.agrees_with(law, bias=0.02), (variance, law)
    assert gain.agrees_with(backward_gain(alpha, OMEGA, 32, uniform_bias=True) ** 2, bias=0.02), gain
    assert not variance.agrees_with(preactivation_variance(alpha), bias=0.02)


@pytest.mark.parametrize("omega_0", [5.0, 60.0])
def test_deep_layers_forget_the_first(omega_0):
    arguments, _ = propagate(1.5, WIDTH, biases=False, seed=0, omega_0=omega_0)
    assert not 1.8 < float(arguments[0].square().mean()) < 2.7, "the first layer starts elsewhere"
    variance, gain = measured(1.5, biases=False, omega_0=omega_0)
    assert variance.agrees_with(preactivation_variance(1.5))
    assert gain.agrees_with(backward_gain(1.5) ** 2)


@pytest.mark.parametrize("alpha", [1.5, 2.5])
def test_earlier_layers_get_gradients_larger_by_alpha_a_layer(alpha):
    """From the last sine to the second: six steps, each about alpha, hence alpha^6 in all."""
    ratios = []
    for seed in range(8):
        _, gradients = propagate(alpha, WIDTH, biases=False, seed=seed)
        ratios.append(float(gradients[1].norm() / gradients[-1].norm()))
    assert statistic(ratios).agrees_with(backward_gain(alpha) ** 6, bias=0.03)


def distance_to_arcsine(activations: Tensor) -> float:
    """Kolmogorov-Smirnov distance of a sample to the arcsine law."""
    ordered = activations.flatten().double().sort().values
    law = arcsine_cdf(ordered)
    empirical = torch.arange(1, len(ordered) + 1, dtype=torch.float64) / len(ordered)
    return float(torch.maximum(empirical - law, law - empirical + 1 / len(ordered)).max())


def activation_distance(alpha: float, biases: bool, seed: int) -> float:
    arguments, _ = propagate(alpha, 1024, biases, seed)
    return distance_to_arcsine(torch.sin(arguments[-1]))


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize("alpha", [1.5, 2.0, 2.5, 3.0])
def test_activations_are_arcsine_from_alpha_one_and_a_half(alpha, biases):
    """The law's distance is e^(-2 sigma^2)/pi, at most 0.0037; a network of width 1024 adds up to 0.005."""
    assert max(activation_distance(alpha, biases, seed) for seed in range(2)) < 0.015


def test_activations_of_siren_are_not_arcsine():
    for seed in range(3):
        distance = activation_distance(1.0, biases=False, seed=seed)
        assert distance > 0.05
        assert distance == pytest.approx(mean_cosine(1.0) / math.pi, rel=0.1)


@pytest.mark.parametrize(
    ("alpha", "variance", "squared_gain"),
    [(1.0, 0.80, 1.20), (1.5, 2.22, 2.28), (2.0, 4.00, 4.00), (2.5, 6.25, 6.25), (3.0, 9.00, 9.00)],
)
def test_published_figures_without_biases(alpha, variance, squared_gain):
    assert preactivation_variance(alpha) == pytest.approx(variance, abs=0.0051)
    assert backward_gain(alpha) ** 2 == pytest.approx(squared_gain, abs=0.0051)


def test_published_figures_with_biases():
    assert backward_gain(1.0, OMEGA, 256) ** 2 == pytest.approx(1.013, abs=0.0005)
    assert preactivation_variance(1.0, OMEGA, 256) == pytest.approx(2.16, abs=0.005)
    assert OMEGA**2 / (3 * 32) < preactivation_variance(0.01, OMEGA, 32) < 9.4


@pytest.mark.parametrize("uniform_bias", [False, True])
@pytest.mark.parametrize("width", [8, 32, 100, 256, 512])
@pytest.mark.parametrize("alpha", [0.3, 1 / math.sqrt(2), 1.0, 2.5])
def test_variance_is_the_attracting_fixed_point(alpha, width, uniform_bias):
    variance = preactivation_variance(alpha, OMEGA, width, uniform_bias=uniform_bias)
    cosine = mean_cosine(alpha, OMEGA, width, uniform_bias=uniform_bias)
    bias_variance = OMEGA**2 / (3 * width)
    assert variance == pytest.approx(alpha**2 * (1 - cosine) + bias_variance, rel=1e-12)
    if not uniform_bias:
        assert cosine == pytest.approx(math.exp(-2 * variance), rel=1e-12)
    iterated = 50.0
    for _ in range(5000):
        bound = OMEGA / math.sqrt(width)
        factor = math.sin(2 * bound) / (2 * bound) if uniform_bias else math.exp(-2 * bias_variance)
        iterated = alpha**2 * (1 - factor * math.exp(-2 * (iterated - bias_variance))) + bias_variance
    assert variance == pytest.approx(iterated, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.7, 1 / math.sqrt(2)])
def test_signal_dies_out_below_the_critical_scale(alpha):
    """Without biases and with alpha <= 1/sqrt(2) the only fixed point is 0."""
    assert preactivation_variance(alpha) == pytest.approx(0.0, abs=1e-6)
    assert backward_gain(alpha) == pytest.approx(alpha * math.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("variance", [0.8, 2.2, 4.0])
def test_distance_to_arcsine_of_sines_of_normal_arguments(variance):
    """The distance e^(-2 sigma^2)/pi stated in mean_cosine, on exact quantiles of a normal variable."""
    levels = (torch.arange(400_000, dtype=torch.float64) + 0.5) / 400_000
    normal = math.sqrt(variance) * torch.special.ndtri(levels)
    assert distance_to_arcsine(torch.sin(normal)) == pytest.approx(
        math.exp(-2 * variance) / math.pi, abs=1e-4
    )


def test_arcsine_cdf():
    values = torch.tensor([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0], dtype=torch.float64)
    expected = torch.tensor([0, 0, 1 / 3, 1 / 2, 2 / 3, 1, 1], dtype=torch.float64)
    torch.testing.assert_close(arcsine_cdf(values), expected)


@pytest.mark.parametrize(
    "arguments", [(0.0,), (-1.0,), (math.nan,), (math.inf,), (1.0, 30.0), (1.0, 0.0, 8), (1.0, 30.0, 0)]
)
@pytest.mark.parametrize("function", [preactivation_variance, backward_gain, mean_cosine])
def test_values_out_of_range(function, arguments):
    with pytest.raises(ValueError, match=r"alpha|omega_hidden"):
        function(*arguments)
