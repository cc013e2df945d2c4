"""Traces of networks, and signals and gradients through depth against the mean-field law."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from wsapps.analysis import expected_growth, gradient_norms, sine_statistics, variances_through_depth
from wsapps.analysis.propagation import distance_to_law
from wsapps.analysis.trace import trace
from wsapps.fields import ReluPositionalField, SinusoidalField, TanhField
from wsapps.mean_field import arcsine_cdf, backward_gain, preactivation_variance

OMEGA = 30.0


def field(alpha: float, width: int = 256, hidden_layers: int = 5, seed: int = 0) -> SinusoidalField:
    torch.manual_seed(seed)
    return SinusoidalField(2, 1, width, hidden_layers, OMEGA, OMEGA, alpha)


def points(count: int = 64) -> torch.Tensor:
    return 2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(9)) - 1


def test_a_trace_is_the_forward_pass():
    network, x = field(2.0, 16, 2), points(5)
    traced = trace(network, x)
    assert torch.equal(traced.values, network(x))
    assert [call.name for call in traced.linear] == [
        "layers.0.linear.weight",
        "layers.1.linear.weight",
        "layers.2.linear.weight",
        "output.weight",
    ]
    assert torch.equal(traced.linear[0].inputs, x)
    for sine, call, after in zip(traced.sines, traced.linear, traced.linear[1:], strict=False):
        torch.testing.assert_close(sine.arguments, OMEGA * call.outputs)
        assert torch.equal(sine.outputs, after.inputs)


def test_activations_of_other_kinds_are_no_outputs_of_linear_layers():
    """Layers that apply their own activation: what is noted is the product before it."""
    traced = trace(TanhField(2, 1, 8, 1), points(5))
    assert torch.equal(torch.tanh(traced.linear[0].outputs), traced.linear[1].inputs)
    assert traced.sines == []


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.5])
def test_variances_follow_the_law_layer_by_layer(alpha):
    """Mean over networks, within 4 standard errors and 2 %: layers near the first are not yet normal."""
    measured = torch.tensor(
        [
            [statistics.variance for statistics in sine_statistics(field(alpha, seed=seed), points())]
            for seed in range(8)
        ]
    )
    mean, error = measured.mean(dim=0), measured.std(dim=0) / math.sqrt(8)
    law = torch.tensor(variances_through_depth(float(mean[0]), alpha, OMEGA, 256, len(mean)))
    assert bool(((mean - law).abs()[1:] <= 4 * error[1:] + 0.02 * law[1:]).all()), (mean, law)
    # Without the biases' part the law is refused.
    assert bool(((mean - law + OMEGA**2 / (3 * 256)).abs()[1:] > 4 * error[1:] + 0.02 * law[1:]).all())


@pytest.mark.parametrize("uniform_bias", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_variances_reach_the_fixed_point(alpha, uniform_bias):
    law = variances_through_depth(0.3, alpha, OMEGA, 256, 60, uniform_bias=uniform_bias)
    assert law[0] == 0.3
    fixed = preactivation_variance(alpha, OMEGA, 256, uniform_bias=uniform_bias)
    assert law[-1] == pytest.approx(fixed, rel=1e-12)


def test_deep_arguments_are_normal_and_activations_arcsine():
    deepest = sine_statistics(field(2.5, width=512), points(256))[-1]
    assert deepest.normal_distance < 0.02
    assert deepest.arcsine_distance < 0.02
    first = sine_statistics(field(2.5, width=512), points(256))[0]
    assert first.normal_distance > 1.3 * deepest.normal_distance  # a sum of two uniform variables


def test_distance_to_a_law():
    levels = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    assert distance_to_law(levels, lambda x: x) == pytest.approx(0.0005)
    assert distance_to_law(levels / 2, lambda x: x) == pytest.approx(0.5, abs=1e-3)
    assert distance_to_law(torch.sin(math.pi * (levels - 0.5)), arcsine_cdf) == pytest.approx(0.0005)


def test_networks_without_sines_are_refused():
    with pytest.raises(ValueError, match="no sines"):
        sine_statistics(TanhField(2, 1, 8, 1), points())


@pytest.mark.parametrize("alpha", [1.5, 2.5])
def test_gradients_grow_by_the_gain_a_layer_on_wide_networks(alpha):
    """Residuals that have nothing to do with the network, seven sine layers of 512, 4 networks."""
    growth, layers = [], 7
    for seed in range(4):
        torch.manual_seed(100 + seed)
        residuals = torch.randn(64, 1)
        norms = gradient_norms(
            field(alpha, 512, layers - 1, seed), points(), lambda f, r=residuals: (f * r).sum()
        )
        growth.append([value / norms.arguments[-1] for value in norms.arguments])
    mean = torch.tensor(growth).mean(dim=0)
    law = torch.tensor(expected_growth(alpha, OMEGA, 512, layers))
    # From the second sine on; the step to the first one has its own variance.
    torch.testing.assert_close(mean[1:], law[1:], rtol=0.1, atol=0)
    assert float(mean[1]) > 0.8 * alpha ** (layers - 2)


def test_gradients_by_weights_are_those_of_autograd():
    network, x = field(1.5, 16, 1), points(6)
    norms = gradient_norms(network, x, lambda values: values.square().sum())
    network(x).square().sum().backward()
    expected = [float(layer.linear.weight.grad.norm()) for layer in network.layers]  # type: ignore[union-attr]
    expected.append(float(network.output.weight.grad.norm()))  # type: ignore[union-attr]
    assert norms.weights == pytest.approx(expected, rel=1e-5)
    assert norms.names[-1] == "output.weight"


def test_what_is_frozen_has_no_gradient_and_statistics_all_the_same():
    network, x = field(1.5, 16, 1), points(6)
    statistics = sine_statistics(network, x)
    whole = gradient_norms(network, x, lambda values: values.square().sum())
    network.output.requires_grad_(False)  # type: ignore[union-attr]
    norms = gradient_norms(network, x, lambda values: values.square().sum())
    assert norms.weights == pytest.approx(whole.weights[:-1])
    assert norms.names == whole.names[:-1]
    network.requires_grad_(False)
    assert sine_statistics(network, x) == statistics
    assert not any(parameter.requires_grad for parameter in network.parameters())
    with pytest.raises(ValueError, match="no trainable linear layer"):
        gradient_norms(network, x, lambda values: values.sum())


def test_expected_growth():
    gain = backward_gain(2.0, OMEGA, 256, uniform_bias=True)
    assert expected_growth(2.0, OMEGA, 256, 3) == pytest.approx([gain**2, gain, 1.0])
    assert gain == pytest.approx(2.0, rel=1e-3)


def test_gradients_of_relu_networks_have_no_sines_to_show():
    norms = gradient_norms(ReluPositionalField(2, 1, 8, 1, 3), points(4), lambda values: values.sum())
    assert (len(norms.weights), norms.arguments) == (3, [])  # the encoding's sines are fixed
    assert all(weight > 0 for weight in norms.weights)


def test_a_trace_has_gradients_also_where_none_are_asked_for():
    network = nn.Sequential(nn.Linear(2, 3))
    with torch.no_grad():
        assert trace(network, points(4)).values.requires_grad
