"""Pinhole cameras, and the rays through their pixels.

Axes are OpenGL's, as in Blender files: +X right, +Y up, the camera looks along -Z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cameras:
    """V pinhole cameras of one image size.

    Attributes:
        camera_to_world: ``(V, 3, 4)``, rotation and position in world units.
        focal: focal length in pixels, the same in x and y.
        width, height: image size in pixels; the principal point is its centre.
    """

    camera_to_world: Tensor
    focal: float
    width: int
    height: int

    def __len__(self) -> int:
        return self.camera_to_world.shape[0]

    @property
    def pixels_per_view(self) -> int:
        return self.width * self.height

    def to(self, device: torch.device) -> Cameras:
        return replace(self, camera_to_world=self.camera_to_world.to(device))

    def rays(self, view: Tensor, pixel: Tensor) -> tuple[Tensor, Tensor]:
        """Rays through pixel centres.

        Args:
            view: ``(R,)`` integer camera indices.
            pixel: ``(R,)`` integer row-major pixel indices; the centre of pixel (0, 0) is (0.5, 0.5).

        Returns:
            Origins and unit directions in world space, each ``(R, 3)``.
        """
        pose = self.camera_to_world[view]
        x = (pixel % self.width).to(pose.dtype) + 0.5 - 0.5 * self.width
        y = torch.div(pixel, self.width, rounding_mode="floor").to(pose.dtype) + 0.5 - 0.5 * self.height
        local = torch.stack([x / self.focal, -y / self.focal, -torch.ones_like(x)], dim=-1)
        directions = torch.einsum("rij,rj->ri", pose[:, :, :3], local)
        return pose[:, :, 3], torch.nn.functional.normalize(directions, dim=-1)


def focal_from_angle(width: int, camera_angle_x: float) -> float:
    """Focal length in pixels of a camera ``width`` pixels wide that sees ``camera_angle_x`` radians."""
    return 0.5 * width / math.tan(0.5 * camera_angle_x)
