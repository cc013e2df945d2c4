"""Configurations in a fresh process, where nothing has set Hydra up before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LOAD_TWICE = """
import sys
from dataclasses import dataclass, field
from wsapps.config import load_config

@dataclass
class Scene:
    size: int = 1

@dataclass
class Config:
    scene: Scene = field(default_factory=Scene)

folder, mine = sys.argv[1:]
sizes = [
    load_config(Config, "train", config_dir=folder, overrides=[f"scene={option}"]).scene.size
    for option in (mine, "demo", mine)
]
print(sizes)
"""


def test_a_file_of_ones_own_may_be_the_first_thing_that_is_loaded(tmp_path: Path) -> None:
    """Hydra's plugins register their options once a process; they were lost with what a file had added."""
    folder = tmp_path / "configs"
    (folder / "scene").mkdir(parents=True)
    (folder / "train.yaml").write_text("defaults:\n  - scene: demo\n  - _self_\n")
    (folder / "scene" / "demo.yaml").write_text("size: 2\n")
    mine = tmp_path / "mine.yaml"
    mine.write_text("size: 3\n")
    done = subprocess.run(
        [sys.executable, "-c", LOAD_TWICE, str(folder), str(mine)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[3, 2, 3]", done.stderr
