"""The built wheel works by itself: in an empty environment, from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The python of a new environment that holds the wheel; its dependencies are borrowed from ours.

    A path in a .pth file is searched, but the .pth files in it are not read: an editable install of this
    checkout stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    find = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    packages = Path(subprocess.run(find, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder


def run(environment, cwd, *command):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "WSAPPS"))}
    finished = subprocess.run(
        [str(environment / "bin" / command[0]), *command[1:]],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_wheel_holds_configs_scene_and_template_and_nothing_of_the_tests(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "wsapps/configs/nerf/train.yaml" in names
    assert "wsapps/configs/nerf/scene/lego.yaml" in names
    assert "wsapps/report.html.j2" in names
    assert sum(name.startswith("wsapps_nerf/demo_scene/train/") for name in names) == 60
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/", "tools/"))]


def test_the_installed_package_is_the_wheel(environment, tmp_path):
    place = run(environment, tmp_path, "python", "-c", "import wsapps; print(wsapps.__file__)").strip()
    assert Path(place).is_relative_to(environment)


def test_it_trains_the_embedded_scene_from_another_folder(environment, tmp_path):
    settings = ["trainer.max_steps=3", "data.downscale=8", "outputs.turntable_frames=2", "method.width=16"]
    run(environment, tmp_path, "python", "-m", "wsapps_nerf.train", "out=first", *settings)
    run(environment, tmp_path, "wsapps-nerf", "train", "out=second", *settings)
    for name in ("first", "second"):
        metrics = json.loads((tmp_path / name / "metrics.json").read_text())
        assert metrics["steps"] == 3
        assert (tmp_path / name / "index.html").is_file()
