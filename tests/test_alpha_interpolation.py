"""How fields correlate neighbouring samples at the start, and the patches on which that is looked at."""

from __future__ import annotations

import math

import pytest
import torch

from wsapps.alpha import neighbour_correlation
from wsapps.analysis import tangent_kernel_reference
from wsapps.fields import SinusoidalField
from wsapps_signals.alpha_patches import alpha_patches


def test_the_correlation_is_that_of_jacobians_at_nearest_samples():
    torch.manual_seed(0)
    field = SinusoidalField(1, 2, 16, 1, 8.0, 8.0)
    x = torch.tensor([[0.0], [0.1], [0.5], [0.55]])
    kernel = tangent_kernel_reference(field, x)[::2, ::2]  # the first channel's
    pairs = [(0, 1), (1, 0), (2, 3), (3, 2)]
    values = [float(kernel[i, j]) / math.sqrt(float(kernel[i, i] * kernel[j, j])) for i, j in pairs]
    assert neighbour_correlation(field, x) == pytest.approx(sum(values) / 4, rel=1e-6)


def test_it_falls_with_alpha_and_rises_with_density():
    def correlation(alpha: float, count: int) -> float:
        torch.manual_seed(0)
        field = SinusoidalField(1, 1, 64, 2, alpha=alpha)
        return neighbour_correlation(field, torch.linspace(-1, 1, count)[:, None])

    assert correlation(1.0, 200) > correlation(1.5, 200) + 0.05
    assert correlation(1.5, 800) > correlation(1.5, 200) + 0.05
    assert correlation(1.0, 5000) > 0.99


def picture(height: int = 40, width: int = 50) -> torch.Tensor:
    y, x = (torch.linspace(-1, 1, n) for n in (height, width))
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2)


def test_a_patch_is_dense_and_small():
    coordinates = picture()
    patches = alpha_patches(coordinates, None, 3, 100, seed=0)
    again = alpha_patches(coordinates, None, 3, 100, seed=0)
    assert all(torch.equal(one, two) for one, two in zip(patches, again, strict=True))
    for patch in patches:
        assert len(patch) == 100
        distance = (patch - patch[0]).abs().amax(dim=1)
        nearer = (coordinates - patch[0]).abs().amax(dim=1) < distance.max() - 1e-6
        assert int(nearer.sum()) <= 100  # nothing between is left out


def test_a_tile_sees_its_part_as_large_as_the_whole():
    coordinates = picture()
    (whole,) = alpha_patches(coordinates, None, 1, 64, seed=0)
    (tiled,) = alpha_patches(coordinates, [2, 3], 1, 64, seed=0)
    torch.testing.assert_close(tiled - tiled[0], (whole - whole[0]) * torch.tensor([2.0, 3.0]))


def test_of_few_samples_all_are_taken():
    (patch,) = alpha_patches(picture(3, 4), None, 1, 64, seed=0)
    assert len(patch) == 12
