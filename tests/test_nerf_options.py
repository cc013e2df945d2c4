"""Options of training: running means of weights, codes of pictures, settings of endless scenes, LPIPS."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from capture_files import write_transforms_ball
from synthetic_scene import TINY, write_ball_scene
from torch import nn
from user_errors import one_line_error

from wsapps.accelerator import make_accelerator
from wsapps.config import default_config_dir, load_config
from wsapps_nerf.averaging import running_mean
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.evaluation import mean_scores, score_views
from wsapps_nerf.load import load_scene
from wsapps_nerf.perceptual import find_lpips
from wsapps_nerf.ray_sampler import RaySampler
from wsapps_nerf.suited import suited
from wsapps_nerf.web import radiance_network


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    return write_ball_scene(tmp_path_factory.mktemp("data") / "ball")


def configured(root, *overrides):
    arguments = [f"data.root={root}", *TINY, *overrides]
    return load_config(
        TrainConfig, "train", config_dir=default_config_dir("nerf"), overrides=arguments
    ), arguments


def built(ball, *overrides):
    config, arguments = configured(ball, *overrides)
    scene = load_scene(config.scene, config.data)
    config = suited(config, scene, arguments)
    return build_objective(config, scene), scene, config


def test_the_running_mean_is_the_weighted_sum_of_what_was_seen():
    module, decay = nn.Linear(1, 1, bias=False).double(), 0.9
    averaged = running_mean(module, decay)
    draws = torch.Generator().manual_seed(0)
    wanted = None
    for count in range(200):
        value = float(torch.rand(1, generator=draws, dtype=torch.float64))
        nn.init.constant_(module.weight, value)
        averaged.update_parameters(module)
        keep = min(decay, (1 + count) / (10 + count))
        wanted = value if wanted is None else keep * wanted + (1 - keep) * value
        assert float(averaged.module.weight) == pytest.approx(wanted, rel=1e-12)
    assert not any(parameter.requires_grad for parameter in averaged.parameters())


def test_pictures_show_the_running_mean(ball):
    objective, _, _ = built(ball, "average.decay=0.9")
    assert objective.shown is not objective.field
    before = objective.shown.trunk.output.weight.clone()
    with torch.no_grad():
        for parameter in objective.field.parameters():
            parameter.add_(1.0)
    totals = {"samples": torch.tensor(1.0), "count": torch.tensor(1.0)}
    objective.after_step(0, totals)  # the first one is a copy
    torch.testing.assert_close(objective.shown.trunk.output.weight, before + 1)
    plain, _, _ = built(ball)
    assert plain.shown is plain.field


def test_codes_colour_the_training_pictures_alone(ball):
    objective, scene, config = built(ball, "heads.appearance=3")
    assert config.heads.pictures == len(scene.train) == 5
    codes = objective.field.appearance.weight
    assert not codes.any()  # all alike at the start
    batch = RaySampler(scene.train, objective, 0)(0, 0, 1)
    objective(batch)["loss_sum"].backward()
    assert codes.grad.abs().sum(dim=1).min() > 0
    nn.init.normal_(codes)
    positions, directions = torch.rand(6, 3) - 0.5, torch.eye(3).repeat(2, 1)
    of_first, density = objective.field(positions, directions, torch.zeros(6, dtype=torch.int64))
    of_none, same = objective.field(positions, directions)
    assert torch.equal(density, same)
    assert not torch.allclose(of_first, of_none)
    # Another view's colours are those of a picture that has the mean code.
    mean = codes.detach().mean(dim=0)
    with torch.no_grad():
        codes[0] = mean
    torch.testing.assert_close(
        objective.field(positions, directions, torch.zeros(6, dtype=torch.int64))[0], of_none
    )


def test_a_page_shows_the_mean_code(ball):
    objective, _, _ = built(ball, "heads.appearance=2")
    nn.init.normal_(objective.field.appearance.weight)
    *_, heads, out = radiance_network(objective.field).members[0]
    positions, directions = torch.rand(9, 3) - 0.5, torch.nn.functional.normalize(torch.randn(9, 3), dim=-1)
    with torch.no_grad():
        local = (positions - objective.field.centre) / objective.field.half_size
        features = torch.cat([objective.field.trunk.features(local), directions], dim=1)
        values = torch.relu(features @ heads.weight.T + heads.bias) @ out.weight.T + out.bias
        rgb, _ = objective.field(positions, directions)
    torch.testing.assert_close(torch.sigmoid(values[:, :3]), rgb)


def test_codes_need_a_number_of_pictures(ball):
    config, _ = configured(ball, "heads.appearance=2")
    scene = load_scene(config.scene, config.data)
    one_line_error(lambda: build_objective(config, scene), "heads.pictures")


def test_contracted_scenes_have_settings_of_their_own(tmp_path):
    opaque = write_transforms_ball(tmp_path / "opaque", opaque=True)
    settings = 'endless.settings=["method.omega_0=7","trainer.optimizer.lr=0.25"]'
    _, _, config = built(opaque, "scene=capture", settings, "trainer.optimizer.lr=0.5")
    assert config.scene.contraction is True
    assert (config.method.omega_0, config.trainer.optimizer.lr) == (7, 0.5)
    _, _, other = built(opaque, "scene=capture", settings, "scene.contraction=false")
    assert other.method.omega_0 != 7


class FakeNetwork(nn.Module):
    """In the place of LPIPS: the mean difference, of pictures as its ``normalize`` takes them."""

    def forward(self, first, second, normalize):
        assert normalize
        assert first.shape[:2] == (1, 3)
        return (first - second).abs().mean()


def test_lpips_is_scored_where_its_weights_are(ball, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    lpips, torchvision = ModuleType("lpips"), ModuleType("torchvision")
    lpips.LPIPS = lambda net, verbose: FakeNetwork()
    enum = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(url="https://host/alexnet-1.pth"))
    torchvision.models = SimpleNamespace(AlexNet_Weights=enum)
    monkeypatch.setitem(sys.modules, "lpips", lpips)
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    assert find_lpips(torch.device("cpu")) is None  # no weights
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-1.pth").touch()
    distance = find_lpips(torch.device("cpu"))
    first, second = torch.rand(70, 80, 3), torch.rand(70, 80, 3)
    assert distance(first, second) == pytest.approx(float((first - second).abs().mean()))
    assert distance(first[:20], second[:20]) is None
    objective, scene, _ = built(ball)
    scores = score_views(objective, scene.test, make_accelerator(), lpips=lambda a, b: 0.25)
    assert mean_scores(scores)["test/lpips_alex"] == pytest.approx(0.25)
    assert "test/lpips_alex" not in mean_scores(score_views(objective, scene.test, make_accelerator()))
