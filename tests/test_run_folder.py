"""A run folder is new, continued or finished; whatever is not ours is left alone."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wsapps import atomic, lock, run_folder
from wsapps.errors import UserError
from wsapps.run_folder import RunFolder, default_path

SOURCE = str(Path(run_folder.__file__).parents[1])
CONFIG = "trainer:\n  seed: 0\nname: é\n"


def same(old: str) -> list[str]:
    assert old == CONFIG
    return []


def never(old: str) -> list[str]:
    raise AssertionError("a new folder has no older configuration")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
    }


@contextmanager
def refused(*messages: str) -> Iterator[None]:
    with pytest.raises(UserError) as error:
        yield
    assert "\n" not in str(error.value)
    for message in messages:
        assert message in str(error.value)


def leave(path):
    """A temporary file of a process that was killed two days ago."""
    path.write_text("{")
    os.utime(path, (time.time() - 2 * 86_400,) * 2)


@pytest.mark.parametrize("state", ["missing", "deep", "empty", "killed before config.yaml"])
def test_a_free_place_becomes_a_new_run(tmp_path, state):
    path = tmp_path / "a" / "b" if state == "deep" else tmp_path / "run é=(1)"
    if state not in ("missing", "deep"):
        path.mkdir()
    if state == "killed before config.yaml":
        (path / ".lock").write_text("123\n")
        leave(path / ".config.0123abcd.tmp.yaml")
    run = RunFolder.open(path, CONFIG, never)
    assert run.status == "new"
    assert (path / "config.yaml").read_text(encoding="utf-8") == CONFIG
    assert run.config_yaml == CONFIG
    assert sorted(os.listdir(path)) == [".lock", "config.yaml"]
    assert (run.path, run.checkpoints, run.metrics_path) == (path, path / "checkpoint", path / "metrics.json")
    assert (run.log_path, run.tensorboard) == (path / "log.txt", path / "tensorboard")


def test_a_begun_run_is_resumed_and_a_finished_one_is_finished(tmp_path):
    path = tmp_path / "run"
    with_lock = RunFolder.open(path, CONFIG, never)
    with_lock.close()
    leave(path / ".metrics.0123abcd.tmp.json")
    run = RunFolder.open(path, "other text", same)
    assert run.status == "resume"
    assert (path / "config.yaml").read_text(encoding="utf-8") == CONFIG
    assert sorted(os.listdir(path)) == [".lock", "config.yaml"]
    run.write_metrics({"test/psnr": 30.0})
    run.close()
    finished = RunFolder.open(path, CONFIG, same)
    assert finished.status == "finished"
    assert finished.read_metrics() == {"test/psnr": 30.0}
    finished.close()


def test_what_another_command_is_writing_beside_it_stays(tmp_path):
    path = tmp_path / "run"
    RunFolder.open(path, CONFIG, never).close()
    with atomic.replacing(path / "turntable.mp4") as temporary:  # as render does, which takes no lock
        temporary.write_bytes(b"frames")
        RunFolder.open(path, CONFIG, same).close()
    assert (path / "turntable.mp4").read_bytes() == b"frames"


@pytest.mark.parametrize("finished", [False, True])
def test_another_configuration_is_refused_and_nothing_changes(tmp_path, finished):
    path = tmp_path / "run"
    run = RunFolder.open(path, CONFIG, never)
    if finished:
        run.write_metrics({})
    run.close()
    before = contents(path)
    with refused(
        f"{path} holds a run with another configuration: trainer.seed: 0 in the run folder, 1 now; ",
        "choose another out=, or repeat the old values",
    ):
        RunFolder.open(path, "x", lambda old: ["trainer.seed: 0 in the run folder, 1 now"])
    with refused("a4: x; and 15 more; choose"):
        RunFolder.open(path, "x", lambda old: [f"a{number}: x" for number in range(20)])
    assert contents(path) == before
    RunFolder.open(path, CONFIG, same).close()  # the refusal has let go of the lock


def test_a_folder_of_somebody_else_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / "figures").mkdir()
    before = contents(tmp_path)
    with refused("is not a run folder", "no config.yaml", "figures and 1 more", "choose another out="):
        RunFolder.open(tmp_path, CONFIG, never)
    assert contents(tmp_path) == before


def test_a_file_is_refused_and_untouched(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with refused(f"{path} is a file"):
        RunFolder.open(path, CONFIG, never)
    with refused("cannot use the run folder", "a part of that path is a file"):
        RunFolder.open(path / "below", CONFIG, never)
    assert path.read_text() == "x"


def test_a_config_that_is_not_text_is_one_line(tmp_path):
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe")
    with refused("config.yaml is not UTF-8"):
        RunFolder.open(tmp_path, CONFIG, same)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_place_that_cannot_be_written_is_one_line():
    with tempfile.TemporaryDirectory() as name:  # not tmp_path: other users cannot enter that
        folder = Path(name) / "run"
        folder.mkdir()
        os.chmod(folder, 0o555)
        os.chmod(name, 0o555)
        root = os.geteuid() == 0  # whom permissions do not bind: act as the user `nobody`
        if root:
            os.seteuid(65534)
        try:
            for path in (folder, folder / "below", Path(name) / "other"):
                with refused("cannot use the run folder", str(path), "permission denied"):
                    RunFolder.open(path, CONFIG, never)
        finally:
            if root:
                os.seteuid(0)
            os.chmod(name, 0o755)
            os.chmod(folder, 0o755)
        assert contents(folder) == {}


# --- one writer at a time ---------------------------------------------------------------------------------

needs_locks = pytest.mark.skipif(lock.fcntl is None, reason="the system has no flock")

HOLD = """
import os, sys, time
from pathlib import Path
from wsapps.run_folder import RunFolder
run = RunFolder.open(Path(sys.argv[1]), sys.argv[2], lambda old: [])
# With "fork" there is a worker that outlives its parent, until the test closes stdin.
if sys.argv[3] == "no fork" or os.fork() == 0:
    print(run.status, flush=True)
sys.stdin.read()
os._exit(0)
"""


@contextmanager
def another_process(path: Path, fork: str = "no fork") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), CONFIG, fork],
        env={**os.environ, "PYTHONPATH": SOURCE},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() in ("new", "resume")
        yield process
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()


@needs_locks
@pytest.mark.parametrize("fork", ["no fork", "fork"])
def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path, fork):
    path = tmp_path / "run"
    with another_process(path, fork) as first:
        before = contents(path)
        with refused(f"{path} is being written by another process (pid {first.pid})"):
            RunFolder.open(path, CONFIG, same)
        assert contents(path) == before
        first.send_signal(signal.SIGKILL)
        first.wait()
        # A worker that it forked may live on: the run is free all the same.
        run = RunFolder.open(path, CONFIG, same)
        assert run.status == "resume"
        run.close()


@needs_locks
def test_the_lock_is_held_until_closed_or_forgotten(tmp_path):
    run = RunFolder.open(tmp_path, CONFIG, never)
    with refused(f"(pid {os.getpid()})"):
        RunFolder.open(tmp_path, CONFIG, same)
    run.close()
    run.close()
    run = RunFolder.open(tmp_path, CONFIG, same)
    del run
    RunFolder.open(tmp_path, CONFIG, same).close()


# --- to read ----------------------------------------------------------------------------------------------


def test_an_existing_run_is_opened_while_it_is_written(tmp_path):
    run = RunFolder.open(tmp_path / "run", CONFIG, never)
    with refused("has no checkpoint yet", f"`accelerate launch -m wsapps_x.train out={run.path}` makes one"):
        RunFolder.existing(run.path, "accelerate launch -m wsapps_x.train")
    (run.checkpoints / "step_00000001").mkdir(parents=True)
    assert RunFolder.existing(run.path).status == "resume"
    run.write_metrics({})
    found = RunFolder.existing(run.path)
    assert (found.status, found.config_yaml) == ("finished", CONFIG)
    shutil.rmtree(run.checkpoints)  # to save space: what is finished is there
    assert RunFolder.existing(run.path).status == "finished"
    run.close()


def test_what_is_missing_is_named_and_nothing_is_made(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, message in [
        ("nowhere", "does not exist"),
        ("file", "is a file, not a run folder"),
        ("empty", "is not a run folder: it has no config.yaml"),
    ]:
        with refused(str(tmp_path / name), message, "train out="):
            RunFolder.existing(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["empty", "file"]


# --- metrics ----------------------------------------------------------------------------------------------


def test_metrics_round_trip(tmp_path):
    run = RunFolder.open(tmp_path, CONFIG, never)
    metrics = {"test/psnr": 30.125, "steps": 7, "device": "cpu", "version": "0.1.0"}
    run.write_metrics({**metrics, "worst": math.nan})
    read = run.read_metrics()
    assert math.isnan(float(read.pop("worst")))
    assert read == metrics
    assert json.loads(run.metrics_path.read_text()) == {**metrics, "worst": None}
    run.close()


@pytest.mark.parametrize("metrics", [{"psnr": "30"}, {"a": {"b": 1.0}}, {"a": None}, {"a": True}, {"a": [1]}])
def test_metrics_that_are_not_flat_numbers_are_refused(tmp_path, metrics):
    run = RunFolder.open(tmp_path, CONFIG, never)
    with pytest.raises(TypeError, match=re.escape(repr(next(iter(metrics))))):
        run.write_metrics(metrics)
    assert not run.metrics_path.exists()
    run.close()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": {"b": 1}}', "[" * 100_000])
def test_metrics_that_cannot_be_read_are_one_line(tmp_path, text):
    run = RunFolder.open(tmp_path, CONFIG, never)
    with refused("metrics.json", "no such file"):
        run.read_metrics()
    run.metrics_path.write_text(text)
    with refused("metrics.json", "delete it"):
        run.read_metrics()
    run.close()


# --- names ------------------------------------------------------------------------------------------------


def test_the_default_path_is_free_and_made_of_application_name_and_time(tmp_path):
    made = []
    for _ in range(5):
        path = default_path("nerf", "lego", tmp_path)
        assert not path.exists()
        path.mkdir(parents=True)
        made.append(path)
    assert len(set(made)) == 5
    for path in made:
        assert path.parent == tmp_path / "nerf"
        assert re.fullmatch(r"lego-\d{8}-\d{6}(-\d+)?", path.name)


def test_the_default_root_is_runs():
    assert default_path("nerf", "lego").parent == Path("runs/nerf")


@pytest.mark.parametrize("name", ["../../my scene.yaml", "/abs/é", "a\\b", "..", ""])
def test_the_default_path_stays_in_its_folder(tmp_path, name):
    path = default_path("nerf", name, tmp_path)
    assert path.parent == tmp_path / "nerf"
    assert re.fullmatch(r"[\w.-]*\w-\d{8}-\d{6}", path.name)
    assert not path.name.startswith(".")
