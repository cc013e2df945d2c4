"""Quasi-Newton methods on functions whose answers are known."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from wsapps.quasi_newton import (
    DenseInverse,
    LimitedMemory,
    LineSearch,
    Minimizer,
    Stopping,
    make_inverse,
    minimize,
)
from wsapps.quasi_newton.inverse import Move
from wsapps.quasi_newton.line_search import Point
from wsapps.quasi_newton.self_scaled import RULES, coefficients
from wsapps.seeding import generator

DENSE = tuple(RULES)
METHODS = (*DENSE, "lbfgs")
EXACT = LineSearch(decrease=1e-10, curvature=1e-9, resolution=1e-12)
NEVER = Stopping(patience=10**6)


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=generator("quasi-newton", seed, *shape))


def positive_definite(n: int, condition: float, seed: int = 0) -> Tensor:
    """Symmetric, with eigenvalues from 1 to ``condition``, evenly spaced in their logarithm."""
    basis, _ = torch.linalg.qr(draw(n, n, seed=seed))
    matrix = basis @ torch.diag(torch.logspace(0, math.log10(condition), n, dtype=torch.float64)) @ basis.T
    return (matrix + matrix.T) / 2


def quadratic(matrix: Tensor, minimum: Tensor):
    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        gradient = matrix @ (x - minimum)
        return 0.5 * torch.dot(x - minimum, gradient), gradient

    return function


def rosenbrock(x: Tensor) -> tuple[Tensor, Tensor]:
    a, b = x[1:] - x[:-1].square(), 1 - x[:-1]
    gradient = torch.zeros_like(x)
    gradient[1:] += 200 * a
    gradient[:-1] -= 400 * x[:-1] * a + 2 * b
    return 100 * a.square().sum() + b.square().sum(), gradient


def move(H: Tensor, B: Tensor, seed: int) -> Move:
    """A step along minus H g, with a change of the gradient whose curvature is positive."""
    n = len(H)
    gradient = draw(n, seed=seed)
    direction = -H @ gradient
    length = 0.3 + float(torch.rand((), generator=generator(seed)))
    step = length * direction
    change = B @ step
    curvature = -(length**2) * float(torch.dot(gradient, direction))
    return Move(step, change, gradient + change, direction, curvature)


def filled(method: str, n: int = 12, updates: int = 5, seed: int = 0) -> tuple[DenseInverse, Tensor]:
    """A dense H after some updates, and the Hessian that it learned from."""
    B = positive_definite(n, 1e3, seed)
    inverse = DenseInverse(n, method)
    for index in range(updates):
        inverse.update(move(inverse.matrix().clone(), B, seed=100 * seed + index))
    return inverse, B


# --- updates ---


@pytest.mark.parametrize("method", DENSE)
@pytest.mark.parametrize("updates", [0, 5])
def test_the_secant_equation_holds_after_every_update(method, updates):
    inverse, B = filled(method, updates=updates)
    last = move(inverse.matrix().clone(), B, seed=7)
    inverse.update(last)
    error = inverse.matrix() @ last.change - last.step
    assert float(error.norm()) <= 1e-12 * float(last.step.norm())


@pytest.mark.parametrize("method", DENSE)
def test_h_is_symmetric_bit_for_bit_and_positive_definite(method):
    inverse, _ = filled(method, n=40, updates=100)
    H = inverse.matrix()
    assert torch.equal(H, H.T)
    assert float(torch.linalg.eigvalsh(H).min()) > 0


def test_a_matrix_of_several_bands_is_symmetric_and_the_same_as_a_small_one_inside():
    """600 variables of which all but 10 have a unit Hessian that is known from the start."""
    n, m = 600, 10
    B = torch.eye(n, dtype=torch.float64)
    B[-m:, -m:] = positive_definite(m, 100.0)
    large, small = DenseInverse(n, "bfgs", rescale_first=False), DenseInverse(m, "bfgs", rescale_first=False)
    for index in range(37):
        inner = move(small.matrix().clone(), B[-m:, -m:], seed=index)
        small.update(inner)
        outer = [torch.zeros(n, dtype=torch.float64) for _ in range(4)]
        for whole, part in zip(
            outer, (inner.step, inner.change, inner.gradient, inner.direction), strict=True
        ):
            whole[-m:] = part
        large.update(Move(*outer, inner.curvature))
    H = large.matrix()
    assert torch.equal(H, H.T)
    torch.testing.assert_close(H[-m:, -m:], small.matrix(), rtol=1e-10, atol=1e-12)
    assert torch.equal(H[:-m, :-m], torch.eye(n - m, dtype=torch.float64))


@pytest.mark.parametrize("method", DENSE)
def test_the_direction_from_an_update_is_minus_h_times_the_gradient(method):
    for updates in (0, 3, 16, 20):  # before, between and after gathered updates reach the matrix
        inverse, B = filled(method, updates=updates)
        last = move(inverse.matrix().clone(), B, seed=9)
        direction = inverse.update(last)
        wanted = -inverse.matrix() @ last.gradient
        torch.testing.assert_close(direction, wanted, rtol=1e-9, atol=1e-11)
        torch.testing.assert_close(inverse.direction(last.gradient), wanted, rtol=1e-9, atol=1e-11)


def family(H: Tensor, s: Tensor, y: Tensor, tau: float, phi: float) -> Tensor:
    """The update as the papers write it (arXiv 2405.04230, eqs. 3 and 4)."""
    Hy, sy = H @ y, torch.dot(s, y)
    yHy = torch.dot(y, Hy)
    v = s / sy - Hy / yHy
    return (H - torch.outer(Hy, Hy) / yHy + phi * yHy * torch.outer(v, v)) / tau + torch.outer(s, s) / sy


@pytest.mark.parametrize("method", DENSE)
def test_an_update_is_the_papers_formula(method):
    inverse, B = filled(method)
    H = inverse.matrix().clone()
    last = move(H, B, seed=11)
    s, y = last.step, last.change
    sy, h = float(torch.dot(s, y)), float(torch.dot(y, H @ y) / torch.dot(s, y))
    b = float(torch.dot(s, torch.linalg.solve(H, s))) / sy
    assert last.curvature / sy == pytest.approx(b, rel=1e-9)
    inverse.update(last)
    wanted = family(H, s, y, *RULES[method](b, h, len(s), False))
    torch.testing.assert_close(inverse.matrix(), wanted, rtol=1e-8, atol=1e-10)


def test_ssbfgs_is_bfgs_where_tau_is_one_and_enlarges_h_across_the_step_where_it_is_not():
    assert RULES["ssbfgs"](0.8, 1.5, 10, False) == RULES["bfgs"](0.8, 1.5, 10, False) == (1.0, 1.0)
    tau, phi = RULES["ssbfgs"](4.0, 0.5, 10, False)
    assert (tau, phi) == (0.25, 1.0)
    inverse, B = filled("bfgs")
    H = inverse.matrix().clone()
    last = move(H, B, seed=13)
    plain, scaled = (family(H, last.step, last.change, t, 1.0) for t in (1.0, tau))
    # Across s and Hy nothing is learned: BFGS leaves H as it is there, self-scaling multiplies by 1 / tau.
    z = torch.linalg.qr(torch.stack([last.step, H @ last.change], 1), mode="complete")[0][:, 2:]
    torch.testing.assert_close(z.T @ plain @ z, z.T @ H @ z)
    torch.testing.assert_close(z.T @ scaled @ z, z.T @ H @ z / tau)


def test_ssbroyden_is_ssbfgs_where_theta_vanishes():
    """b = 1 gives theta = 0 if that lies in its interval: phi = 1 and tau = min(1, 1 / b) = 1."""
    assert RULES["ssbroyden"](1.0, 4.0, 10, False) == (1.0, 1.0)


@given(b=st.floats(1e-6, 1e6), excess=st.floats(0.0, 1e6), n=st.integers(1, 5000), first=st.booleans())
@example(b=1.0, excess=0.0, n=1, first=False)
@settings(deadline=None, max_examples=300)
def test_every_rule_keeps_h_positive_definite(b, excess, n, first):
    """tau > 0, and phi > -1 / a with a = b h - 1, where the family leaves the definite matrices."""
    h = (1 + excess) / b
    for rule in RULES.values():
        tau, phi = rule(b, h, n, first)
        assert 0 < tau < math.inf
        assert phi * excess > -1
        assert first or tau <= 1
        assert all(math.isfinite(c) for c in coefficients(tau, phi, 1.0, h))


@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_no_positive_curvature_teaches_nothing(method):
    x = draw(6)
    inverse = make_inverse(method, x)
    s, g = draw(6, seed=1), draw(6, seed=2)
    for y in (-s, torch.zeros(6, dtype=torch.float64), s * math.nan):
        assert torch.equal(inverse.update(Move(s, y, g, -g, 1.0)), -g)


@pytest.mark.parametrize("method", METHODS)
def test_a_reset_leaves_the_scale_of_the_last_step(method):
    x, B = draw(8), positive_definite(8, 100.0)
    inverse = make_inverse(method, x)
    last = move(torch.eye(8, dtype=torch.float64), B, seed=3)
    inverse.update(last)
    inverse.reset()
    ratio = torch.dot(last.step, last.change) / torch.dot(last.change, last.change)
    torch.testing.assert_close(inverse.direction(x), -ratio * x)


# --- whole minimisations ---


@pytest.mark.parametrize("method", METHODS)
def test_exact_searches_end_in_n_steps_on_a_quadratic(method):
    """All members with phi > 0 give conjugate directions (Dixon 1972), self-scaled or not."""
    n = 9
    matrix, minimum = positive_definite(n, 50.0), draw(n, seed=1)
    found = minimize(quadratic(matrix, minimum), torch.zeros(n, dtype=torch.float64), method, n, search=EXACT)
    assert found.steps == n
    assert float((found.x - minimum).abs().max()) < 1e-6
    before = minimize(quadratic(matrix, minimum), torch.zeros_like(minimum), method, n - 2, search=EXACT)
    assert float((before.x - minimum).abs().max()) > 1e-4


def test_bfgs_has_the_inverse_hessian_after_n_exact_steps():
    n = 6
    matrix, minimum = positive_definite(n, 20.0), draw(n, seed=1)
    found = minimize(quadratic(matrix, minimum), torch.zeros_like(minimum), "bfgs", n, search=EXACT)
    torch.testing.assert_close(found.inverse.matrix() @ matrix, torch.eye(n).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_rosenbrock(method):
    start = torch.full((10,), -1.2, dtype=torch.float64)
    stopping = Stopping(gradient_tolerance=1e-10)
    found = minimize(rosenbrock, start, method, stopping=stopping)
    assert "gradient" in found.finished
    torch.testing.assert_close(found.x, torch.ones_like(start), rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", DENSE)
def test_an_ill_conditioned_quadratic(method):
    n = 40
    matrix, minimum = positive_definite(n, 1e8), draw(n, seed=2)
    found = minimize(quadratic(matrix, minimum), torch.zeros_like(minimum), method, 3000)
    assert float((found.x - minimum).abs().max()) < 1e-5


def test_self_scaling_needs_fewer_steps_where_h_is_too_small():
    n = 60
    matrix, minimum = positive_definite(n, 1e6), draw(n, seed=3)
    steps = {}
    for method in DENSE:
        stopping = Stopping(gradient_tolerance=1e-6)
        found = minimize(
            quadratic(matrix, minimum), torch.zeros_like(minimum), method, 3000, stopping=stopping
        )
        assert found.finished
        steps[method] = found.steps
    assert max(steps["ssbfgs"], steps["ssbroyden"]) < 0.7 * steps["bfgs"]


def test_lbfgs_that_remembers_all_is_bfgs():
    n = 12
    matrix, minimum = positive_definite(n, 100.0), draw(n, seed=4)
    function, start = quadratic(matrix, minimum), torch.zeros(n, dtype=torch.float64)
    dense = Minimizer(function, start, DenseInverse(n, "bfgs"), stopping=NEVER)
    limited = Minimizer(function, start, LimitedMemory(n, 15, rescale=False), stopping=NEVER)
    dense.start()
    limited.start()
    for _ in range(15):
        assert dense.step().length == pytest.approx(limited.step().length, rel=1e-6)
        torch.testing.assert_close(dense.x, limited.x, rtol=1e-7, atol=1e-9)
    assert dense.value < 0.1 * float(function(start)[0])  # it went somewhere


def test_lbfgs_forgets_the_oldest_step():
    n, B = 6, positive_definite(6, 10.0)
    long, short = LimitedMemory(n, 3, rescale=False), LimitedMemory(n, 2, rescale=False)
    moves = [move(torch.eye(n, dtype=torch.float64), B, seed=index) for index in range(3)]
    g = draw(n, seed=8)
    for inverse in (long, short):
        for each in moves:
            inverse.update(each)
    assert not torch.allclose(long.direction(g), short.direction(g))
    fresh = LimitedMemory(n, 2, rescale=False)
    fresh.load_state_dict({**short.state_dict()})
    assert torch.equal(fresh.direction(g), short.direction(g))


@pytest.mark.parametrize("method", METHODS)
def test_values_that_are_not_finite_shorten_the_step(method):
    """The minimum of x - log(x) is at 1; far to the left there is nothing, far to the right infinity."""

    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        value = (x - x.log()).sum()  # NaN for negative x
        return torch.where((x < 50).all(), value, math.inf), 1 - 1 / x

    start = torch.tensor([40.0, 0.01, 3.0], dtype=torch.float64)
    found = minimize(function, start, method, stopping=Stopping(gradient_tolerance=1e-9))
    torch.testing.assert_close(found.x, torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_below_the_resolution_of_values_slopes_lead_on(method):
    """1e6 hides the last 6e-11 of the value: halving by values alone would end near a distance of 1e-5."""
    matrix, minimum = positive_definite(8, 10.0), draw(8, seed=5)
    inner = quadratic(matrix, minimum)

    def function(x: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = inner(x)
        return 1e6 + value, gradient

    found = minimize(function, torch.zeros(8, dtype=torch.float64), method, 200)
    assert float((found.x - minimum).abs().max()) < 1e-8


def test_values_that_are_python_numbers_keep_their_digits():
    def function(x: Tensor) -> tuple[float, Tensor]:
        return float(0.5 * x.dot(x)) + 1 / 3, x.clone()

    start = torch.full((4,), 1e-5, dtype=torch.float64)
    minimizer = Minimizer(function, start, make_inverse("ssbroyden", start))
    minimizer.start()
    assert minimizer.value == function(start)[0]  # 1 / 3 and 2e-10: in float32 there is no difference


def test_a_minimum_is_left_alone():
    function = quadratic(torch.eye(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64))
    found = minimize(function, torch.ones(3, dtype=torch.float64))
    assert (found.steps, found.evaluations) == (0, 1)
    assert "gradient" in found.finished


@pytest.mark.parametrize("method", METHODS)
def test_where_the_gradient_lies_the_minimiser_gives_up(method):
    """A gradient that points downhill: no search finds anything, with H or without."""
    found = minimize(lambda x: (x.square().sum(), -2 * x), torch.ones(4, dtype=torch.float64), method)
    assert found.steps == 0
    assert found.failures == 2
    assert "line search" in found.finished
    assert torch.equal(found.x, torch.ones(4, dtype=torch.float64))


def test_no_progress_is_noticed():
    calls = []

    def function(x: Tensor) -> tuple[Tensor, Tensor]:  # falls for ever, and ever more slowly
        calls.append(1)
        return 1 + (-x).exp().sum(), -(-x).exp()

    start = torch.zeros(1, dtype=torch.float64)
    found = minimize(function, start, stopping=Stopping(tolerance=1e-4, patience=5))
    assert "5 steps reduced" in found.finished
    assert found.evaluations == len(calls)


@pytest.mark.parametrize("method", METHODS)
def test_float32(method):
    matrix, minimum = positive_definite(10, 100.0).float(), draw(10, seed=6).float()
    found = minimize(quadratic(matrix, minimum), torch.zeros(10), method, 300)
    assert found.x.dtype == torch.float32
    assert float((found.x - minimum).abs().max()) < 1e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("stop", [1, 21, 40])
def test_a_continued_run_is_the_uninterrupted_one_bit_for_bit(method, stop):
    start = torch.full((8,), -1.2, dtype=torch.float64)
    whole = minimize(rosenbrock, start, method, 60, stopping=NEVER)
    first = minimize(rosenbrock, start, method, stop, stopping=NEVER)
    second = Minimizer(rosenbrock, torch.zeros_like(start), make_inverse(method, start), stopping=NEVER)
    second.load_state_dict(first.state_dict())
    while second.steps < 60:
        second.step()
    for name in ("x", "gradient", "direction"):
        assert torch.equal(getattr(second, name), getattr(whole, name))
    assert (second.value, second.evaluations) == (whole.value, whole.evaluations)


def test_a_state_of_something_else_is_refused_and_changes_nothing():
    found = minimize(rosenbrock, torch.zeros(4, dtype=torch.float64), "bfgs", 5)
    state = found.state_dict()
    for other in (
        Minimizer(rosenbrock, torch.zeros(5, dtype=torch.float64), DenseInverse(5, "bfgs")),
        Minimizer(rosenbrock, torch.zeros(4), DenseInverse(4, "bfgs", torch.float32)),
        Minimizer(rosenbrock, torch.zeros(4, dtype=torch.float64), DenseInverse(4, "ssbfgs")),
        Minimizer(rosenbrock, torch.zeros(4, dtype=torch.float64), LimitedMemory(4)),
    ):
        with pytest.raises(ValueError, match="in it"):
            other.load_state_dict(state)
        assert other.steps == 0
        assert not other.x.any()
    with pytest.raises(ValueError, match="damaged"):
        found.load_state_dict({**state, "steps": None})


def test_too_large_a_matrix_becomes_lbfgs_and_that_is_said(caplog):
    x = torch.zeros(100, dtype=torch.float64)
    with caplog.at_level(logging.WARNING, logger="wsapps"):
        assert isinstance(make_inverse("ssbroyden", x, dense_limit_bytes=80_000), DenseInverse)
        assert not caplog.messages
        assert isinstance(make_inverse("ssbroyden", x, dense_limit_bytes=79_999), LimitedMemory)
    assert len(caplog.messages) == 1
    assert "L-BFGS" in caplog.messages[0]
    assert "\n" not in caplog.messages[0]


def least_squares_problem():
    """u'' + u = f on [-1, 1] by a small tanh network with u(-1) = u(1) = 0; u = sin(pi x) solves it."""
    x = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
    source = (1 - math.pi**2) * torch.sin(math.pi * x)
    sizes = [(12, 1), (12,), (12, 12), (12,), (1, 12)]
    counts = [math.prod(size) for size in sizes]
    start = torch.cat([draw(n, seed=20 + i) / (1 if i < 2 else 3) for i, n in enumerate(counts)])

    def loss(flat: Tensor) -> Tensor:
        w1, b1, w2, b2, w3 = (p.view(s) for p, s in zip(flat.split(counts), sizes, strict=True))
        h = torch.tanh(x @ w1.T + b1)
        h1, h2 = (1 - h**2) * w1.T, -2 * h * (1 - h**2) * w1.T**2
        g = torch.tanh(h @ w2.T + b2)
        z1, z2 = h1 @ w2.T, h2 @ w2.T
        g1, g2 = (1 - g**2) * z1, (1 - g**2) * z2 - 2 * g * (1 - g**2) * z1**2
        n, n1, n2 = g @ w3.T, g1 @ w3.T, g2 @ w3.T
        u, u2 = (1 - x**2) * n, (1 - x**2) * n2 - 4 * x * n1 - 2 * n
        return (u2 + u - source).square().mean()

    def function(flat: Tensor) -> tuple[Tensor, Tensor]:
        flat = flat.detach().requires_grad_()
        value = loss(flat)
        return value.detach(), torch.autograd.grad(value, flat)[0]

    return function, start


def test_a_physics_informed_fit_goes_far_below_adam_in_the_same_evaluations():
    function, start = least_squares_problem()
    evaluations = 400
    x = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=1e-2)
    lowest = math.inf
    for _ in range(evaluations):
        value, x.grad = function(x)
        lowest = min(lowest, float(value))
        optimizer.step()
    for method in ("ssbroyden", "ssbfgs"):
        found = minimize(function, start, method, max_evaluations=evaluations)
        assert found.evaluations < evaluations + 25
        assert found.value < 1e-3 * lowest


# --- the line search ---


def on_line(function):
    """A function of one number as the search wants it; counts its evaluations."""
    calls = []

    def evaluate(length: float) -> Point:
        calls.append(length)
        a = torch.tensor(length, dtype=torch.float64, requires_grad=True)
        value = function(a)
        return Point(length, value.item(), torch.autograd.grad(value, a)[0].item())

    return evaluate, calls


@given(
    waves=st.lists(st.tuples(st.floats(-1, 1), st.floats(0.1, 5), st.floats(0, 6.3)), min_size=1, max_size=4),
    bowl=st.floats(0.05, 10),
    away=st.floats(-5, 5),
    first=st.floats(1e-4, 1e3),
    curvature=st.sampled_from([0.1, 0.5, 0.9]),
)
@settings(deadline=None, max_examples=300)
def test_the_strong_wolfe_conditions_hold(waves, bowl, away, first, curvature):
    """On random bowls with waves, wherever the first step leads."""

    def function(a: Tensor) -> Tensor:
        return bowl * (a - away) ** 2 + sum(size * torch.sin(rate * a + at) for size, rate, at in waves)

    evaluate, calls = on_line(function)
    start = evaluate(0.0)
    if start.slope > 0:  # walk the other way
        evaluate, calls = on_line(lambda a: function(-a))
        start = evaluate(0.0)
    if abs(start.slope) < 1e-3:
        return
    calls.clear()
    found = LineSearch(curvature=curvature, resolution=0.0).search(evaluate, start, first)
    assert found.wolfe
    assert found.evaluations == len(calls) <= 25
    point = found.point
    assert point == evaluate(point.length)
    assert point.value <= start.value + 1e-4 * point.length * start.slope
    assert abs(point.slope) <= curvature * abs(start.slope)


def test_a_quadratic_is_solved_by_one_interpolation():
    evaluate, calls = on_line(lambda a: (a - 0.4) ** 2)
    start = evaluate(0.0)
    calls.clear()
    found = LineSearch(curvature=1e-3).search(evaluate, start, 1.0)
    assert found.point.length == pytest.approx(0.4, abs=1e-12)
    assert len(calls) == 2


def test_a_function_without_a_minimum_is_followed_to_the_last_evaluation():
    evaluate, calls = on_line(lambda a: -a)
    found = LineSearch(evaluations=7).search(evaluate, Point(0.0, 0.0, -1.0), 1.0)
    assert not found.wolfe
    assert found.point.value < -1e4
    assert len(calls) == 7


def test_nothing_lower_is_said():
    found = LineSearch().search(lambda a: Point(a, 1.0 + a, 1.0), Point(0.0, 1.0, -1.0), 1.0)
    assert found.point is None
    found = LineSearch().search(lambda a: Point(a, math.nan, math.nan), Point(0.0, 1.0, -1.0), 1.0)
    assert found.point is None
    assert found.evaluations == 25


@pytest.mark.parametrize("slope", [0.0, 1.0, math.nan])
def test_only_descent_directions_are_searched(slope):
    with pytest.raises(ValueError, match="descent"):
        LineSearch().search(lambda a: Point(a, 0.0, 0.0), Point(0.0, 0.0, slope), 1.0)


@pytest.mark.parametrize(
    "bad", [{"decrease": 0.9}, {"curvature": 1.0}, {"evaluations": 0}, {"resolution": math.nan}]
)
def test_settings_out_of_range(bad):
    with pytest.raises(ValueError, match="must"):
        LineSearch(**bad)
