"""The radiance objective: its loss, its ray count, its backgrounds, and training that resumes exactly."""

from __future__ import annotations

import math
import os
import signal

import pytest
import torch
from objective_contract import ObjectiveContract
from synthetic_scene import TINY, write_ball_scene

from wsapps.config import default_config_dir, load_config
from wsapps.finite import Diverged
from wsapps.interrupt import Interrupted
from wsapps.seeding import seed_global
from wsapps.trainer import Trainer
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.load import load_scene
from wsapps_nerf.ray_sampler import RaySampler
from wsapps_nerf.scene import composite


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    return write_ball_scene(tmp_path_factory.mktemp("data") / "ball")


def configure(ball, *overrides):
    arguments = [f"data.root={ball}", "trainer.max_steps=40", *TINY, *overrides]
    return load_config(TrainConfig, "train", config_dir=default_config_dir("nerf"), overrides=arguments)


def build(ball, *overrides):
    config = configure(ball, *overrides)
    scene = load_scene(config.scene, config.data)
    objective = build_objective(config, scene)
    return objective, RaySampler(scene.train, objective, config.trainer.seed), scene


class TestContract(ObjectiveContract):
    """Long enough for the grid's updates and the adjustments of the ray count."""

    steps = 6
    overrides = ("rays.adjust_every=2", "renderer.grid_update_every=3")

    @pytest.fixture(autouse=True)
    def scene(self, ball):
        self.ball = ball

    def make_objective(self):
        return build(self.ball, *self.overrides)[0]

    def make_batch(self, objective, step):
        scene = load_scene(*(getattr(configure(self.ball), name) for name in ("scene", "data")))
        return RaySampler(scene.train, objective, seed=0)(step, 0, 1)


class TestContractOfOptions(TestContract):
    overrides = (
        "renderer.sampler=proposal",
        "average.decay=0.9",
        "heads.appearance=2",
        "heads.pictures=5",
    )


class TestContractOfRandomBackgrounds(TestContract):
    overrides = (*TestContract.overrides, "rays.background=random")

    # Each ray has a background of its own, in a doubled batch and in compiled code another one.
    test_the_loss_is_a_sum = None
    test_compiled_gradients_are_the_eager_ones = None


def test_the_loss_is_the_squared_error_of_rendered_colours(ball):
    objective, sampler, _ = build(ball)
    batch = sampler(0, 0, 1)
    objective.eval()
    result = objective(batch)
    rendered = objective.renderer(objective.field, batch["origins"], batch["directions"], torch.ones(3))
    truth = composite(batch["rgba"], torch.ones(3))
    expected = (rendered.rgb - truth).square().mean(dim=1).sum()
    torch.testing.assert_close(result["loss_sum"], expected)
    assert float(result["count"]) == len(batch["origins"]) == 64
    assert float(result["samples"]) == rendered.samples > 0
    assert all(value.dim() == 0 for value in result.values())


def test_every_parameter_of_the_field_gets_a_gradient(ball):
    objective, sampler, _ = build(ball)
    objective(sampler(0, 0, 1))["loss_sum"].backward()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert bool(parameter.grad.any()), name


def test_training_is_stratified_and_evaluation_is_not(ball):
    objective, sampler, _ = build(ball)
    batch = sampler(0, 0, 1)

    def losses(seed):
        torch.manual_seed(seed)
        return float(objective(batch)["loss_sum"].detach())

    objective.train()
    assert losses(0) == losses(0) != losses(1)
    objective.eval()
    assert losses(0) == losses(1)


@pytest.mark.parametrize(("name", "level"), [("white", 1.0), ("black", 0.0)])
def test_a_fixed_background_is_behind_rendering_and_truth(ball, name, level):
    objective, sampler, _ = build(ball, f"rays.background={name}")
    assert objective.background.tolist() == [level] * 3
    batch = dict(sampler(0, 0, 1))
    batch["rgba"] = torch.zeros_like(batch["rgba"])
    objective.renderer.grid.binaries.fill_(False)  # nothing rendered, nothing in the pictures
    assert float(objective(batch)["loss_sum"].detach()) == 0
    batch["rgba"][:] = torch.tensor([0.5, 0.5, 0.5, 1.0])
    assert float(objective(batch)["loss_sum"].detach()) == pytest.approx(64 * 0.25)


def test_a_random_background_is_random_in_training_and_white_in_pictures(ball):
    objective, sampler, _ = build(ball, "rays.background=random")
    assert objective.background.tolist() == [1, 1, 1]
    batch = dict(sampler(0, 0, 1))
    objective.renderer.grid.binaries.fill_(False)
    batch["rgba"] = torch.zeros_like(batch["rgba"])
    # Where picture and rendering are both empty they show one and the same background.
    assert float(objective(batch)["loss_sum"].detach()) == 0
    batch["rgba"][:] = torch.tensor([0.5, 0.5, 0.5, 1.0])
    torch.manual_seed(0)
    loss = float(objective(batch)["loss_sum"]) / 64
    # The mean of (u - 1/2)^2 for uniform u is 1/12; white or black would give 1/4.
    assert loss == pytest.approx(1 / 12, abs=0.02)
    torch.manual_seed(0)
    assert float(objective(batch)["loss_sum"]) / 64 == loss


def test_ray_count_follows_the_target_in_factors_of_root_two(ball):
    limits = ["rays.least=16", "rays.first=64", "rays.most=512", "rays.target_samples=4096"]
    objective, _, _ = build(ball, *limits, "rays.adjust_every=4")

    def after(samples_per_ray, first_step):
        for step in range(first_step, first_step + 4):
            objective.after_step(
                step, {"samples": torch.tensor(64.0 * samples_per_ray), "count": torch.tensor(64.0)}
            )
        objective.before_step(first_step + 4)
        return objective.n_rays

    assert objective.n_rays == 64
    assert after(32, 0) == 128  # 4096 / 32
    assert after(17, 4) == 181  # 4096 / 17 = 241, and the next smaller of 128, 181, 256
    assert after(1, 8) == 512
    assert after(1000, 12) == 16
    assert after(0, 16) == 512


def test_ray_count_changes_only_when_an_adjustment_is_due(ball):
    objective, _, _ = build(ball, "rays.adjust_every=8")
    objective.after_step(0, {"samples": torch.tensor(1.0), "count": torch.tensor(64.0)})
    for step in range(1, 8):
        objective.before_step(step)
        assert objective.n_rays == 64
    objective.before_step(8)
    assert objective.n_rays > 64


def test_a_density_that_is_not_finite_is_told(ball):
    """No term of the loss would show it: the grid empties, and the background alone is finite."""
    objective, _, _ = build(ball)
    with torch.no_grad():
        objective.field.trunk.output.weight.fill_(math.nan)
    with pytest.raises(Diverged, match="step 0: the density became NaN or infinite"):
        objective.before_step(0)


def test_an_empty_grid_is_told(ball):
    objective, _, _ = build(ball)
    objective.before_step(0)
    objective.renderer.grid.binaries.fill_(False)
    objective.before_step(1)  # not looked at
    objective.renderer.update_grid = lambda step, density: None
    with pytest.raises(Diverged, match="step 16: no cell of the grid is occupied any more"):
        objective.before_step(16)


def test_training_approaches_the_target_number_of_samples(ball):
    objective, sampler, _ = build(ball, "rays.adjust_every=4", "rays.least=8")
    for step in range(12):
        objective.before_step(step)
        totals = objective(sampler(step, 0, 1))
        objective.after_step(step, {name: value.detach() for name, value in totals.items()})
    # Rounded down to a power of root two.
    assert 2048 / 1.6 < float(totals["samples"]) < 2048 * 1.1


def test_metrics_are_those_of_the_mean_error(ball):
    objective, _, _ = build(ball)
    totals = {"loss_sum": 0.9, "squared_error": 0.64, "count": 64.0, "samples": 640.0}
    figures = objective.metrics(totals)  # the loss may have more in it than the error
    assert figures["psnr"] == pytest.approx(20.0)
    assert figures["rays"] == 64
    assert figures["samples_per_ray"] == 10


def test_batches_depend_on_step_rank_and_seed_alone(ball):
    _, sampler, scene = build(ball)
    first = sampler(3, 0, 2)
    assert all(torch.equal(value, sampler(3, 0, 2)[name]) for name, value in first.items())
    _, other_seed, _ = build(ball, "trainer.seed=1")
    for other in (sampler(4, 0, 2), sampler(3, 1, 2), other_seed(3, 0, 2)):
        assert not torch.equal(first["rgba"], other["rgba"])
    # Every ray carries the colour of the pixel that it goes through.
    for name in ("origins", "directions"):
        assert first[name].shape == (64, 3)
    pixels = scene.train.cameras.pixels_per_view
    views = torch.arange(len(scene.train)).repeat_interleave(pixels)
    origins, directions = scene.train.cameras.rays(views, torch.arange(pixels).repeat(len(scene.train)))
    colours = scene.train.rgba.reshape(-1, 4)
    for ray in range(0, 64, 7):
        difference = (origins - first["origins"][ray]).norm(dim=1) + (
            directions - first["directions"][ray]
        ).norm(dim=1)
        assert torch.equal(colours[difference.argmin()], first["rgba"][ray])


def test_the_same_seed_builds_the_same_field(ball):
    first, second, third = (build(ball, f"trainer.seed={seed}")[0] for seed in (0, 0, 1))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    weights = [objective.field.colour[0].weight for objective in (first, third)]
    assert not torch.equal(*weights)


def make_trainer(ball, folder, *overrides, stop_at=None):
    config = configure(ball, *overrides)
    scene = load_scene(config.scene, config.data)
    objective = build_objective(config, scene)
    rays = RaySampler(scene.train, objective, config.trainer.seed)

    def batch(step, rank, world):
        if step == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return rays(step, rank, world)

    seed_global("something else", os.getpid())  # what a new process starts from must not matter
    return Trainer(config.trainer, objective, batch, checkpoints=folder, show_progress=False)


@pytest.mark.parametrize("background", ["white", "random"])
def test_a_stopped_and_resumed_training_is_the_same_bit_for_bit(ball, tmp_path, background):
    overrides = [f"rays.background={background}", "rays.adjust_every=8", "rays.target_samples=6000"]
    overrides.append("renderer.grid_update_every=5")
    whole = make_trainer(ball, tmp_path / "whole", *overrides)
    whole.fit()
    stopped = make_trainer(ball, tmp_path / "parts", *overrides, stop_at=19)
    with pytest.raises(Interrupted) as caught:
        stopped.fit()
    assert caught.value.signal_number == signal.SIGTERM
    assert stopped.step == 20
    resumed = make_trainer(ball, tmp_path / "parts", *overrides)
    assert resumed.step == 20
    result = resumed.fit()
    assert result.steps == whole.step == 40

    states = [trainer.objective.state_dict() for trainer in (whole, resumed)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
    assert whole.objective.n_rays != 64, "the number of rays never changed, so this tested little"
    moments = [trainer.optimizer.state_dict()["state"] for trainer in (whole, resumed)]
    for key, entries in moments[0].items():
        for name, value in entries.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(moments[1][key][name])), (key, name)
    assert whole.figures["loss"] == resumed.figures["loss"]


def test_training_learns_the_ball(ball):
    trainer = make_trainer(
        ball,
        None,
        "trainer.max_steps=150",
        "trainer.optimizer.lr=3e-3",
        "trainer.optimizer.schedule=constant",
        "rays.least=256",
        "rays.first=256",
    )
    trainer.fit()
    losses = [entry["loss"] for entry in trainer.history]
    assert losses[-1] < 0.25 * losses[0]
