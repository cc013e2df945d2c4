"""Contraction: mip-NeRF 360's formula, its inverse, samples that suit it, and rendering in it."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsapps.fields import FIELDS, make_field
from wsapps_nerf.contraction import (
    contract,
    distance_to_even,
    even_to_distance,
    expand,
    mark_outside,
    sample_contracted,
    shrinkage,
)
from wsapps_nerf.field import HeadsConfig, RadianceField
from wsapps_nerf.occupancy import OccupancyGrid
from wsapps_nerf.renderer import Renderer, RendererConfig

CUBE = [-2.0, -2, -2, 2, 2, 2]
NEAR, EVEN, STEP = 0.1, 3.0, 0.02


def points(seed, reach=3.0, count=200):
    """Points (N, 3) float64 at distances 10^-3 .. 10^reach, in all directions."""
    draw = torch.Generator().manual_seed(seed)
    unit = torch.nn.functional.normalize(torch.randn(count, 3, generator=draw, dtype=torch.float64), dim=-1)
    return unit * 10 ** (torch.rand(count, 1, generator=draw, dtype=torch.float64) * (3 + reach) - 3)


def full_grid(resolution=16):
    grid = OccupancyGrid(CUBE, resolution=resolution)
    grid.binaries.fill_(True)
    return grid


def rays(count, seed=0, distance=2.0):
    draw = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(count, 3, generator=draw), dim=-1) * distance
    return origins, torch.nn.functional.normalize(torch.randn(count, 3, generator=draw), dim=-1)


def test_the_contraction_is_equation_10_of_mip_nerf_360():
    x = points(0)
    norm = x.norm(dim=-1, keepdim=True)
    expected = torch.where(norm <= 1, x, (2 - 1 / norm) * x / norm)
    torch.testing.assert_close(contract(x), expected)
    assert contract(torch.tensor([[0.0, 0, 4]])).tolist() == [[0, 0, 1.75]]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_expanding_undoes_contracting(seed):
    x = points(seed, reach=2.9)
    torch.testing.assert_close(expand(contract(x)), x, rtol=1e-9, atol=1e-12)


def test_beyond_contracted_space_lies_a_thousand_units_away():
    corners = torch.tensor([[2.0, 2, 2], [0, 0, 2.0], [-9, 0, 0]])
    torch.testing.assert_close(expand(corners).norm(dim=-1), torch.full((3,), 1000.0), rtol=1e-3, atol=0)


def test_shrinkage_is_the_radial_derivative_of_the_contraction():
    x = points(3, reach=1.5)
    x = x[(x.norm(dim=-1) - 1).abs() > 1e-3]
    unit = x / x.norm(dim=-1, keepdim=True)
    small = 1e-6 * x.norm(dim=-1, keepdim=True)
    change = (contract(x + small * unit) - contract(x - small * unit)).norm(dim=-1) / (2 * small[:, 0])
    torch.testing.assert_close(shrinkage(x), change, rtol=1e-5, atol=0)


def test_gradients_are_finite_at_the_origin_and_on_the_unit_sphere():
    x = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 5, 0]], requires_grad=True)
    (contract(x).sum() + shrinkage(x).sum()).backward()
    assert x.grad is not None
    assert bool(torch.isfinite(x.grad).all())


def test_even_distances_are_the_contraction_in_one_dimension():
    t = torch.logspace(-2, 4, 200, dtype=torch.float64)
    along = contract(torch.stack([t / EVEN, 0 * t, 0 * t], dim=-1))[:, 0] * EVEN
    torch.testing.assert_close(distance_to_even(t, EVEN), along)
    torch.testing.assert_close(even_to_distance(distance_to_even(t, EVEN), EVEN), t)


@pytest.mark.parametrize("stratified", [False, True])
def test_samples_go_from_near_to_very_far_without_a_gap(stratified):
    torch.manual_seed(0)
    origins, directions = rays(20)
    samples = sample_contracted(full_grid(), origins, directions, NEAR, EVEN, STEP, stratified)
    for ray in range(20):
        start, end = samples.start[samples.ray == ray], samples.end[samples.ray == ray]
        assert NEAR <= float(start[0]) <= NEAR + STEP + 1e-6
        torch.testing.assert_close(start[1:], end[:-1])
        assert EVEN**2 / (3 * STEP) < float(end[-1]) < math.inf
        even = end <= EVEN
        torch.testing.assert_close((end - start)[even], torch.full_like(start[even], STEP), rtol=0, atol=1e-5)
        lengths = (end - start)[start > EVEN]
        assert bool((lengths[1:] > lengths[:-1]).all())


def test_steps_are_as_long_as_the_same_number_in_contracted_space():
    """No step of a ray is longer than a few of the even ones in contracted space, however far."""
    origins, directions = rays(50)
    samples = sample_contracted(full_grid(), origins, directions, NEAR, EVEN, STEP, False)
    ends = [
        contract(origins[samples.ray] + directions[samples.ray] * t[:, None])
        for t in (samples.start, samples.end)
    ]
    assert float((ends[1] - ends[0]).norm(dim=-1).max()) < 1.5 * STEP


def test_samples_are_where_the_contracted_cell_is_occupied():
    grid = full_grid()
    grid.binaries.zero_()
    grid.binaries[0, 9, 5, 12] = True
    grid.binaries[0, 14, 8, 8] = True
    origins, directions = rays(2000)
    all_samples = sample_contracted(full_grid(), origins, directions, NEAR, EVEN, STEP, False)
    cells = ((contract(all_samples.positions(origins, directions)) + 2) * 4).long().clamp(0, 15)
    expected = grid.binaries[0][cells.unbind(-1)]
    found = sample_contracted(grid, origins, directions, NEAR, EVEN, STEP, False)
    assert 0 < len(found.ray) == pytest.approx(int(expected.sum()), abs=3)


def test_many_rays_are_looked_up_in_parts(monkeypatch):
    origins, directions = rays(30)
    whole = sample_contracted(full_grid(), origins, directions, NEAR, EVEN, STEP, False)
    monkeypatch.setattr("wsapps_nerf.contraction._MOST_AT_ONCE", 700)
    for found, expected in zip(
        sample_contracted(full_grid(), origins, directions, NEAR, EVEN, STEP, False), whole, strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_cells_outside_contracted_space_are_never_looked_at():
    grid = full_grid(32)
    mark_outside(grid)
    left = float(grid.binaries.float().mean())
    assert math.pi * 4 / 3 * 8 / 64 < left < 0.65
    assert bool((grid.occs[~grid.binaries.flatten()] == -1).all())
    origins, directions = rays(100)
    everywhere = sample_contracted(full_grid(32), origins, directions, NEAR, EVEN, STEP, False)
    found = sample_contracted(grid, origins, directions, NEAR, EVEN, STEP, False)
    assert len(found.ray) == len(everywhere.ray)


def renderer(step=0.05):
    return Renderer(RendererConfig(step_size=step, grid_resolution=16), torch.tensor(CUBE), NEAR, EVEN, True)


def test_a_constant_density_per_contracted_length_has_a_finite_depth_to_infinity():
    """Along a ray from the centre outwards: 1 up to the unit sphere, and the integral of 1/r^2 beyond, 1."""
    density = 0.7

    def field(positions, directions):
        return torch.ones_like(positions), density * shrinkage(positions)

    origins, directions = torch.zeros(1, 3), torch.tensor([[0.0, 0.6, 0.8]])
    opacity = renderer(0.01)(field, origins, directions, torch.zeros(3)).opacity
    expected = 1 - math.exp(-density * (2 - NEAR))
    assert float(opacity) == pytest.approx(expected, abs=0.01)


def test_a_far_wall_is_seen_at_its_distance():
    def field(positions, directions):
        return torch.ones_like(positions), 5.0 * (positions[:, 0] > 40)

    origins, directions = torch.tensor([[-2.0, 0, 0]]), torch.tensor([[1.0, 0, 0]])
    rendered = renderer(0.02)(field, origins, directions, torch.zeros(3))
    assert float(rendered.opacity) == pytest.approx(1.0, abs=1e-3)
    assert float(rendered.depth) == pytest.approx(42, rel=0.15)


def contracted_field():
    torch.manual_seed(0)
    config = FIELDS["sinusoidal"].Config(name="sinusoidal", width=16)
    trunk = make_field(3, 1, config)
    return RadianceField(trunk, 16, torch.tensor(CUBE), HeadsConfig(), contracted=True)


def test_fields_are_evaluated_at_contracted_positions():
    field = contracted_field()
    x = points(1).float()
    unit = torch.nn.functional.normalize(x, dim=-1)
    heads = HeadsConfig(density_scale=field.heads.density_scale, density_shift=field.heads.density_shift)
    plain = RadianceField(field.trunk, 16, torch.tensor(CUBE), heads)
    plain.load_state_dict(field.state_dict())
    rgb, density = field(x, unit)
    expected_rgb, expected = plain(contract(x), unit)
    torch.testing.assert_close(rgb, expected_rgb)
    torch.testing.assert_close(density, expected * shrinkage(x))
    torch.testing.assert_close(field.density(x), density)


def test_the_grid_learns_what_is_opaque_in_contracted_space():
    """Matter beyond 2 units: opaque to its long samples, though thin per world length."""
    made = renderer(0.05)

    def density(positions):
        radius = positions.norm(dim=-1)
        return torch.where(radius > 2, 20.0 * shrinkage(positions), 0.0)

    torch.manual_seed(0)
    for step in range(0, 64, 16):
        made.update_grid(step, density)
    grid = made.grid
    centres = (grid.grid_coords + 0.5) / 16 * 4 - 2
    radius = centres.norm(dim=-1)
    kept = grid.binaries.flatten()
    assert bool(kept[(radius > 1.72) & (radius < 1.78)].all())
    assert not bool(kept[radius < 1.25].any())
