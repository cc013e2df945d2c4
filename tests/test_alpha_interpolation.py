"""What is predicted of interpolation: errors of regressions that leave a sample out, and patches."""

from __future__ import annotations

import pytest
import torch

from wsapps.alpha import left_out_errors
from wsapps.analysis import tangent_kernel_reference
from wsapps.fields import SinusoidalField
from wsapps.seeding import generator
from wsapps_signals.alpha_patches import alpha_patches


@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_errors_are_those_of_regressions_on_the_other_samples(ridge):
    torch.manual_seed(0)
    field = SinusoidalField(2, 1, 16, 1, 8.0, 8.0)
    x = 2 * torch.rand(12, 2, generator=generator(0)) - 1
    y = torch.rand(12, 1, generator=generator(1))
    kernel = tangent_kernel_reference(field, x)
    kernel = kernel + ridge * kernel.diagonal().mean() * torch.eye(12)
    rest = (y - field(x).detach()).double()
    errors = []
    for left_out in range(12):
        others = torch.arange(12) != left_out
        weights = torch.linalg.solve(kernel[others][:, others], rest[others])
        errors.append((rest[left_out] - kernel[left_out, others] @ weights).square().mean())
    torch.testing.assert_close(left_out_errors(field, x, y, ridge), torch.stack(errors), rtol=1e-5, atol=1e-9)


def test_channels_count_alike():
    torch.manual_seed(0)
    field = SinusoidalField(1, 2, 16, 1, 8.0, 8.0)
    x, y = torch.linspace(-1, 1, 10)[:, None], torch.zeros(10, 2)
    y[:, 1] = 100.0
    errors = left_out_errors(field, x, y)
    torch.testing.assert_close(
        left_out_errors(field, x, y.flip(1)), errors, rtol=1e-1, atol=1.0
    )  # but for f_0
    assert errors.shape == (10,)


def test_what_the_kernel_knows_is_interpolated_and_noise_is_not():
    torch.manual_seed(0)
    field = SinusoidalField(1, 1, 64, 1, 4.0, 4.0, alpha=1.0)
    x = torch.linspace(-1, 1, 60)[:, None]
    smooth = left_out_errors(field, x, torch.sin(3 * x), ridge=1e-8)[10:50].mean()
    noise = left_out_errors(field, x, torch.randn(60, 1, generator=generator(0)), ridge=1e-2)[10:50].mean()
    assert smooth < 1e-6
    assert noise > 0.5


def picture(height: int = 40, width: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    """Coordinates and values that are constant in the left half."""
    y, x = (torch.linspace(-1, 1, n) for n in (height, width))
    coordinates = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2)
    noise = torch.rand(len(coordinates), 1, generator=generator(0))
    return coordinates, torch.where(coordinates[:, 1:] > 0, noise, 0.5)


def test_a_patch_is_dense_small_and_where_something_happens():
    coordinates, values = picture()
    patches = alpha_patches(coordinates, values, None, 3, 100, seed=0)
    again = alpha_patches(coordinates, values, None, 3, 100, seed=0)
    assert all(torch.equal(a.coordinates, b.coordinates) for a, b in zip(patches, again, strict=True))
    for patch in patches:
        assert patch.values.var() > 1e-3
        assert len(patch.coordinates) == 100
        distance = (patch.coordinates - patch.coordinates[0]).abs().amax(dim=1)
        assert bool((distance.diff() >= 0).all())
        nearer = (coordinates - patch.coordinates[0]).abs().amax(dim=1) < distance[-1] - 1e-6
        assert int(nearer.sum()) <= 100  # nothing between is left out
        assert 0 < patch.inner < 100


def test_a_tile_sees_its_part_as_large_as_the_whole():
    coordinates, values = picture()
    (whole,) = alpha_patches(coordinates, values, None, 1, 64, seed=0)
    (tiled,) = alpha_patches(coordinates, values, [2, 3], 1, 64, seed=0)
    assert torch.equal(whole.values, tiled.values)
    offsets = whole.coordinates - whole.coordinates[0]
    torch.testing.assert_close(tiled.coordinates, offsets * torch.tensor([2.0, 3.0]))


def test_of_few_samples_all_are_taken():
    coordinates, values = picture(3, 4)
    (patch,) = alpha_patches(coordinates, values, None, 1, 64, seed=0)
    assert len(patch.values) == 12
