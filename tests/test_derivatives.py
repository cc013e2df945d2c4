"""Derivatives of fields in one pass, against nested autograd and closed forms."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from wsapps.derivatives import autograd_derivatives, derivatives
from wsapps.fields import FIELDS, SinusoidalField
from wsapps.fields.network import ActivatedLinear, LayeredField
from wsapps.jets import Jet, JetSpace, field_jet, has_jet, laplacian
from wsapps.jets import sin as jet_sin

#: Fields without a rule: a removable singularity, and complex wavelets.
WITHOUT_RULE = {"sinc", "wire"}
NU = 0.01 / math.pi
BURGERS = [(0, 0), (1, 0), (0, 1), (2, 0)]


def points(count: int, dims: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(count, dims, generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1


def small_field(
    dims: int = 2, channels: int = 1, dtype: torch.dtype = torch.float64, **settings
) -> nn.Module:
    torch.manual_seed(0)
    options = {"width": 12, "hidden_layers": 2, "omega_0": 4.0, "omega_hidden": 4.0, "alpha": 1.2}
    return SinusoidalField(dims, channels, **{**options, **settings}).to(dtype)


def tanh_field(dims: int, channels: int) -> nn.Module:
    torch.manual_seed(0)
    return LayeredField(dims, channels, 8, 1, lambda i, o, _: ActivatedLinear(i, o, torch.tanh)).double()


def difference(found: Tensor, expected: Tensor) -> float:
    """Relative to the largest entry."""
    assert found.shape == expected.shape
    return float((found - expected).detach().abs().max() / expected.detach().abs().max().clamp_min(1e-300))


def residual(values: dict) -> Tensor:
    u, u_x, u_t, u_xx = (values[index] for index in ((0, 0), (1, 0), (0, 1), (2, 0)))
    return (u_t + u * u_x - NU * u_xx).square().mean()


def parameter_gradient(field: nn.Module, loss: Tensor) -> Tensor:
    """All parameters' gradients in one vector; the output bias may have none."""
    gradients = torch.autograd.grad(loss, list(field.parameters()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients])


# --- closed forms --------------------------------------------------------------------------------------


def test_one_sine_by_hand():
    """u = v sin(omega (w . x + b)) + c, with every number set."""
    field = small_field(2, 1, width=1, hidden_layers=0, omega_0=3.0)
    layer, output = field.layers[0].linear, field.output
    for parameter, values in (
        (layer.weight, [[0.5, -0.8]]),
        (layer.bias, [0.2]),
        (output.weight, [[1.7]]),
        (output.bias, [0.4]),
    ):
        parameter.data = torch.tensor(values, dtype=torch.float64)
    x = points(5, 2)
    wanted = [(0, 0), (1, 0), (0, 3), (1, 1), (2, 2)]
    found = derivatives(field, x, wanted, {"laplacian": laplacian(2)})
    phase = 3 * (x @ torch.tensor([0.5, -0.8], dtype=torch.float64) + 0.2)
    for i, j in wanted:
        expected = 1.7 * 1.5**i * (-2.4) ** j * torch.sin(phase + (i + j) * math.pi / 2)
        expected = expected + (0.4 if i + j == 0 else 0.0)
        assert difference(found[i, j][:, 0], expected) < 1e-14
    assert difference(found["laplacian"][:, 0], -1.7 * (1.5**2 + 2.4**2) * torch.sin(phase)) < 1e-14


def test_autograd_reference_on_a_polynomial():
    def function(x: Tensor) -> Tensor:
        return torch.stack([x[:, 0] ** 3 * x[:, 1] ** 2, 5 * x[:, 0]], dim=-1)

    x = points(4, 2)
    a, b = x.unbind(dim=-1)
    found = autograd_derivatives(function, x, [(2, 1), (1, 0), (3, 3), (0, 0)], {"l": laplacian(2)})
    zero = torch.zeros_like(a)
    assert difference(found[2, 1], torch.stack([12 * a * b, zero], dim=-1)) < 1e-14
    assert difference(found[1, 0], torch.stack([3 * a**2 * b**2, zero + 5], dim=-1)) < 1e-14
    assert not found[3, 3].any()
    assert torch.equal(found[0, 0], function(x))
    assert difference(found["l"], torch.stack([6 * a * b**2 + 2 * a**3, zero], dim=-1)) < 1e-14


# --- fields against nested autograd ------------------------------------------------------------------


@pytest.mark.parametrize("name", list(FIELDS))
def test_every_field(name):
    torch.manual_seed(0)
    kind = FIELDS[name]
    field = kind.from_config(2, 2, kind.Config(width=8, hidden_layers=2)).double()
    assert has_jet(field) == (name not in WITHOUT_RULE)
    x = points(5, 2)
    wanted = [(0, 0), (1, 0), (0, 3), (1, 1), (2, 1)]
    operators = {"heat": {(0, 1): 1.0, (2, 0): -0.3}, "plate": {(4, 0): 1.0, (2, 2): 2.0, (0, 4): 1.0}}
    found = derivatives(field, x, wanted, operators)
    expected = autograd_derivatives(field, x, wanted, operators)
    assert list(found) == [*wanted, *operators]
    for key, tensor in found.items():
        assert difference(tensor, expected[key]) < 1e-10
    torch.testing.assert_close(found[0, 0], field(x))


wanted_sets = st.integers(1, 4).flatmap(
    lambda dims: st.lists(
        st.tuples(*[st.integers(0, 4)] * dims).filter(lambda index: sum(index) <= 4),
        min_size=1,
        max_size=4,
        unique=True,
    )
)


@settings(max_examples=25, deadline=None)
@given(wanted_sets, st.sampled_from([small_field, tanh_field]))
def test_any_wanted_set_and_its_parameter_gradient(wanted, make):
    dims = len(wanted[0])
    field, x = make(dims, 2), points(3, dims)
    found, expected = derivatives(field, x, wanted), autograd_derivatives(field, x, wanted)
    assert list(found) == wanted
    for index in wanted:
        assert difference(found[index], expected[index]) < 1e-10
    losses = [sum(tensor.square().mean() for tensor in result.values()) for result in (found, expected)]
    ours, theirs = (parameter_gradient(field, loss) for loss in losses)
    assert difference(ours, theirs) < 1e-10


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("alpha", [1.0, 1.5])
def test_gradient_of_a_residual(dtype, bound, alpha):
    field = small_field(dtype=dtype, width=48, hidden_layers=3, omega_0=10, omega_hidden=10, alpha=alpha)
    x = points(256, 2, dtype)
    ours, theirs = (
        parameter_gradient(field, residual(way(field, x, BURGERS)))
        for way in (derivatives, autograd_derivatives)
    )
    assert ours.dtype == dtype
    assert difference(ours, theirs) < bound


def test_gradient_by_a_trained_coefficient_and_by_the_points():
    field = small_field()
    x = points(6, 2).requires_grad_()
    nu = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
    results = []
    for way in (derivatives, autograd_derivatives):
        heat = way(field, x, [(0, 0)], {"heat": {(0, 1): 1.0, (2, 0): -nu}})["heat"]
        results.append(torch.autograd.grad(heat.square().sum(), [nu, x]))
    for ours, theirs in zip(*results, strict=True):
        assert difference(ours, theirs) < 1e-10


def test_operators_of_many_coordinates_and_of_coefficients_that_vary():
    field, x = small_field(3, 2), points(6, 3)
    normal = torch.nn.functional.normalize(points(6, 3) + 2, dim=-1)
    operators = {
        "laplacian": laplacian(3),
        "in the plane": laplacian(3, [0, 1]),
        "normal": {(1, 0, 0): normal[:, :1], (0, 1, 0): normal[:, 1:2], (0, 0, 1): normal[:, 2:]},
        "diffusion": {(2, 0, 0): x[:, 1:2] ** 2, (1, 0, 0): 3.0, (0, 1, 1): -x[:, :1]},
    }
    found = derivatives(field, x, [], operators)
    single = autograd_derivatives(field, x, [i for o in operators.values() for i in o])
    for name, operator in operators.items():
        expected = torch.stack([scale * single[index] for index, scale in operator.items()]).sum(dim=0)
        assert difference(found[name], expected) < 1e-10


# --- ways to call it --------------------------------------------------------------------------------


def test_compiled_equals_eager():
    """One graph, loss and backward included."""
    field, x = small_field(width=16), points(64, 2)

    def loss(x: Tensor) -> Tensor:
        values = derivatives(field, x, BURGERS, {"heat": {(0, 1): 1.0, (2, 0): -NU}})
        return residual(values) + values["heat"].square().mean()

    eager = loss(x)
    compiled = torch.compile(loss, fullgraph=True)(x)
    assert difference(compiled, eager) < 1e-12
    assert difference(parameter_gradient(field, compiled), parameter_gradient(field, eager)) < 1e-12


@pytest.mark.parametrize("name", ["relu_pe", "gauss", "mfn", "hard"])
def test_is_one_graph(name):
    """Dynamo follows every rule, and jets' algebra with tensors, without a break."""
    torch.manual_seed(0)
    kind = FIELDS["sinusoidal" if name == "hard" else name]
    field = kind.from_config(2, 1, kind.Config(width=4, hidden_layers=1)).double()
    weight = torch.tensor(0.7, dtype=torch.float64)

    def run(x: Tensor) -> list[Tensor]:
        if name != "hard":
            return list(derivatives(field, x, [(1, 1)], {"laplacian": laplacian(2)}).values())
        space = JetSpace.of(2, [(2, 1)])
        a, b = Jet.coordinates(space, x)
        u = field_jet(field, Jet.identity(space, x))[..., 0]
        solution = -jet_sin(math.pi * a) * 2.0**-b + weight * b * (1 - a**2) * u / (weight - a) - weight
        return [solution.derivative((2, 1)), (a < weight).double()]

    x = points(5, 2)
    for ours, theirs in zip(torch.compile(run, backend="eager", fullgraph=True)(x), run(x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_compiled_again_with_other_derivatives():
    """The same code with another problem: torch.compile then takes numbers that changed for symbols."""
    problems = [
        (2, [(1, 0), (2, 0)], {"a": {(0, 1): 1.0, (2, 0): -0.1}}),
        (2, [(1, 0), (3, 1)], {"a": {(0, 2): 3.0, (4, 0): -0.3}}),
        (3, [(1, 0, 2)], {"a": laplacian(3)}),
    ]
    for dims, wanted, operators in problems:
        field, x = small_field(dims), points(5, dims)

        def run(x: Tensor, field=field, wanted=wanted, operators=operators) -> dict:
            return derivatives(field, x, wanted, operators)

        found = torch.compile(run, backend="eager", fullgraph=True)(x)
        expected = run(x)
        assert list(found) == list(expected) == [*wanted, "a"]
        assert all(torch.equal(found[key], expected[key]) for key in found)


def test_hard_constraints_with_jets():
    """u = -sin(pi x) + t (1 - x^2) N(x, t): exact conditions, and the derivatives of the whole."""
    field, space = small_field(), JetSpace.of(2, BURGERS)

    def plain(y: Tensor) -> Tensor:
        a, b = y[:, :1], y[:, 1:]
        return -torch.sin(math.pi * a) + b * (1 - a * a) * field(y)

    def constrained(x: Tensor) -> Jet:
        a, b = Jet.coordinates(space, x)
        return -jet_sin(math.pi * a) + b * (1 - a * a) * field_jet(field, Jet.identity(space, x))[..., 0]

    x = points(9, 2)
    expected, solution = autograd_derivatives(plain, x, BURGERS), constrained(x)
    for index in BURGERS:
        assert difference(solution.derivative(index)[:, None], expected[index]) < 1e-10
    start = torch.cat([x[:, :1], torch.zeros(9, 1, dtype=torch.float64)], dim=1)
    assert torch.equal(constrained(start).value, -torch.sin(math.pi * x[:, 0]))


@pytest.mark.parametrize("name", ["sinusoidal", "sinc"])
def test_without_gradients(name):
    """The same numbers, and no graph, under no_grad, in inference mode and with frozen parameters."""
    torch.manual_seed(0)
    kind = FIELDS[name]
    field = kind.from_config(2, 1, kind.Config(width=6, hidden_layers=1)).double()
    x = points(4, 2)
    expected = derivatives(field, x, [(1, 1)])[1, 1]
    assert expected.requires_grad
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            found = derivatives(field, x.clone(), [(1, 1)])[1, 1]
        assert not found.requires_grad
        assert difference(found, expected) < 1e-12
    field.requires_grad_(False)
    assert difference(derivatives(field, x, [(1, 1)])[1, 1], expected) < 1e-12
    assert not x.requires_grad


def test_derivatives_that_vanish():
    for field in (nn.Linear(2, 3).double(), nn.Sequential(nn.Linear(2, 3), nn.Identity()).double()):
        for way in (derivatives, autograd_derivatives):
            found = way(field, points(4, 2), [(2, 0), (0, 1), (1, 1)])
            assert not found[2, 0].any()
            assert not found[1, 1].any()
            weight = next(field.parameters())
            torch.testing.assert_close(found[0, 1], weight[:, 1].expand(4, 3))
            assert found[2, 0].shape == (4, 3)


def test_no_points():
    found = derivatives(small_field(), torch.empty(0, 2, dtype=torch.float64), BURGERS)
    assert all(tensor.shape == (0, 1) for tensor in found.values())


# --- which modules have rules -----------------------------------------------------------------------


class Halved(SinusoidalField):
    """Another function than its parent's."""

    def forward(self, coordinates: Tensor) -> Tensor:
        return super().forward(coordinates) / 2


class Renamed(SinusoidalField):
    """The same function as its parent's."""


def hooked() -> nn.Module:
    field = small_field(width=4)
    field.layers[0].register_forward_hook(lambda module, inputs, output: output / 2)
    return field


def replaced() -> nn.Module:
    field = small_field(width=4)
    inner = field.layers[0].forward
    field.layers[0].forward = lambda x: inner(x) / 2
    return field


def normalised() -> nn.Module:
    field = small_field(width=4)
    torch.nn.utils.parametrizations.weight_norm(field.layers[1].linear)
    return field


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Renamed(2, 1, 4, 1), True),
        (
            lambda: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)),
            True,
        ),
        (lambda: Halved(2, 1, 4, 1), False),
        (lambda: nn.Sequential(nn.Linear(2, 4), nn.Softplus(), nn.Linear(4, 1)), False),
        (lambda: LayeredField(2, 1, 4, 1, lambda i, o, _: ActivatedLinear(i, o, torch.erf)), False),
        (hooked, False),
        (replaced, False),
        (normalised, False),
    ],
)
def test_a_module_that_computes_something_else_falls_back(make, rule):
    """Never silently the parent's derivatives."""
    field, x = make().double(), points(4, 2)
    assert has_jet(field) == rule
    found, expected = derivatives(field, x, [(0, 0), (1, 1)]), autograd_derivatives(field, x, [(1, 1)])
    assert difference(found[1, 1], expected[1, 1]) < 1e-10
    torch.testing.assert_close(found[0, 0], field(x))
    if not rule:
        with pytest.raises(ValueError, match="no jet rule for"):
            field_jet(field, Jet.identity(JetSpace.of(2, [(1, 1)]), x))


def test_the_error_names_the_modules():
    field = nn.Sequential(nn.Linear(2, 4), nn.Softplus(), nn.Linear(4, 4), nn.GELU())
    with pytest.raises(ValueError, match="no jet rule for GELU, Softplus; nested autograd"):
        field_jet(field, Jet.identity(JetSpace.of(2, []), points(3, 2)))


@pytest.mark.parametrize("way", [derivatives, autograd_derivatives])
@pytest.mark.parametrize(
    ("wanted", "words"),
    [([], "no derivatives are wanted"), ([(1,)], r"2 whole numbers >= 0, got \(1,\)"), ([(0, -1)], "-1")],
)
def test_bad_wanted(way, wanted, words):
    with pytest.raises(ValueError, match=words):
        way(small_field(), points(3, 2), wanted)


def test_parameters_may_be_swapped():
    """Under torch.func.functional_call, as ensembles and kernels of tangents need."""
    field, x = small_field(), points(4, 2)
    other = copy.deepcopy(field)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(0.9)

    class Residual(nn.Module):
        def __init__(self, field: nn.Module):
            super().__init__()
            self.field = field

        def forward(self, x: Tensor) -> Tensor:
            return residual(derivatives(self.field, x, BURGERS))

    found = functional_call(Residual(field), dict(Residual(other).named_parameters()), (x,))
    assert difference(found, residual(derivatives(other, x, BURGERS))) < 1e-12
