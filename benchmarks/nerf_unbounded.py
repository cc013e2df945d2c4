"""A scene without an end (an object on a floor under a sky), with contraction and without.

    python benchmarks/nerf_unbounded.py --size 80 --seconds 60

The scene is drawn here by its equations, with several samples a pixel: two balls and a box on a chequered
floor that runs to the horizon, far hills, a sky. Its pictures are opaque, and written as a nerfstudio JSON in
some unit and place of their own. Training with contraction should pass 24 dB; without, the reader warns, and
what lies outside the box has to become fog in it. Finished parts are not repeated and interrupted ones
continue, so the command can be killed and called again.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from torch import Tensor

from wsapps_nerf.camera_path import orbit
from wsapps_nerf.cameras import Cameras, focal_from_angle
from wsapps_nerf.captures.lens import Lens
from wsapps_nerf.captures.writing import write_transforms

ANGLE = 1.05  # radians of view, across
RINGS = ((24, 4.0, 12.0), (20, 3.6, 25.0), (16, 3.2, 40.0))  # cameras, distance, degrees above the floor
UNIT, SHIFT = 12.5, np.array([300.0, -40.0, 7.0])  # of the written poses
FLOOR_CONTRAST = 0.5  # between the squares, beside the objects


@dataclass(frozen=True)
class Layout:
    """What stands on the floor: balls (centre, radius, colour), a box (low, high, colour); the light's
    direction; by how much floor and hills are turned, in radians."""

    balls: tuple[tuple[tuple[float, ...], float, tuple[float, ...]], ...]
    box: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    light: tuple[float, float, float]
    turn: float


LAYOUTS = {
    "scored": Layout(
        balls=(((-0.45, 0.1, 0.5), 0.5, (0.85, 0.25, 0.2)), ((0.55, -0.45, 0.3), 0.3, (0.2, 0.45, 0.85))),
        box=((0.25, 0.25, 0.0), (0.85, 0.85, 0.8), (0.95, 0.75, 0.2)),
        light=(0.4, -0.5, 0.77),
        turn=0.0,
    ),
    #: On which the settings of endless scenes were chosen (configs/nerf/train.yaml), and not on the other.
    "tuning": Layout(
        balls=(((0.4, 0.35, 0.35), 0.35, (0.3, 0.7, 0.3)), ((-0.2, -0.6, 0.25), 0.25, (0.9, 0.6, 0.2))),
        box=((-0.8, 0.0, 0.0), (-0.2, 0.5, 1.0), (0.5, 0.3, 0.7)),
        light=(-0.6, -0.3, 0.74),
        turn=0.6,
    ),
}
RUNS = {
    "contracted": [],
    "not contracted": ["scene.contraction=false"],
}


def main() -> None:
    arguments = _parse()
    root = arguments.out / f"{arguments.layout}-{arguments.size}"
    data = root / "data"
    if not (data / "transforms.json").is_file():
        write_scene(data, arguments.size, LAYOUTS[arguments.layout])
    print("| space | test PSNR | SSIM | steps |\n|---|---|---|---|")
    for name, settings in list(RUNS.items())[: 1 if arguments.only_contracted else 2]:
        out = root / name.replace(" ", "_")
        command = [
            sys.executable, "-m", "wsapps_nerf.train", "scene=transforms", f"data.root={data}", f"out={out}",
            f"trainer.max_seconds={arguments.seconds}", "outputs.turntable_frames=0", *settings,
            *arguments.overrides,
        ]  # fmt: skip
        code = subprocess.run(command, check=False).returncode
        if code:
            sys.exit(code)
        found = json.loads((out / "metrics.json").read_text())
        print(f"| {name} | {found['test/psnr']:.2f} | {found['test/ssim']:.4f} | {found['steps']:.0f} |")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=80, help="of the pictures in pixels, square")
    parser.add_argument("--seconds", type=float, default=180, help="training time of each run")
    parser.add_argument("--layout", choices=LAYOUTS, default="scored", help="what stands on the floor")
    parser.add_argument("--only-contracted", action="store_true", help="leave the other run out")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/nerf_unbounded"))
    parser.add_argument("overrides", nargs="*", help="key=value for wsapps_nerf.train, after --")
    return parser.parse_args()


def write_scene(folder: Path, size: int, layout: Layout) -> None:
    """Pictures, and transforms.json, which is written last."""
    rings = [
        orbit(count, distance, elevation, target=(0, 0, 0.3), start_degrees=7 * index)
        for index, (count, distance, elevation) in enumerate(RINGS)
    ]
    poses = torch.cat(rings)
    focal = focal_from_angle(size, ANGLE)
    cameras = Cameras(poses, focal, size, size)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = []
    for view in range(len(poses)):
        names.append(f"images/{view:03d}.png")
        imageio.imwrite(folder / names[-1], draw(cameras, view, layout))
    exact = poses.double().numpy()
    left, _, right = np.linalg.svd(exact[:, :, :3])
    moved = np.concatenate([left @ right, UNIT * exact[:, :, 3:] + SHIFT[:, None]], axis=2)
    lens = Lens(size, size, focal, focal, size / 2, size / 2)
    write_transforms(folder / "transforms.json", names, moved, lens, aabb_scale=16)


def draw(cameras: Cameras, view: int, layout: Layout, across: int = 4) -> np.ndarray:
    """One picture, uint8 ``(H, W, 3)``: the mean of ``across`` squared rays a pixel."""
    fine = Cameras(
        cameras.camera_to_world, cameras.focal * across, cameras.width * across, cameras.height * across
    )
    pixel = torch.arange(fine.pixels_per_view)
    origins, directions = fine.rays(torch.full_like(pixel, view), pixel)
    colours = colours_of(origins.double(), directions.double(), layout)
    blocks = colours.view(cameras.height, across, cameras.width, across, 3).mean(dim=(1, 3))
    return (blocks * 255).round().to(torch.uint8).numpy()


def colours_of(origins: Tensor, directions: Tensor, layout: Layout) -> Tensor:
    """What rays ``(R, 3)`` see, ``(R, 3)`` in [0, 1]."""
    light = torch.nn.functional.normalize(torch.tensor(layout.light).double(), dim=0)
    floor = (_turned(each, layout.turn) for each in (origins, directions))
    colours, nearest = _sky(directions, light, layout.turn), torch.full_like(origins[:, 0], math.inf)
    for distance, colour in (_floor(*floor), *_objects(origins, directions, layout, light)):
        closer = distance < nearest
        nearest = torch.where(closer, distance, nearest)
        colours = torch.where(closer[:, None], colour, colours)
    return colours.clamp(0, 1)


def _turned(vectors: Tensor, angle: float) -> Tensor:
    """About the vertical."""
    x, y, z = vectors.unbind(dim=-1)
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], dim=-1)


def _sky(directions: Tensor, light: Tensor, turn: float) -> Tensor:
    """A gradient with a soft sun, and hills at the horizon."""
    height = directions[:, 2:].clamp(min=0)
    sky = torch.tensor([0.75, 0.83, 0.95]) + height * torch.tensor([-0.5, -0.4, -0.15])
    sun = ((directions @ light).clamp(min=0) ** 30)[:, None] * torch.tensor([0.5, 0.4, 0.2])
    angle = torch.atan2(directions[:, 1], directions[:, 0]) + turn
    hills = 0.05 + 0.03 * torch.sin(5 * angle) + 0.02 * torch.sin(11 * angle + 1)
    green = torch.tensor([0.35, 0.5, 0.4]).double()
    return torch.where(directions[:, 2:] < hills[:, None], green, sky + sun)


def _floor(origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Squares whose contrast fades with distance, as the air makes it."""
    falling = directions[:, 2] < -1e-9
    distance = torch.where(falling, -origins[:, 2] / directions[:, 2].clamp(max=-1e-9), math.inf)
    at = origins + directions * distance.clamp(max=1e6)[:, None]
    squares = (torch.floor(at[:, 0]) + torch.floor(at[:, 1])) % 2
    fade = torch.exp(-at[:, :2].norm(dim=-1) / 8)[:, None]
    shade = 1 - 0.35 * torch.exp(-at[:, :2].square().sum(dim=-1))[:, None]
    colour = 0.5 + (squares[:, None] - 0.5) * FLOOR_CONTRAST * fade
    far = torch.tensor([0.1, 0.05, -0.05]) * (1 - fade)
    return distance, colour * shade + far


def _objects(
    origins: Tensor, directions: Tensor, layout: Layout, light: Tensor
) -> list[tuple[Tensor, Tensor]]:
    found = []
    for centre, radius, colour in layout.balls:
        offset = origins - torch.tensor(centre)
        along = -(offset * directions).sum(dim=-1)
        squared = radius**2 - offset.square().sum(dim=-1) + along.square()
        distance = torch.where(squared > 0, along - squared.clamp(min=0).sqrt(), math.inf)
        normal = (offset + directions * distance.clamp(max=1e6)[:, None]) / radius
        found.append((torch.where(distance > 0, distance, math.inf), _shaded(normal, colour, light)))
    low, high, colour = (torch.tensor(values).double() for values in layout.box)
    inverse = 1 / torch.where(directions.abs() < 1e-12, 1e-12, directions)
    sides = torch.stack([(low - origins) * inverse, (high - origins) * inverse])
    entries = sides.amin(dim=0)
    enter, axis = entries.max(dim=-1)
    hit = (enter < sides.amax(dim=0).amin(dim=-1)) & (enter > 0)
    normal = -torch.nn.functional.one_hot(axis, 3).double() * directions.sign()
    found.append((torch.where(hit, enter, math.inf), _shaded(normal, colour.tolist(), light)))
    return found


def _shaded(normal: Tensor, colour: Sequence[float], light: Tensor) -> Tensor:
    return (0.45 + 0.55 * (normal @ light).clamp(min=0))[:, None] * torch.tensor(colour)


if __name__ == "__main__":
    main()
