"""Fields as the layers of a page: their values, and what a page refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from user_errors import one_line_error

from wsapps.fields import FIELDS, make_field
from wsapps.tiling import TiledField
from wsapps.web.network import Layer, Network, network_of

ACTIVATIONS = {
    "linear": lambda z: z,
    "sine": torch.sin,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gauss": lambda z: torch.exp(-(z**2)),
    "sinc": torch.sinc,
}
SHOWN = ("sinusoidal", "xavier", "nfsl", "tanh", "gauss", "sinc", "ffn", "relu_pe")


def evaluate(description, floats, points, member=0):
    """What the page's scripts compute, in float64."""
    offset, hidden = member * description["stride"], points.double()
    for layer in description["layers"]:
        columns = layer["inputs"] + (3 if layer["extra"] else 0)
        rows = layer["outputs"]
        start = offset + layer["weight"]
        weight = torch.from_numpy(floats[start : start + rows * columns].astype(np.float64)).view(
            rows, columns
        )
        bias = torch.from_numpy(floats[offset + layer["bias"] :][:rows].astype(np.float64))
        if layer["extra"] == "point":
            padding = torch.zeros(len(points), 3 - points.shape[1])
            hidden = torch.cat([hidden, points.double(), padding.double()], dim=1)
        hidden = ACTIVATIONS[layer["activation"]](layer["factor"] * (hidden @ weight.T + bias))
    return hidden


@pytest.mark.parametrize("inputs", [1, 2, 3])
@pytest.mark.parametrize("name", SHOWN)
def test_layers_have_the_values_of_their_field(name, inputs):
    torch.manual_seed(0)
    config = FIELDS[name].Config(name=name, width=10, hidden_layers=2)
    field = make_field(inputs, 3, config).double()
    network = network_of(field)
    points = torch.rand(20, inputs, dtype=torch.float64) * 2 - 1
    values = evaluate(network.description(), network.floats(), points)
    # The numbers of a page are float32, and sines of high frequency make more of their rounding.
    torch.testing.assert_close(values, field(points), rtol=0, atol=2e-4)


def test_fourier_features_with_tanh():
    config = FIELDS["ffn"].Config(width=8, activation="tanh", frequencies=5)
    network = network_of(make_field(2, 1, config))
    assert [layer["activation"] for layer in network.description()["layers"]] == [
        "sine",
        *["tanh"] * 4,
        "linear",
    ]


def test_tiles_are_members():
    torch.manual_seed(0)
    fields = [
        make_field(2, 3, FIELDS["sinusoidal"].Config(width=8, hidden_layers=1)).double() for _ in range(6)
    ]
    network = network_of(TiledField(fields, (2, 3), (-1.0, -1.0), (1.0, 1.0)).double())
    description = network.description()
    assert description["members"] == 6
    assert len(network.floats()) == network.numbers == 6 * description["stride"]
    points = torch.rand(5, 2, dtype=torch.float64)
    for member, field in enumerate(fields):
        values = evaluate(description, network.floats(), points, member)
        torch.testing.assert_close(values, field(points), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(FIELDS) - set(SHOWN)))
def test_other_methods_are_refused_and_the_possible_ones_named(name):
    field = make_field(2, 1, FIELDS[name].Config(name=name, width=8))
    message = one_line_error(lambda: network_of(field), type(field).__name__, *SHOWN)
    assert name not in message.split("methods")[1].replace(",", "").split()


def linear(outputs, inputs):
    return Layer(torch.zeros(outputs, inputs), torch.zeros(outputs))


def test_what_a_page_cannot_hold_is_refused():
    one_line_error(lambda: Network([[linear(1, 4)]]), "4 and 1")
    one_line_error(lambda: Network([[linear(5, 2)]]), "2 and 5")
    one_line_error(lambda: Network([[linear(2049, 2), linear(1, 2049)]]), "2049")
    wide = torch.zeros(1, 1).expand(2048, 2048)
    huge = [Layer(wide, torch.zeros(2048))] * 5
    one_line_error(lambda: Network([[linear(2048, 2), *huge, linear(1, 2048)]]), f"{2**24:,}")


def test_a_layer_with_extra_inputs_says_so():
    layer = Layer(torch.zeros(4, 7), torch.zeros(4), "relu", extra="direction")
    assert layer.inputs == 4
    described = Network([[linear(4, 3), layer, linear(3, 4)]]).description()["layers"][1]
    assert described == {
        "inputs": 4, "outputs": 4, "activation": "relu", "factor": 1.0, "weight": 16, "bias": 44,
        "extra": "direction",
    }  # fmt: skip
    assert math.isclose(described["bias"] - described["weight"], 28)
