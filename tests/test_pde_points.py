"""Points that move, and what balances them: RAD, redraws, gradient norms, NTK, causal weights, attention."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_problems import HEAT, objective, problem, shipped, solution
from torch import Tensor

from tests.user_errors import one_line_error
from wsapps_pde.learning.balance import (
    BalanceConfig,
    PointWeightsConfig,
    causal_weights,
    update_balance,
    update_point_weights,
)
from wsapps_pde.learning.collocation import CollocationConfig, chosen_by_residual, redraw
from wsapps_pde.learning.held_out import HeldOut
from wsapps_pde.learning.moving import STAGE, Moves, MovingObjective
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.space.drawing import PointSource

WITH_TERMS: dict[str, Any] = {
    "domain": {"x": [0, 1], "t": [0, 1]},
    "residuals": ["10*u_t - u_xx"],
    "conditions": [{"at": "t = 0", "u": "x", "weight": 3}, {"at": "x = 1", "u_x": "100*t"}],
}


def unbuilt(**changes: Any) -> PDEObjective:
    return objective(problem(**{**WITH_TERMS, **changes}), by_construction=False)


def gradient_norm(loss: PDEObjective, value: Tensor) -> float:
    parameters = [p for network in loss.solution.networks for p in network.parameters()]
    gradients = torch.autograd.grad(value, parameters, allow_unused=True)
    return float(torch.cat([g.flatten() for g in gradients if g is not None]).norm())


# --- Balance of the terms. --------------------------------------------------------------------------------


def test_after_balancing_the_gradients_of_all_terms_have_one_norm():
    loss = unbuilt()
    config = BalanceConfig("gradient")
    means = loss(loss.batch(0, 1))
    before = [gradient_norm(loss, means[name]) for name in loss.term_names]
    update_balance(loss, config, 0, first=True)
    assert max(before) > 3 * min(before)
    means = loss(loss.batch(0, 1))
    after = [
        gradient_norm(loss, factor * means[name])
        for name, factor in zip(loss.term_names, loss.balance.tolist(), strict=True)
    ]
    assert after == pytest.approx([sum(before) / 3] * 3, rel=1e-10)


@pytest.mark.parametrize("kind", ["gradient", "ntk"])
def test_later_updates_remember(kind):
    loss, fresh = unbuilt(), unbuilt()
    config = BalanceConfig(kind, memory=0.75)
    loss.balance.copy_(torch.tensor([1.0, 8.0, 4.0]))
    update_balance(loss, config, 7, first=False)
    update_balance(fresh, config, 7, first=True)
    wanted = 0.75 * torch.tensor([1.0, 8.0, 4.0], dtype=torch.float64) + 0.25 * fresh.balance
    torch.testing.assert_close(loss.balance, wanted, rtol=1e-12, atol=0)


def test_no_balance_where_there_is_none_to_make():
    alone = objective(problem(**HEAT))
    assert len(alone.term_names) == 1
    for loss, kind in ((alone, "gradient"), (unbuilt(), "none")):
        update_balance(loss, BalanceConfig(kind), 0, first=True)
        assert torch.equal(loss.balance, torch.ones_like(loss.balance))


def test_terms_that_are_satisfied_do_not_take_over():
    loss = unbuilt(conditions=[{"at": "t = 0", "u": 0}, {"at": "x = 1", "1e-9*u": 0}])
    update_balance(loss, BalanceConfig(), 0, first=True)
    assert float(loss.balance.max() / loss.balance.min()) == pytest.approx(1e4, rel=1e-9)
    for network in loss.solution.networks:
        for parameter in network.parameters():
            torch.nn.init.zeros_(parameter)
    before = loss.balance.clone()
    update_balance(loss, BalanceConfig(), 1, first=True)  # all gradients are zero
    assert torch.equal(loss.balance, before)


def trace(loss: PDEObjective, number: int) -> float:
    """Of a term's kernel, a mean over its points, point by point."""
    residual, _ = loss.term(number)
    parameters = [p for network in loss.solution.networks for p in network.parameters()]
    squares = []
    for one in residual:
        gradients = torch.autograd.grad(one, parameters, retain_graph=True, allow_unused=True)
        squares.append(sum(float(g.square().sum()) for g in gradients if g is not None))
    return sum(squares) / len(squares)


def test_the_ntk_balance_is_that_of_the_traces():
    """One condition has a single point, whose sign does not matter: the other's estimate shows beside it."""
    of = problem(
        domain={"x": [0, 1], "t": [0, 1]}, residuals=["u_t + u"], conditions=[{"at": "x = 1", "u_x": 0}]
    )
    loss = PDEObjective(solution(of), {"interior": 25, None: 1}, 0, torch.float64)
    known, estimates = trace(loss, 1), []
    for step in range(400):
        update_balance(loss, BalanceConfig("ntk"), step, first=True)
        estimates.append(known * float(loss.balance[1] / loss.balance[0]))
    assert len(set(estimates)) == 400  # other signs in each step
    assert sum(estimates) / 400 == pytest.approx(trace(loss, 0), rel=0.15)
    loss = PDEObjective(solution(of), {None: 1}, 0, torch.float64)
    update_balance(loss, BalanceConfig("ntk"), 0, first=True)
    found = float(loss.balance[0] / loss.balance[1])
    assert found == pytest.approx(trace(loss, 1) / trace(loss, 0), rel=1e-10)


@pytest.mark.parametrize("settings_", [{"every": 0}, {"memory": 1.0}, {"memory": -0.1}])
def test_balance_settings_out_of_range(settings_):
    with pytest.raises(ValueError, match=next(iter(settings_))):
        BalanceConfig(**settings_)


# --- Weights of points. -----------------------------------------------------------------------------------


def test_causal_weights_in_closed_form():
    times = torch.tensor([0.9, 0.0, 0.5, 0.1, 0.6, 1.0], dtype=torch.float64)
    squares = torch.tensor([7.0, 1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    # Chunks by time: {0.0, 0.1} with mean 2, {0.5, 0.6} with mean 3, {0.9, 1.0}.
    first, second, third = 1.0, torch.exp(torch.tensor(-0.2)).item(), torch.exp(torch.tensor(-0.5)).item()
    wanted = torch.tensor([third, first, second, first, second, third], dtype=torch.float64)
    torch.testing.assert_close(causal_weights(times, squares, 0.1, 3), wanted, rtol=1e-6, atol=0)


@given(st.integers(2, 40), st.integers(2, 12), st.floats(0, 10), st.integers(0, 1000))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_causal_weights_fall_with_time_and_do_not_depend_on_the_order(count, chunks, epsilon, seed):
    numbers = torch.Generator().manual_seed(seed)
    times = torch.rand(count, generator=numbers, dtype=torch.float64)
    squares = torch.rand(count, generator=numbers, dtype=torch.float64)
    weights = causal_weights(times, squares, epsilon, chunks)
    order = times.argsort()
    assert float(weights[order[0]]) == 1.0
    assert bool((weights[order].diff() <= 0).all())
    assert 0 < float(weights.min()) <= float(weights.max()) <= 1
    shuffled = torch.randperm(count, generator=numbers)
    torch.testing.assert_close(
        causal_weights(times[shuffled], squares[shuffled], epsilon, chunks), weights[shuffled]
    )
    if epsilon == 0:
        assert bool((weights == 1).all())


def test_point_weights_are_causal_in_the_interior_and_the_loss_uses_them():
    loss = unbuilt()
    config = PointWeightsConfig(causal_epsilon=0.01, causal_chunks=5)
    update_point_weights(loss, config)
    points = loss.points[0]
    wanted = causal_weights(points.coordinates[:, 1], loss.interior_residual().square(), 0.01, 5)
    torch.testing.assert_close(points.weights, wanted)
    assert 0 < float(points.weights.min()) < 1
    assert all(bool((each.weights == 1).all()) for each in loss.points[1:])
    residual, weights = loss.term(0)
    mean = (weights * residual.square()).mean()
    torch.testing.assert_close(loss(loss.batch(0, 1))["residual"], mean)
    steady = objective(problem(domain={"x": [0, 1], "y": [0, 1]}, residuals=["u_xx + u_yy"], conditions=[]))
    update_point_weights(steady, config)
    assert bool((steady.points[0].weights == 1).all())


def test_attention_in_closed_form():
    loss = unbuilt()
    config = PointWeightsConfig(attention=0.1, attention_memory=0.5)
    size = loss.interior_residual()
    share = 0.1 * size / size.max()
    update_point_weights(loss, config)
    torch.testing.assert_close(loss.points[0].weights, (0.5 + share) ** 2)
    update_point_weights(loss, config)
    torch.testing.assert_close(loss.points[0].weights, (0.25 + 0.5 * share + share) ** 2)


def test_attention_without_any_residual_stays_finite():
    loss = unbuilt(residuals=["0*u_t"])
    update_point_weights(loss, PointWeightsConfig(attention=0.1, attention_memory=0.5))
    assert bool((loss.points[0].weights == 0.25).all())


@pytest.mark.parametrize(
    "settings_",
    [{"causal_epsilon": -1}, {"attention": -1}, {"causal_chunks": 1}, {"attention_memory": 1.5}],
)
def test_point_weight_settings_out_of_range(settings_):
    with pytest.raises(ValueError, match=next(iter(settings_))):
        PointWeightsConfig(**settings_)


# --- Points by residual. ----------------------------------------------------------------------------------


def test_candidates_are_drawn_with_the_density_of_rad():
    """Few of many candidates, so that those that are taken leave the probabilities as they are."""
    size = torch.tensor([0.0, 1.0, 2.0, 5.0], dtype=torch.float64).repeat(2000)
    for power, uniform in ((1.0, 1.0), (2.0, 0.5), (1.0, 0.0)):
        density = size[:4] ** power / (size**power).mean() + uniform
        drawn = torch.zeros(4, dtype=torch.float64)
        for number in range(60):
            chosen = chosen_by_residual(size, 40, power, uniform, 3, number)
            drawn += torch.bincount(chosen % 4, minlength=4)
        expected = density / density.sum() * drawn.sum()
        known = expected > 0
        chi_square = ((drawn - expected)[known].square() / expected[known]).sum()
        assert float(chi_square) < 16.3  # 3 degrees of freedom, 0.1 %
        assert bool((drawn[~known] == 0).all())


@given(st.integers(1, 30), st.integers(0, 30), st.sampled_from([0.0, 1.0, float("nan"), float("inf")]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_candidates_are_different_whatever_the_residual_is(count, more, fill):
    size = torch.full((count + more,), fill, dtype=torch.float64)
    size[0] = 1.0
    chosen = chosen_by_residual(size, count, 1.0, 1.0, 0, 0)
    assert len(chosen) == count == len(set(chosen.tolist()))


def test_candidates_depend_on_seed_and_number_alone():
    size = torch.rand(100, generator=torch.Generator().manual_seed(0))
    first, again, other, seeded = (
        chosen_by_residual(size, 20, 1.0, 1.0, seed, number).tolist()
        for seed, number in ((0, 1), (0, 1), (0, 2), (1, 1))
    )
    assert first == again
    assert first != other
    assert first != seeded


def state(loss: PDEObjective) -> list[Tensor]:
    return [points.coordinates.clone() for points in loss.points]


@pytest.mark.parametrize("adaptive", [0.0, 1.0])
def test_a_redraw_depends_on_its_number_and_not_on_those_before(adaptive):
    config = CollocationConfig(adaptive=adaptive)
    name = "burgers_inverse"  # with conditions and measurements
    loss, other = (objective(shipped(name), by_construction=False) for _ in range(2))
    start = state(loss)
    for number in (1, 2, 5):
        redraw(loss, config, number)
    redraw(other, config, 5)
    for points, same, before, site in zip(state(loss), state(other), start, loss.sites, strict=True):
        assert torch.equal(points, same)
        assert points.shape == before.shape
        if site.fixed is not None:
            assert torch.equal(points, before)  # measurements stay
        else:
            assert not bool((points[:, None] == before[None]).all(dim=-1).any())
    assert loss.solution.problem.domain.contains(state(loss)[0].numpy()).all()
    conditions = loss.solution.problem.conditions
    for condition, points in zip(conditions, state(loss)[1:], strict=False):
        assert condition.location.holds(points.numpy()).all()
    assert len({tuple(row) for row in state(loss)[0].tolist()}) == len(state(loss)[0])
    redraw(other, config, 6)
    assert not torch.equal(state(other)[0], state(loss)[0])


def test_after_a_redraw_normals_lifts_and_factors_are_those_of_the_new_points():
    of = problem(
        domain={"space": {"disc": {"radius": 2}}},
        residuals=["u_xx + u_yy", "v_x + v_y"],
        unknowns=["u", "v"],
        conditions=[{"at": "boundary", "u": "x*y", "normal_derivative(v)": 1}],
    )
    loss = objective(of)
    loss.points[0].weights.fill_(0.5)
    loss.points[0].attention.fill_(0.5)
    redraw(loss, CollocationConfig(), 1)
    assert all(bool((points.weights == 1).all() & (points.attention == 1).all()) for points in loss.points)
    interior, boundary = loss.points
    bare = loss.residuals(loss.sites[0], {"coordinates": interior.coordinates})
    for prepared, plain in zip(loss.residuals(loss.sites[0], interior.batch(0, 1)), bare, strict=True):
        torch.testing.assert_close(prepared, plain, rtol=1e-12, atol=1e-12)
    normals = boundary.batch(0, 1)["normals"]
    torch.testing.assert_close(normals, boundary.coordinates / 2, rtol=1e-9, atol=1e-9)


def test_points_gather_where_the_residual_is():
    of = problem(domain={"x": [0, 1], "t": [0, 1]}, residuals=["u + where(x > 0.9, 100, 0)"], conditions=[])
    loss = objective(of, points=200)
    redraw(loss, CollocationConfig(uniform=0.0, candidates=20), 1)
    assert float((state(loss)[0][:, 0] > 0.9).double().mean()) > 0.8
    redraw(loss, CollocationConfig(adaptive=0.0), 1)
    assert float((state(loss)[0][:, 0] > 0.9).double().mean()) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    "settings_",
    [
        {"interior": 0},
        {"condition": 0},
        {"candidates": 0},
        {"every": -1},
        {"adaptive": -1.0},
        {"uniform": -1.0},
    ],
)
def test_collocation_settings_out_of_range(settings_):
    with pytest.raises(ValueError, match=next(iter(settings_))):
        CollocationConfig(**settings_)
    with pytest.raises(ValueError, match="candidates=1"):
        CollocationConfig(candidates=1, uniform=0.0)


# --- When they move. --------------------------------------------------------------------------------------


def moving(every: int = 4, balance: int = 3, **weights: Any) -> MovingObjective:
    moves = Moves(
        CollocationConfig(interior=30, condition=10, every=every),
        BalanceConfig(every=balance),
        PointWeightsConfig(**weights),
    )
    return MovingObjective(solution(problem(**WITH_TERMS), by_construction=False), moves, 0, torch.float64)


def test_points_and_balance_move_when_they_are_due():
    loss = moving()
    seen = [(state(loss)[0], loss.balance.clone())]
    for step in range(9):
        with torch.no_grad():
            loss.solution.networks[0].field.output.weight.mul_(1.1)
        loss.before_step(step)
        seen.append((state(loss)[0], loss.balance.clone()))
    moved = [not torch.equal(a[0], b[0]) for a, b in itertools.pairwise(seen)]
    balanced = [not torch.equal(a[1], b[1]) for a, b in itertools.pairwise(seen)]
    assert [step for step, is_so in enumerate(moved) if is_so] == [4, 8]
    assert [step for step, is_so in enumerate(balanced) if is_so] == [0, 3, 4, 6, 8]
    still = moving(every=0)
    before = state(still)
    for step in range(6):
        still.before_step(step)
    assert all(torch.equal(a, b) for a, b in zip(before, state(still), strict=True))


def test_a_resumed_objective_moves_as_the_one_before():
    whole, parts = moving(attention=0.1), moving(attention=0.1)
    for step in range(6):
        whole.before_step(step)
        if step < 4:
            parts.before_step(step)
    resumed = moving(attention=0.1)
    for parameter in resumed.parameters():
        torch.nn.init.ones_(parameter)
    resumed.load_state_dict(parts.state_dict())
    for step in (4, 5):
        resumed.before_step(step)
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_a_stage_draws_other_points_than_descent():
    loss, other = moving(), moving()
    loss.refresh(1)
    redraw(other, other.moves.points, 1)
    assert not torch.equal(state(loss)[0], state(other)[0])
    redraw(other, other.moves.points, STAGE + 1)
    for a, b in zip(state(loss), state(other), strict=True):
        assert torch.equal(a, b)
    first, later = moving(), moving()
    first.refresh(0, first=True)
    later.refresh(0)
    torch.testing.assert_close(later.balance, 0.9 + 0.1 * first.balance)


def test_held_out_points_are_never_trained_on():
    loss = moving()
    held_out = HeldOut(loss)
    seen = []
    for number in (0, 1, 2):
        if number:
            redraw(loss, CollocationConfig(adaptive=0.0), number)
        seen.append(state(loss))
    for n, points in enumerate(held_out.points):
        for each in seen:
            assert not bool((points.coordinates[:, None] == each[n][None]).all(dim=-1).any())
    again = HeldOut(loss)
    assert held_out.mean_squares() == again.mean_squares()
    means = held_out.mean_squares()
    assert list(means) == list(loss.term_names)
    residual, start, end = means.values()
    loss.balance.fill_(17.0)
    assert held_out.score() == pytest.approx(residual + 3 * start + end)


def test_a_source_of_another_seed_gives_other_points():
    of = problem(**WITH_TERMS)
    first, second = (objective(of, seed=seed) for seed in (0, 1))
    assert not torch.equal(state(first)[0], state(second)[0])
    direct = of.domain.draw(40, PointSource("sobol", 0, "interior", 0))
    assert torch.equal(state(first)[0], torch.as_tensor(direct))


def test_a_problem_of_conditions_alone_moves_too():
    of = problem(domain={"x": [0, 1]}, residuals=[], conditions=[{"at": "x = 0", "u_x": 1}])
    loss = MovingObjective(solution(of), Moves(weights=PointWeightsConfig(attention=0.1)), 0, torch.float64)
    loss.before_step(0)
    loss.refresh(0)
    one_line_error(lambda: objective(problem(domain={"x": [0, 1]}, residuals=[])), "nothing is left")
