"""The viewer: what is drawn when, and its pictures in a headless Chromium."""

from __future__ import annotations

import socket
import sys
import time

import numpy as np
import pytest
import torch
from browser import Browser
from synthetic_scene import TINY, write_ball_scene
from user_errors import one_line_error

from wsapps.config import default_config_dir, load_config
from wsapps.metrics import psnr
from wsapps_nerf import train, view
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.evaluation import render_view
from wsapps_nerf.load import load_scene
from wsapps_nerf.viewer import Viewer, ViewerConfig

#: Without controls and notices; and above the axes that viser draws in a corner.
ONLY_THE_PICTURE = "<style>* {visibility: hidden !important} canvas {visibility: visible !important}</style>"
ABOVE = slice(0, 160)
HOME = {"target": [0.0, 0.0, 0.0], "azimuth": 40.0, "elevation": 20.0, "radius": 4.0, "angle": 1.1}


@pytest.fixture(scope="module")
def objective(tmp_path_factory):
    """A field at its start, which is a cloud."""
    ball = write_ball_scene(tmp_path_factory.mktemp("data") / "ball")
    settings = [f"data.root={ball}", *TINY, "renderer.carve=false"]
    config = load_config(TrainConfig, "train", config_dir=default_config_dir("nerf"), overrides=settings)
    return build_objective(config, load_scene(config.scene, config.data))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def draw_until_it_rests(viewer, objective, **settings):
    """Draws as the commands do, until a page has had its finest picture; how many were drawn."""
    drawn, quiet, end = 0, 0, time.monotonic() + 120
    while (not drawn or quiet < 10) and time.monotonic() < end:
        due = viewer.draw(objective, "5 steps", **settings)
        drawn, quiet = drawn + due, 0 if due else quiet + 1
        time.sleep(0.05)
    return drawn


@pytest.mark.slow
def test_a_page_shows_what_its_camera_sees(objective):
    pytest.importorskip("viser")
    viewer = Viewer(ViewerConfig(port=free_port(), longest_side=160), HOME, "cloud")
    try:
        with Browser() as browser:
            browser.visit(viewer.address, 320, 240)
            objective.train()
            assert draw_until_it_rests(viewer, objective) >= 1
            assert objective.training  # as it was
            (client,) = viewer.server.get_clients().values()
            seen = viewer._view_of(client)
            # The first view is the one that was asked for.
            offset = np.array(seen.pose)[:, 3]
            assert np.linalg.norm(offset) == pytest.approx(4.0, rel=1e-3)
            assert offset[2] == pytest.approx(4 * np.sin(np.radians(20)), rel=1e-3)
            assert seen.angle == pytest.approx(1.1, rel=1e-3)
            wanted = render_view(objective, seen.cameras(320), 0).rgb
            browser.run(f"document.body.insertAdjacentHTML('beforeend', '{ONLY_THE_PICTURE}')")
            assert wanted[ABOVE].std() > 0.05
            scores, end = [0.0], time.monotonic() + 60
            while max(scores) < 25 and time.monotonic() < end:
                shown = torch.from_numpy(browser.screenshot() / 255.0)
                scores.append(psnr(shown[ABOVE], wanted[ABOVE].double()))
            assert max(scores) > 25
    finally:
        viewer.close()


def test_without_viser_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    one_line_error(lambda: Viewer(ViewerConfig(port=8080), HOME, "cloud"), "pip install")


def test_the_commands_open_and_close_it(tmp_path, capsys):
    pytest.importorskip("viser")
    ball, run = write_ball_scene(tmp_path / "ball"), tmp_path / "run"
    settings = [f"data.root={ball}", f"out={run}", "trainer.max_steps=5", *TINY]
    assert train.main([*settings, f"viewer.port={free_port()}"]) == 0
    assert "shows it while it trains" in capsys.readouterr().err
    # Who watches is no part of the run.
    assert train.main(settings) == 0
    assert "is finished" in capsys.readouterr().err
    assert view.main([f"out={run}", f"viewer.port={free_port()}", "seconds=0.2"]) == 0
    assert "http://127.0.0.1:" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["viewer.port=0", "viewer.longest_side=1", "out=nowhere"])
def test_bad_input_is_one_line(tmp_path, capsys, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    assert view.main(["out=run", wrong] if "out" not in wrong else [wrong]) == 2
    assert capsys.readouterr().err.count("\n") == 1
