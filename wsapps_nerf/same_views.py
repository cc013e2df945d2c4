"""The poses that a run on a capture was trained on, in ``views.json``, so that no others are taken for them.

Where a capture's scene lies, and which pictures are for the test, is found from all of its files: with one
photograph more or less every pose is another one, and the field is where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wsapps.accelerator import on_main
from wsapps.atomic import write_json
from wsapps.errors import UserError
from wsapps.run import Run
from wsapps.run_folder import has_checkpoint
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.json_values import read_json
from wsapps_nerf.load import load_cameras
from wsapps_nerf.scene import Scene
from wsapps_nerf.trained import TrainedRun

_VIEWS_JSON = "views.json"
_SAME = 1e-3  # of a pose's entries, relative to the farthest camera: another machine rounds otherwise


def keep_views(scene: Scene, run: Run) -> None:
    """Note the poses in a new run, and refuse to continue one on other poses, if it has noted some.

    Raises:
        UserError: on all ranks.
    """
    cameras = {"train": scene.train.cameras, "test": scene.test.cameras}
    on_main(run.accelerator, lambda: _keep(cameras, run.folder.path))


def check_views(trained: TrainedRun) -> None:
    """Refuse a capture whose poses are not those that the run was trained on.

    Runs on Blender's scenes, whose poses no other file moves, and runs without the file are not looked at.

    Raises:
        UserError: as said, or as reading the capture does.
    """
    config, folder = trained.config, trained.run.path
    if config.scene.format != "blender" and (folder / _VIEWS_JSON).is_file():
        cameras = {split: load_cameras(config.scene, config.data, split) for split in ("train", "test")}
        _compare(cameras, folder)  # on every rank that calls it: perhaps the first one alone does


def _keep(cameras: Mapping[str, Cameras], folder: Path) -> None:
    if (folder / _VIEWS_JSON).is_file():
        _compare(cameras, folder)
        return
    if has_checkpoint(folder):  # begun before poses were noted: which they were is not known
        return
    poses = {split: _poses(some).round(6).tolist() for split, some in cameras.items()}
    write_json(folder / _VIEWS_JSON, poses)


def _compare(cameras: Mapping[str, Cameras], folder: Path) -> None:
    path = folder / _VIEWS_JSON
    kept = read_json(path, "list of poses")
    for split, some in cameras.items():
        now = _poses(some)
        try:
            before = np.array(kept[split], dtype=np.float64).reshape(-1, 12)
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged; choose another out=") from error
        if len(before) != len(now):
            what = f"{len(before)} pictures then, {len(now)} now"
        elif not np.allclose(before, now, rtol=0, atol=_SAME * max(1.0, float(np.abs(before).max()))):
            what = "other poses now"
        else:
            continue
        raise UserError(
            f"{folder} was trained on another capture ({split}: {what}): its pictures and poses say where "
            "the scene lies; restore them, give a copy as it was by data.root=, or train anew"
        )


def _poses(cameras: Cameras) -> np.ndarray:
    return cameras.camera_to_world.detach().double().cpu().numpy().reshape(-1, 12)
