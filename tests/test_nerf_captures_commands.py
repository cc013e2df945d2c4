"""Captures through the commands: trained, scored, rendered, inspected; what is assumed and what refused."""

from __future__ import annotations

import json

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
import yaml
from capture_files import Similarity, around, plain_lens, write_colmap_ball, write_transforms_ball
from synthetic_scene import TINY

from wsapps.accelerator import make_accelerator
from wsapps.config import default_config_dir, load_config
from wsapps_nerf import eval as eval_command
from wsapps_nerf import inspect as inspect_command
from wsapps_nerf import render as render_command
from wsapps_nerf import train as train_command
from wsapps_nerf.camera_path_file import load_camera_path
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.captures.found_space import PlacementConfig
from wsapps_nerf.captures.lens import make_lenses
from wsapps_nerf.captures.open_capture import open_capture
from wsapps_nerf.carving import carve
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.evaluation import score_views
from wsapps_nerf.load import DataConfig, SceneConfig, load_scene
from wsapps_nerf.occupancy import OccupancyGrid

FAR_AWAY = Similarity(seed=7, scale=37.0, shift=5000.0)


@pytest.fixture(autouse=True)
def fresh_surroundings(monkeypatch, fresh_logging):
    """Each test's stderr is another one, and no data folder is set."""
    monkeypatch.delenv("WSAPPS_DATA", raising=False)


def arguments(root, out, *more, scene="capture"):
    return [f"scene={scene}", f"data.root={root}", f"out={out}", "trainer.max_steps=12", *TINY, *more]


def capture_config(**given):
    nothing = {"box": None, "near": None, "far": None, "contraction": None}
    return SceneConfig(**{"name": "mine", "format": "capture", **nothing, **given})


def test_a_capture_from_far_away_is_trained_scored_and_rendered(tmp_path, capsys):
    """Distorted COLMAP pictures of a scene 37 times as large, thousands of units off."""
    ball = write_colmap_ball(tmp_path / "ball", FAR_AWAY, distorted=True)
    out = tmp_path / "run"
    assert train_command.main(arguments(ball, out)) == 0
    said = capsys.readouterr().err
    assert "COLMAP model, binary: cameras OPENCV (8 pictures)" in said
    assert "6 training and 2 test pictures: as the files say" in said
    metrics = json.loads((out / "metrics.json").read_text())
    assert np.isfinite(metrics["test/psnr"])
    scene = yaml.safe_load((out / "config.yaml").read_text())["scene"]
    assert scene["contraction"] is False
    assert max(scene["box"][axis + 3] - scene["box"][axis] for axis in range(3)) == pytest.approx(3, rel=1e-4)
    assert (out / "test_r_1.png").is_file()
    assert (out / "turntable.mp4").is_file()
    # The same again from the folder alone, which now says where the box is.
    assert eval_command.main([f"out={out}"]) == 0
    assert json.loads((out / "eval_test.json").read_text())["test/psnr"] == pytest.approx(
        metrics["test/psnr"], abs=1e-3
    )
    assert render_command.main([f"out={out}", "frames=2"]) == 0
    assert train_command.main(arguments(ball, out)) == 0
    assert "is finished" in capsys.readouterr().err


def test_a_run_is_not_used_with_other_poses_than_its_own(tmp_path, capsys):
    """Where a capture lies is found from all its pictures: with one less, everything else would be moved."""
    ball, out = write_transforms_ball(tmp_path / "ball"), tmp_path / "run"
    assert train_command.main(arguments(ball, out)) == 0
    path, whole = ball / "transforms.json", (ball / "transforms.json").read_text()
    document = json.loads(whole)
    document["frames"].pop(2)
    path.write_text(json.dumps(document))
    (out / "metrics.json").unlink()  # as if it were not finished
    capsys.readouterr()
    for command in (
        lambda: eval_command.main([f"out={out}"]),
        lambda: render_command.main([f"out={out}", "frames=2"]),
        lambda: train_command.main(arguments(ball, out, "scene.box=[-1.5,-1.5,-1.5,1.5,1.5,1.5]")),
    ):
        assert command() == 2
    said = capsys.readouterr().err
    assert said.count("trained on another capture (train: 6 pictures then, 5 now)") == 3
    document = json.loads(whole)
    document["frames"][0]["transform_matrix"][0][3] += 1.0
    path.write_text(json.dumps(document))
    assert eval_command.main([f"out={out}"]) == 2
    assert "other poses now" in capsys.readouterr().err
    path.write_text(whole)
    assert eval_command.main([f"out={out}"]) == 0


def test_pictures_of_equal_names_in_folders_anywhere_have_files_of_their_own(tmp_path):
    ball, out = write_transforms_ball(tmp_path / "ball"), tmp_path / "run"
    document = json.loads((ball / "transforms.json").read_text())
    for index, frame in enumerate(document["frames"]):
        place = tmp_path / f"camera_{index % 2}" / f"{index // 2}.png"
        place.parent.mkdir(exist_ok=True)
        (ball / frame["file_path"]).rename(place)
        frame["file_path"] = str(place)
    for key in [key for key in document if key.endswith("_filenames")]:
        del document[key]
    (ball / "transforms.json").write_text(json.dumps(document))
    assert train_command.main(arguments(ball, out, "data.test_every=2")) == 0
    assert {path.name[-14:] for path in out.glob("test_*.png")} >= {"camera_0_0.png", "camera_1_2.png"}


def test_an_opaque_capture_is_contracted_and_says_so(tmp_path, capsys):
    ball = write_transforms_ball(tmp_path / "ball", FAR_AWAY, opaque=True)
    out = tmp_path / "run"
    assert train_command.main(arguments(ball, out, "data.rotate_every=4")) == 0
    assert "space is contracted beyond the unit ball" in capsys.readouterr().err
    assert yaml.safe_load((out / "config.yaml").read_text())["scene"]["contraction"] is True
    assert eval_command.main([f"out={out}", "split=train"]) == 0


def test_without_contraction_an_endless_scene_warns(tmp_path, capsys):
    ball = write_transforms_ball(tmp_path / "ball", opaque=True)
    assert train_command.main(arguments(ball, tmp_path / "run", "scene.contraction=false")) == 0
    assert "warning: scene=" in capsys.readouterr().err
    with_alpha = write_transforms_ball(tmp_path / "alpha")
    assert train_command.main(arguments(with_alpha, tmp_path / "other", "scene.contraction=false")) == 0
    assert "becomes fog" not in capsys.readouterr().err


@pytest.mark.parametrize("binary", [True, False])
def test_the_rays_of_a_moved_capture_are_those_of_the_original(tmp_path, binary):
    """Up to the heading: pixels see the same colours at the same heights and distances of the ball."""
    ball = write_colmap_ball(tmp_path / "ball", FAR_AWAY, binary=binary, distorted=True)
    scene = load_scene(capture_config(), DataConfig(root=str(ball)))
    lens, poses = plain_lens(distorted=True), around()
    cameras = scene.train.cameras
    pixel = torch.arange(16 * 16)
    original = Cameras(torch.from_numpy(poses).float(), lens.fx, 16, 16, make_lenses([lens], [0] * 8))
    names = [int(name.removeprefix("r_")) for name in scene.train.names]
    opened = open_capture(ball, "capture", PlacementConfig(), None)
    scale = opened.space.placement.scale * 37.0
    for view, old in enumerate(names):
        origins, directions = cameras.rays(torch.full_like(pixel, view), pixel)
        old_origins, old_directions = original.rays(torch.full_like(pixel, old), pixel)
        torch.testing.assert_close(directions[:, 2], old_directions[:, 2], atol=1e-4, rtol=0)
        # Distances from the ball's middle, at the origin of both.
        torch.testing.assert_close(
            torch.linalg.cross(origins, directions).norm(dim=-1),
            scale * torch.linalg.cross(old_origins, old_directions).norm(dim=-1),
            atol=2e-3 * scale,
            rtol=0,
        )


def test_carving_through_distorted_lenses_keeps_the_ball_and_removes_as_much(tmp_path):
    left = {}
    for distorted in (False, True):
        ball = write_colmap_ball(tmp_path / f"{distorted}", distorted=distorted, size=96)
        opened = open_capture(ball, "capture", PlacementConfig(up="keep", centre="keep"), None)
        grid = OccupancyGrid(opened.space.box, resolution=32)
        grid.binaries.fill_(True)
        left[distorted] = carve(grid, opened.views("train"))
        box = grid.aabbs[0]
        cells = box[:3] + (grid.grid_coords + 0.5) / 32 * (box[3:] - box[:3])
        inside = (cells / opened.space.placement.scale).norm(dim=-1) < 0.9
        assert bool(grid.binaries.flatten()[inside].all()), "a cell with something in it was removed"
    assert left[False] < 0.9
    assert left[True] == pytest.approx(left[False], abs=0.1)


def test_masked_pixels_and_pictures_of_several_sizes_are_trained_and_scored(tmp_path):
    ball = write_transforms_ball(tmp_path / "ball", opaque=True)
    document = json.loads((ball / "transforms.json").read_text())
    mask = np.full((16, 16), 255, np.uint8)
    mask[:, :6] = 0
    for index in (1, 2):
        imageio.imwrite(ball / f"mask_{index}.png", mask)
        document["frames"][index]["mask_path"] = f"mask_{index}.png"
    for index in (3, 5):
        path = ball / "images" / f"r_{index}.png"
        imageio.imwrite(path, np.kron(imageio.imread(path), np.ones((2, 2, 1), np.uint8)))
    (ball / "transforms.json").write_text(json.dumps(document))
    out = tmp_path / "run"
    assert train_command.main(arguments(ball, out)) == 0
    assert imageio.imread(out / "depth_r_5.png").shape == (32, 32, 3)
    assert len(json.loads((out / "test_scores.json").read_text())) == 2


def test_what_a_mask_leaves_out_does_not_count(tmp_path):
    """Painting over masked pixels changes no score."""
    ball = write_transforms_ball(tmp_path / "ball", opaque=True)
    document = json.loads((ball / "transforms.json").read_text())
    mask = np.full((16, 16), 255, np.uint8)
    mask[:, :6] = 0
    imageio.imwrite(ball / "mask.png", mask)
    for frame in document["frames"]:
        frame["mask_path"] = "mask.png"
    (ball / "transforms.json").write_text(json.dumps(document))
    overrides = ["scene=capture", f"data.root={ball}", *TINY]
    config = load_config(TrainConfig, "train", config_dir=default_config_dir("nerf"), overrides=overrides)
    scene = load_scene(config.scene, config.data)
    objective = build_objective(config, scene)
    before = score_views(objective, scene.test, make_accelerator())
    for name in ("r_1.png", "r_5.png"):
        picture = imageio.imread(ball / "images" / name)
        picture[:, :6] = [255, 0, 255]
        imageio.imwrite(ball / "images" / name, picture)
    after = score_views(objective, scene.test, make_accelerator())
    assert [score.psnr for score in after] == pytest.approx([score.psnr for score in before])


def test_a_mask_that_leaves_nothing_of_a_test_picture_is_refused(tmp_path, capsys):
    ball = write_transforms_ball(tmp_path / "ball")
    document = json.loads((ball / "transforms.json").read_text())
    imageio.imwrite(ball / "mask.png", np.zeros((16, 16), np.uint8))
    document["frames"][1]["mask_path"] = "mask.png"
    (ball / "transforms.json").write_text(json.dumps(document))
    assert train_command.main(arguments(ball, tmp_path / "run")) == 2
    assert "mask.png leaves nothing" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("opaque", [False, True])
def test_inspecting_draws_cameras_and_says_what_it_assumed(tmp_path, capsys, opaque):
    ball = write_colmap_ball(tmp_path / "ball", FAR_AWAY, opaque=opaque)
    out = tmp_path / "seen"
    assert inspect_command.main(["scene=colmap", f"data.root={ball}", f"out={out}"]) == 0
    text = (out / "inspect.txt").read_text()
    assert text.strip() in capsys.readouterr().out
    for words in (
        "8 pictures of 16x16",
        "400 points",
        "up: square to",
        "centre: the point that",
        "test: 2 cameras",
    ):
        assert words in text
    assert ("contracted beyond the unit ball" in text) == opaque
    assert ("scene.box=[" in text) != opaque
    picture = imageio.imread(out / "inspect.png")
    assert min(picture.shape[:2]) > 400
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 10
    # The cameras are a camera path; and the data's positions, placed, are theirs.
    path = load_camera_path(out / "cameras.json")
    assert (path.width, path.height, len(path.camera_to_world)) == (16, 16, 6)
    placed = np.array(json.loads((out / "inspect.json").read_text())["scene_from_data"])
    first = FAR_AWAY.poses(around())[0, :, 3]
    np.testing.assert_allclose((placed @ [*first, 1])[:3], path.camera_to_world[0, :, 3], atol=1e-4)


def test_what_inspect_prints_can_be_given_to_train(tmp_path, capsys):
    ball = write_colmap_ball(tmp_path / "ball")
    assert inspect_command.main([f"data.root={ball}", f"out={tmp_path / 'seen'}"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "scene.box=" in line)
    box, rest = line.split("space: ")[1].split("] ")
    assert train_command.main(arguments(ball, tmp_path / "run", box + "]", *rest.split())) == 0


def test_inspecting_the_embedded_scene(tmp_path, capsys):
    assert inspect_command.main(["scene=demo", f"out={tmp_path}"]) == 0
    assert "train: 60 cameras of 128x128" in capsys.readouterr().out


def test_inspecting_warns_of_large_captures(tmp_path, capsys):
    ball = write_transforms_ball(tmp_path / "ball", opaque=True, size=40)
    settings = [
        f"data.root={ball}",
        f"out={tmp_path / 'seen'}",
        "data.memory_gib=1e-5",
        "scene.contraction=false",
    ]
    assert inspect_command.main(settings) == 0
    said = capsys.readouterr().out
    assert "they take turns" in said
    assert "warning: opaque pictures without contraction" in said


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda ball: (ball / "sparse/0/points3D.bin").unlink(), "0 points"),
        (lambda ball: (ball / "images/r_4.png").unlink(), "1 do not exist"),
        (lambda ball: (ball / "sparse/0/cameras.bin").write_bytes(b"\1"), "cameras.bin"),
        (lambda ball: imageio.imwrite(ball / "images/r_4.png", np.zeros((9, 16, 3), np.uint8)), "16x9"),
    ],
    ids=["no points", "missing picture", "cut off", "another shape"],
)
def test_spoilt_captures_are_refused_in_one_line_and_leave_no_run(tmp_path, capsys, spoil, words):
    ball = write_colmap_ball(tmp_path / "ball")
    spoil(ball)
    for command in (train_command, inspect_command):
        given = arguments(ball, tmp_path / "run")
        given = given if command is train_command else given[:3]
        assert command.main(given) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("error:") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "setting",
    [
        "data.test_every=1",
        "data.memory_gib=0",
        "data.rotate_every=0",
        "data.downscale=0",
        "data.downscale=17",
        "data.downscale=4",
        "scene.near=9999",
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path, capsys, setting):
    ball = write_colmap_ball(tmp_path / "ball")
    assert train_command.main(arguments(ball, tmp_path / "run", setting)) == 2
    assert setting.split("=")[0].split(".")[1] in capsys.readouterr().err


def test_blender_scenes_keep_needing_their_box():
    with pytest.raises(ValueError, match="format=blender"):
        SceneConfig(box=None)


def test_every_eighth_picture_is_for_the_test_where_nothing_says(tmp_path):
    ball = write_colmap_ball(tmp_path / "ball")
    (ball / "sparse/0/test.txt").unlink()
    opened = open_capture(ball, "capture", PlacementConfig(), None, test_every=3)
    assert opened.split("test") == [0, 3, 6]
    assert opened.split("train") == [1, 2, 4, 5, 7]


@pytest.mark.slow
def test_a_capture_from_far_away_scores_as_the_original_does(tmp_path):
    """The same photographs and training; benchmarks/nerf_captures.py does it with a real scene."""
    captures = {
        "original": write_transforms_ball(tmp_path / "original", count=20),
        "text": write_colmap_ball(tmp_path / "text", FAR_AWAY, binary=False, count=20),
        "distorted": write_transforms_ball(tmp_path / "distorted", FAR_AWAY, distorted=True, count=20),
    }
    more = [
        "trainer.max_steps=200", "trainer.optimizer.lr=3e-3", "method.width=32", "method.omega_0=10",
        "method.omega_hidden=10", "rays.first=256", "rays.target_samples=8192",
    ]  # fmt: skip
    scores = {}
    for name, root in captures.items():
        out = tmp_path / f"run_{name}"
        # So few steps see another box more than another place: all take it from the cameras.
        same = ["outputs.test_pictures=0", "outputs.turntable_frames=0", "scene.placement.extent=cameras"]
        assert train_command.main(arguments(root, out, *more, *same)) == 0
        scores[name] = json.loads((out / "metrics.json").read_text())["test/psnr"]
    assert scores["original"] > 18, "it has learnt something"
    assert scores["text"] == pytest.approx(scores["original"], abs=1.5)
    assert scores["distorted"] == pytest.approx(scores["original"], abs=2.0)
