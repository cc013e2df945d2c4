"""Values in any units are fitted alike."""

from __future__ import annotations

import logging

import pytest
import torch

import wsapps
from wsapps.value_units import ValueUnits

X = 2 * torch.rand(300, 2, generator=torch.Generator().manual_seed(0)) - 1
Y = (torch.sin(3 * X[:, :1]) * torch.cos(4 * X[:, 1:])).double()


def test_units_come_and_go():
    values = torch.stack([280 + 20 * Y[:, 0], 3 * Y[:, 0]], dim=1)
    units = ValueUnits.of(values)
    bare = units.without(values)
    assert float(bare.mean(dim=0).abs().max()) < 1e-12
    assert float(bare.square().mean()) == pytest.approx(0.25)
    assert float(bare[:, 0].std() / bare[:, 1].std()) == pytest.approx(20 / 3)  # as they count in the error
    torch.testing.assert_close(units.offset_C + units.scale * bare, values)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_no_size_is_lost(size):
    bare = ValueUnits.of(size * Y).without(size * Y)
    torch.testing.assert_close(bare, ValueUnits.of(Y).without(Y))


@pytest.mark.parametrize("constant", [0.0, 3.7, -1e9])
def test_a_constant_is_its_offset(constant):
    values = torch.full((50, 1), constant, dtype=torch.float64)
    units = ValueUnits.of(values)
    assert units.scale == 1.0
    assert float(units.without(values).abs().max()) <= 1e-6


def test_an_output_layer_gives_values_in_units():
    output, features = torch.nn.Linear(4, 1), torch.randn(7, 4)
    bare = output(features).detach()
    ValueUnits(torch.tensor([280.0], dtype=torch.float64), 20.0).give(output)
    torch.testing.assert_close(output(features).detach(), 280 + 20 * bare)


@pytest.mark.parametrize("solve_output", [True, False])
@pytest.mark.parametrize(
    ("scale", "offset"), [(100.0, 0.0), (20.0, 280.0), (1e-9, 0.0), (1.0, 1e6), (1e30, 0.0)]
)
def test_a_fit_is_as_good_in_any_units(solve_output, scale, offset):
    def error(scale: float, offset: float) -> float:
        values = scale * Y + offset
        field = wsapps.fit(
            X, values, alpha=1.0, width=32, steps=60, lr=1e-3, solve_output=solve_output, progress=False
        )
        with torch.no_grad():
            return float((field(X).double() - values).square().mean().sqrt()) / scale

    rounding = offset * torch.finfo(torch.float32).eps / scale
    assert error(scale, offset) < 1.5 * error(1.0, 0.0) + rounding


def test_a_given_field_sees_values_as_they_are():
    field = torch.nn.Linear(2, 1)
    wsapps.fit(X, 280 + 20 * Y, field=field, steps=3, solve_output=False, progress=False)
    assert float(field.bias.detach().abs()) < 2  # three steps are no units


@pytest.mark.parametrize(("scale", "said"), [(1.0, False), (2000.0, True), (1e-3, True)])
def test_coordinates_of_another_extent_are_warned_of(scale, said, caplog):
    with caplog.at_level(logging.WARNING, logger="wsapps"):
        wsapps.fit(scale * X, Y, alpha=1.0, width=8, hidden_layers=1, steps=1, progress=False)
    assert ("fields are made for about -1 to 1" in caplog.text) == said
