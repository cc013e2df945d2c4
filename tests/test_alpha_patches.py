"""Which samples make a patch, and which of the patches are looked at."""

from __future__ import annotations

import torch

from wsapps.alpha import alpha_by_samples
from wsapps.alpha.patches import alpha_patches, of_every_density
from wsapps.fields import SinusoidalField


def test_a_few_patches_are_of_every_density():
    generator = torch.Generator().manual_seed(0)
    dense, sparse = 0.1 * torch.rand(900, 2, generator=generator), 5 + torch.rand(100, 2, generator=generator)
    samples = torch.cat([dense, sparse])
    for seed in range(10):
        patches = alpha_patches(samples, samples[:, :1], None, 64, 16, seed)
        few = of_every_density(patches, 8)
        assert len(few) == 8
        extents = [float((local - local.mean(dim=0)).norm(dim=1).mean()) for local, _ in few]
        assert extents == sorted(extents)
        wanted = sum(float(local.amax()) > 1 for local, _ in patches) / 8  # of eight, as of all
        assert abs(sum(float(local.amax()) > 1 for local, _ in few) - wanted) < 1


def test_all_patches_may_be_asked_for():
    samples = torch.rand(50, 2)
    patches = alpha_patches(samples, samples, None, 4, 8, 0)
    assert {id(patch) for patch in of_every_density(patches, 4)} == {id(patch) for patch in patches}


def stations(count: int, times: int) -> torch.Tensor:
    """A few places of two coordinates, each at the same many times."""
    places = torch.rand(count, 2, generator=torch.Generator().manual_seed(0))
    return torch.cat(
        [places.repeat_interleave(times, 0), torch.linspace(-1, 1, times).repeat(count)[:, None]], dim=1
    )


def test_between_few_stations_of_many_times_is_looked_as_well():
    """By the nearest samples alone all would be of one station, of which between stations nothing is seen."""
    samples = stations(60, 200)
    half = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))[:6000]
    for one in (samples, samples[half], samples[:, [2, 0, 1]]):
        for patch, _ in alpha_patches(one, one, None, 8, 64, 0):
            sizes = [len(patch[:, axis].unique()) for axis in range(3)]
            assert all(3 <= size <= 30 for size in sizes), sizes


def test_scattered_samples_are_no_grid_by_any_axes():
    """Their nearest by the largest of the coordinates' distances, whatever the axes' extents."""
    samples = torch.rand(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 4.0])
    ((_, rows),) = alpha_patches(samples, torch.arange(4000)[:, None], None, 1, 64, 0)
    reached = max(
        float((samples[rows[0]] - samples[row]).abs().amax()) for row in rows[:, 0]
    )  # the first is the centre
    assert int(((samples - samples[rows[0]]).abs().amax(dim=1) <= reached).sum()) == 64


def test_samples_may_be_of_any_type():
    x = torch.linspace(-1, 1, 500, dtype=torch.float64)[:, None]
    values = (50 * torch.sin(40 * x)).to(torch.int16)

    def chosen(samples: torch.Tensor, shown: torch.Tensor) -> float:
        return alpha_by_samples(lambda a: SinusoidalField(1, 1, 64, 2, alpha=a), samples, shown).alpha

    assert chosen(x, values) == chosen(x.float(), values.float())


def test_alpha_does_not_rise_with_how_often_a_place_was_measured():
    places = torch.linspace(-1, 1, 30)[:, None]
    noise = 0.1 * torch.randn(3000, 1, generator=torch.Generator().manual_seed(0))
    samples = places.repeat(100, 1)
    choice = alpha_by_samples(
        lambda alpha: SinusoidalField(1, 1, 64, 3, alpha=alpha), samples, torch.sin(3 * samples) + noise
    )
    assert choice.alpha == 1.0
