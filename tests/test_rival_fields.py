"""What defines each rival field: closed forms, laws of the initial weights, and equal sizes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from wsapps.fields import (
    FIELDS,
    FourierFeatureField,
    GaussField,
    MultiplicativeFilterField,
    NfslField,
    SincField,
    SinusoidalConfig,
    SinusoidalField,
    TanhField,
    WireConfig,
    WireField,
    XavierField,
    matched_width,
    parameter_count,
)
from wsapps.fields.ffn import FourierFeatures
from wsapps.fields.gauss import gaussian
from wsapps.fields.mfn import FourierFilter, GaborFilter
from wsapps.fields.sinc import sinc
from wsapps.fields.wire import ComplexWaveletLayer
from wsapps.init import frequency_scaling_

SEEDS = range(20)


def points(*sizes: int, seed: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*sizes, generator=generator, dtype=torch.float64) * 2 - 1


def drawn(make, weight) -> Tensor:
    """The values of one tensor over twenty seeds, one after another."""
    values = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        values.append(weight(make()).detach().double().flatten())
    return torch.cat(values)


def assert_uniform(values: Tensor, bound: float) -> None:
    """Within the bound, close to it, and of variance bound^2 / 3 within four standard errors."""
    count = len(values)
    assert float(values.abs().max()) <= bound * (1 + 1e-6)
    assert float(values.abs().max()) > bound * (1 - 10 / count)
    error = math.sqrt(4 / (45 * count))
    assert float(values.square().mean()) / bound**2 == pytest.approx(1 / 3, abs=4 * error)


def set_all(module: nn.Module, *values: float) -> None:
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), values, strict=True):
            parameter.fill_(value)


def test_xavier_law():
    def make() -> XavierField:
        return XavierField(2, 3, width=40, hidden_layers=1)

    assert_uniform(drawn(make, lambda field: field.layers[0].linear.weight), math.sqrt(6 / 42))
    assert_uniform(drawn(make, lambda field: field.layers[1].linear.weight), math.sqrt(6 / 80))
    assert_uniform(drawn(make, lambda field: field.output.weight), math.sqrt(6 / 43))
    assert_uniform(drawn(make, lambda field: field.layers[1].linear.bias), 1 / math.sqrt(40))


def test_xavier_is_a_sine_network():
    field = XavierField(1, 1, width=1, hidden_layers=1, omega_0=5.0, omega_hidden=3.0)
    set_all(field, 0.5, 0.1, 0.7, 0.2, 2.0, -0.25)
    x = points(9, 1).float()
    expected = 2.0 * torch.sin(3.0 * (0.7 * torch.sin(5.0 * (0.5 * x + 0.1)) + 0.2)) - 0.25
    torch.testing.assert_close(field(x), expected)


def test_tanh_law_and_network():
    def make() -> TanhField:
        return TanhField(2, 3, width=40, hidden_layers=1)

    for pick, fans in (
        (lambda f: f.layers[0].weight, 42),
        (lambda f: f.layers[1].weight, 80),
        (lambda f: f.output.weight, 43),
    ):
        entries = drawn(make, pick)
        assert float(entries.mean()) == pytest.approx(0.0, abs=5 * (2 / fans / entries.numel()) ** 0.5)
        assert float(entries.var()) == pytest.approx(2 / fans, rel=5 * (2 / entries.numel()) ** 0.5)
    assert all(not layer.bias.any() for layer in (*make().layers, make().output))
    field = TanhField(1, 1, width=1, hidden_layers=1)
    set_all(field, 0.5, 0.1, 0.7, 0.2, 2.0, -0.25)
    x = points(9, 1).float()
    expected = 2.0 * torch.tanh(0.7 * torch.tanh(0.5 * x + 0.1) + 0.2) - 0.25
    torch.testing.assert_close(field(x), expected)


def test_fourier_features_may_feed_tanh_layers():
    field = FourierFeatureField(2, 1, width=8, hidden_layers=1, frequencies=4, activation="tanh")
    x = points(5, 2).float()
    hidden = torch.tanh(field.layers[0].weight @ field.encoding(x).T + field.layers[0].bias[:, None])
    hidden = torch.tanh(field.layers[1].weight @ hidden + field.layers[1].bias[:, None])
    torch.testing.assert_close(field(x), (field.output.weight @ hidden + field.output.bias[:, None]).T)
    with pytest.raises(ValueError, match="activation must be one of relu, tanh, got 'sine'"):
        FourierFeatureField(2, 1, activation="sine")  # type: ignore[arg-type]


def test_fourier_features_closed_form():
    encoding = FourierFeatures(2, frequencies=3, sigma=1.0).double()
    encoding.matrix.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.5, -1.0]]))
    x = points(5, 2)
    turns = [x[:, 0], 2 * x[:, 1], 0.5 * x[:, 0] - x[:, 1]]
    expected = [torch.cos(2 * math.pi * t) for t in turns] + [torch.sin(2 * math.pi * t) for t in turns]
    torch.testing.assert_close(encoding(x), torch.stack(expected, dim=1))


@pytest.mark.parametrize(("in_features", "sigma"), [(1, 2.0), (2, 1.0), (3, 0.5)])
def test_fourier_features_approximate_a_gaussian_kernel(in_features, sigma):
    """E <e(x), e(y)> / F = exp(-2 pi^2 sigma^2 |x - y|^2); one term has variance at most 1/2."""
    frequencies = 40_000
    torch.manual_seed(0)
    encoding = FourierFeatures(in_features, frequencies, sigma).double()
    x, step = points(30, in_features), points(30, in_features, seed=8)
    y = x + step / step.norm(dim=1, keepdim=True) * torch.linspace(0, 0.4, 30)[:, None] / sigma
    kernel = (encoding(x) * encoding(y)).sum(dim=1) / frequencies
    expected = torch.exp(-2 * math.pi**2 * sigma**2 * (x - y).square().sum(dim=1))
    assert float(expected.min()) < 0.05 < 0.9 < float(expected.max()), "the kernel's slope is not tested"
    assert float((kernel - expected).abs().max()) < 4.5 * math.sqrt(0.5 / frequencies)


def test_fourier_features_are_saved_but_not_trained():
    torch.manual_seed(0)
    field = FourierFeatureField(2, 1, width=8)
    assert field.state_dict()["encoding.matrix"].shape == (256, 2)
    assert "encoding.matrix" not in dict(field.named_parameters())
    spread = float(field.encoding.matrix.std())
    assert spread == pytest.approx(10.0, rel=4 / math.sqrt(2 * 512))
    torch.manual_seed(1)
    assert not torch.equal(FourierFeatureField(2, 1, width=8).encoding.matrix, field.encoding.matrix)


@pytest.mark.parametrize("settings", [{"frequencies": 0}, {"sigma": 0.0}, {"sigma": math.inf}])
def test_bad_fourier_features(settings):
    with pytest.raises(ValueError, match=r"frequencies|sigma"):
        FourierFeatureField(2, 1, width=8, **settings)


def test_gauss_closed_form():
    field = GaussField(1, 1, width=1, hidden_layers=1, scale=3.0).double()
    set_all(field, 0.5, 0.1, 0.7, -0.2, 2.0, -0.25)
    x = points(9, 1)
    first = torch.exp(-((3.0 * (0.5 * x + 0.1)) ** 2))
    torch.testing.assert_close(field(x), 2.0 * torch.exp(-((3.0 * (0.7 * first - 0.2)) ** 2)) - 0.25)
    # Full width at half maximum: 2 sqrt(ln 2) / scale.
    half = torch.tensor(math.sqrt(math.log(2)) / 20, dtype=torch.float64)
    assert float(gaussian(half, 20.0)) == pytest.approx(0.5)
    assert GaussField.Config().scale == 20.0


def test_sinc_closed_form_and_zeros():
    omega = 8.0
    integers = torch.arange(-5, 6, dtype=torch.float64)
    expected = (integers == 0).double()
    torch.testing.assert_close(sinc(integers / omega, omega), expected, atol=1e-15, rtol=0)
    z = points(50)
    torch.testing.assert_close(sinc(z, omega), torch.sin(math.pi * omega * z) / (math.pi * omega * z))
    field = SincField(1, 1, width=1, hidden_layers=0, omega=2.0).double()
    set_all(field, 0.5, 0.0, 3.0, 1.0)
    torch.testing.assert_close(field(z[:, None])[:, 0], 3.0 * torch.sin(math.pi * z) / (math.pi * z) + 1.0)
    assert SincField.Config().omega == 8.0


@pytest.mark.parametrize("kind", [GaussField, SincField])
def test_default_initialisation(kind):
    """Bit for bit what PyTorch draws for such linear layers."""
    torch.manual_seed(3)
    field = kind(2, 3, width=16, hidden_layers=2)
    torch.manual_seed(3)
    plain = [nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 3)]
    expected = [parameter for layer in plain for parameter in layer.parameters()]
    for ours, theirs in zip(field.parameters(), expected, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("kind", [GaussField, SincField, XavierField, NfslField, WireField])
def test_factors_must_be_positive(kind):
    names = {"scale", "omega", "omega_0", "omega_hidden"} & set(vars(kind.Config()))
    assert names
    for name in names:
        for bad in (0.0, -1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{name} must be finite and positive"):
                kind(2, 1, width=8, **{name: bad})


def complex_wire(field: WireField, x: Tensor) -> Tensor:
    """The same network in complex arithmetic, written from the paper's formulas."""

    def wavelet(z: Tensor) -> Tensor:
        return torch.exp(1j * 7.0 * z - (4.0 * z).abs() ** 2)

    first, *others = field.layers
    units = field.width // 2
    h = wavelet((x @ first.linear.weight.T + first.linear.bias).to(torch.complex128))
    for layer in others:
        weight = torch.complex(layer.real, layer.imaginary)
        bias = torch.complex(layer.bias[:units], layer.bias[units:])
        h = wavelet(h @ weight.T + bias)
    # Re((A + jB)(u + jv) + c) = A u - B v + Re c
    output = torch.complex(field.output.weight[:, :units], -field.output.weight[:, units:])
    return (h @ output.T).real + field.output.bias


@pytest.mark.parametrize("hidden_layers", [0, 1, 3])
def test_wire_equals_complex_arithmetic(hidden_layers):
    torch.manual_seed(2)
    field = WireField(2, 3, width=20, hidden_layers=hidden_layers, omega=7.0, scale=4.0).double()
    x = points(40, 2)
    values, expected = field(x), complex_wire(field, x)
    torch.testing.assert_close(values, expected)
    assert float(values.detach().std()) > 0
    parameters = list(field.parameters())
    ours = torch.autograd.grad(values.square().sum(), parameters)
    theirs = torch.autograd.grad(expected.square().sum(), parameters)
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two)


def test_wire_draws_as_complex_layers_do():
    """PyTorch draws real and imaginary part of a complex linear layer from U(-1/sqrt(fan_in), +) each."""

    def make() -> ComplexWaveletLayer:
        return ComplexWaveletLayer(25, 30, 10.0, 10.0)

    for part in (lambda layer: layer.real, lambda layer: layer.imaginary, lambda layer: layer.bias):
        assert_uniform(drawn(make, part), 1 / 5)
    reference = drawn(lambda: nn.Linear(25, 30, dtype=torch.cfloat), lambda layer: layer.weight.imag)
    assert_uniform(reference, 1 / 5)
    output = drawn(lambda: WireField(2, 3, width=36), lambda field: field.output.weight)
    assert_uniform(output, 1 / math.sqrt(25))


@pytest.mark.parametrize(("width", "units"), [(2, 1), (3, 2), (256, 181), (512, 362)])
def test_wire_has_width_over_root_two_complex_units(width, units):
    field = WireField.from_config(2, 1, WireConfig(width=width))
    assert field.layers[1].real.shape == (units, units)
    assert field.width == 2 * units == field.output.in_features


def test_wire_needs_a_complex_unit():
    with pytest.raises(ValueError, match="width must be at least 2"):
        WireField(2, 1, width=1)


def test_nfsl_law():
    """First and hidden layers are SIREN's, the last U(-n^(-3/4), +)."""

    def make() -> NfslField:
        return NfslField(2, 3, width=81, hidden_layers=1, omega_hidden=20.0)

    assert_uniform(drawn(make, lambda field: field.layers[0].linear.weight), 1 / 2)
    assert_uniform(drawn(make, lambda field: field.layers[1].linear.weight), math.sqrt(6 / 81) / 20)
    assert_uniform(drawn(make, lambda field: field.output.weight), 1 / 27)
    assert_uniform(drawn(make, lambda field: field.output.bias), 1 / 9)


def test_nfsl_below_the_output_is_siren():
    torch.manual_seed(5)
    siren = SinusoidalField(2, 3, width=32, hidden_layers=2, alpha=1.0)
    torch.manual_seed(5)
    field = NfslField(2, 3, width=32, hidden_layers=2)
    x = points(20, 2).float()
    assert torch.equal(field.features(x), siren.features(x))
    assert not torch.equal(field(x), siren(x))


def test_fourier_net_closed_form():
    field = MultiplicativeFilterField(1, 1, width=1, hidden_layers=2, filters="fourier").double()
    for filter_, (w, b) in zip(field.filters, ((3.0, 0.1), (5.0, 0.2), (7.0, 0.3)), strict=True):
        set_all(filter_, w, b)
    for layer, (w, b) in zip(field.layers, ((2.0, 0.5), (-1.5, 0.25)), strict=True):
        set_all(layer, w, b)
    set_all(field.output, 4.0, -1.0)
    x = points(30, 1)
    z = torch.sin(3 * x + 0.1)
    z = (2.0 * z + 0.5) * torch.sin(5 * x + 0.2)
    z = (-1.5 * z + 0.25) * torch.sin(7 * x + 0.3)
    torch.testing.assert_close(field(x), 4.0 * z - 1.0)


def test_fourier_net_has_sums_of_frequencies_and_no_others():
    """Fathony et al.: only frequencies +-w_1 +-w_2 +-w_3, without biases in between."""
    torch.manual_seed(0)
    field = MultiplicativeFilterField(1, 1, width=2, hidden_layers=2, filters="fourier").double()
    frequencies = ((100, 100), (30, 30), (7, 5))  # turns over [0, 1), of the two filters in a layer
    with torch.no_grad():
        for filter_, turns in zip(field.filters, frequencies, strict=True):
            filter_.linear.weight.copy_(2 * math.pi * torch.tensor(turns, dtype=torch.float64)[:, None])
        for layer in field.layers:
            layer.bias.zero_()
    x = torch.arange(512, dtype=torch.float64)[:, None] / 512
    spectrum = torch.fft.rfft(field.features(x).sum(dim=1)).abs()
    present = set(torch.nonzero(spectrum > 1e-9 * spectrum.max())[:, 0].tolist())
    assert present == {100 + a * 30 + b * c for a in (-1, 1) for b in (-1, 1) for c in (5, 7)}


def test_gabor_filter_closed_form():
    torch.manual_seed(0)
    filter_ = GaborFilter(2, 5, 3.0, shape=1.5, rate=1.0).double()
    x = points(40, 2)
    distance = (x[:, None] - filter_.mu).square().sum(dim=-1)
    sine = torch.sin(x @ filter_.sine.linear.weight.T + filter_.sine.linear.bias)
    torch.testing.assert_close(filter_(x), sine * torch.exp(-0.5 * filter_.gamma * distance))


def test_multiplicative_filters_law():
    """Published scales: filters share input_scale as 1 / sqrt(count), hidden weights U(-sqrt(1/n), +)."""

    def make() -> MultiplicativeFilterField:
        return MultiplicativeFilterField(2, 1, width=64, hidden_layers=3, filters="fourier")

    bound = 256 / math.sqrt(4) / math.sqrt(2)
    assert_uniform(drawn(make, lambda field: field.filters[2].linear.weight), bound)
    assert_uniform(drawn(make, lambda field: field.filters[2].linear.bias), math.pi)
    assert_uniform(drawn(make, lambda field: field.layers[1].weight), 1 / 8)


def test_gabor_law():
    """gamma of a filter is Gamma(6/4, 1): mean and variance 1.5; W has variance gamma times Fourier's."""

    def make() -> GaborFilter:
        return MultiplicativeFilterField(2, 1, width=500, hidden_layers=3).filters[1]

    gamma = drawn(make, lambda filter_: filter_.gamma)
    error = 4 / math.sqrt(len(gamma))
    assert float(gamma.mean()) == pytest.approx(1.5, abs=error * math.sqrt(1.5))
    # The fourth central moment of Gamma(k, 1) is 3 k^2 + 6 k.
    assert float(gamma.var()) == pytest.approx(1.5, abs=error * math.sqrt(2 * 1.5**2 + 6 * 1.5))
    weights = drawn(make, lambda filter_: filter_.sine.linear.weight / filter_.gamma.sqrt()[:, None])
    assert_uniform(weights, 128 / math.sqrt(2))
    assert_uniform(drawn(make, lambda filter_: filter_.mu), 1.0)


def test_multiplicative_filters_choice():
    fourier = MultiplicativeFilterField(2, 1, width=8, filters="fourier")
    assert all(isinstance(filter_, FourierFilter) for filter_ in fourier.filters)
    assert MultiplicativeFilterField.Config().filters == "gabor"
    gabor = MultiplicativeFilterField(2, 1, width=8)
    assert parameter_count(gabor) - parameter_count(fourier) == 4 * 8 * (2 + 1)
    with pytest.raises(ValueError, match="fourier or gabor"):
        MultiplicativeFilterField(2, 1, width=8, filters="wavelet")


def test_frequency_scaling_changes_the_first_weights_alone():
    fields = []
    for gain in (1.0, 3.0):
        torch.manual_seed(1)
        fields.append(SinusoidalField(2, 1, width=16, alpha=1.5, frequency_gain=gain))
    plain, scaled = (dict(field.named_parameters()) for field in fields)
    assert torch.equal(scaled.pop("layers.0.linear.weight"), 3.0 * plain.pop("layers.0.linear.weight"))
    assert all(torch.equal(scaled[name], plain[name]) for name in plain)
    config = SinusoidalConfig(width=16, alpha=1.5, frequency_gain=3.0)
    torch.manual_seed(1)
    again = SinusoidalField.from_config(2, 1, config)
    assert torch.equal(again.layers[0].linear.weight, fields[1].layers[0].linear.weight)


def test_frequency_scaling_of_foreign_networks():
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    assert frequency_scaling_(network, 2.0) is network
    after = list(network.parameters())
    assert torch.equal(after[0], 2.0 * before[0])
    assert all(torch.equal(one, two) for one, two in zip(before[1:], after[1:], strict=True))
    for gain in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="gain must be finite and positive"):
            frequency_scaling_(network, gain)
    with pytest.raises(ValueError, match="at least 2 affine layers"):
        frequency_scaling_(nn.Linear(2, 1), 2.0)


def test_parameter_count():
    network = nn.Sequential(nn.Linear(2, 5), nn.Linear(5, 3, dtype=torch.cfloat), nn.BatchNorm1d(3))
    network[2].requires_grad_(False)
    assert parameter_count(network) == (2 * 5 + 5) + 2 * (5 * 3 + 3)
    assert parameter_count(SinusoidalField(2, 1, 256, 3)) == 198_401


@pytest.mark.parametrize(("in_features", "out_features", "width"), [(2, 1, 256), (2, 3, 512)])
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_matched_widths(name, in_features, out_features, width):
    target = parameter_count(SinusoidalField(in_features, out_features, width, 3))
    kind = FIELDS[name]
    state = torch.get_rng_state()
    found = matched_width(kind, in_features, out_features, kind.Config(), target)
    assert torch.equal(torch.get_rng_state(), state)

    def miss(candidate: int) -> int:
        field = kind.from_config(in_features, out_features, replace(kind.Config(), width=candidate))
        return abs(parameter_count(field) - target)

    assert miss(found) <= 0.03 * target
    assert miss(found) <= min(miss(found - 1), miss(found + 1))
    if name in ("sinusoidal", "xavier", "nfsl", "gauss", "sinc", "tanh"):
        assert found == width


def test_no_width_matches():
    with pytest.raises(ValueError, match="no width of FourierFeatureField gives 500 parameters within 3%"):
        matched_width(FourierFeatureField, 2, 1, FourierFeatureField.Config(), 500)
    with pytest.raises(ValueError, match="no width of WireField"):
        matched_width(WireField, 2, 1, WireConfig(), 1)
    assert matched_width(SinusoidalField, 2, 1, SinusoidalConfig(), 17, tolerance=1.0) == 2
