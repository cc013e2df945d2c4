"""Normals of rendered views, raw depths, and the videos that a camera path leaves."""

from __future__ import annotations

import json
import math

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from synthetic_scene import TINY, write_ball_scene

from wsapps.errors import UserError
from wsapps_nerf import render, train
from wsapps_nerf.camera_path import look_at
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.depth_file import DepthFile
from wsapps_nerf.evaluation import Picture
from wsapps_nerf.normals import normal_picture, view_normals

SIDE = 41


def cameras(*positions, side=SIDE):
    poses = torch.stack([look_at(position, (0, 0, 0)) for position in positions])
    return Cameras(poses, 1.2 * side, side, side)


def traced(camera, distance_of):
    """The picture of a body from its distance along rays, infinite where there is none."""
    pixel = torch.arange(camera.width * camera.height)
    origins, directions = camera.rays(torch.zeros_like(pixel), pixel)
    distance = distance_of(origins.double(), directions.double()).view(camera.height, camera.width)
    hit = torch.isfinite(distance)
    depth = torch.where(hit, distance, torch.zeros(())).float()
    return Picture(torch.zeros(*depth.shape, 3), depth, hit.float()), origins, directions


def to_ball(radius):
    def distance(origins, directions):
        middle = -(origins * directions).sum(-1)
        squared = radius**2 - origins.square().sum(-1) + middle**2
        return torch.where(squared > 0, middle - squared.clamp(min=0).sqrt(), torch.inf)

    return distance


def to_plane(normal, height):
    normal = torch.tensor(normal, dtype=torch.float64)

    def distance(origins, directions):
        along = directions @ normal
        t = (height - origins @ normal) / along
        return torch.where((along < -1e-3) & (t > 0), t, torch.inf)

    return distance


@pytest.mark.parametrize("normal", [(0.0, 0.0, 1.0), (0.6, 0.0, 0.8), (0.0, -0.6, 0.8)])
def test_a_plane_has_one_normal(normal):
    camera = cameras((3.0, -4.0, 5.0))
    picture, _, _ = traced(camera, to_plane(normal, -0.5))
    normals = view_normals(picture, camera, 0)
    hit = picture.opacity > 0.5
    assert hit.float().mean() > 0.5
    np.testing.assert_allclose(normals[hit], np.broadcast_to(normal, (int(hit.sum()), 3)), atol=2e-3)


def test_a_ball_has_radial_normals_that_face_the_camera():
    camera = cameras((2.0, 3.0, 1.5), side=161)
    picture, origins, directions = traced(camera, to_ball(1.0))
    normals = view_normals(picture, camera, 0)
    hit = picture.opacity > 0.5
    points = (origins + directions * picture.depth.view(-1, 1)).view(161, 161, 3)
    cosines = (normals * points).sum(-1)[hit]
    assert cosines.median() > 0.999
    assert (cosines > 0.95).float().mean() > 0.97  # one-sided differences are coarse at the rim
    facing = (normals * directions.view(161, 161, 3)).sum(-1)
    assert (facing[hit] < 0).all()
    assert (normals[~hit] == 0).all()
    torch.testing.assert_close(normals[hit].norm(dim=-1), torch.ones(int(hit.sum())))


def test_an_edge_does_not_mix_what_is_before_and_behind():
    camera = cameras((0.0, 0.0, 5.0))
    near, far = to_plane((0.0, 0.0, 1.0), 1.0), to_plane((0.0, 0.0, 1.0), 0.0)

    def step(origins, directions):
        front = near(origins, directions)
        return torch.where((origins + directions * front[:, None])[:, 0] > 0, front, far(origins, directions))

    picture, _, _ = traced(camera, step)
    normals = view_normals(picture, camera, 0)
    np.testing.assert_allclose(normals.view(-1, 3), np.tile([0, 0, 1.0], (SIDE**2, 1)), atol=1e-3)


def test_normals_as_colours():
    normals = torch.tensor([[[1.0, 0, 0], [0, 0, -1], [0, 0, 0]]])
    expected = torch.tensor([[[1.0, 0.5, 0.5], [0.5, 0.5, 0], [1, 1, 1]]])
    assert torch.equal(normal_picture(normals), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_pictures_of_one_row_have_no_normals_but_no_error(shape):
    camera = Cameras(look_at((0, 0, 3.0), (0, 0, 0))[None], 10.0, shape[1], shape[0])
    picture = Picture(torch.zeros(*shape, 3), torch.full(shape, 3.0), torch.ones(shape))
    assert torch.equal(view_normals(picture, camera, 0), torch.zeros(*shape, 3))


# Raw depths


def pictures(camera):
    generator = torch.Generator().manual_seed(0)
    for _ in range(len(camera)):
        depth, opacity = torch.rand(2, camera.height, camera.width, generator=generator)
        yield Picture(torch.zeros(camera.height, camera.width, 3), 1 + depth, (opacity - 0.2).clamp(min=0))


def test_raw_depths_come_back(tmp_path):
    camera = cameras((3, 0, 1), (0, 3, 1), (1, 1, 3), side=7)
    views = list(pictures(camera))
    with DepthFile(tmp_path / "depth.npz", camera, 24.0) as file:
        for view in views:
            file.add(view)
    read = np.load(tmp_path / "depth.npz", allow_pickle=False)
    assert set(read) == {"depth", "opacity", "camera_to_world", "focal", "fps"}
    np.testing.assert_array_equal(read["opacity"], torch.stack([view.opacity for view in views]))
    depth = torch.stack([view.depth for view in views]).numpy()
    np.testing.assert_array_equal(np.isnan(read["depth"]), read["opacity"] <= 1e-3)
    np.testing.assert_array_equal(read["depth"][read["opacity"] > 1e-3], depth[read["opacity"] > 1e-3])
    np.testing.assert_array_equal(read["camera_to_world"], camera.camera_to_world)
    assert (float(read["focal"]), float(read["fps"])) == (camera.focal, 24.0)
    assert [path.name for path in tmp_path.iterdir()] == ["depth.npz"]


def test_a_depth_file_appears_whole_or_not_at_all(tmp_path):
    camera = cameras((3, 0, 1), (0, 3, 1), side=7)
    first, second = pictures(camera)

    def write(path, *views, error=None):
        with DepthFile(path, camera) as file:
            for view in views:
                file.add(view)
            if error is not None:
                raise error

    path = tmp_path / "depth.npz"
    with pytest.raises(RuntimeError, match="stop"):
        write(path, first, error=RuntimeError("stop"))
    with pytest.raises(ValueError, match="1 of 2 views"):
        write(path, first)
    with pytest.raises(ValueError, match="view 0"):
        write(path, Picture(first.rgb, first.depth[:3], first.opacity[:3]))
    with pytest.raises(ValueError, match="view 2"):
        write(path, first, second, second)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError):
        write(tmp_path / "folder", first, second)


# The command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("render")
    ball = write_ball_scene(folder / "ball")
    settings = ["heads.density_scale=2000", "heads.density_shift=60", "trainer.max_steps=5"]
    assert train.main([f"data.root={ball}", f"out={folder / 'run'}", *TINY, *settings]) == 0
    return folder / "run"


def test_a_camera_path_gives_the_videos_and_depths_that_are_asked_for(run, tmp_path, capsys):
    keyframes = [
        {"position": [4, 0, 1], "target": [0, 0, 0], "time": 0},
        {"position": [0, 4, 1], "target": [0, 0, 0], "time": 0.3},
    ]
    path = tmp_path / "path.json"
    path.write_text(json.dumps({"fps": 10, "width": 20, "height": 16, "keyframes": keyframes}))
    capsys.readouterr()
    assert render.main([f"out={run}", f"path={path}", "videos=[normal,rgb]", "raw_depth=true"]) == 0
    line = capsys.readouterr().out
    assert line.startswith("4 frames of 20x16: ")
    for name in ("render_normal.mp4", "render_rgb.mp4", "render_depth.npz"):
        assert name in line
    assert not (run / "render_depth.mp4").exists()
    assert iio.imread(run / "render_normal.mp4").shape == (4, 16, 20, 3)
    read = np.load(run / "render_depth.npz", allow_pickle=False)
    assert read["depth"].shape == read["opacity"].shape == (4, 16, 20)
    seen = read["opacity"] > 0.5
    assert seen.any()
    # What is seen lies in the box, whose corners are 1.5 sqrt(3) from its middle.
    reach = 1.5 * math.sqrt(3)
    distance = np.linalg.norm(read["camera_to_world"][:, :, 3], axis=1)[:, None, None]
    assert (np.abs(read["depth"] - distance)[seen] < reach).all()


@pytest.mark.parametrize("wrong", ["videos=[]", "videos=[rgb,rgb]", "videos=[colour]", "videos=rgb"])
def test_bad_choices_are_one_line(run, capsys, wrong):
    capsys.readouterr()
    assert render.main([f"out={run}", wrong]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "videos" in message
