"""What samples explain between them at the start, and the patches on which that is looked at."""

from __future__ import annotations

import pytest
import torch

from wsapps.alpha import alpha_patches, explained_part
from wsapps.alpha.interpolation import _between
from wsapps.analysis import tangent_kernel_reference
from wsapps.fields import SinusoidalField


def explained(field, samples) -> float:
    return explained_part(field, samples, torch.Generator().manual_seed(0))


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
    assert explained(field, x) == pytest.approx(sum(parts) / 8, abs=1e-3)


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
