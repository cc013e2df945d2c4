"""Cameras, points and box of a scene, drawn from above and from the side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle
from numpy.typing import NDArray

from wsapps.pictures import save_figure
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.scene import Space

_MOST_POINTS = 20_000
_MOST_CAMERAS = 400
_COLOURS = {"train": "tab:blue", "test": "tab:orange"}


@dataclass(frozen=True)
class Drawing:
    """What is drawn, in scene units.

    Attributes:
        title: above the picture.
        cameras: of the training and the test views.
        space: box, or contraction.
        points: ``(P, 3)``, or None.
    """

    title: str
    cameras: dict[str, Cameras]
    space: Space
    points: NDArray[np.float64] | None


def draw_scene(path: Path, drawing: Drawing) -> None:
    """Write a PNG of a scene from above (x right, y up) and from the side (x right, z up)."""
    figure = Figure(figsize=(12, 6.5), dpi=100, layout="constrained")
    top, side = figure.subplots(1, 2)
    reach = _reach(drawing)
    for axes, (across, up) in ((top, (0, 1)), (side, (0, 2))):
        _draw(axes, drawing, across, up, reach)
    top.set_title("from above")
    side.set_title("from the side")
    side.legend(loc="upper right", fontsize=8)
    figure.suptitle(drawing.title, fontsize=10)
    save_figure(path, figure)


def _reach(drawing: Drawing) -> float:
    """Half of the side of the square that is shown."""
    positions = np.concatenate([_positions(cameras) for cameras in drawing.cameras.values()])
    box = drawing.space.box.abs().max()
    return 1.15 * max(float(np.abs(positions).max()), float(box))


def _positions(cameras: Cameras) -> NDArray[np.float64]:
    return cameras.camera_to_world[:, :, 3].double().numpy()


def _draw(axes: Axes, drawing: Drawing, across: int, up: int, reach: float) -> None:
    plane = [across, up]
    if drawing.points is not None and len(drawing.points):
        some = drawing.points[:: max(1, len(drawing.points) // _MOST_POINTS)][:, plane]
        axes.plot(some[:, 0], some[:, 1], ",", color="0.5", label=f"{len(drawing.points)} points")
    for split, cameras in drawing.cameras.items():
        _draw_cameras(axes, split, cameras, plane, reach)
    if drawing.space.contracted:
        axes.add_patch(Circle((0, 0), 1, fill=False, color="tab:red", label="not contracted within"))
    else:
        box = drawing.space.box.numpy().reshape(2, 3)[:, plane]
        width, height = box[1] - box[0]
        axes.add_patch(
            Rectangle(tuple(box[0]), width, height, fill=False, color="tab:red", label="scene box")
        )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="xyz"[across], ylabel="xyz"[up])
    axes.set_aspect("equal")
    axes.grid(True, linewidth=0.3)


def _draw_cameras(axes: Axes, split: str, cameras: Cameras, plane: list[int], reach: float) -> None:
    """Positions, and the outlines of what the cameras see a little before them."""
    colour = _COLOURS.get(split, "tab:green")
    positions = _positions(cameras)
    axes.plot(
        *positions[:, plane].T, "o", markersize=3, color=colour, label=f"{len(cameras)} {split} cameras"
    )
    length = 0.12 * reach
    half_x, half_y = cameras.width / 2 / cameras.focal, cameras.height / 2 / cameras.focal
    corners = np.array(
        [[-half_x, -half_y, -1], [half_x, -half_y, -1], [half_x, half_y, -1], [-half_x, half_y, -1]]
    )
    outline = [0, 1, 2, 3, 0]
    for view in range(0, len(cameras), max(1, len(cameras) // _MOST_CAMERAS)):
        rotation = cameras.camera_to_world[view, :, :3].double().numpy()
        ends = positions[view] + length * corners @ rotation.T
        axes.plot(*ends[outline][:, plane].T, linewidth=0.5, color=colour)
        for end in ends:
            line = np.stack([positions[view], end])[:, plane]
            axes.plot(*line.T, linewidth=0.3, color=colour)
