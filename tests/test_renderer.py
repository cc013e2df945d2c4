"""Volume rendering against closed forms and against a dense reference written as a loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from wsapps_nerf.renderer import Renderer, RendererConfig, composite_samples
from wsapps_nerf.sampling import Samples, intersect_box, sample_rays

BOX = torch.tensor([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
WHITE = torch.ones(3)
COLOUR = torch.tensor([0.8, 0.3, 0.1])


def renderer(step_size=0.02, **settings):
    settings = {"grid_resolution": 8, "picture_substeps": 1} | settings
    return Renderer(RendererConfig(step_size=step_size, **settings), BOX, near=0.5, far=20.0)


def rays(count, seed=0):
    """Rays from a sphere of radius 4 towards points in the box."""
    draw = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(count, 3, generator=draw), dim=-1) * 4
    towards = torch.rand(count, 3, generator=draw) * 1.8 - 0.9
    return origins, torch.nn.functional.normalize(towards - origins, dim=-1)


def constant(density):
    return lambda positions, _: (COLOUR.expand(len(positions), 3), torch.full((len(positions),), density))


class SmoothField(nn.Module):
    """A small network with densities from 0 to about 20."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 4))

    def forward(self, positions, directions):
        values = self.layers(torch.cat([3 * positions, directions], dim=-1))
        return torch.sigmoid(values[:, :3]), nn.functional.softplus(6 * values[:, 3])


@pytest.mark.parametrize("density", [0.05, 0.7, 3.0])
def test_constant_density_has_the_opacity_of_its_path_length(density):
    origins, directions = rays(40)
    step = 0.02
    rendered = renderer(step)(constant(density), origins, directions, WHITE)
    enter, leave = intersect_box(origins, directions, BOX, 0.5, 20.0)
    length = leave - enter
    # The path is cut to whole steps: at most half a step too long or too short.
    expected, bound = 1 - torch.exp(-density * length), density * step / 2 + 1e-5
    assert float((rendered.opacity - expected).abs().max()) <= bound
    steps = rendered.samples * step
    assert steps == pytest.approx(float(length.sum()), abs=len(origins) * step / 2)


def test_constant_density_has_the_colour_and_depth_of_its_closed_form():
    origins, directions = rays(40)
    density, step = 1.5, 0.01
    background = torch.tensor([0.2, 0.9, 0.5])
    rendered = renderer(step)(constant(density), origins, directions, background)
    opacity = rendered.opacity[:, None]
    torch.testing.assert_close(rendered.rgb, COLOUR * opacity + background * (1 - opacity))
    enter, leave = intersect_box(origins, directions, BOX, 0.5, 20.0)
    length = leave - enter
    # Mean of an exponential distribution cut off at `length`.
    decay = torch.exp(-density * length)
    depth = enter + 1 / density - length * decay / (1 - decay)
    assert float((rendered.depth - depth).abs().max()) < step


def test_an_opaque_wall_hides_what_is_behind_it():
    def field(positions, _):
        red = positions[:, 2:] > 0.5  # the first quarter of the way
        colour = torch.where(red, torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 0, 1]))
        return colour, torch.full((len(positions),), 1e4)

    rendered = renderer()(field, torch.tensor([[0.1, 0.1, 4.0]]), torch.tensor([[0.0, 0.0, -1.0]]), WHITE)
    torch.testing.assert_close(rendered.rgb, torch.tensor([[1.0, 0, 0]]))
    assert float(rendered.opacity) == pytest.approx(1)
    assert float(rendered.depth) == pytest.approx(3.0, abs=0.02)


def test_each_ray_may_have_its_own_background():
    origins, directions = rays(10)
    backgrounds = torch.rand(10, 3, generator=torch.Generator().manual_seed(0))
    together = renderer()(constant(0.4), origins, directions, backgrounds)
    for ray in range(10):
        alone = renderer()(constant(0.4), origins[[ray]], directions[[ray]], backgrounds[ray])
        torch.testing.assert_close(together.rgb[[ray]], alone.rgb)


def test_an_empty_grid_shows_the_background():
    empty = renderer()
    empty.grid.binaries.fill_(False)
    background = torch.tensor([0.1, 0.2, 0.3])
    rendered = empty(constant(5.0), *rays(10), background)
    assert rendered.samples == 0
    torch.testing.assert_close(rendered.rgb, background.expand(10, 3))
    assert not bool(rendered.opacity.any())
    assert not bool(rendered.depth.any())


def test_rays_that_miss_show_the_background_among_rays_that_hit():
    origins, directions = rays(10)
    directions[::2] *= -1
    rendered = renderer()(constant(5.0), origins, directions, WHITE)
    torch.testing.assert_close(rendered.rgb[::2], WHITE.expand(5, 3))
    assert not bool(rendered.opacity[::2].any())
    assert bool((rendered.opacity[1::2] > 0.1).all())


def test_a_batch_without_any_sample_still_has_a_gradient_of_zero():
    field = SmoothField()
    origins, directions = rays(4)
    rendered = renderer()(field, origins, -directions, WHITE)
    rendered.rgb.sum().backward()
    assert all(not bool(parameter.grad.any()) for parameter in field.parameters())


def test_skipping_empty_cells_changes_nothing():
    def ball(positions, _):
        inside = positions.norm(dim=-1) < 0.45
        return (positions + 1) / 2, inside * 8.0

    skipping = renderer(0.03)
    # A cell holds a part of the ball only when its centre is within a half-diagonal of it.
    centres = (torch.arange(8) + 0.5) / 4 - 1
    x, y, z = torch.meshgrid(centres, centres, centres, indexing="ij")
    skipping.grid.binaries[0] = torch.sqrt(x * x + y * y + z * z) < 0.45 + 0.125 * 3**0.5
    origins, directions = rays(200)
    dense = renderer(0.03)(ball, origins, directions, WHITE)
    fast = skipping(ball, origins, directions, WHITE)
    assert 0 < fast.samples < 0.5 * dense.samples
    for name in ("rgb", "opacity", "depth"):
        torch.testing.assert_close(getattr(fast, name), getattr(dense, name), atol=1e-6, rtol=1e-5)


def reference(field, binaries, origins, directions, background, step):
    """Emission and absorption, a ray and a sample at a time, in float64."""
    colours, opacities, depths = [], [], []
    for origin, direction in zip(origins.double(), directions.double(), strict=True):
        ends = torch.stack([(-1 - origin) / direction, (1 - origin) / direction])
        enter, leave = float(ends.amin(0).max()), float(ends.amax(0).min())
        colour, depth = torch.zeros(3, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        transmittance = torch.ones((), dtype=torch.float64)
        middle = max(enter, 0.5) + step / 2
        while middle < leave:
            position = origin + middle * direction
            cell = ((position + 1) * 4).floor().long().clamp(0, 7)
            if bool(binaries[0, cell[0], cell[1], cell[2]]):
                rgb, density = field(position[None].float(), direction[None].float())
                alpha = 1 - torch.exp(-density[0].double() * step)
                colour = colour + transmittance * alpha * rgb[0].double()
                depth = depth + transmittance * alpha * middle
                transmittance = transmittance * (1 - alpha)
            middle += step
        colours.append(colour + transmittance * background.double())
        opacities.append(1 - transmittance)
        depths.append(depth / (1 - transmittance).clamp(min=1e-12))
    return torch.stack(colours), torch.stack(opacities), torch.stack(depths)


def test_a_dense_loop_gives_the_same_picture_and_gradients():
    field = SmoothField()
    origins, directions = rays(12, seed=4)
    step, background = 0.1, torch.tensor([0.9, 0.5, 0.1])
    sparse = renderer(step)
    draw = torch.Generator().manual_seed(1)
    sparse.grid.binaries.copy_(torch.rand(sparse.grid.binaries.shape, generator=draw) < 0.6)
    weights = torch.rand(12, 3, generator=draw)

    rendered = sparse(field, origins, directions, background)
    (rendered.rgb * weights).sum().backward()
    gradients = [parameter.grad.clone() for parameter in field.parameters()]
    field.zero_grad()
    rgb, opacity, depth = reference(field, sparse.grid.binaries, origins, directions, background, step)
    (rgb * weights).sum().backward()

    assert rendered.samples > 100
    torch.testing.assert_close(rendered.rgb.double(), rgb, atol=2e-6, rtol=0)
    torch.testing.assert_close(rendered.opacity.double(), opacity, atol=2e-6, rtol=0)
    torch.testing.assert_close(rendered.depth.double(), depth, atol=1e-4, rtol=0)
    for packed, parameter in zip(gradients, field.parameters(), strict=True):
        scale = float(parameter.grad.abs().max())
        assert float((packed - parameter.grad).abs().max()) < 1e-4 * scale


def test_compositing_keeps_rays_apart_whatever_their_number_of_samples():
    """Rays 0 and 3 have no sample, ray 1 has one, ray 2 has three."""
    samples = Samples(
        torch.tensor([1, 2, 2, 2]), torch.tensor([1.0, 1, 2, 3]), torch.tensor([1.5, 2, 3, 3.5])
    )
    density = torch.tensor([2.0, 0.1, 0.4, 3.0], requires_grad=True)
    rgb = torch.eye(4)[:, :3].clone().requires_grad_()
    rendered = composite_samples(samples, rgb, density, 4, torch.zeros(3))
    # Optical depths: 1 | 0.1, 0.4, 1.5.
    first = 1 - math.exp(-1)
    weights = [
        1 - math.exp(-0.1),
        math.exp(-0.1) * (1 - math.exp(-0.4)),
        math.exp(-0.5) * (1 - math.exp(-1.5)),
    ]
    expected = torch.tensor([[0, 0, 0], [first, 0, 0], [0, weights[0], weights[1]], [0, 0, 0]])
    torch.testing.assert_close(rendered.rgb, expected)
    torch.testing.assert_close(rendered.opacity, torch.tensor([0, first, sum(weights), 0]))
    middle = (1.5 * weights[0] + 2.5 * weights[1] + 3.25 * weights[2]) / sum(weights)
    torch.testing.assert_close(rendered.depth, torch.tensor([0, 1.25, middle, 0]))
    assert rendered.samples == 4
    rendered.opacity.sum().backward()
    # d opacity / d density_i = length_i * final transmittance of the ray.
    ray_2 = math.exp(-2)
    torch.testing.assert_close(density.grad, torch.tensor([0.5 * math.exp(-1), ray_2, ray_2, 0.5 * ray_2]))


def test_stratified_rendering_varies_about_the_regular_one_and_repeats_with_the_seed():
    field = SmoothField()
    origins, directions = rays(64)
    regular = renderer(0.05)(field, origins, directions, WHITE).rgb
    torch.manual_seed(0)
    first = renderer(0.05)(field, origins, directions, WHITE, stratified=True).rgb
    torch.manual_seed(0)
    again = renderer(0.05)(field, origins, directions, WHITE, stratified=True).rgb
    assert torch.equal(first, again)
    assert not torch.equal(first, regular)
    assert float((first - regular).abs().max()) < 0.2


def test_pictures_take_finer_steps_than_training():
    origins, directions = rays(20)
    finer = renderer(0.1, picture_substeps=4)
    torch.manual_seed(0)
    training = finer(constant(1.0), origins, directions, WHITE, stratified=True)
    picture = finer(constant(1.0), origins, directions, WHITE)
    plain = renderer(0.025)(constant(1.0), origins, directions, WHITE)
    assert picture.samples == plain.samples
    assert torch.equal(picture.rgb, plain.rgb)
    assert training.samples == pytest.approx(picture.samples / 4, rel=0.1)


def test_the_grid_learns_where_there_is_something():
    made = renderer(0.1, grid_resolution=16, grid_update_every=4, grid_warmup_steps=8)
    assert bool(made.grid.binaries.all()), "everything is sampled before the first update"

    def density(positions):
        return 10.0 * (positions[:, 0] > 0.1)

    torch.manual_seed(0)
    for step in range(0, 200):
        made.update_grid(step, density)
    x = (torch.arange(16) + 0.5) / 8 - 1
    full, empty = x - 1 / 16 > 0.1, x + 1 / 16 < 0.1
    assert bool(made.grid.binaries[0, full].all())
    assert not bool(made.grid.binaries[0, empty].any())
    # And it forgets, when the matter moves.
    for step in range(200, 2000, 4):
        made.update_grid(step, lambda positions: 10.0 * (positions[:, 0] < -0.1))
    assert bool(made.grid.binaries[0, x + 1 / 16 < -0.1].all())
    assert not bool(made.grid.binaries[0, x - 1 / 16 > 0.1].any())


def test_the_grid_is_the_same_in_every_run_after_its_warm_up(two_threads):
    def learnt():
        made = renderer(0.1, grid_resolution=48, grid_update_every=1, grid_warmup_steps=2)

        def density(positions):
            return (8 * positions).sin().prod(dim=1).abs() * 4

        for step in range(8):
            torch.manual_seed(step)
            made.update_grid(step, density)
        (cells,) = made.grid._sample_uniform_and_occupied_cells(20_000)
        assert len(cells.unique()) == len(cells) > 20_000
        return made.grid.occs

    first = learnt()
    assert all(torch.equal(first, learnt()) for _ in range(3))


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def test_the_grid_is_saved_with_the_module():
    made = renderer()
    made.grid.binaries[0, :4] = False
    other = renderer()
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.grid.binaries, made.grid.binaries)
    samples = [sample_rays(m.grid, *rays(5), 0.5, 20.0, 0.02, False) for m in (made, other)]
    assert torch.equal(samples[0].start, samples[1].start)
