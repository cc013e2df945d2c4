"""Initialisation: SIREN's bounds, weight scaling, and other people's networks."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune
from torch import Tensor, nn

from wsapps.fields import SinusoidalField
from wsapps.init import siren_, siren_first_, siren_hidden_, weight_matrices, weight_scaling_


class Sine(nn.Module):
    def __init__(self, omega: float = 30.0):
        super().__init__()
        self.omega = omega

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega * x)


class ReferenceSiren(nn.Module):
    """SIREN as its authors published it: nn.Linear draws, then its weight is drawn again, layer by layer."""

    def __init__(self, in_features, out_features, width, hidden_layers, omega_0=30.0, omega_hidden=30.0):
        super().__init__()
        self.omegas = [omega_0] + [omega_hidden] * hidden_layers
        self.net = nn.ModuleList()
        for index, omega in enumerate(self.omegas):
            linear = nn.Linear(in_features if index == 0 else width, width)
            fan_in = linear.weight.size(-1)
            bound = 1 / fan_in if index == 0 else math.sqrt(6 / fan_in) / omega
            with torch.no_grad():
                linear.weight.uniform_(-bound, bound)
            self.net.append(linear)
        final = nn.Linear(width, out_features)
        with torch.no_grad():
            bound = math.sqrt(6 / width) / omega_hidden
            final.weight.uniform_(-bound, bound)
        self.net.append(final)

    def forward(self, x):
        for linear, omega in zip(self.net, self.omegas, strict=False):
            x = torch.sin(omega * linear(x))
        return self.net[-1](x)


class LucidSiren(nn.Module):
    """A layer like siren-pytorch's: it keeps weight and bias itself and has no nn.Linear inside."""

    def __init__(self, dim_in, dim_out, w0=30.0, is_first=False, activation=None):
        super().__init__()
        bound = 1 / dim_in if is_first else math.sqrt(6.0 / dim_in) / w0
        self.weight = nn.Parameter(torch.empty(dim_out, dim_in).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(dim_out).uniform_(-bound, bound))
        self.activation = Sine(w0) if activation is None else activation

    def forward(self, x):
        return self.activation(F.linear(x, self.weight, self.bias))


class LucidSirenNet(nn.Module):
    def __init__(self, dim_in, dim_hidden, dim_out, num_layers):
        super().__init__()
        self.layers = nn.ModuleList(
            LucidSiren(dim_in if index == 0 else dim_hidden, dim_hidden, is_first=index == 0)
            for index in range(num_layers)
        )
        self.last_layer = LucidSiren(dim_hidden, dim_out, activation=nn.Identity())

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.last_layer(x)


def field_layers(field: SinusoidalField) -> list[nn.Linear]:
    return [layer.linear for layer in field.layers] + [field.output]


def assert_uniform(values: Tensor, bound: float) -> None:
    """The sample lies within the bound, comes close to it, and passes Kolmogorov-Smirnov at p = 0.001."""
    ordered = values.detach().double().flatten().sort().values
    count = len(ordered)
    assert float(ordered.abs().max()) <= bound * (1 + 1e-6)
    assert float(ordered.abs().max()) > bound * (1 - 10 / count), "the bound is not reached"
    law = (ordered / bound + 1) / 2
    empirical = torch.arange(1, count + 1, dtype=torch.float64) / count
    distance = float(torch.maximum(empirical - law, law - empirical + 1 / count).max())
    assert distance * math.sqrt(count) < 1.95
    # The variance of a uniform sample has standard error bound^2 sqrt(4 / (45 N)).
    assert abs(float(ordered.square().mean()) / bound**2 - 1 / 3) < 4 * math.sqrt(4 / (45 * count))


@pytest.mark.parametrize("alpha", [1.0, 1.7, 2.5])
@pytest.mark.parametrize(("in_features", "omega_hidden", "width"), [(2, 30.0, 256), (3, 12.5, 128)])
def test_bounds_layer_by_layer(alpha, in_features, omega_hidden, width):
    torch.manual_seed(0)
    field = SinusoidalField(in_features, 5, width, 3, omega_0=7.0, omega_hidden=omega_hidden, alpha=alpha)
    first, *hidden, last = field_layers(field)
    hidden_bound = math.sqrt(6 / width) / omega_hidden
    assert_uniform(first.weight, alpha / in_features)
    assert len(hidden) == 3
    for layer in hidden:
        assert_uniform(layer.weight, alpha * hidden_bound)
    assert_uniform(last.weight, hidden_bound)
    assert_uniform(first.bias, 1 / math.sqrt(in_features))
    for layer in [*hidden, last]:
        assert float(layer.bias.detach().abs().max()) <= 1 / math.sqrt(width)


def test_uniformity_check_refuses_other_laws():
    torch.manual_seed(0)
    with pytest.raises(AssertionError):
        assert_uniform(torch.rand(10_000) * 2 - 1, 1.05)
    with pytest.raises(AssertionError):
        assert_uniform((torch.randn(10_000) / math.sqrt(3)).clamp(-1, 1), 1.0)


def test_scaling_leaves_last_layer_and_biases():
    fields = []
    for alpha in (1.0, 2.5):
        torch.manual_seed(3)
        fields.append(SinusoidalField(2, 3, width=32, hidden_layers=2, alpha=alpha))
    plain, scaled = (field_layers(field) for field in fields)
    for index, (before, after) in enumerate(zip(plain, scaled, strict=True)):
        assert torch.equal(before.bias, after.bias)
        factor = 1.0 if index == len(plain) - 1 else 2.5
        assert torch.equal(before.weight * factor, after.weight)


@pytest.mark.parametrize(
    "settings",
    [
        {"in_features": 2, "out_features": 1, "width": 256, "hidden_layers": 3},
        {"in_features": 3, "out_features": 4, "width": 128, "hidden_layers": 1, "omega_0": 10.0},
        {"in_features": 1, "out_features": 2, "width": 33, "hidden_layers": 5, "omega_hidden": 20.0},
        {"in_features": 1, "out_features": 1, "width": 7, "hidden_layers": 0},
    ],
)
@pytest.mark.parametrize("seed", [0, 1234])
def test_alpha_one_is_siren_bit_for_bit(settings, seed):
    torch.manual_seed(seed)
    reference = ReferenceSiren(**settings)
    state_after = torch.get_rng_state()
    torch.manual_seed(seed)
    field = SinusoidalField(**settings, alpha=1.0)
    assert torch.equal(torch.get_rng_state(), state_after), "another number of draws"
    for ours, theirs in zip(field.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    coordinates = torch.rand(50, settings["in_features"]) * 2 - 1
    assert torch.equal(field(coordinates), reference(coordinates))


@pytest.mark.parametrize("alpha", [0.5, 1.5, 2.5])
def test_scaled_reference_equals_a_field_made_with_alpha(alpha):
    torch.manual_seed(5)
    reference = weight_scaling_(ReferenceSiren(2, 3, 64, 3), alpha)
    torch.manual_seed(5)
    field = SinusoidalField(2, 3, width=64, hidden_layers=3, alpha=alpha)
    coordinates = torch.rand(50, 2) * 2 - 1
    assert torch.equal(field(coordinates), reference(coordinates))


def plain_sequential() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 16), Sine(), nn.Linear(16, 16), Sine(), nn.Linear(16, 3))


def with_norms_and_embeddings() -> nn.Sequential:
    return nn.Sequential(
        nn.Embedding(10, 2),
        nn.Linear(2, 16),
        nn.LayerNorm(16),
        Sine(),
        nn.Linear(16, 16),
        nn.LayerNorm((4, 16)),
        Sine(),
        nn.BatchNorm1d(4),
        nn.Linear(16, 1),
    )


def convolutional() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(2, 16, 1), Sine(), nn.Conv2d(16, 16, 1), Sine(), nn.Conv2d(16, 3, 1))


def changes(before: nn.Module, after: nn.Module) -> dict[str, float]:
    """Name to factor for each parameter that is not what it was."""
    now = dict(after.named_parameters())
    found = {}
    for name, old in before.named_parameters():
        if not torch.equal(old, now[name]):
            factor = float((now[name] / old).detach().median())
            assert torch.allclose(now[name], factor * old)
            found[name] = pytest.approx(factor)
    return found


@pytest.mark.parametrize(
    ("make", "scaled"),
    [
        (plain_sequential, ["0.weight", "2.weight"]),
        (lambda: LucidSirenNet(2, 16, 1, 3), ["layers.0.weight", "layers.1.weight", "layers.2.weight"]),
        (with_norms_and_embeddings, ["1.weight", "4.weight"]),
        (convolutional, ["0.weight", "2.weight"]),
        (lambda: ReferenceSiren(2, 1, 8, 1), ["net.0.weight", "net.1.weight"]),
    ],
)
def test_weight_scaling_of_foreign_networks(make, scaled):
    network = make()
    before = copy.deepcopy(network)
    assert weight_scaling_(network, 2.5) is network
    assert changes(before, network) == dict.fromkeys(scaled, 2.5)
    weight_scaling_(network, 2.0)  # twice scales twice
    assert changes(before, network) == dict.fromkeys(scaled, 5.0)


def test_scaled_foreign_network_still_trains():
    network = weight_scaling_(LucidSirenNet(2, 16, 1, 3), 2.0)
    network(torch.rand(8, 2)).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_alpha_one_changes_nothing():
    network = plain_sequential()
    before = copy.deepcopy(network)
    assert changes(before, weight_scaling_(network, 1.0)) == {}


def test_shared_weights_count_once():
    network = nn.Sequential(
        nn.Linear(2, 8), Sine(), nn.Linear(8, 8), Sine(), nn.Linear(8, 8), Sine(), nn.Linear(8, 1)
    )
    network[4].weight = network[2].weight
    before = network[2].weight.detach().clone()
    assert len(weight_matrices(network)) == 3
    weight_scaling_(network, 3.0)
    assert torch.equal(network[2].weight, 3.0 * before)
    assert network[4].weight is network[2].weight


def test_last_layer_may_be_registered_first():
    class HeadFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(8, 1)
            self.first = nn.Linear(2, 8)
            self.second = nn.Linear(8, 8)

    network = HeadFirst()
    before = copy.deepcopy(network)
    weight_scaling_(network, 2.0, last=network.head)
    assert changes(before, network) == {"first.weight": 2.0, "second.weight": 2.0}


def test_siren_draws_weights_anew():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 128), Sine(9.0), nn.Linear(128, 128), Sine(9.0), nn.Linear(128, 8))
    before = copy.deepcopy(network)
    torch.manual_seed(1)
    assert siren_(network, omega_hidden=9.0) is network
    hidden_bound = math.sqrt(6 / 128) / 9.0
    assert_uniform(network[0].weight, 1 / 4)
    assert_uniform(network[2].weight, hidden_bound)
    assert_uniform(network[4].weight, hidden_bound)
    for index in (0, 2, 4):
        assert torch.equal(network[index].bias, before[index].bias)
        assert not torch.equal(network[index].weight, before[index].weight)
    again = copy.deepcopy(before)
    torch.manual_seed(1)
    siren_(again, omega_hidden=9.0)
    assert changes(network, again) == {}


def test_initialisers_work_in_place_and_keep_gradients_on():
    weight = nn.Linear(3, 5).weight
    assert siren_first_(weight) is weight
    assert siren_hidden_(weight, 30.0) is weight
    assert weight.requires_grad
    assert weight.is_leaf


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_alpha_out_of_range(alpha):
    network = plain_sequential()
    before = copy.deepcopy(network)
    with pytest.raises(ValueError, match="alpha"):
        weight_scaling_(network, alpha)
    assert changes(before, network) == {}
    with pytest.raises(ValueError, match="alpha"):
        SinusoidalField(2, 1, width=8, alpha=alpha)


@pytest.mark.parametrize(
    "module", [nn.Linear(2, 1), nn.Sequential(Sine(), nn.LayerNorm(3)), nn.Embedding(3, 4)]
)
def test_too_few_layers(module):
    before = copy.deepcopy(module)
    with pytest.raises(ValueError, match="at least 2 affine layers"):
        weight_scaling_(module, 2.0)
    with pytest.raises(ValueError, match="at least 2 affine layers"):
        siren_(module, 30.0)
    assert changes(before, module) == {}


def test_last_without_a_layer():
    with pytest.raises(ValueError, match="at least 1 affine layers"):
        weight_scaling_(plain_sequential(), 2.0, last=nn.ReLU())


def test_last_of_another_network():
    network, other = plain_sequential(), plain_sequential()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    with pytest.raises(ValueError, match="no part of the"):
        weight_scaling_(network, 2.0, last=other[-1])
    assert all(torch.equal(*pair) for pair in zip(network.parameters(), before, strict=True))


def test_computed_weights_and_wide_convolutions_are_refused_rather_than_left_out():
    """Scaling the other layers alone would be half a weight scaling."""
    old_norm = torch.nn.utils.weight_norm(nn.Linear(4, 4))
    old_spectral = torch.nn.utils.spectral_norm(nn.Linear(4, 4))
    pruned = torch.nn.utils.prune.identity(nn.Linear(4, 4), "weight")
    new_norm = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    for layer, words in (
        (old_norm, "weight_norm"),
        (old_spectral, "spectral_norm"),
        (pruned, "pruning"),
        (nn.ConvTranspose2d(4, 4, 4), "wider than 1"),
        (new_norm, "weight_norm"),
        (nn.Conv1d(4, 4, 3), "wider than 1"),
    ):
        network = nn.Sequential(nn.Linear(2, 4), layer, nn.Linear(4, 1))
        before = network[0].weight.detach().clone()
        with pytest.raises(ValueError, match=words):
            weight_scaling_(network, 2.0)
        assert torch.equal(network[0].weight, before)
