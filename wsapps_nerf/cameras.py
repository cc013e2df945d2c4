"""Cameras, and the rays through their pixels.

Axes are OpenGL's, as in Blender files: +X right, +Y up, the camera looks along -Z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from wsapps_nerf.captures.lens import Lenses

# OpenGL's camera axes in those of lenses: x right, y down, z forward.
_FLIPPED = (1.0, -1.0, -1.0)


@dataclass(frozen=True)
class Cameras:
    """V cameras: pinholes of one image size, or, with ``lenses``, each with its own size and distortion.

    Attributes:
        camera_to_world: ``(V, 3, 4)``, rotation and position in world units.
        focal: focal length in pixels, the same in x and y; with lenses, one that is typical of them.
        width, height: image size in pixels; the principal point is its centre. With lenses, the largest.
        lenses: what the views' pictures were taken with; None for pinholes.
    """

    camera_to_world: Tensor
    focal: float
    width: int
    height: int
    lenses: Lenses | None = None

    def __len__(self) -> int:
        return self.camera_to_world.shape[0]

    @property
    def pixels_per_view(self) -> int:
        return self.width * self.height

    def to(self, device: torch.device) -> Cameras:
        lenses = self.lenses.to(device) if self.lenses is not None else None
        return replace(self, camera_to_world=self.camera_to_world.to(device), lenses=lenses)

    def size(self, view: int) -> tuple[int, int]:
        """Width and height of a view's picture in pixels."""
        if self.lenses is None:
            return self.width, self.height
        width, height = self.lenses.size[self.lenses.of_view[view]].tolist()
        return width, height

    def select(self, views: Sequence[int]) -> Cameras:
        """Some of the cameras, in that order."""
        chosen = torch.as_tensor(views, dtype=torch.int64)
        lenses = self.lenses.select(chosen) if self.lenses is not None else None
        return replace(self, camera_to_world=self.camera_to_world[chosen], lenses=lenses)

    def pinholes(self, camera_to_world: Tensor) -> Cameras:
        """Pinhole cameras of the same size and focal length at other poses ``(W, 3, 4)``."""
        return replace(self, camera_to_world=camera_to_world, lenses=None)

    def rays(self, view: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
        """Rays through pixel centres.

        Args:
            view: ``(R,)`` integer camera indices.
            pixel: ``(R,)`` integer row-major pixel indices in the view's own picture; the centre of pixel
                (0, 0) is (0.5, 0.5).

        Returns:
            Origins and unit directions in world space, each ``(R, 3)``.
        """
        pose = self.camera_to_world[view]
        if self.lenses is not None:
            local = (self.lenses.directions(view, pixel) * pose.new_tensor(_FLIPPED)).to(pose.dtype)
            directions = torch.einsum("rij,rj->ri", pose[:, :, :3], local)
            return pose[:, :, 3], torch.nn.functional.normalize(directions, dim=-1)
        x = (pixel % self.width).to(pose.dtype) + 0.5 - 0.5 * self.width
        y = torch.div(pixel, self.width, rounding_mode="floor").to(pose.dtype) + 0.5 - 0.5 * self.height
        local = torch.stack([x / self.focal, -y / self.focal, -torch.ones_like(x)], dim=-1)
        directions = torch.einsum("rij,rj->ri", pose[:, :, :3], local)
        return pose[:, :, 3], torch.nn.functional.normalize(directions, dim=-1)

    def footprints(self, view: int, centres: Tensor, radius: float) -> Footprints:
        """Where balls of one ``radius`` about world points ``(M, 3)`` fall in a view's picture."""
        pose = self.camera_to_world[view]
        local = (centres - pose[:, 3]) @ pose[:, :3]
        if self.lenses is not None:
            return _lens_footprints(self.lenses, view, local, radius)
        depth = -local[:, 2]
        in_front = depth > 2 * radius
        safe = depth.clamp(min=2 * radius)
        x = 0.5 * self.width + self.focal * local[:, 0] / safe
        y = 0.5 * self.height - self.focal * local[:, 1] / safe
        nearest = float(safe[in_front].min()) if bool(in_front.any()) else 1.0
        return Footprints(x, y, in_front, math.ceil(self.focal * radius / (nearest - radius)) + 1)


class Footprints(NamedTuple):
    """Where M balls fall in a picture.

    Attributes:
        x, y: ``(M,)`` pixels of their centres.
        known: ``(M,)`` bool, which of them are in front of the camera, so that the pixels mean something.
        margin: pixels about the centres within which all of these balls stay, one for rounding among them.
    """

    x: Tensor
    y: Tensor
    known: Tensor
    margin: int


def _lens_footprints(lenses: Lenses, view: int, local: Tensor, radius: float) -> Footprints:
    flipped = local.double() * local.new_tensor(_FLIPPED)
    centre = lenses.project(view, flipped)
    distance = flipped.norm(dim=-1)
    known = centre.visible & (distance > 2 * radius) & (centre.depth > 2 * radius)
    columns = []
    for axis in torch.eye(3, dtype=flipped.dtype, device=flipped.device):
        less, more = (lenses.project(view, flipped + sign * radius * axis) for sign in (-1, 1))
        columns.append(torch.stack([more.x - less.x, more.y - less.y], dim=-1) / 2)
        known = known & less.visible & more.visible
    # The largest singular value of the ball's linear image (2 x 3); a cone that touches the ball is wider,
    # and a little is for what else is not linear.
    dx, dy = torch.stack(columns).unbind(dim=-1)
    a, b, c = dx.square().sum(0), dy.square().sum(0), (dx * dy).sum(0)
    widest = ((a + b) / 2 + (((a - b) / 2).square() + c.square()).sqrt()).sqrt()
    widest = 1.02 * widest / (1 - (radius / distance.clamp(min=2 * radius)).square()).sqrt()
    margin = math.ceil(float(widest[known].max())) + 1 if bool(known.any()) else 1
    return Footprints(centre.x, centre.y, known, margin)


def focal_from_angle(width: int, camera_angle_x: float) -> float:
    """Focal length in pixels of a camera ``width`` pixels wide that sees ``camera_angle_x`` radians."""
    return 0.5 * width / math.tan(0.5 * camera_angle_x)
