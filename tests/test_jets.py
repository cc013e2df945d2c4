"""Taylor arithmetic: closed forms, the rules of differentiation, and random expressions against autograd."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wsapps import jets
from wsapps.derivatives import autograd_derivatives
from wsapps.jets import FUNCTIONS, Jet, JetSpace, compose, laplacian


def points(count: int, dims: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, dims, generator=generator, dtype=torch.float64) * 1.6 - 0.8


def all_indices(dims: int, order: int) -> list[tuple[int, ...]]:
    return [index for index in product(range(order + 1), repeat=dims) if sum(index) <= order]


def full(dims: int, order: int) -> JetSpace:
    return JetSpace(dims, all_indices(dims, order))


def assert_close(found: Tensor, expected: Tensor, scale: float = 1.0) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11 * scale)


def assert_same(left: Jet, right: Jet) -> None:
    size = max(1.0, float(right.coefficients.abs().max()))
    assert_close(left.coefficients, right.coefficients, size)


# --- spaces ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dims", "order"), [(1, 4), (2, 3), (3, 2), (4, 4)])
def test_all_indices_of_an_order_are_a_binomial_coefficient(dims, order):
    space = full(dims, order)
    assert len(space) == math.comb(dims + order, dims)
    assert space.order == order
    assert space.indices[0] == (0,) * dims
    totals = [sum(index) for index in space.indices]
    assert totals == sorted(totals)


def test_closure_is_the_smallest_downward_closed_set():
    space = JetSpace.of(2, [(2, 1)])
    assert set(space.indices) == set(product(range(3), range(2)))
    assert set(JetSpace.of(2, [(2, 0), (0, 1)]).indices) == {(0, 0), (1, 0), (0, 1), (2, 0)}
    assert JetSpace.of(3, []).indices == ((0, 0, 0),)


@settings(deadline=None)
@given(st.integers(1, 3).flatmap(lambda d: st.lists(st.tuples(*[st.integers(0, 3)] * d), min_size=1)))
def test_closing_is_idempotent_and_products_stay_inside(wanted):
    dims = len(wanted[0])
    space = JetSpace.of(dims, wanted)
    assert set(wanted) <= set(space.indices)
    assert JetSpace(dims, space.indices) == space == JetSpace.of(dims, space.indices)
    for index, terms in zip(space.indices, space.products, strict=True):
        assert len(terms) == math.prod(order + 1 for order in index)
        for i, j, coefficient in terms:
            parts = zip(space.indices[i], space.indices[j], strict=True)
            assert tuple(a + b for a, b in parts) == index
            assert coefficient == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: JetSpace(2, [(0, 0), (2, 0)]), r"\(2, 0\) needs \(1, 0\)"),
        (lambda: JetSpace.of(2, [(1,)]), r"2 whole numbers >= 0, got \(1,\)"),
        (lambda: JetSpace.of(2, [(1, -1)]), r"got \(1, -1\)"),
        (lambda: JetSpace.of(2, [(0.5, 1)]), r"got \(0.5, 1\)"),
        (lambda: JetSpace(0, []), "dims=0"),
        (lambda: JetSpace.of(2, [], [{(0, 0): 1.0, (1, 0): 1.0}]), "order 1 or more"),
        (lambda: JetSpace.of(2, [], [{}]), "order 1 or more"),
        (lambda: JetSpace(2, [(1, 0)], [{(1, 1): 1.0}]), r"\(1, 1\) needs the index \(0, 1\)"),
        (lambda: JetSpace.of(2, [(1, 0)]).position((0, 1)), r"no derivative \(0, 1\)"),
        (lambda: laplacian(2, [2]), r"0 .. 1, got \(2,\)"),
        (lambda: laplacian(2, []), "axes"),
        (lambda: Jet(full(1, 1), torch.zeros(3, 5)), "2 streams"),
        (lambda: Jet(full(1, 1), (None, torch.zeros(5))), "value first"),
        (lambda: Jet.identity(full(2, 1), torch.zeros(5, 3)), r"\(N, 2\), got \(5, 3\)"),
        (lambda: Jet.coordinates(full(2, 1), torch.zeros(5, 1)), r"\(N, 2\), got \(5, 1\)"),
    ],
)
def test_what_makes_no_sense_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_jets_of_different_spaces_do_not_mix():
    (a,), (b,) = (Jet.coordinates(full(1, order), points(4, 1)) for order in (1, 2))
    for operation in (
        lambda: a + b,
        lambda: a * b,
        lambda: jets.where(a > 0, a, b),
        lambda: jets.stack([a, b]),
    ):
        with pytest.raises(ValueError, match="different spaces"):
            operation()


# --- closed forms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [1, 2, 3, 4])
def test_sine_of_a_linear_form(dims):
    """The derivative b of sin(k x) is k^b sin(k x + |b| pi / 2), and likewise of cos and exp."""
    space, x = full(dims, 4), points(6, dims)
    k = torch.tensor([1.3, -0.7, 2.1, 0.4][:dims], dtype=torch.float64)
    phase = sum(k[d] * coordinate for d, coordinate in enumerate(Jet.coordinates(space, x)))
    assert isinstance(phase, Jet)
    sine, cosine, exponential = jets.sin(phase), jets.cos(phase), jets.exp(phase)
    for index in space.indices:
        factor = torch.prod(k ** torch.tensor(index))
        turned = x @ k + sum(index) * math.pi / 2
        assert_close(sine.derivative(index), factor * torch.sin(turned), 20)
        assert_close(cosine.derivative(index), factor * torch.cos(turned), 20)
        assert_close(exponential.derivative(index), factor * torch.exp(x @ k), 20)


def test_products_of_functions_of_one_coordinate_each():
    space, x = full(3, 4), points(6, 3)
    a, b, c = Jet.coordinates(space, x)
    jet = jets.sin(2 * a) * jets.exp(-b) * c**2
    for i, j, k in space.indices:
        expected = 2**i * torch.sin(2 * x[:, 0] + i * math.pi / 2) * (-1) ** j * torch.exp(-x[:, 1])
        power = [x[:, 2] ** 2, 2 * x[:, 2], torch.full((6,), 2.0, dtype=torch.float64)]
        expected = expected * power[k] if k <= 2 else torch.zeros_like(expected)
        assert_close(jet.derivative((i, j, k)), expected, 20)


def test_monomials_are_exact_also_at_zero():
    """x^p y^q has falling factorials as derivatives; nothing is divided by zero."""
    space, x = full(2, 4), torch.tensor([[0.0, 0.0], [0.0, 2.0], [-1.0, 0.5]], dtype=torch.float64)
    a, b = Jet.coordinates(space, x)
    for p, q in ((0, 1), (1, 1), (2, 3), (4, 0), (3.0, 2.0)):
        jet = a**p * b**q
        for i, j in space.indices:
            expected = torch.ones(3, dtype=torch.float64)
            for coordinate, exponent, order in ((x[:, 0], int(p), i), (x[:, 1], int(q), j)):
                falling = math.perm(exponent, order) if order <= exponent else 0
                expected = expected * (falling * coordinate ** max(exponent - order, 0))
            assert_close(jet.derivative((i, j)), expected)


def test_real_powers_at_zero_have_the_derivatives_that_exist():
    (a,) = Jet.coordinates(full(1, 1), torch.zeros(1, 1, dtype=torch.float64))
    assert (a**1.5).derivative((1,)).item() == 0
    assert math.isinf(jets.sqrt(a).derivative((1,)).item())


def test_tangents_satisfy_their_differential_equations():
    (a,) = Jet.coordinates(full(1, 5), points(9, 1))
    for function, sign in ((jets.tan, 1), (jets.tanh, -1)):
        jet = function(a)
        right = 1 + sign * (jet * jet)
        for order in range(5):
            assert_close(jet.derivative((order + 1,)), right.derivative((order,)), 1e3)


# --- the algebra -----------------------------------------------------------------------------------


@pytest.fixture(params=[(1, 4), (2, 4), (3, 3), (4, 2)], ids=lambda p: f"{p[0]}d-order{p[1]}")
def pair(request) -> tuple[Jet, Jet]:
    """Two jets with random coefficients, of values in [1/2, 3/2]."""
    dims, order = request.param
    space = full(dims, order)
    generator = torch.Generator().manual_seed(dims)
    drawn = torch.rand(2, len(space), 7, generator=generator, dtype=torch.float64) - 0.5
    drawn[:, 0] += 1
    return Jet(space, drawn[0]), Jet(space, drawn[1])


def test_identities(pair):
    f, g = pair
    one = Jet.constant(f.space, torch.ones(7, dtype=torch.float64))
    assert_same(f / g * g, f)
    assert_same((1 / f) * f, one)
    assert_same(jets.exp(jets.log(f)), f)
    assert_same(jets.log(jets.exp(f)), f)
    assert_same(jets.exp(f + g), jets.exp(f) * jets.exp(g))
    assert_same(jets.log(f * g), jets.log(f) + jets.log(g))
    assert_same(jets.sin(f) ** 2 + jets.cos(f) ** 2, one)
    assert_same(jets.sin(f + g), jets.sin(f) * jets.cos(g) + jets.cos(f) * jets.sin(g))
    assert_same(jets.tan(f / 2), jets.sin(f / 2) / jets.cos(f / 2))
    assert_same(jets.tanh(f), (jets.exp(2 * f) - 1) / (jets.exp(2 * f) + 1))
    assert_same(jets.sqrt(f) * jets.sqrt(f), f)
    assert_same(f**3, f * f * f)
    assert_same(f * f, f * (+f))
    assert_same(f**-2, 1 / (f * f))
    assert_same(f**2.5 * f**-1.5, f)
    assert_same(f**g, jets.exp(g * jets.log(f)))
    assert_same(f ** torch.tensor(3.5, dtype=torch.float64), f**3.5)
    assert_same(2.0**f, jets.exp(f * math.log(2)))
    assert_same((f + g) * (f - g), f * f - g * g)
    assert_same(abs(-f), f)
    assert_same(jets.abs(f), f)
    assert_same(jets.relu(f) - jets.relu(-f), f)


def test_leibniz_with_binomial_coefficients(pair):
    f, g = pair
    for index in f.space.indices:
        total = torch.zeros(7, dtype=torch.float64)
        for below in product(*(range(order + 1) for order in index)):
            rest = tuple(a - b for a, b in zip(index, below, strict=True))
            binomial = math.prod(math.comb(a, b) for a, b in zip(index, below, strict=True))
            total = total + binomial * f.derivative(below) * g.derivative(rest)
        assert_close((f * g).derivative(index), total, 1e3)


def test_tensors_and_numbers_on_either_side(pair):
    f, _ = pair
    t = torch.linspace(1, 2, 7, dtype=torch.float64)
    constant = Jet.constant(f.space, t)
    for number, jet in ((t, constant), (1.7, Jet.constant(f.space, torch.full_like(t, 1.7)))):
        assert_same(number + f, jet + f)
        assert_same(f + number, f + jet)
        assert_same(number - f, jet - f)
        assert_same(f - number, f - jet)
        assert_same(number * f, jet * f)
        assert_same(f * number, f * jet)
        assert_same(number / f, jet / f)
        assert_same(f / number, f / jet)
        assert_same(number**f, jet**f)
        assert torch.equal(number < f, number < f.value)
        assert torch.equal(f <= number, f.value <= number)
        assert torch.equal(number >= f, number >= f.value)
        assert torch.equal(f > number, f.value > number)


def test_comparisons_are_of_values(pair):
    f, g = pair
    for name in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__"):
        assert torch.equal(getattr(f, name)(g), getattr(f.value, name)(g.value))
    assert (f == f.value).all()
    assert not (f.value != f).any()


def test_where_takes_value_and_derivatives_together(pair):
    f, g = pair
    condition = f < g
    chosen = jets.where(condition, f, g)
    for stream in range(len(f.space)):
        expected = torch.where(condition, f.coefficients[stream], g.coefficients[stream])
        assert torch.equal(chosen.coefficients[stream], expected)
    zeroed = jets.where(condition, 0.0, f)
    assert torch.equal(zeroed.coefficients, torch.where(condition, 0.0, f.coefficients))
    assert_same(jets.where(True, f, g), f)


def test_every_function_takes_numbers_and_tensors():
    t = torch.tensor([0.3, 0.6])
    for name, function in FUNCTIONS.items():
        if name == "where":
            assert function(True, 1.0, 2.0) == 1.0
            assert function(t > 0.5, t, 0.0).tolist() == [0.0, pytest.approx(0.6)]
        else:
            assert torch.equal(function(t), getattr(torch, name)(t))
            assert function(0.3) == pytest.approx(float(function(t)[0]))


def test_channels_and_sums():
    space, x = full(2, 3), points(5, 2)
    whole, parts = jets.sin(Jet.identity(space, x)), Jet.coordinates(space, x)
    assert whole.shape == (5, 2)
    assert_same(jets.stack([jets.sin(part) for part in parts]), whole)
    assert_same(jets.cat([jets.sin(part)[:, None] for part in parts]), whole)
    assert_same(whole.sum(dim=-1), jets.sin(parts[0]) + jets.sin(parts[1]))
    for axis, part in enumerate(parts):
        assert_same(whole[..., axis], jets.sin(part))
    assert_same(Jet(space, whole.coefficients), whole)


def test_compose_takes_any_taylor_coefficients():
    """1 / (1 - z) at z = 0 has all coefficients 1: composed with d = x y it is the sum of (x y)^k."""
    space = full(2, 4)
    a, b = Jet.coordinates(space, torch.zeros(1, 2, dtype=torch.float64))
    jet = compose(a * b, [torch.ones(1, dtype=torch.float64), 1.0, 1.0, 1.0, 1.0])
    for i, j in space.indices:
        assert jet.derivative((i, j)).item() == (math.factorial(i) ** 2 if i == j else 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_is_kept(dtype):
    a, b = Jet.coordinates(full(2, 2), points(3, 2).to(dtype))
    jet = jets.where(a > 0, jets.tanh(a / 3 + b**2), 0.5) * jets.exp(2.0**b) + jets.abs(a) + 1
    assert all(stream is None or stream.dtype == dtype for stream in jet.streams)


# --- operators ---------------------------------------------------------------------------------------


def test_an_operator_is_the_combination_of_derivatives():
    """Through sums, products, quotients and compositions, and with a coefficient that is trained."""
    nu = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    operators = [
        laplacian(2),
        {(0, 1): 1.0, (2, 0): -nu},
        {(4, 0): 1.0, (2, 2): 2.0, (0, 4): 1.0, (1, 0): -0.5},
        {(1, 1): 2.0},
    ]
    x = points(6, 2)
    results = []
    for space in (JetSpace.of(2, [(1, 0)], operators), full(2, 4)):
        a, b = Jet.coordinates(space, x)
        f = jets.sin(2 * a - b) * jets.exp(a * b) / (2 + jets.tanh(b)) + a**3
        results.append(f * f + jets.cos(f))
    carried, plain = results
    for number, operator in enumerate(operators):
        expected = torch.stack([c * plain.derivative(index) for index, c in operator.items()]).sum(dim=0)
        assert_close(carried.operator(number), expected, 1e3)
        assert_close(carried.operator(number - len(operators)), expected, 1e3)
    (found,) = torch.autograd.grad(carried.operator(1).sum(), nu)
    assert_close(found, -plain.derivative((2, 0)).sum(), 1e3)


def test_a_laplacian_costs_one_stream():
    assert len(JetSpace.of(3, [], [laplacian(3)])) == 2 + 3
    assert len(JetSpace.of(3, list(laplacian(3)))) == 1 + 2 * 3
    assert len(JetSpace.of(2, [(1, 0)], [{(0, 1): 1.0, (2, 0): -0.1}])) == 3
    assert len(JetSpace.of(2, [], [{(1, 0): 0.6, (0, 1): 0.8}])) == 2, "a direction alone"


def test_harmonic_functions_have_no_laplacian():
    a, b = Jet.coordinates(JetSpace.of(2, [], [laplacian(2)]), points(9, 2))
    for harmonic in (jets.exp(a) * jets.sin(b), jets.log(a * a + b * b) / 2, a**3 - 3 * a * b**2):
        assert float(harmonic.operator(0).abs().max()) < 1e-9


# --- random expressions ---------------------------------------------------------------------------------

SAFE = {  # functions made smooth and bounded, so that derivatives of order 4 stay moderate
    "sin": jets.sin,
    "cos": jets.cos,
    "tanh": jets.tanh,
    "exp": lambda f: jets.exp(jets.sin(f)),
    "log": lambda f: jets.log(2 + jets.cos(f)),
    "sqrt": lambda f: jets.sqrt(1 + f * f),
    "power": lambda f: (2 + jets.sin(f)) ** -1.5,
    "inverse": lambda f: 1 / (2 + jets.cos(f)),
    "tan": lambda f: jets.tan(jets.sin(f)),
    "cube": lambda f: f**3,
    "+": lambda f, g: f + g,
    "-": lambda f, g: f - 2 * g,
    "*": lambda f, g: f * g,
    "/": lambda f, g: f / (3 + jets.sin(g)),
}
UNARY, BINARY = list(SAFE)[:10], list(SAFE)[10:]


def expressions(dims: int):
    return st.recursive(
        st.sampled_from(range(dims)),
        lambda inner: (
            st.tuples(st.sampled_from(UNARY), inner) | st.tuples(st.sampled_from(BINARY), inner, inner)
        ),
        max_leaves=4,
    )


def evaluate(expression, leaves):
    if isinstance(expression, int):
        return leaves[expression]
    name, *arguments = expression
    return SAFE[name](*(evaluate(argument, leaves) for argument in arguments))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3).flatmap(lambda d: st.tuples(st.just(d), expressions(d))), st.integers(1, 4))
def test_random_expressions_against_nested_autograd(drawn, order):
    dims, expression = drawn
    space, x = full(dims, min(order, 5 - dims)), points(4, dims)
    jet = evaluate(expression, Jet.coordinates(space, x))
    expected = autograd_derivatives(
        lambda y: evaluate(expression, y.unbind(dim=-1))[:, None], x, space.indices
    )
    for index in space.indices:
        wanted = expected[index][:, 0].detach()
        assert_close(jet.derivative(index), wanted, max(1.0, float(wanted.abs().max())) * 10)
