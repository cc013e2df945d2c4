"""The contract of every field in wsapps.fields.FIELDS; a new entry inherits these tests."""

from __future__ import annotations

import math
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass, replace

import pytest
import torch
from torch import nn

from wsapps.fields import FIELDS, ReluPositionalField, SinusoidalField
from wsapps.fields.relu_pe import PositionalEncoding

every_field = pytest.mark.parametrize("name", sorted(FIELDS))


def make(name: str, in_features: int = 2, out_features: int = 3, seed: int = 0, **settings) -> nn.Module:
    kind = FIELDS[name]
    torch.manual_seed(seed)
    return kind.from_config(in_features, out_features, replace(kind.Config(), **{"width": 32, **settings}))


def coordinates(*sizes: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.rand(*sizes, generator=torch.Generator().manual_seed(7), dtype=dtype) * 2 - 1


@every_field
def test_config(name):
    config = FIELDS[name].Config()
    assert is_dataclass(config)
    assert config.name == name
    assert {"name", "width", "hidden_layers"} <= {field.name for field in dataclass_fields(config)}


@every_field
def test_sizes_that_a_field_tells(name):
    """``width`` is the size of the features: what is configured, or what follows from it (WIRE)."""
    field = make(name, 2, 3, width=24)
    assert (field.in_features, field.out_features) == (2, 3)
    assert field.features(coordinates(5, 2)).shape[-1] == field.width
    assert make(name, width=48).width > field.width


@every_field
@pytest.mark.parametrize("leading", [(5,), (1,), (0,), (2, 3), (2, 1, 4), ()])
@pytest.mark.parametrize(("in_features", "out_features"), [(1, 1), (2, 3), (5, 2)])
def test_shapes(name, leading, in_features, out_features):
    field = make(name, in_features, out_features)
    points = coordinates(*leading, in_features)
    assert field(points).shape == (*leading, out_features)
    assert field.features(points).shape == (*leading, field.width)


@every_field
def test_values_are_the_output_layer_on_the_features(name):
    field = make(name)
    assert isinstance(field.output, nn.Module)
    points = coordinates(6, 2)
    assert torch.equal(field(points), field.output(field.features(points)))


@every_field
def test_points_do_not_influence_each_other(name):
    field = make(name).double()
    points = coordinates(4, 3, 2, dtype=torch.float64)
    together = field(points)
    torch.testing.assert_close(together.reshape(12, 3), field(points.reshape(12, 2)))
    torch.testing.assert_close(together[2, 1], field(points[2, 1]))


@every_field
def test_outputs_and_gradients_are_finite_and_reach_every_parameter(name):
    field = make(name)
    points = coordinates(64, 2).requires_grad_()
    values = field(points)
    assert torch.isfinite(values).all()
    assert float(values.detach().std()) > 0
    values.square().sum().backward()
    for parameter_name, parameter in field.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert float(parameter.grad.abs().max()) > 0, parameter_name
    assert points.grad is not None
    assert torch.isfinite(points.grad).all()
    assert float(points.grad.abs().max()) > 0


@every_field
def test_float64(name):
    single, double = make(name), make(name).double()
    values = double(coordinates(16, 2, dtype=torch.float64)).detach()
    assert values.dtype == torch.float64
    assert torch.isfinite(values).all()
    rounded = single(coordinates(16, 2, dtype=torch.float64).float()).detach()
    assert float((rounded - values).abs().max()) < 1e-2 * float(values.abs().max())


@every_field
def test_gradient_against_finite_differences(name):
    field = make(name).double()
    points = coordinates(8, 2, dtype=torch.float64)
    for parameter in field.parameters():
        (gradient,) = torch.autograd.grad(field(points).square().sum(), parameter)
        direction = torch.randn(
            parameter.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
        losses = []
        for step in (1e-8, -1e-8):  # a Xavier-drawn sine network bends within 1e-6
            with torch.no_grad():
                parameter.add_(direction, alpha=step)
                losses.append(float(field(points).square().sum()))
                parameter.sub_(direction, alpha=step)
        expected = float((gradient * direction).sum())
        assert (losses[0] - losses[1]) / 2e-8 == pytest.approx(expected, rel=1e-3, abs=1e-5)


@every_field
def test_state_dict_round_trip(name):
    field, other = make(name, seed=0), make(name, seed=1)
    points = coordinates(9, 2)
    assert not torch.equal(field(points), other(points))
    other.load_state_dict(field.state_dict(), strict=True)
    assert torch.equal(field(points), other(points))


@every_field
def test_equal_seeds_give_equal_fields(name):
    first, again = make(name, seed=4), make(name, seed=4)
    for (name_1, one), (name_2, two) in zip(first.named_parameters(), again.named_parameters(), strict=True):
        assert name_1 == name_2
        assert torch.equal(one, two)
    assert torch.equal(first(coordinates(9, 2)), again(coordinates(9, 2)))


@every_field
@pytest.mark.parametrize(
    "settings",
    [
        {"in_features": 0},
        {"in_features": -2},
        {"out_features": 0},
        {"width": 0},
        {"width": -8},
        {"hidden_layers": -1},
    ],
)
def test_bad_sizes(name, settings):
    with pytest.raises(ValueError, match=r"\bat least\b"):
        make(name, **settings)


@every_field
@pytest.mark.slow
def test_compiled_gradient_equals_eager(name):
    # In float64: a Xavier-drawn sine network amplifies the rounding of its first layer.
    eager, compiled = make(name, hidden_layers=2).double(), make(name, hidden_layers=2).double()
    compiled.compile()
    points = coordinates(48, 2, dtype=torch.float64)
    for field in (eager, compiled):
        field(points).square().mean().backward()
    for one, two in zip(eager.parameters(), compiled.parameters(), strict=True):
        assert float((one.grad - two.grad).abs().max()) <= 1e-9 * float(one.grad.abs().max())


@pytest.mark.parametrize(
    "settings",
    [{"omega_0": 0.0}, {"omega_0": -1.0}, {"omega_hidden": 0.0}, {"omega_hidden": math.nan}, {"alpha": 0.0}],
)
def test_sinusoidal_factors_out_of_range(settings):
    with pytest.raises(ValueError, match=r"must be (finite and )?positive"):
        SinusoidalField(2, 1, width=8, **settings)


def test_sinusoidal_config_reaches_the_field():
    field = make("sinusoidal", hidden_layers=2, omega_0=11.0, omega_hidden=13.0, alpha=1.5)
    assert [layer.omega for layer in field.layers] == [11.0, 13.0, 13.0]
    assert field.alpha == 1.5
    assert float(field.features(coordinates(50, 2)).detach().abs().max()) <= 1


def test_sinusoidal_closed_form():
    """One sine layer, written out by hand."""
    field = SinusoidalField(1, 1, width=1, hidden_layers=0, omega_0=5.0)
    with torch.no_grad():
        for parameter, value in zip(field.parameters(), (0.5, 0.1, 2.0, -0.25), strict=True):
            parameter.fill_(value)
    x = torch.linspace(-1, 1, 5)[:, None]
    torch.testing.assert_close(field(x), 2.0 * torch.sin(5.0 * (0.5 * x + 0.1)) - 0.25)


def test_positional_encoding_closed_form():
    """(x, sin(pi 2^k x), cos(pi 2^k x)): the coordinates, then each one's sines, then each one's cosines."""
    encoding = PositionalEncoding(2, octaves=3).double()
    x = torch.tensor([[0.25, -0.5], [1.0, 0.1]], dtype=torch.float64)
    encoded = encoding(x)
    assert encoded.shape == (2, encoding.out_features) == (2, 14)
    for row, (a, b) in zip(encoded.tolist(), x.tolist(), strict=True):
        phases = [math.pi * 2**octave * value for value in (a, b) for octave in range(3)]
        expected = [a, b, *(math.sin(phase) for phase in phases), *(math.cos(phase) for phase in phases)]
        # The frequencies are float32 numbers, so double precision is not reached.
        assert row == pytest.approx(expected, abs=1e-5)


def test_relu_pe_bad_octaves():
    with pytest.raises(ValueError, match="octaves must be at least 1, got 0"):
        ReluPositionalField(2, 1, octaves=0)


def test_relu_pe_layers():
    field = make("relu_pe", hidden_layers=2, octaves=4)
    assert [(layer.in_features, layer.out_features) for layer in field.layers] == [
        (18, 32),
        (32, 32),
        (32, 32),
    ]
    assert float(field.features(coordinates(50, 2)).detach().min()) >= 0
