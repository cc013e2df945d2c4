"""A Blender scene moved, turned, scaled and rewritten in other formats, trained as the original is.

    python benchmarks/nerf_captures.py --data DATA/nerf_synthetic/lego --steps 1000 -- data.downscale=8

The same photographs as COLMAP text, as COLMAP binary, and, resampled through a lens that distorts, as
nerfstudio's JSON, each 37 times as large, turned about an axis that is none of the scene's, and far from the
origin. Box, near and far are found by the readers. Scores should agree to half a decibel. Finished parts are
not repeated and interrupted ones continue, so the command can be killed and called again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from wsapps_nerf.blender import load_blender_views
from wsapps_nerf.captures.colmap_records import ColmapModel
from wsapps_nerf.captures.lens import Lens, make_lenses
from wsapps_nerf.captures.transforms import read_transforms
from wsapps_nerf.captures.writing import (
    colmap_image,
    write_colmap_binary,
    write_colmap_text,
    write_transforms,
)
from wsapps_nerf.carving import carve
from wsapps_nerf.occupancy import OccupancyGrid

SCALE = 37.0
TURN = Rotation.from_rotvec([1.1, -0.7, 0.4]).as_matrix()
SHIFT = np.array([5200.0, -810.0, 47.0])
#: k1 k2 and p1 p2: about what an action camera has. Positive k1, so that no pixel sees beyond the original.
DISTORTION = (0.12, -0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.003, -0.002, 0.0, 0.0)
HULL_BOX, HULL_CELLS, HULL_DOWNSCALE = 1.5, 64, 8
VARIANTS = {
    "original (Blender)": None,
    "COLMAP text, moved": "colmap_text",
    "COLMAP binary, moved": "colmap_binary",
    "nerfstudio JSON, moved, distorted": "transforms",
}


def main() -> None:
    arguments = _parse()
    scores = {}
    for name, folder in VARIANTS.items():
        root = arguments.data if folder is None else arguments.out / "data" / folder
        if folder is not None:
            _write(folder, root, arguments.data)
        scene = ["scene=lego"] if folder is None else ["scene=capture"]
        scores[name] = _train(arguments.out / (folder or "blender"), [*scene, f"data.root={root}"], arguments)
    print(f"\n| capture | test PSNR | difference | SSIM |\n|---|---|---|---|\n{_rows(scores)}")
    first = next(iter(scores.values()))
    print(f"\n{arguments.steps} steps each on {first['device']}, wsapps {first['version']}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of a Blender scene")
    parser.add_argument("--steps", type=int, default=1000, help="of each training run")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/nerf_captures"))
    parser.add_argument("overrides", nargs="*", help="key=value for wsapps_nerf.train, after --")
    return parser.parse_args()


def _rows(scores: dict[str, dict]) -> str:
    first = next(iter(scores.values()))["test/psnr"]
    rows = []
    for name, score in scores.items():
        psnr = score["test/psnr"]
        rows.append(f"| {name} | {psnr:.2f} | {psnr - first:+.2f} | {score['test/ssim']:.4f} |")
    return "\n".join(rows)


def _train(out: Path, settings: list[str], arguments: argparse.Namespace) -> dict:
    command = [
        sys.executable, "-m", "wsapps_nerf.train", f"out={out}", f"trainer.max_steps={arguments.steps}",
        "outputs.turntable_frames=0", *settings, *arguments.overrides,
    ]  # fmt: skip
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(code)
    return json.loads((out / "metrics.json").read_text())


def _write(kind: str, root: Path, data: Path) -> None:
    """One rewritten capture; its description, written last, says that it is whole."""
    whole = root / ("transforms.json" if kind == "transforms" else "sparse/0/test.txt")
    if whole.is_file():
        return
    print(f"writing {root}", flush=True)
    original = read_transforms(data)
    poses = original.poses
    positions = SCALE * poses[:, :, 3] @ TURN.T + SHIFT
    moved = np.concatenate([TURN @ poses[:, :, :3], positions[:, :, None]], axis=2)
    lens = original.lenses[0]
    names = [f"{shot.picture.parent.name}/{shot.picture.name}" for shot in original.shots]
    tested = [names[index] for index in original.splits["test"]]
    distorted = replace(lens, coefficients=DISTORTION) if kind == "transforms" else None
    places = _places(lens, distorted) if distorted is not None else None
    for shot, name in zip(original.shots, names, strict=True):
        _write_picture(shot.picture, root / "images" / name, places)
    if distorted is not None:
        files = [f"images/{name}" for name in names]
        tests = [f"images/{name}" for name in tested]
        write_transforms(whole, files, moved, distorted, test_filenames=tests)
        return
    images = [colmap_image(name, pose, 1) for name, pose in zip(names, moved, strict=True)]
    points = SCALE * _hull_points(data) @ TURN.T + SHIFT
    model = ColmapModel({1: lens}, {1: "SIMPLE_PINHOLE"}, images, points)
    whole.parent.mkdir(parents=True, exist_ok=True)
    (write_colmap_text if kind == "colmap_text" else write_colmap_binary)(whole.parent, model)
    whole.write_text("\n".join(tested) + "\n")


def _write_picture(source: Path, target: Path, places: torch.Tensor | None) -> None:
    """A link to the picture, or, given where its pixels come from, another picture."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() or target.is_symlink():
        return
    if places is None:
        os.symlink(source.resolve(), target)
        return
    picture = torch.from_numpy(imageio.imread(source)).permute(2, 0, 1)[None].float()
    sampled = torch.nn.functional.grid_sample(picture, places, mode="bilinear", align_corners=False)
    temporary = target.with_suffix(".part.png")
    imageio.imwrite(temporary, sampled[0].permute(1, 2, 0).round().to(torch.uint8).numpy())
    temporary.rename(target)


def _places(lens: Lens, distorted: Lens) -> torch.Tensor:
    """Where in a pinhole's pictures another lens's pixels lie, ``(1, H, W, 2)``, -1 and 1 at the edges."""
    pixel = torch.arange(distorted.width * distorted.height)
    directions = make_lenses([distorted], [0]).directions(torch.zeros_like(pixel), pixel)
    projected = make_lenses([lens], [0]).project(0, directions)
    at = torch.stack([projected.x / lens.width * 2 - 1, projected.y / lens.height * 2 - 1], dim=-1)
    return at.float().view(1, distorted.height, distorted.width, 2)


def _hull_points(data: Path) -> NDArray[np.float64]:
    """Points ``(P, 3)`` about the surface of the scene: the outer cells of its silhouettes' hull."""
    views = load_blender_views(data, "train", HULL_DOWNSCALE)
    grid = OccupancyGrid([-HULL_BOX] * 3 + [HULL_BOX] * 3, resolution=HULL_CELLS)
    grid.binaries.fill_(True)
    carve(grid, views)
    kept = grid.binaries[0]
    padded = torch.nn.functional.pad(kept, [1] * 6)
    inner = kept.clone()
    for axis in range(3):
        for step in (-1, 1):
            inner &= padded.roll(step, axis)[1:-1, 1:-1, 1:-1]
    cells = torch.nonzero(kept & ~inner).double().numpy()
    return (cells + 0.5) / HULL_CELLS * 2 * HULL_BOX - HULL_BOX


if __name__ == "__main__":
    main()
