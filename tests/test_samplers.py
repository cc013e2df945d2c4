"""Batches of points: exact by (seed, step, rank), and every point its turn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsapps.accelerator import make_accelerator
from wsapps.field_objective import FieldObjective
from wsapps.fields import SinusoidalField
from wsapps.gradient import accumulate_gradient
from wsapps.samplers import PointSampler, parts_for, step_in_parts


def numbered(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points whose coordinates and values both tell their number."""
    index = torch.arange(count, dtype=torch.float32)
    return torch.stack([index, -index], dim=-1), (10 * index)[:, None]


def drawn(sampler: PointSampler, step: int, rank: int = 0, world: int = 1) -> list[int]:
    batch = sampler(step, rank, world)
    numbers = batch["coordinates"][:, 0]
    assert torch.equal(batch["coordinates"][:, 1], -numbers)
    assert torch.equal(batch["values"], 10 * numbers[:, None]), "values of other points"
    return numbers.long().tolist()


def test_same_step_same_points_whatever_came_before():
    sampler, again = (PointSampler(*numbered(1000), points=64, seed=3) for _ in range(2))
    history = [drawn(sampler, step) for step in range(6)]
    torch.manual_seed(99)
    assert drawn(again, 5) == history[5]
    assert drawn(again, 2) == history[2]


def test_draws_leave_the_global_generator_alone():
    sampler = PointSampler(*numbered(100), points=10)
    before = torch.get_rng_state()
    sampler(0, 0, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_step_and_rank_all_matter():
    sampler, other = (PointSampler(*numbered(1000), points=128, seed=seed) for seed in (0, 1))
    draws = [drawn(sampler, 0, 0, 2), drawn(sampler, 1, 0, 2), drawn(sampler, 0, 1, 2), drawn(other, 0, 0, 2)]
    assert len({tuple(draw) for draw in draws}) == 4


def test_ranks_draw_independently():
    """Shared points are as many as chance has it: 500 * 500 / 10000 = 25, standard deviation 4.8."""
    sampler = PointSampler(*numbered(10_000), points=1000)
    shared = set(drawn(sampler, 0, 0, 2)) & set(drawn(sampler, 0, 1, 2))
    assert 5 < len(shared) < 45


@given(count=st.integers(1, 200), world=st.integers(1, 9), step=st.integers(0, 10**9))
@settings(max_examples=60, deadline=None)
def test_full_batches_cover_each_point_once(count, world, step):
    sampler = PointSampler(*numbered(count))
    parts = [drawn(sampler, step, rank, world) for rank in range(world)]
    assert sorted(number for part in parts for number in part) == list(range(count))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@given(points=st.integers(1, 300), world=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_ranks_share_the_points_of_a_step(points, world):
    sampler = PointSampler(*numbered(17), points=points)
    sizes = [len(drawn(sampler, 4, rank, world)) for rank in range(world)]
    assert sum(sizes) == points
    assert max(sizes) - min(sizes) <= 1


def test_draws_are_uniform():
    """Chi-squared with 49 degrees of freedom lies below 94 in all but 1 of 10,000 cases."""
    sampler = PointSampler(*numbered(50), points=100)
    counts = torch.zeros(50)
    for step in range(200):
        for rank in range(2):
            counts += torch.bincount(torch.tensor(drawn(sampler, step, rank, 2)), minlength=50)
    assert int(counts.sum()) == 20_000
    assert float(((counts - 400).square() / 400).sum()) < 94


def test_to_keeps_the_draws():
    sampler = PointSampler(*numbered(100), points=16, seed=5)
    moved = sampler.to(torch.device("cpu"))
    assert drawn(moved, 3) == drawn(sampler, 3)
    on_meta = sampler.to(torch.device("meta"))(3, 0, 1)
    assert on_meta["coordinates"].device.type == on_meta["values"].device.type == "meta"


@pytest.mark.parametrize(
    ("coordinates", "values", "points"),
    [
        ((5, 2), (4, 1), None),
        ((5,), (5, 1), None),
        ((5, 2), (5,), None),
        ((2, 5, 2), (2, 5, 1), None),
        ((0, 2), (0, 1), None),
        ((5, 2), (5, 1), 0),
        ((5, 2), (5, 1), -3),
    ],
)
def test_unsuitable_tensors(coordinates, values, points):
    with pytest.raises(ValueError, match=r"pair up|at least one point"):
        PointSampler(torch.zeros(coordinates), torch.zeros(values), points)


@pytest.mark.parametrize(
    ("count", "parts", "world"), [(10, 1, 1), (10, 3, 1), (17, 4, 2), (64, 8, 3), (5, 5, 1)]
)
def test_the_parts_of_a_step_are_all_points_once(count, parts, world):
    coordinates, values = numbered(count)
    weights = torch.arange(float(count))
    sampler = PointSampler(coordinates, values, weights=weights, parts=parts)
    for step in range(2):
        seen = [
            sampler(step * parts + part, rank, world)["weights"]
            for part in range(parts)
            for rank in range(world)
        ]
        assert torch.cat(seen).sort().values.tolist() == list(range(count))
        assert max(map(len, seen)) <= -(-count // parts)


def test_parts_give_the_gradient_of_all_points():
    torch.manual_seed(0)
    objective = FieldObjective(SinusoidalField(2, 1, width=8).double())
    coordinates, values = torch.rand(50, 2).double(), torch.rand(50, 1).double()
    weights = torch.rand(50).double()
    found = []
    for parts in (1, 7):
        sampler = PointSampler(coordinates, values, weights=weights, parts=parts)
        objective.zero_grad()
        accumulate_gradient(make_accelerator(), objective, [sampler(i, 0, 1) for i in range(parts)])
        found.append([parameter.grad.clone() for parameter in objective.parameters()])
    for whole, divided in zip(*found, strict=True):
        assert float((whole - divided).abs().max()) <= 1e-12 * float(whole.abs().max())
    plain = ((objective.field(coordinates) - values).square() * weights[:, None]).mean()
    (wanted,) = torch.autograd.grad(plain, objective.field.output.bias)
    torch.testing.assert_close(objective.field.output.bias.grad, wanted, rtol=1e-12, atol=0)


def test_cpu_parts_fit_the_cache_and_other_devices_take_all():
    assert parts_for(65_536, torch.device("cpu")) == 16
    assert parts_for(100, torch.device("cpu")) == 1
    assert parts_for(181 * 360, torch.device("cpu")) == 15  # 4,344 each; 16 would not divide it
    assert parts_for(65_537, torch.device("cpu")) == 16  # a prime
    assert parts_for(65_536, torch.device("cuda")) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"parts": 0}, "parts"), ({"parts": 11}, "parts"), ({"parts": -1, "points": 5}, "parts"),
     ({"weights": torch.ones(9)}, "weights")],
)  # fmt: skip
def test_bad_parts_and_weights(settings, message):
    with pytest.raises(ValueError, match=message):
        PointSampler(*numbered(10), **settings)


def test_a_step_over_drawn_points_is_as_large_as_asked_for():
    sampler = step_in_parts(*numbered(100), points=10, parts=4)
    drawn_now = [drawn(sampler, micro) for micro in range(4)]
    assert [len(numbers) for numbers in drawn_now] == [3, 3, 3, 3]
    assert drawn_now[0] != drawn_now[1]
    whole = step_in_parts(*numbered(10), points=None, parts=4)
    assert sorted(number for micro in range(4) for number in drawn(whole, micro)) == list(range(10))


def test_stratified_parts_draw_from_shares_of_their_own():
    sampler = step_in_parts(*numbered(103), points=2000, parts=4, stratified=True)
    edges = [0, 25, 51, 77, 103]
    for micro in range(8):  # two steps
        part = micro % 4
        assert set(drawn(sampler, micro)) == set(range(edges[part], edges[part + 1]))
    assert sampler.to(torch.device("cpu")).parts == 4
