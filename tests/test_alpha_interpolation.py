"""What samples say of places between them and of each other, and the patches on which that is looked at."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from wsapps.alpha import Choice, alpha_by_samples, alpha_patches, interpolation
from wsapps.alpha.interpolation import (
    LEARNING_TIME,
    _between,
    _unlearned,
    inner_errors,
    left_out_errors,
)
from wsapps.analysis import tangent_kernel_reference
from wsapps.fields import SinusoidalField


def rough(*sizes: int, seed: int = 0) -> torch.Tensor:
    """On a grid, ``(N, 1)``: as rough everywhere as can be, but that neighbours have half of it in common."""
    values = torch.rand(*sizes, generator=torch.Generator().manual_seed(seed))
    for axis in range(len(sizes)):
        values = values + values.roll(1, axis)
    return values.reshape(-1, 1)


def explained(field, samples) -> float:
    values = torch.zeros(len(samples), 1)
    return interpolation(field, samples, values, torch.Generator().manual_seed(0)).explained


def test_it_is_what_kriging_from_the_samples_explains():
    torch.manual_seed(0)
    field = SinusoidalField(2, 2, 16, 1, 8.0, 8.0)
    x = torch.rand(8, 2)
    places = _between(x, torch.Generator().manual_seed(0))
    kernel = tangent_kernel_reference(field, torch.cat([x, places]))[::2, ::2]  # the first channel's
    parts = []
    for place in range(8, 16):
        gain = torch.linalg.solve(kernel[:8, :8], kernel[:8, place])
        parts.append(float(kernel[place, :8] @ gain / kernel[place, place]))
    assert 0.1 < explained(field, x) < 0.99
    assert explained(field, x) == pytest.approx(sorted(parts)[3], abs=1e-3)  # the median
    found = interpolation(field, x, torch.zeros(8, 1), torch.Generator().manual_seed(0))
    left = [(1 - part) ** 0.5 for part in parts]
    assert found.left_open == pytest.approx(statistics.fmean(left), abs=1e-2)
    assert found.spread == pytest.approx(statistics.pstdev(left), abs=1e-2)
    assert found.spread > 0.02


def test_what_descent_has_not_learned_is_of_small_eigenvalues():
    rates = torch.tensor([0.0, 0.5 / LEARNING_TIME, 1.0, 1.0], dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    values = torch.randn(4, 2, dtype=torch.float64)
    patterns, of_values = _unlearned(turn @ torch.diag(rates) @ turn.T, values)
    assert patterns == pytest.approx((1 + math.exp(-1)) / 4, abs=1e-6)
    in_first, in_second = (turn[:, :2].T @ (values - values.mean(dim=0))).square().sum(dim=1)
    assert of_values == pytest.approx(float(in_first + math.exp(-1) * in_second) / 8, abs=1e-6)


def test_the_denser_samples_are_the_less_a_smooth_field_learns_of_them():
    torch.manual_seed(0)
    field, generator = SinusoidalField(1, 1, 64, 2), torch.Generator().manual_seed(0)
    parts = [
        interpolation(field, step * torch.arange(64.0)[:, None], torch.zeros(64, 1), generator).unlearned
        for step in (0.1, 1e-3, 2e-4)
    ]
    assert 0 <= parts[0] < 0.01 < parts[1] < parts[2] < 1


def test_places_lie_between_different_inner_samples():
    x = torch.arange(30.0)[:, None]
    places = _between(x, torch.Generator().manual_seed(0))
    assert places.shape == (30, 1)
    assert places.min() >= 9.5
    assert places.max() <= 19.5
    assert float((places - places.round()).abs().mean()) > 0.1  # not the samples themselves
    two = _between(torch.tensor([[0.0], [1.0]]), torch.Generator().manual_seed(0))
    assert ((two > 0) & (two < 1)).all()


def test_it_falls_with_alpha_and_rises_with_density():
    def of(alpha: float, count: int) -> float:
        torch.manual_seed(0)
        return explained(SinusoidalField(1, 1, 64, 2, alpha=alpha), torch.linspace(-1, 1, count)[:, None])

    assert of(1.0, 60) > of(1.5, 60) + 0.05
    assert of(1.5, 120) > of(1.5, 60) + 0.05
    assert of(1.0, 2000) > 0.999


def test_samples_that_say_the_same_explain_each_other():
    assert explained(SinusoidalField(1, 1, 16, 1), torch.zeros(3, 1)) > 0.99


def test_left_out_errors_are_those_of_leaving_each_out():
    """The formula against solving for each sample without it, the mean by generalised least squares."""
    generator = torch.Generator().manual_seed(1)
    root = torch.randn(6, 6, dtype=torch.float64, generator=generator)
    kernel = root @ root.T + 0.5 * torch.eye(6)
    values = torch.randn(6, 2, dtype=torch.float64, generator=generator)
    found = left_out_errors(torch.linalg.inv(kernel), values)
    for index in range(6):
        rest = [other for other in range(6) if other != index]
        weights = torch.linalg.inv(kernel[rest][:, rest])
        mean = weights.sum(dim=0) @ values[rest] / weights.sum()
        guess = mean + kernel[index, rest] @ weights @ (values[rest] - mean)
        torch.testing.assert_close(found[index], values[index] - guess)


def test_a_constant_is_never_missed():
    torch.manual_seed(0)
    x, generator = torch.linspace(-1, 1, 20)[:, None], torch.Generator().manual_seed(0)
    assert (
        interpolation(SinusoidalField(1, 1, 16, 1), x, torch.full((20, 3), 0.7), generator).left_out < 1e-12
    )


@pytest.mark.parametrize(("frequency", "least", "most"), [(3, 1.0, 1.0), (150, 1.375, 2.5)])
def test_alpha_follows_the_signal_and_not_its_density_alone(frequency, least, most):
    """2,000 samples are dense enough for alpha 2 whatever they show; smooth ones are better off without."""
    x = torch.linspace(-1, 1, 2000)[:, None]
    choice = alpha_by_samples(
        lambda alpha: SinusoidalField(1, 1, 128, 3, alpha=alpha), x, torch.sin(frequency * x)
    )
    assert least <= choice.alpha <= most


def test_errors_alone_are_those_of_the_whole_look():
    torch.manual_seed(0)
    field, x, generator = SinusoidalField(2, 3, 16, 1), torch.rand(30, 2), torch.Generator().manual_seed(0)
    values = torch.rand(30, 3)
    whole = interpolation(field, x, values, generator).left_out
    assert whole > 0
    errors = inner_errors(field, x, values)
    assert errors.shape == (10, 3)
    assert float(errors.square().mean()) == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("edges", [False, True])
def test_of_a_few_edges_more_is_expected_to_be_lost_than_of_what_is_rough_everywhere(edges: bool):
    x = torch.linspace(-1, 1, 120)[:, None]  # alpha = 1 learns them all
    choice = alpha_by_samples(
        lambda alpha: SinusoidalField(1, 1, 64, 2, alpha=alpha), x, (x > 0.1).float() if edges else rough(120)
    )
    larger = choice.verdicts[1]
    part = larger.held_out / -((1 - larger.explained) ** 0.5)  # lost of what is open
    assert (part > 6) if edges else (part < 2)


def test_a_disc_keeps_alpha_at_one_where_a_texture_of_its_density_does_not():
    axis = torch.linspace(-1, 1, 68)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 2)
    texture = rough(68, 68)
    disc = torch.sigmoid(200 * (0.6 - grid.norm(dim=1, keepdim=True)))

    def choice(values: torch.Tensor) -> Choice:
        return alpha_by_samples(lambda alpha: SinusoidalField(2, 1, 128, 3, alpha=alpha), grid, values)

    assert choice(texture).alpha == 1.25
    assert choice(disc).alpha == 1.0
    assert choice(disc).verdicts[1].fate == "would lose too much between samples"
    assert choice((texture > 0).float()).alpha == 1.0
    assert (
        choice((texture > 0).float()).verdicts[1].fate == "not asked for: values of two kinds are edges alone"
    )


@pytest.mark.parametrize("scale", [0.0, 0.1, 10.0])
def test_the_size_of_a_channel_decides_nothing(scale: float):
    x = torch.linspace(-1, 1, 2000)[:, None]
    values = torch.cat([rough(2000), scale * rough(2000, seed=1)], dim=1)
    choice = alpha_by_samples(lambda a: SinusoidalField(1, 2, 64, 2, alpha=a), x, values)
    assert choice.alpha == 2.5


def test_an_offset_between_channels_changes_nothing():
    x = torch.linspace(-1, 1, 2000)[:, None]
    wave = torch.sin(150 * x)

    def chosen(offset: float) -> float:
        values = torch.cat([wave, wave + offset], dim=1)
        return alpha_by_samples(lambda alpha: SinusoidalField(1, 2, 64, 2, alpha=alpha), x, values).alpha

    assert chosen(0.0) == chosen(100.0) > 1


def test_between_few_frames_of_many_pixels_is_looked_as_well():
    axes = torch.linspace(-1, 1, 6), torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 50)
    video = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    some = video[torch.rand(len(video), generator=torch.Generator().manual_seed(0)) < 0.5]
    for samples in (video, some):
        for patch, _ in alpha_patches(samples, samples, None, 4, 64, seed=0):
            assert all(3 <= len(axis.unique()) <= 10 for axis in patch.T)


def picture(height: int = 40, width: int = 50) -> torch.Tensor:
    y, x = (torch.linspace(-1, 1, n) for n in (height, width))
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2)


def test_a_patch_is_dense_and_small():
    coordinates = picture()
    values = torch.arange(len(coordinates))[:, None]
    patches = alpha_patches(coordinates, values, None, 3, 100, seed=0)
    again = alpha_patches(coordinates, values, None, 3, 100, seed=0)
    assert all(torch.equal(one, two) for (one, _), (two, _) in zip(patches, again, strict=True))
    for patch, rows in patches:
        torch.testing.assert_close(patch, coordinates[rows[:, 0]])
        assert len(patch) == 100
        lines = torch.tensor([39 / 2, 49 / 2])  # of the grid, a unit
        distance = ((patch - patch[0]).abs() * lines).amax(dim=1)
        nearer = ((coordinates - patch[0]).abs() * lines).amax(dim=1) < distance.max() - 1e-3
        assert int(nearer.sum()) <= 100  # nothing between is left out


def test_a_tile_sees_its_part_as_large_as_the_whole():
    coordinates = picture()
    ((whole, _),) = alpha_patches(coordinates, coordinates, None, 1, 64, seed=0)
    ((tiled, values),) = alpha_patches(coordinates, coordinates, [2, 3], 1, 64, seed=0)
    torch.testing.assert_close(values, whole)
    torch.testing.assert_close(tiled - tiled[0], (whole - whole[0]) * torch.tensor([2.0, 3.0]))


def test_of_few_samples_all_are_taken():
    ((patch, _),) = alpha_patches(picture(3, 4), picture(3, 4), None, 1, 64, seed=0)
    assert len(patch) == 12
