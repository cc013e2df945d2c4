"""Which of the patches are looked at."""

from __future__ import annotations

import torch

from wsapps.alpha.patches import alpha_patches, of_every_density


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
