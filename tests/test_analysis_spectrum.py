"""Spectra: known signals, Parseval's identity, and what scaling the first layer does to a field's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsapps.analysis import Spectrum, field_spectrum, grid_spectrum, line_spectrum
from wsapps.fields import SinusoidalField


def test_a_sine_is_at_its_frequency():
    x = np.arange(1000) / 500
    spectrum = line_spectrum(3 * np.sin(2 * np.pi * 40 * x)[None], 2.0)
    assert spectrum.centroid == pytest.approx(40.0, abs=0.01)
    assert spectrum.power.sum() == pytest.approx(4.5, rel=1e-6)  # its variance
    assert spectrum.part_above(42) < 1e-6
    assert spectrum.part_above(38) == pytest.approx(1.0)
    assert spectrum.frequencies[-1] == 250.0


@pytest.mark.parametrize("points", [501, 512])
def test_power_is_the_variance_of_noise(points):
    noise = np.random.default_rng(0).standard_normal((400, points))
    spectrum = line_spectrum(noise, 1.0)
    assert spectrum.power.sum() == pytest.approx(1.0, rel=0.03)
    assert spectrum.centroid == pytest.approx(spectrum.frequencies[-1] / 2, rel=0.03)
    assert spectrum.rolloff(0.5) == pytest.approx(spectrum.frequencies[-1] / 2, rel=0.03)


def test_a_constant_has_no_power():
    assert line_spectrum(np.full((2, 64), 7.0), 1.0).power.max() < 1e-25


def test_rolloff_reaches_the_last_frequency():
    assert Spectrum(np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])).rolloff(1.0) == 2.0


def test_scaling_the_first_layer_stretches_the_field():
    """f_gain(x) = f(gain x): frequencies move, and nothing else; so does the centroid."""
    fields = []
    for gain in (1.0, 3.0):
        torch.manual_seed(0)
        fields.append(SinusoidalField(1, 1, 64, 2, alpha=1.0, frequency_gain=gain).double())
    x = torch.linspace(-0.3, 0.3, 50, dtype=torch.float64)[:, None]
    torch.testing.assert_close(fields[1](x), fields[0](3 * x))


def test_scaling_all_weights_raises_frequencies_more_than_the_first_layer_does():
    centroids = {}
    for alpha, gain in ((1.0, 1.0), (1.0, 2.0), (2.0, 1.0)):
        torch.manual_seed(0)
        field = SinusoidalField(2, 1, 128, 3, alpha=alpha, frequency_gain=gain)
        centroids[alpha, gain] = field_spectrum(field, 2, lines=16).centroid
    assert centroids[1.0, 1.0] < centroids[1.0, 2.0] < centroids[2.0, 1.0]


def test_lines_of_a_field_run_along_each_axis():
    def field(x):
        return torch.sin(2 * np.pi * 20 * x[:, 1:])  # along the second axis alone

    spectrum = field_spectrum(field, 2, lines=8, points=512)
    assert spectrum.centroid == pytest.approx(20.0, abs=0.05)
    assert spectrum.power.sum() == pytest.approx(0.25, rel=1e-3)  # half of the lines are constant
    again = field_spectrum(field, 2, lines=8, points=512)
    assert np.array_equal(again.power, spectrum.power)


def test_spectrum_of_samples_on_a_grid():
    x = torch.linspace(-1, 1, 201, dtype=torch.float64)
    picture = torch.sin(2 * torch.pi * 30 * x).expand(5, -1).reshape(-1, 1)
    assert grid_spectrum(picture, (5, 201)).centroid == pytest.approx(30.0, abs=0.1)


def test_spectrum_of_a_grid_along_another_axis():
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(3), indexing="ij")
    values = torch.sin(2 * torch.pi * 8 * rows / 64).reshape(-1, 1) + 0.0 * columns.reshape(-1, 1)
    spectrum = grid_spectrum(values, (64, 3), 2.0 * 63 / 64, axis=0)
    assert spectrum.frequencies[spectrum.power.argmax()] == pytest.approx(4.0)
    two = grid_spectrum(torch.cat([values, 2 * values], dim=1), (64, 3), 2.0 * 63 / 64, axis=0)
    assert two.power.sum() == pytest.approx(2.5 * spectrum.power.sum())


def test_what_is_no_line():
    for shape in ((3,), (2, 3)):
        with pytest.raises(ValueError, match="lines, points"):
            line_spectrum(np.zeros(shape), 1.0)


def test_a_field_of_double_precision_has_a_spectrum():
    torch.manual_seed(0)
    field = SinusoidalField(2, 1, 8)
    single = field_spectrum(field, 2, lines=2, points=64)
    double = field_spectrum(field.double(), 2, lines=2, points=64)
    np.testing.assert_allclose(double.power, single.power, rtol=1e-3, atol=1e-9)
