"""A radiance field in the browser, rendered here: a viser server that shows what a visitor's camera sees.

The page of :mod:`wsapps_nerf.web` needs no server; this one shows any field, also one in training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from wsapps.config import doc
from wsapps.errors import UserError, one_line
from wsapps.pictures import to_uint8
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.evaluation import Picture, render_view
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.outputs import depth_picture, depth_range

_SHOWN = ("colours", "distances")
_FIRST_SECONDS, _FINER = 0.15, 4.0  # of the first picture of a new view; pixels of the next one
_LAST_SECONDS_TRAINING = 1.0  # training waits while a picture is drawn
_COARSEST = 32  # pixels along the longer side


@dataclass
class ViewerConfig:
    """Where the viewer listens, and how finely it draws."""

    port: int | None = doc("of the viewer; null for none (it needs the package viser)", default=None)
    host: str = doc("address that it listens on; 0.0.0.0 for other machines too", default="127.0.0.1")
    longest_side: int = doc("of its finest pictures", default=800, unit="pixels")
    refresh_seconds: float = doc("between pictures of a field in training, of a view that rests", default=5.0)

    def __post_init__(self) -> None:
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ValueError(f"port must lie in 1..65535, got {self.port}")
        if not _COARSEST <= self.longest_side <= 4096 or not self.refresh_seconds > 0:
            raise ValueError(
                f"longest_side must lie in {_COARSEST}..4096 and refresh_seconds be positive, got "
                f"{self.longest_side} and {self.refresh_seconds}"
            )


class VisitorView(NamedTuple):
    """What a visitor looks at: pose ``(3, 4)`` of OpenGL's axes, angle from bottom to top in radians, width
    over height, and colours or distances."""

    pose: tuple[tuple[float, ...], ...]
    angle: float
    aspect: float
    shown: str

    def cameras(self, longest_side: int) -> Cameras:
        """The camera, with a picture of so many pixels along its longer side."""
        width = longest_side if self.aspect >= 1 else max(1, round(longest_side * self.aspect))
        height = max(1, round(longest_side / self.aspect)) if self.aspect >= 1 else longest_side
        return Cameras(torch.tensor([self.pose]), height / 2 / math.tan(self.angle / 2), width, height)


class _Moved(Exception):
    """The visitor has moved on while a picture was drawn."""


@dataclass
class _Drawn:
    """The last picture that a visitor got."""

    view: VisitorView
    side: int
    at: float


class Viewer:
    """The server. Pictures are drawn by whoever calls :meth:`draw`, in the thread that owns the field.

    Args:
        config: with a port.
        home: the first view: target, azimuth and elevation in degrees, radius, angle in radians.
        title: above the controls.

    Raises:
        UserError: viser is missing, or the address cannot be listened on.
    """

    def __init__(self, config: ViewerConfig, home: dict[str, Any], title: str):
        try:
            viser: Any = import_module("viser")
        except ImportError:
            raise UserError("the viewer needs the package viser: pip install 'viser>=1.0'") from None
        try:
            self.server = viser.ViserServer(config.host, config.port or 8080, title, verbose=False)
        except OSError as error:
            raise UserError(f"cannot listen on {config.host}:{config.port}: {one_line(error)}") from None
        self.config = config
        self._shows = self.server.gui.add_dropdown("shows", _SHOWN)
        self._note = self.server.gui.add_markdown("")
        first = self.server.initial_camera
        first.look_at, first.position, first.fov = home["target"], _eye(home), home["angle"]
        first.up = (0.0, 0.0, 1.0)
        self._drawn: dict[int, _Drawn] = {}
        self._seconds_a_ray = 1e-4

    @property
    def address(self) -> str:
        return f"http://{self.config.host}:{self.server.get_port()}"

    def close(self) -> None:
        """End the server; pages that are open say so."""
        self.server.stop()

    def draw(self, objective: RadianceObjective, note: str = "", training: bool = False) -> bool:
        """Draw the next picture that a visitor waits for, if one does; whether one was due.

        Pictures of a view become finer from call to call. In ``training`` they stay small, a view that rests
        is drawn anew now and then, and the objective is left in the mode that it was in.
        """
        clients = self.server.get_clients()
        self._drawn = {number: drawn for number, drawn in self._drawn.items() if number in clients}
        for number, client in clients.items():
            view = self._view_of(client)
            side = view and self._due_side(self._drawn.get(number), view, training)
            if not view or not side:
                continue
            was = objective.training
            try:
                picture = self._render(objective, view, side, lambda c=client, v=view: self._stay(c, v))
            except _Moved:
                return True
            finally:
                objective.train(was)
            low, high = objective.renderer.near, objective.renderer.far
            rgb = picture.rgb
            if view.shown == "distances":
                rgb = torch.from_numpy(depth_picture(picture, *depth_range([picture], low, high)))
            client.scene.set_background_image(np.ascontiguousarray(to_uint8(rgb)), format="jpeg")
            self._note.content = note
            self._drawn[number] = _Drawn(view, side, time.monotonic())
            return True
        return False

    def _view_of(self, client: Any) -> VisitorView | None:
        """What a client looks at; None before it has said so."""
        camera = client.camera
        try:
            rotation = Rotation.from_quat(camera.wxyz, scalar_first=True).as_matrix() * [1.0, -1.0, -1.0]
            pose = np.column_stack([rotation, camera.position]).round(6)
            angle, aspect = float(camera.fov), float(camera.aspect)
        except AssertionError:  # viser's way to say that the page has not sent its camera
            return None
        if not (np.isfinite(pose).all() and 0 < angle < math.pi and aspect > 0):
            return None
        return VisitorView(
            tuple(map(tuple, pose.tolist())), round(angle, 6), round(aspect, 4), self._shows.value
        )

    def _due_side(self, drawn: _Drawn | None, view: VisitorView, training: bool) -> int:
        """Pixels along the longer side of the picture that is due; 0 for none."""
        shape = max(view.aspect, 1 / view.aspect)
        finest = self.config.longest_side
        if training:
            finest = min(finest, self._affordable(_LAST_SECONDS_TRAINING, shape))
        if drawn is None or drawn.view != view:
            return min(finest, self._affordable(_FIRST_SECONDS, shape))
        if drawn.side < 0.9 * finest:
            return min(finest, round(drawn.side * math.sqrt(_FINER)))
        rested = time.monotonic() - drawn.at
        return finest if training and rested > self.config.refresh_seconds else 0

    def _affordable(self, seconds: float, shape: float) -> int:
        return max(_COARSEST, round(math.sqrt(seconds / self._seconds_a_ray * shape)))

    def _render(
        self, objective: RadianceObjective, view: VisitorView, side: int, on_rays: Callable[[], None]
    ) -> Picture:
        cameras = view.cameras(side).to(objective.background.device)
        started = time.monotonic()
        picture = render_view(objective, cameras, 0, on_rays=on_rays)
        self._seconds_a_ray = max(1e-9, (time.monotonic() - started) / cameras.pixels_per_view)
        return picture

    def _stay(self, client: Any, view: VisitorView) -> None:
        now = self._view_of(client)
        if now is not None and now != view:
            raise _Moved


def _eye(home: dict[str, Any]) -> tuple[float, float, float]:
    azimuth, elevation = math.radians(home["azimuth"]), math.radians(home["elevation"])
    x, y, z = home["target"]
    flat = home["radius"] * math.cos(elevation)
    return (
        x + flat * math.cos(azimuth),
        y + flat * math.sin(azimuth),
        z + home["radius"] * math.sin(elevation),
    )
