"""Pages of radiance fields in a headless Chromium, against the renderer."""

from __future__ import annotations

import json
import math

import matplotlib
import numpy as np
import pytest
import torch
from browser import Browser
from synthetic_scene import TINY, write_ball_scene

from wsapps.fields import FIELDS
from wsapps.metrics import psnr
from wsapps.web import write_page
from wsapps_nerf import train, web
from wsapps_nerf.camera_path import orbit
from wsapps_nerf.camera_path_file import load_camera_path
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.evaluation import render_view
from wsapps_nerf.field import HeadsConfig
from wsapps_nerf.renderer import RendererConfig
from wsapps_nerf.scene import Space
from wsapps_nerf.web import radiance_network, radiance_page

SIDE = 24
HOME = {"target": [0.1, 0.0, -0.1], "azimuth": 35.0, "elevation": 25.0, "radius": 4.0, "angle": 0.6}


@pytest.fixture(scope="module")
def chromium():
    with Browser() as browser:
        yield browser


def noisy_objective(contracted=False, activation="softplus", method="sinusoidal", shift=0.0):
    """A field of soft clouds, with most cells of its grid empty."""
    torch.manual_seed(0)
    config = TrainConfig(
        method=FIELDS[method].Config(name=method, width=16, hidden_layers=1),
        heads=HeadsConfig(
            density_scale=20.0, density_shift=shift, density_activation=activation, colour_width=8
        ),
        renderer=RendererConfig(step_size=0.1, grid_resolution=8),
    )
    sides = [2.0, 2.0, 2.0] if contracted else [1.2, 1.0, 0.7]
    box = torch.tensor([-side for side in sides] + sides)
    space = Space(box=box, near=2.0, far=3.0 if contracted else 6.0, contracted=contracted)
    objective = build_objective(config, space)
    empty = torch.rand(objective.renderer.grid.binaries.shape) < 0.6
    objective.renderer.grid.binaries &= ~empty
    return objective.eval()


def shown(chromium, objective, folder, fragment=""):
    write_page(folder / "page.html", radiance_page(objective, HOME, "clouds"))
    chromium.open(folder / "page.html", SIDE, SIDE, fragment)
    chromium.run("wsapps.frame.finish()")
    assert chromium.complaints == []
    return torch.from_numpy(picture(chromium) / 255)


def picture(chromium):
    return chromium.numbers("wsapps.frame.pixels()").reshape(SIDE, SIDE, 4)[..., :3].astype(np.float64)


def home_camera(azimuth=HOME["azimuth"]):
    pose = orbit(1, HOME["radius"], HOME["elevation"], HOME["target"], start_degrees=azimuth)
    return Cameras(pose, 0.5 * SIDE / math.tan(HOME["angle"] / 2), SIDE, SIDE)


@pytest.mark.parametrize("method", ["sinusoidal", "relu_pe"])
@pytest.mark.parametrize("activation", ["softplus", "exp"])
def test_a_view_is_that_of_the_renderer(chromium, tmp_path, activation, method):
    objective = noisy_objective(activation=activation, method=method)
    rendered = render_view(objective, home_camera(), 0)
    pixels = shown(chromium, objective, tmp_path)
    assert rendered.rgb.std() > 0.05
    assert psnr(pixels, rendered.rgb.double()) > 45


def test_distances_in_the_colours_of_turbo(chromium, tmp_path):
    objective = noisy_objective(shift=2.0)
    rendered = render_view(objective, home_camera(), 0)
    shown(chromium, objective, tmp_path)
    chromium.run("wsapps.view.show('depth'), wsapps.frame.finish()")
    pixels, hit = picture(chromium), rendered.opacity.numpy() > 0.5
    assert 0.1 < hit.mean() < 0.9
    reach = math.hypot(2.4, 2.0, 1.4) / 4
    place = np.rint(255 * (rendered.depth.numpy() - 4 + reach) / (2 * reach)).clip(0, 255).astype(int)
    wanted = np.where(hit[..., None], 255 * matplotlib.colormaps["turbo"](place)[..., :3], 255)
    close = np.abs(pixels - wanted).max(axis=-1) < 12  # an entry or two of the colour map
    assert close.mean() > 0.98  # all but those that are half opaque


def test_a_view_of_contracted_space_is_that_of_the_renderer(chromium, tmp_path):
    objective = noisy_objective(contracted=True)
    rendered = render_view(objective, home_camera(), 0)
    assert psnr(shown(chromium, objective, tmp_path), rendered.rgb.double()) > 45


def test_another_view_from_the_address(chromium, tmp_path):
    objective = noisy_objective()
    place = "&".join(f"{axis}={value}" for axis, value in zip("xyz", HOME["target"], strict=True))
    fragment = f"#azimuth=-100&elevation=25&radius=4&{place}"
    rendered = render_view(objective, home_camera(-100.0), 0)
    assert psnr(shown(chromium, objective, tmp_path, fragment), rendered.rgb.double()) > 45


def test_heads_become_layers():
    objective = noisy_objective()
    network = radiance_network(objective.field)
    *_, heads, out = network.members[0]
    torch.manual_seed(1)
    positions, directions = torch.rand(9, 3) - 0.5, torch.nn.functional.normalize(torch.randn(9, 3), dim=-1)
    with torch.no_grad():
        local = (positions - objective.field.centre) / objective.field.half_size
        features = objective.field.trunk.features(local)
        hidden = torch.relu(torch.cat([features, directions], dim=1) @ heads.weight.T + heads.bias)
        values = hidden @ out.weight.T + out.bias
        rgb, density = objective.field(positions, directions)
    torch.testing.assert_close(torch.sigmoid(values[:, :3]), rgb)
    torch.testing.assert_close(torch.nn.functional.softplus(values[:, 3]), density, rtol=1e-4, atol=1e-5)


def test_kept_views_are_a_camera_path(chromium, tmp_path):
    objective = noisy_objective()
    write_page(tmp_path / "page.html", radiance_page(objective, HOME, "clouds"))
    chromium.open(tmp_path / "page.html", 40, 30)
    chromium.key("k")
    chromium.key("ArrowRight")
    chromium.key("k")
    path = tmp_path / "camera_path.json"
    path.write_text(json.dumps(chromium.run("wsapps.view.path.document()")))
    read = load_camera_path(path)
    assert (read.width, read.height, len(read.camera_to_world)) == (40, 30, 61)
    expected = orbit(1, HOME["radius"], HOME["elevation"], HOME["target"], start_degrees=HOME["azimuth"])
    torch.testing.assert_close(read.camera_to_world[:1], expected, rtol=0, atol=1e-5)
    assert chromium.run("document.querySelectorAll('button[title^=Save]').length") == 1


def test_the_command(chromium, tmp_path, capsys):
    ball = write_ball_scene(tmp_path / "ball")
    run = tmp_path / "run"
    assert train.main([f"data.root={ball}", f"out={run}", "trainer.max_steps=5", *TINY]) == 0
    capsys.readouterr()
    assert web.main([f"run={run}"]) == 0
    assert capsys.readouterr().out.startswith(f"{run / 'field.html'}: ")
    chromium.open(run / "field.html", 32, 24)
    chromium.run("wsapps.frame.finish()")
    assert chromium.complaints == []
    words = chromium.run("document.getElementById('card').textContent")
    assert "PSNR on test views" in words
    # The cameras look at the middle of the ball, from four units away.
    camera = chromium.run("wsapps.page.camera")
    assert camera["radius"] == pytest.approx(4.0, abs=1e-3)
    assert camera["elevation"] == pytest.approx(30.0, abs=0.1)
    assert camera["angle"] == pytest.approx(0.6)
    (ball / "transforms_train.json").unlink()
    assert web.main([f"run={run}", f"out={tmp_path / 'new' / 'page.html'}", "title=<b>&"]) == 0
    said = capsys.readouterr()
    assert "begins with a view of the scene's box" in said.err
    chromium.open(tmp_path / "new" / "page.html", 32, 24)
    assert chromium.run("document.title") == "<b>&"


@pytest.mark.parametrize("wrong", ["run=nowhere", "out=page.txt run=nowhere"])
def test_bad_input_is_one_line(tmp_path, capsys, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    assert web.main(wrong.split()) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
