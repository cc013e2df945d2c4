"""The commands from end to end on a tiny scene: what they write, what they refuse, how they stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
import yaml
from synthetic_scene import TINY, write_ball_scene

from wsapps import checkpoint
from wsapps_nerf import __main__ as console
from wsapps_nerf import eval as eval_command
from wsapps_nerf import evaluation, render_files
from wsapps_nerf import render as render_command
from wsapps_nerf import train as train_command
from wsapps_nerf.camera_path import look_at

STEPS = 20


@pytest.fixture(autouse=True)
def fresh_surroundings(monkeypatch, fresh_logging):
    """Each test's stderr is another one, and no data folder is set."""
    monkeypatch.delenv("WSAPPS_DATA", raising=False)


@pytest.fixture(scope="module")
def ball(tmp_path_factory):
    return write_ball_scene(tmp_path_factory.mktemp("data") / "ball")


def train_arguments(ball, out, *overrides):
    return [f"data.root={ball}", f"out={out}", f"trainer.max_steps={STEPS}", *TINY, *overrides]


@pytest.fixture(scope="module")
def finished(ball, tmp_path_factory):
    """A finished run; tests must not change it."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    evaluations = ["trainer.evaluate_every=10"]
    assert train_command.main(train_arguments(ball, out, *evaluations)) == 0
    return out


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def listing(folder):
    """Every file below a folder with its content."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def ctrl_c_is_heard():
    """A background job of a shell without job control starts with SIGINT ignored, and its tests too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def refused(capsys, command, *arguments):
    """Run a command that must refuse its input, and return its one line."""
    capsys.readouterr()
    assert command.main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


def environment(**extra):
    source = str(Path(__file__).resolve().parents[1])
    kept = {key: value for key, value in os.environ.items() if key != "WSAPPS_DATA"}
    return kept | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1", **extra}


def python(*arguments, cwd, check=True):
    result = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment(), capture_output=True, text=True
    )
    assert not check or result.returncode == 0, result.stderr
    return result


# What a finished run holds


def test_metrics_are_flat_numbers_under_their_agreed_names(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    names = {"test/psnr", "test/ssim", "wall_seconds", "train_seconds", "steps", "device", "version"}
    assert set(metrics) == names
    assert all(isinstance(metrics[name], (int, float)) for name in names - {"device", "version"})
    assert metrics["steps"] == STEPS
    assert 0 < metrics["train_seconds"] <= metrics["wall_seconds"]
    assert 5 < metrics["test/psnr"] < 60
    scores = json.loads((finished / "test_scores.json").read_text())
    assert [score["name"] for score in scores] == ["r_0", "r_1", "r_2"]
    assert np.mean([score["psnr"] for score in scores]) == pytest.approx(metrics["test/psnr"])


def test_a_run_leaves_its_configuration_log_events_and_checkpoint(finished, ball):
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert (config["data"]["root"], config["data"]["downscale"]) == (str(ball), 1)
    assert config["method"]["width"] == 16
    assert "test/psnr" in (finished / "log.txt").read_text()
    assert checkpoint.load_latest(finished / "checkpoint").step == STEPS
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    assert {"train/loss", "train/psnr", "train/lr", "test/psnr"} <= set(events.Tags()["scalars"])
    assert "test/view" in events.Tags()["images"]
    assert [entry.step for entry in events.Scalars("test/psnr")] == [10, 20]
    assert [entry.step for entry in events.Scalars("train/loss")] == [5, 10, 15, 20]


def test_pictures_show_truth_rendering_and_depth(finished, ball):
    for name in ("r_0", "r_2"):
        row = imageio.imread(finished / f"test_{name}.png")
        assert row.shape == (12 + 20, 3 * 12 + 2 * 4, 3)  # three pictures, gaps, captions
        rgba = imageio.imread(ball / "test" / f"{name}.png").astype(float) / 255
        truth = rgba[..., :3] * rgba[..., 3:] + 1 - rgba[..., 3:]
        np.testing.assert_allclose(row[20:, :12] / 255, truth, atol=1 / 255)
        assert imageio.imread(finished / f"depth_{name}.png").shape == (12, 12, 3)
    assert imageio.imread(finished / "turntable.mp4").shape == (3, 12, 12, 3)


def test_the_page_shows_every_picture_of_the_run(finished):
    page = (finished / "index.html").read_text()
    for file in ("turntable.mp4", "test_r_0.png", "depth_r_0.png", "test_r_2.png", "depth_r_2.png"):
        assert f'"{file}"' in page
    assert "test/psnr" in page
    assert not list(finished.glob(".*.tmp*")), "nothing half-written is left"


# Starting again


def test_a_second_start_says_that_the_run_is_finished(finished, ball, capsys):
    before = listing(finished)
    arguments = train_arguments(ball, finished, "trainer.evaluate_every=10")
    assert train_command.main(arguments) == 0
    message = capsys.readouterr().err
    assert "finished" in message
    assert str(finished) in message
    assert listing(finished) == before


def test_another_configuration_is_refused_and_the_difference_named(finished, ball, capsys):
    before = listing(finished)
    arguments = train_arguments(ball, finished, "trainer.evaluate_every=10", "trainer.seed=1")
    message = refused(capsys, train_command, *arguments)
    assert "trainer.seed: 0 in the run folder, 1 now" in message
    assert listing(finished) == before


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trainer.max_stps=5", ["trainer.max_stps", "max_steps"]),
        ("scne=lego", ["scne", "scene"]),
        ("scene=leggo", ["leggo", "lego"]),
        ("method=sirn", ["sirn", "siren"]),
        ("trainer.seed=zero", ["trainer.seed", "zero", "int"]),
        ("trainer.max_steps=0", ["max_steps", "positive"]),
        ("rays.background=grey", ["grey", "white"]),
        ("rays.least=9999", ["least"]),
        ("scene.box=[1,1,1,-1,-1,-1]", ["box"]),
        ("scene.near=7", ["near"]),
        ("data.downscale=5", ["data.downscale=5", "12x12"]),
        ("data.downscale=2", ["6x6", "SSIM"]),
        ("data.root=nowhere", ["nowhere", "transforms_train.json"]),
        ("method.alpha=0", ["alpha", "positive"]),
        ("method.width=0", ["width", "at least 1"]),
        ("heads.density_scale=nan", ["density_scale", "finite"]),
        ("heads.colour_width=-1", ["colour_width"]),
        ("renderer.step_size=1e-9", ["step_size", "samples"]),
        ("trainer.num_threads=100000", ["num_threads", "1024"]),
        ("--fast", ["--fast", "key=value"]),
        ("+trainer.seed=1", ["+"]),
        ("lego", ["lego", "="]),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(ball, tmp_path, capsys, override, words):
    out = tmp_path / "run"
    message = refused(capsys, train_command, *train_arguments(ball, out), override)
    for word in words:
        assert word in message
    assert not out.exists()


@pytest.mark.parametrize("override", [["scene.near=0.1", "scene.far=0.2"], ["renderer.step_size=100"]])
def test_rays_that_meet_nothing_are_refused_before_anything_is_written(ball, tmp_path, capsys, override):
    out = tmp_path / "run"
    message = refused(capsys, train_command, *train_arguments(ball, out), *override)
    assert "training rays has a sample in the scene's box" in message
    assert override[-1].partition("=")[2] in message
    assert not out.exists()


def test_a_folder_of_something_else_is_left_alone(ball, tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("years of work")
    message = refused(capsys, train_command, *train_arguments(ball, tmp_path))
    assert "not a run folder" in message
    assert listing(tmp_path) == {"thesis.tex": b"years of work"}


def test_a_broken_scene_is_refused(ball, tmp_path, capsys):
    broken = Path(shutil.copytree(ball, tmp_path / "broken"))
    picture = broken / "train" / "r_3.png"
    picture.write_bytes(picture.read_bytes()[:100])
    message = refused(capsys, train_command, *train_arguments(broken, tmp_path / "run"))
    assert str(picture) in message
    assert not (tmp_path / "run").exists()


# Evaluation


@pytest.mark.parametrize(("split", "views"), [("test", 3), ("train", 5), ("val", 2)])
def test_eval_scores_every_view_of_a_split(copy, capsys, split, views):
    before = listing(copy)
    assert eval_command.main([f"out={copy}", f"split={split}"]) == 0
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    scores = json.loads((copy / f"eval_{split}.json").read_text())
    assert [view["name"] for view in scores["views"]] == [f"r_{view}" for view in range(views)]
    for name in ("psnr", "ssim"):
        mean = np.mean([view[name] for view in scores["views"]])
        assert scores[f"{split}/{name}"] == pytest.approx(mean)
    assert f"{scores[f'{split}/psnr']:.2f} dB" in line
    assert scores["steps"] == STEPS
    after = listing(copy)
    assert set(after) - set(before) == {f"eval_{split}.json"}
    assert all(after[name] == content for name, content in before.items())
    if split == "test":  # the checkpoint is the field that was scored when training ended
        metrics = json.loads(before["metrics.json"])
        assert scores["test/psnr"] == pytest.approx(metrics["test/psnr"], rel=1e-6)
        assert scores["test/ssim"] == pytest.approx(metrics["test/ssim"], rel=1e-5)


def test_eval_of_an_unfinished_run_scores_its_newest_checkpoint(copy, capsys):
    (copy / "metrics.json").unlink()
    latest = checkpoint.load_latest(copy / "checkpoint")
    black = {name: torch.zeros_like(value) for name, value in latest.state["objective"].items()}
    checkpoint.save(copy / "checkpoint", STEPS + 5, {**latest.state, "objective": black})
    assert eval_command.main([f"out={copy}"]) == 0
    scores = json.loads((copy / "eval_test.json").read_text())
    assert scores["steps"] == STEPS + 5
    # With an empty grid only the white background is seen.
    assert all(view["psnr"] < 15 for view in scores["views"])


def test_eval_follows_data_that_has_moved(copy, ball, tmp_path, capsys):
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace(str(ball), str(tmp_path / "old")))
    message = refused(capsys, eval_command, f"out={copy}")
    assert str(tmp_path / "old") in message
    assert "data.root=" in message
    assert not (copy / "eval_test.json").exists()
    assert eval_command.main([f"out={copy}", f"data.root={ball}"]) == 0


def commands_that_read():
    return pytest.mark.parametrize("command", [eval_command, render_command], ids=["eval", "render"])


@commands_that_read()
def test_a_run_that_is_not_there(command, tmp_path, capsys):
    assert "does not exist" in refused(capsys, command, f"out={tmp_path / 'none'}")
    assert "not a run folder" in refused(capsys, command, f"out={tmp_path}")
    assert "out must be given" in refused(capsys, command)
    assert not list(tmp_path.iterdir())


@commands_that_read()
def test_a_run_without_a_checkpoint(command, copy, capsys):
    shutil.rmtree(copy / "checkpoint")
    assert "no checkpoint" in refused(capsys, command, f"out={copy}")
    (copy / "checkpoint" / "step_00000001.tmp").mkdir(parents=True)
    assert "no checkpoint" in refused(capsys, command, f"out={copy}")


@commands_that_read()
def test_a_checkpoint_of_another_architecture(command, copy, capsys):
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("width: 16", "width: 24"))
    message = refused(capsys, command, f"out={copy}")
    assert "another architecture" in message
    assert str(copy / "checkpoint") in message


@commands_that_read()
def test_a_damaged_checkpoint(command, copy, capsys):
    (tensors,) = (copy / "checkpoint").glob("*/tensors.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:-50])
    assert "truncated" in refused(capsys, command, f"out={copy}")


@commands_that_read()
def test_a_checkpoint_of_something_else(command, copy, capsys):
    shutil.rmtree(copy / "checkpoint")
    checkpoint.save(copy / "checkpoint", 3, {"weights": torch.zeros(3)})
    assert "not a checkpoint of a training run" in refused(capsys, command, f"out={copy}")


@commands_that_read()
def test_a_damaged_configuration(command, copy, capsys):
    config = copy / "config.yaml"
    config.write_text(config.read_text() + "colour: blue\n")
    message = refused(capsys, command, f"out={copy}")
    assert "colour" in message
    assert str(config) in message


@commands_that_read()
def test_unknown_keys_of_the_readers(command, copy, capsys):
    assert "splt" in refused(capsys, command, f"out={copy}", "splt=test")
    assert "trainer.seed" in refused(capsys, command, f"out={copy}", "trainer.seed=1")


def test_an_unknown_split(copy, capsys):
    assert "test, train, val" in refused(capsys, eval_command, f"out={copy}", "split=tset")


# Rendering


def video(file):
    return imageio.imread(file), imageio.immeta(file)


def test_render_draws_an_orbit_in_colour_and_depth(copy, capsys):
    before = listing(copy)
    assert render_command.main([f"out={copy}", "frames=4", "fps=10", "width=24"]) == 0
    assert "4 frames of 24x24" in capsys.readouterr().out
    for name in ("render_rgb.mp4", "render_depth.mp4"):
        frames, about = video(copy / name)
        assert frames.shape == (4, 24, 24, 3)
        assert about["fps"] == pytest.approx(10)
    after = listing(copy)
    assert set(after) - set(before) == {"render_rgb.mp4", "render_depth.mp4"}
    assert all(after[name] == content for name, content in before.items())


def test_render_follows_a_camera_path(copy, tmp_path, finished, ball):
    """A path of the test cameras shows what the test pictures show."""
    path = ball / "transforms_test.json"
    assert render_command.main([f"out={copy}", f"path={path}", "width=12"]) == 0
    frames, about = video(copy / "render_rgb.mp4")
    assert frames.shape == (3, 12, 12, 3)
    assert about["fps"] == pytest.approx(30)
    rendered = imageio.imread(finished / "test_r_0.png")[20:, 16:28].astype(float)
    # H.264 halves the resolution of colour, so brightness is compared.
    assert np.abs(frames[0].mean(axis=-1) - rendered.mean(axis=-1)).mean() < 6


def test_sizes_and_rates_of_a_path_hold_unless_given(copy, tmp_path):
    pose = [*look_at((4, 0, 1), (0, 0, 0)).tolist(), [0, 0, 0, 1]]
    content = {"fps": 12, "width": 20, "height": 16, "frames": [{"transform_matrix": pose}] * 2}
    path = tmp_path / "path.json"
    path.write_text(json.dumps(content))
    assert render_command.main([f"out={copy}", f"path={path}"]) == 0
    frames, about = video(copy / "render_rgb.mp4")
    assert frames.shape == (2, 16, 20, 3)
    assert about["fps"] == pytest.approx(12)
    assert render_command.main([f"out={copy}", f"path={path}", "height=32", "fps=24"]) == 0
    frames, about = video(copy / "render_depth.mp4")
    assert frames.shape == (2, 32, 40, 3)
    assert about["fps"] == pytest.approx(24)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frames=0"], ["frames"]),
        (["fps=0"], ["fps"]),
        (["width=0"], ["width"]),
        (["height=20000"], ["height", "16384"]),
        (["elevation=90"], ["elevation", "90"]),
        (["radius=-1"], ["radius"]),
        (["path=nowhere.json"], ["nowhere.json"]),
        (["path=p.json", "elevation=10"], ["elevation", "path="]),
    ],
)
def test_render_refuses_what_it_cannot_draw(copy, capsys, arguments, words):
    before = listing(copy)
    message = refused(capsys, render_command, f"out={copy}", *arguments)
    for word in words:
        assert word in message
    assert listing(copy) == before


def test_a_bad_camera_path_is_refused(copy, tmp_path, capsys):
    (tmp_path / "path.json").write_text('{"frames": [{"transform_matrix": [[1, 0], [0, 1]]}]}')
    message = refused(capsys, render_command, f"out={copy}", f"path={tmp_path / 'path.json'}")
    assert "path.json" in message
    assert "4x4" in message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_render_leaves_the_old_videos_and_no_half_ones(
    copy, capsys, monkeypatch, number, ctrl_c_is_heard
):
    assert render_command.main([f"out={copy}", "frames=2"]) == 0
    before = listing(copy)
    real, calls = evaluation.render_view, []

    def interrupted(*arguments):
        calls.append(None)
        if len(calls) == 6:  # the depth range takes four pictures: in the middle of the second frame
            os.kill(os.getpid(), number)
        return real(*arguments)

    for module in (render_files, evaluation):
        monkeypatch.setattr(module, "render_view", interrupted)
    assert render_command.main([f"out={copy}", "frames=4"]) == 128 + number
    assert len(calls) == 6
    assert "Traceback" not in capsys.readouterr().err
    assert listing(copy) == before


def test_depth_colours_have_one_range_for_the_whole_video(copy, monkeypatch):
    ranges = []
    real = render_files.depth_picture

    def noted(picture, low, high):
        ranges.append((low, high))
        return real(picture, low, high)

    monkeypatch.setattr(render_files, "depth_picture", noted)
    # Towards the ball and away again: a range for each frame would differ.
    keyframes = [
        {"time": time, "position": [position, 0, 0], "target": [0, 0, 0]}
        for time, position in ((0, 5.5), (0.2, 3.5), (0.4, 5.5))
    ]
    path = copy / "path.json"
    path.write_text(json.dumps({"fps": 10, "keyframes": keyframes}))
    assert render_command.main([f"out={copy}", f"path={path}"]) == 0
    assert len(ranges) == 5
    assert len(set(ranges)) == 1
    low, high = ranges[0]
    assert 1 < low < high < 8


# The console script


@pytest.mark.parametrize("verb", ["train", "eval", "render"])
def test_help_lists_every_key(capsys, verb):
    assert console.main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: python -m wsapps_nerf.{verb}" in text
    assert "out=" in text
    assert "data.root=" in text
    if verb == "train":
        assert "weight_scaling (default)" in text
        assert "lego" in text
        assert console.main([verb, "method=relu_pe", "--help"]) == 0
        assert "method.octaves=10" in capsys.readouterr().out


def test_the_console_script_lists_its_verbs(capsys):
    assert console.main(["--help"]) == 0
    text = capsys.readouterr().out
    commands = [
        file.stem for file in Path(console.__file__).parent.glob("*.py") if "\nPROGRAM = " in file.read_text()
    ]
    assert sorted(commands) == sorted(console.VERBS)
    assert all(f"  {verb} " in text for verb in commands)
    assert console.main([]) == 2
    assert "usage" in capsys.readouterr().err
    assert console.main(["trian", "scene=lego"]) == 2
    message = capsys.readouterr().err
    assert "did you mean 'train'?" in message
    assert message.count("\n") == 1


def test_the_console_script_runs_the_verb(copy, capsys):
    assert console.main(["eval", f"out={copy}", "split=val"]) == 0
    assert (copy / "eval_val.json").is_file()
    assert console.main(["eval", "out=nowhere"]) == 2


# In processes of their own


@pytest.mark.slow
def test_commands_run_from_any_folder_in_processes_of_their_own(ball, tmp_path):
    arguments = [argument for argument in train_arguments(ball, "runs/ball") if "data.root" not in argument]
    (tmp_path / "here").mkdir()
    shutil.copytree(ball, tmp_path / "here" / "data")
    result = python("-m", "wsapps_nerf.train", *arguments, "data.root=data", cwd=tmp_path / "here")
    assert "test/psnr" in result.stderr
    assert "\r" not in result.stderr, "no progress bar where there is no terminal"
    run = tmp_path / "here" / "runs" / "ball"
    assert (run / "index.html").is_file()
    # The data was given relative to another folder: one line says so, and data.root= mends it.
    arguments = ["-m", "wsapps_nerf", "eval", "out=here/runs/ball"]
    result = python(*arguments, cwd=tmp_path, check=False)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "data.root=" in result.stderr
    result = python(*arguments, "data.root=here/data", cwd=tmp_path)
    assert (run / "eval_test.json").is_file()
    assert result.stdout.count("\n") == 1


@pytest.mark.slow
def test_a_killed_and_a_terminated_run_end_as_if_nothing_had_happened(ball, tmp_path):
    """kill -9, then SIGTERM, then to the end: the same weights and moments, bit for bit."""
    arguments = ["trainer.max_steps=150", "rays.adjust_every=8", "outputs.turntable_frames=0"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    python("-m", "wsapps_nerf.train", *train_arguments(ball, whole, *arguments), cwd=tmp_path)
    often = [*train_arguments(ball, parts, *arguments), "trainer.checkpoint_seconds=0"]

    def stopped(number, after_step):
        command = [sys.executable, "-m", "wsapps_nerf.train", *often]
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None:
            if any(int(folder.name[5:]) >= after_step for folder in parts.glob("checkpoint/step_????????")):
                process.send_signal(number)
                break
            time.sleep(0.005)
        return process.communicate()[1], process.returncode

    _, code = stopped(signal.SIGKILL, 20)
    assert code == -signal.SIGKILL
    assert not (parts / "metrics.json").exists()
    message, code = stopped(signal.SIGTERM, 60)
    assert code == 143
    assert "Traceback" not in message
    assert "continuing from step" in message
    assert "state saved in" in message
    python("-m", "wsapps_nerf.train", *often, cwd=tmp_path)

    ends = [checkpoint.load_latest(folder / "checkpoint") for folder in (whole, parts)]
    assert [end.step for end in ends] == [150, 150]
    for name, value in ends[0].state["objective"].items():
        assert torch.equal(value, ends[1].state["objective"][name]), name
    for key, moments in ends[0].state["optimizer"]["state"].items():
        for name, value in moments.items():
            other = ends[1].state["optimizer"]["state"][key][name]
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(other)), (key, name)
    scores = [json.loads((folder / "metrics.json").read_text())["test/psnr"] for folder in (whole, parts)]
    assert scores[0] == scores[1]
    assert not list(parts.glob("checkpoint/*.tmp"))


@pytest.mark.slow
def test_accelerate_launch_trains_with_all_cores_and_shows_our_line_first(ball, tmp_path):
    launch = ["-m", "accelerate.commands.launch", "--num_processes", "1", "-m", "wsapps_nerf.train"]
    arguments = [argument for argument in train_arguments(ball, "run") if "num_threads" not in argument]
    result = python(*launch, *arguments, cwd=tmp_path)
    assert (tmp_path / "run" / "metrics.json").is_file()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert f"({cores} threads)" in json.loads((tmp_path / "run" / "metrics.json").read_text())["device"]
    result = python(*launch, *arguments, "trainer.seed=1", cwd=tmp_path, check=False)
    assert result.returncode != 0
    ours = [line for line in result.stderr.splitlines() if line.startswith(("error: ", "Traceback"))]
    assert ours[0].startswith("error: ")
    assert "trainer.seed" in ours[0]


@pytest.mark.slow
def test_two_ranks_make_one_run_and_the_same_scores_and_videos_as_one(ball, tmp_path):
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    arguments = [argument for argument in train_arguments(ball, "") if not argument.startswith("out=")]
    python(*torchrun, "wsapps_nerf.train", *arguments, cwd=tmp_path)
    (run,) = (tmp_path / "runs" / "nerf").iterdir()
    assert {"metrics.json", "index.html", "turntable.mp4"} <= {file.name for file in run.iterdir()}
    result = python(*torchrun, "wsapps_nerf.eval", f"out={run}", cwd=tmp_path)
    assert result.stdout.count("test/psnr") == 1
    by_two = json.loads((run / "eval_test.json").read_text())
    python(*torchrun, "wsapps_nerf.render", f"out={run}", "frames=3", cwd=tmp_path)
    frames = {name: imageio.imread(run / f"render_{name}.mp4") for name in ("rgb", "depth")}

    assert eval_command.main([f"out={run}"]) == 0
    by_one = json.loads((run / "eval_test.json").read_text())
    assert by_two.keys() == by_one.keys()
    for two, one in zip(by_two["views"], by_one["views"], strict=True):
        assert two["name"] == one["name"]
        assert two["psnr"] == pytest.approx(one["psnr"], rel=1e-6)
        assert two["ssim"] == pytest.approx(one["ssim"], rel=1e-6)
    assert render_command.main([f"out={run}", "frames=3"]) == 0
    for name, both in frames.items():
        np.testing.assert_array_equal(both, imageio.imread(run / f"render_{name}.mp4"))
