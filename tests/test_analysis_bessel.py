"""The width-1 network as a series of Bessel functions, and where the paper's bounds hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import jv

from wsapps.analysis import bound_range
from wsapps.analysis.bessel import amplitudes, odd_orders, ratio, ratio_bounds, remainder, series
from wsapps.fields import SinusoidalField


@pytest.mark.parametrize("argument", [0.0, 0.1, 1.0, 2.5, 7.3, 20.0])
def test_series_is_the_nested_sine(argument):
    angles = np.linspace(-4, 4, 101)
    truth = np.sin(argument * np.sin(angles))
    for count in (1, 2, 5, 20, 40):
        error = np.abs(series(argument, angles, count) - truth).max()
        assert error <= remainder(argument, count) + 1e-13
    assert remainder(argument, 40) < 1e-13


def test_remainder_says_where_there_are_too_few_terms():
    assert math.isinf(remainder(40.0, 2))
    assert remainder(1.0, 2) < remainder(1.0, 1) < remainder(2.0, 1)


def test_a_field_of_width_one_is_the_series():
    torch.manual_seed(0)
    field = SinusoidalField(1, 1, 1, 1, 30.0, 30.0, 2.5).double()
    with torch.no_grad():
        for layer in (*(layer.linear for layer in field.layers), field.output):  # type: ignore[union-attr]
            layer.bias.zero_()
        x = torch.linspace(-1, 1, 50, dtype=torch.float64)
        first, hidden = (layer.linear.weight.item() for layer in field.layers)  # type: ignore[union-attr]
        values = field(x[:, None])[:, 0].numpy()
    expected = field.output.weight.item() * series(30 * hidden, 30 * first * x.numpy(), 30)
    np.testing.assert_allclose(values, expected, atol=1e-12)


def test_the_lower_bound_is_the_ratio_at_small_arguments():
    for order in (1, 3, 5):
        small = ratio(order, 1e-2) / ratio_bounds(order, 1e-2)[0]
        assert small == pytest.approx(1.0, abs=1e-4)
        assert small > 1  # approached from above
    # Twice the argument, four times the ratio: alpha^2, and alpha^4 in power.
    assert ratio(1, 0.02) / ratio(1, 0.01) == pytest.approx(4.0, rel=1e-3)


@pytest.mark.parametrize("order", [1, 3, 5, 7])
def test_bounds_hold_where_they_are_said_to_and_fail_beyond(order):
    place = bound_range(order)
    assert 0 < place.upper < place.lower
    inside = np.linspace(0.01, place.upper - 1e-6, 200)
    low, high = ratio_bounds(order, inside)
    assert np.all(low < ratio(order, inside))
    assert np.all(ratio(order, inside) < high)
    between = np.linspace(place.upper + 1e-6, place.lower - 1e-6, 200)
    low, high = ratio_bounds(order, between)
    assert np.all(ratio(order, between) > high)
    assert np.all(ratio(order, between) > low)
    assert ratio(order, place.lower + 0.05) < 0


def test_the_published_counterexample():
    """At W_2 = 2.5 and l = 1 the paper's upper bound fails: 0.436 > 0.417."""
    assert float(ratio(1, 2.5)) == pytest.approx(0.436, abs=5e-4)
    assert float(ratio_bounds(1, 2.5)[1]) == pytest.approx(0.417, abs=5e-4)
    assert 2.3 < bound_range(1).upper < 2.5


def test_amplitudes():
    assert odd_orders(3).tolist() == [1, 3, 5]
    np.testing.assert_allclose(amplitudes(1.7, 3), 2 * jv([1, 3, 5], 1.7))


@pytest.mark.parametrize("order", [0, 2, -1])
def test_other_orders_are_refused(order):
    with pytest.raises(ValueError, match="odd orders"):
        bound_range(order)
