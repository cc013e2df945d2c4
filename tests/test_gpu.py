"""nerfacc's CUDA kernels against the CPU path: the same samples must give the same picture."""

from __future__ import annotations

import pytest
import torch
from gpu import NEEDS_GPU
from nerfacc import OccGridEstimator
from synthetic_scene import TINY, write_ball_scene

from wsapps.config import default_config_dir, load_config
from wsapps.trainer import Trainer
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.load import load_scene
from wsapps_nerf.ray_sampler import RaySampler
from wsapps_nerf.renderer import Renderer, RendererConfig, composite_samples
from wsapps_nerf.sampling import Samples, sample_rays

pytestmark = NEEDS_GPU
BOX = torch.tensor([-1.0, -1.0, -1.0, 1.0, 1.0, 1.0])
STEP = 0.02


def rays(count, seed=0):
    """Rays from a sphere of radius 4 towards points in the box."""
    draw = torch.Generator().manual_seed(seed)
    origins = torch.nn.functional.normalize(torch.randn(count, 3, generator=draw), dim=-1) * 4
    towards = torch.rand(count, 3, generator=draw) * 1.8 - 0.9
    return origins, torch.nn.functional.normalize(towards - origins, dim=-1)


def random_grid(part, seed=0):
    grid = OccGridEstimator(BOX.tolist(), resolution=16)
    draw = torch.Generator().manual_seed(seed)
    grid.binaries.copy_(torch.rand(grid.binaries.shape, generator=draw) < part)
    return grid


def composite_on(device, samples, rgb, density, background):
    rgb, density = (values.to(device, copy=True).requires_grad_() for values in (rgb, density))
    moved = Samples(*(values.to(device) for values in samples))
    rendered = composite_samples(moved, rgb, density, 300, background.to(device))
    weights = torch.linspace(0.1, 1.0, 300, device=device)
    loss = (rendered.rgb.sum(dim=1) + 0.5 * rendered.opacity + 0.1 * rendered.depth) @ weights
    loss.backward()
    results = rendered.rgb, rendered.opacity, rendered.depth, rgb.grad, density.grad
    return [result.detach().cpu() for result in results]


@pytest.mark.parametrize("part", [0.5, 0.05])
def test_both_paths_composite_the_same_samples_to_the_same_values_and_gradients(part):
    samples = sample_rays(random_grid(part), *rays(300), 0.5, 20.0, STEP, False)
    assert len(samples.ray) > 1000
    draw = torch.Generator().manual_seed(1)
    rgb = torch.rand(len(samples.ray), 3, generator=draw)
    density = torch.rand(len(samples.ray), generator=draw) * 20
    background = torch.tensor([0.9, 0.4, 0.2])
    on_cpu = composite_on("cpu", samples, rgb, density, background)
    on_cuda = composite_on("cuda", samples, rgb, density, background)
    for name, cpu, cuda in zip(
        ("rgb", "opacity", "depth", "rgb gradient", "density gradient"), on_cpu, on_cuda, strict=True
    ):
        difference = float((cpu - cuda).abs().max())
        assert difference < 1e-4 * float(cpu.abs().max()), f"{name} differs by {difference}"


def covered(samples, n_rays, at):
    """Whether distances `at` (T,) lie in a sample, for each ray: (n_rays, T) bool."""
    result = torch.zeros(n_rays, len(at), dtype=torch.bool)
    for ray in range(n_rays):
        mine = samples.ray == ray
        start, end = samples.start[mine], samples.end[mine]
        result[ray] = ((at[:, None] >= start) & (at[:, None] < end)).any(dim=1)
    return result


@pytest.mark.parametrize("part", [1.0, 0.5, 0.1])
def test_both_paths_sample_the_same_occupied_intervals(part):
    """The lattices start at different distances, so the ends of an interval may differ by a step."""
    grid, n_rays = random_grid(part), 60
    origins, directions = rays(n_rays, seed=2)
    ours = sample_rays(grid, origins, directions, 0.5, 20.0, STEP, False)
    theirs = sample_rays(grid.cuda(), origins.cuda(), directions.cuda(), 0.5, 20.0, STEP, False)
    theirs = Samples(*(values.cpu() for values in theirs))
    assert (theirs.ray.diff() >= 0).all()
    lengths = theirs.end - theirs.start
    assert float(lengths.max()) <= STEP * 1.001
    at = torch.arange(2.0, 6.0, STEP / 4)
    first, second = covered(ours, n_rays, at), covered(theirs, n_rays, at)
    # Away from every end of an interval by more than a step, both must agree.
    changes = torch.zeros_like(first)
    changes[:, 1:] = (first[:, 1:] != first[:, :-1]) | (second[:, 1:] != second[:, :-1])
    near_an_end = torch.nn.functional.max_pool1d(changes.float()[:, None], 13, 1, 6)[:, 0].bool()
    assert float((~near_an_end).float().mean()) > 0.3
    assert not bool(((first != second) & ~near_an_end).any())
    assert float(lengths.sum()) == pytest.approx(float((ours.end - ours.start).sum()), rel=0.05)


def test_both_paths_render_the_same_smooth_field():
    def field(positions, directions):
        density = 4 * torch.exp(-4 * positions.square().sum(dim=-1))
        return (torch.sin(3 * positions) * directions + 1) / 2, density

    renderer = Renderer(RendererConfig(step_size=0.005, grid_resolution=16), BOX, 0.5, 20.0)
    origins, directions = rays(200, seed=3)
    cpu = renderer(field, origins, directions, torch.ones(3))
    cuda = renderer.cuda()(field, origins.cuda(), directions.cuda(), torch.ones(3, device="cuda"))
    assert float((cpu.rgb - cuda.rgb.cpu()).abs().max()) < 0.01
    assert float((cpu.opacity - cuda.opacity.cpu()).abs().max()) < 0.01


def test_a_batch_without_any_sample_still_has_a_gradient_of_zero():
    layer = torch.nn.Linear(3, 4).cuda()

    def field(positions, directions):
        values = layer(positions)
        return values[:, :3], values[:, 3]

    renderer = Renderer(RendererConfig(grid_resolution=8), BOX, 0.5, 20.0).cuda()
    origins, directions = (values.cuda() for values in rays(4))
    rendered = renderer(field, origins, -directions, torch.ones(3, device="cuda"))
    assert rendered.samples == 0
    torch.testing.assert_close(rendered.rgb, torch.ones(4, 3, device="cuda"))
    rendered.rgb.sum().backward()
    assert layer.weight.grad is not None
    assert not bool(layer.weight.grad.any())


def test_training_on_the_gpu_reduces_the_loss(tmp_path):
    root = write_ball_scene(tmp_path / "ball")
    config = load_config(
        TrainConfig,
        "train",
        config_dir=default_config_dir("nerf"),
        overrides=[
            f"data.root={root}",
            *TINY,
            "trainer.max_steps=150",
            "trainer.optimizer.lr=3e-3",
            "rays.first=256",
            "rays.least=256",
        ],
    )
    scene = load_scene(config.scene, config.data).to(torch.device("cuda"))
    objective = build_objective(config, scene)
    batch = RaySampler(scene.train, objective, config.trainer.seed)
    trainer = Trainer(config.trainer, objective, batch, show_progress=False)
    assert trainer.accelerator.device.type == "cuda"
    trainer.fit()
    losses = [entry["loss"] for entry in trainer.history]
    assert losses[-1] < 0.4 * losses[0]
