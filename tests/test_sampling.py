"""Samples along rays: where they lie, which cells they keep, what is random about them."""

from __future__ import annotations

import pytest
import torch
from nerfacc import OccGridEstimator

from wsapps_nerf.sampling import intersect_box, sample_rays

BOX = torch.tensor([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
NEAR, FAR, STEP = 2.0, 6.0, 0.05


def grid(resolution=8, box=BOX, occupied=True):
    made = OccGridEstimator(box.tolist(), resolution=resolution)
    made.binaries.fill_(occupied)
    return made


def rays(count, seed=0):
    """Rays from a sphere of radius 4 towards points in the box."""
    draw = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(count, 3, generator=draw), dim=-1) * 4
    towards = torch.rand(count, 3, generator=draw) * 2 - 1
    return origins, torch.nn.functional.normalize(towards - origins, dim=-1)


def sample(grid, origins, directions, stratified=False, near=NEAR, far=FAR):
    return sample_rays(grid, origins, directions, near, far, STEP, stratified)


def test_intersections_with_a_box_have_their_closed_forms():
    origins = torch.tensor([[-4.0, 0, 0], [0, 0, 4], [-4, -4, 0], [-4, 3, 0], [0, 0, 0]])
    diagonal = torch.tensor([1.0, 1, 0]) / 2**0.5
    directions = torch.stack(
        [torch.tensor([1.0, 0, 0]), torch.tensor([0, 0, -1.0]), diagonal, torch.tensor([1.0, 0, 0]), diagonal]
    )
    enter, leave = intersect_box(origins, directions, BOX, 0.0, 100.0)
    hit = torch.tensor([True, True, True, False, True])
    assert ((leave > enter) == hit).all()
    root = 2**0.5
    torch.testing.assert_close(enter[hit], torch.tensor([3.0, 3.0, 3 * root, 0.0]))
    torch.testing.assert_close(leave[hit], torch.tensor([5.0, 5.0, 5 * root, root]))


def test_intersections_are_clipped_to_near_and_far():
    origins, directions = torch.tensor([[-4.0, 0, 0]]), torch.tensor([[1.0, 0, 0]])
    for near, far, expected in [(3.5, 4.5, (3.5, 4.5)), (0, 4, (3, 4)), (4, 99, (4, 5))]:
        enter, leave = intersect_box(origins, directions, BOX, near, far)
        assert (float(enter), float(leave)) == pytest.approx(expected)
    for near, far in [(0, 2.5), (5.5, 9)]:
        enter, leave = intersect_box(origins, directions, BOX, near, far)
        assert float(leave) <= float(enter)


def test_rays_behind_the_camera_miss():
    enter, leave = intersect_box(torch.tensor([[4.0, 0, 0]]), torch.tensor([[1.0, 0, 0]]), BOX, 0.0, 100.0)
    assert float(leave) <= float(enter)


def test_samples_fill_the_path_through_the_box():
    origins, directions = rays(50)
    enter, leave = intersect_box(origins, directions, BOX, NEAR, FAR)
    samples = sample(grid(), origins, directions)
    torch.testing.assert_close(samples.end - samples.start, torch.full_like(samples.start, STEP))
    for ray in range(50):
        start, end = samples.start[samples.ray == ray], samples.end[samples.ray == ray]
        torch.testing.assert_close(start[1:], end[:-1])  # no gaps
        assert abs(float(start[0] - enter[ray])) < 1e-5
        assert abs(float(end[-1] - leave[ray])) <= STEP / 2 + 1e-5


@pytest.mark.parametrize("stratified", [False, True])
def test_samples_are_sorted_by_ray_then_by_distance_and_lie_inside(stratified):
    torch.manual_seed(3)
    origins, directions = rays(100, seed=1)
    checkered = grid(resolution=4)
    checkered.binaries.copy_(torch.rand(checkered.binaries.shape) < 0.5)
    samples = sample(checkered, origins, directions, stratified)
    ray_steps, distance_steps = samples.ray.diff(), samples.start.diff()
    assert (ray_steps >= 0).all()
    assert (distance_steps[ray_steps == 0] >= STEP * 0.999).all()
    positions = samples.positions(origins, directions)
    assert float(positions.abs().max()) <= 1 + 1e-5
    torch.testing.assert_close(
        (positions - origins[samples.ray]).norm(dim=-1), (samples.start + samples.end) / 2
    )


@pytest.mark.parametrize(
    ("resolution", "box"), [(8, BOX), ([3, 5, 4], torch.tensor([-1.0, -0.5, -2, 1, 1.5, 0.5]))]
)
def test_exactly_the_samples_in_occupied_cells_are_kept(resolution, box):
    origins, directions = rays(200, seed=2)
    full = sample(grid(resolution, box), origins, directions)
    some = grid(resolution, box)
    some.binaries.copy_(torch.rand(some.binaries.shape, generator=torch.Generator().manual_seed(0)) < 0.3)
    kept = sample(some, origins, directions)
    # Look every cell up again, one sample at a time and in float64.
    positions = full.positions(origins, directions).double()
    size = torch.tensor(some.binaries.shape[1:])
    cell = ((positions - box[:3]) / (box[3:] - box[:3]) * size).floor().long()
    cell = cell.clamp(torch.zeros(3, dtype=torch.long), size - 1)
    occupied = torch.tensor([bool(some.binaries[0, x, y, z]) for x, y, z in cell.tolist()])
    assert 0 < int(occupied.sum()) < len(occupied)
    assert torch.equal(kept.ray, full.ray[occupied])
    assert torch.equal(kept.start, full.start[occupied])


def test_stratification_shifts_whole_rays_by_part_of_a_step():
    origins, directions = rays(64)
    regular = sample(grid(), origins, directions)
    torch.manual_seed(5)
    shifted = sample(grid(), origins, directions, stratified=True)
    shifts = []
    for ray in range(64):
        before, after = regular.start[regular.ray == ray], shifted.start[shifted.ray == ray]
        both = min(len(before), len(after))
        assert abs(len(before) - len(after)) <= 1
        shift = after[:both] - before[:both]
        torch.testing.assert_close(shift, shift[:1].expand(both), atol=2e-6, rtol=0)
        shifts.append(float(shift[0]))
    shifts = torch.tensor(shifts) / STEP
    assert float(shifts.min()) >= 0
    assert float(shifts.max()) <= 1 + 1e-4
    # Uniform: mean 1/2 with deviation 1/sqrt(12 * 64) = 0.036.
    assert float(shifts.mean()) == pytest.approx(0.5, abs=0.15)
    assert float(shifts.std()) == pytest.approx(12**-0.5, abs=0.1)


def test_stratification_draws_from_the_global_generator_and_nothing_else_does():
    origins, directions = rays(20)
    torch.manual_seed(7)
    first = sample(grid(), origins, directions, stratified=True)
    second = sample(grid(), origins, directions, stratified=True)
    torch.manual_seed(7)
    again = sample(grid(), origins, directions, stratified=True)
    assert torch.equal(first.start, again.start)
    assert not torch.equal(first.start[:5], second.start[:5])
    state = torch.get_rng_state()
    sample(grid(), origins, directions)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("stratified", [False, True])
def test_no_ray_hits_the_box(stratified):
    origins = torch.tensor([[0.0, 0.0, 4.0], [9.0, 9.0, 9.0]])
    directions = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    samples = sample(grid(), origins, directions, stratified)
    assert [len(values) for values in samples] == [0, 0, 0]
    assert samples.ray.dtype == torch.int64


def test_rays_that_miss_among_rays_that_hit_have_no_samples():
    origins, directions = rays(6)
    directions[::2] *= -1
    samples = sample(grid(), origins, directions)
    assert set(samples.ray.tolist()) == {1, 3, 5}


def test_an_empty_grid_gives_no_samples():
    assert len(sample(grid(occupied=False), *rays(10)).ray) == 0
