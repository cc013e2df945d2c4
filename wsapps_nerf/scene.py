"""A scene in memory: posed RGBA views, split for training and test."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import reduce
from torch import Tensor

from wsapps.errors import UserError
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.captures.pictures import Pictures


@dataclass(frozen=True)
class Views:
    """V posed images.

    Attributes:
        names: V file names, for reports.
        rgba: ``(V, H, W, 4)`` float32 in [0, 1], colour not multiplied by alpha ("straight"); or pictures
            that stay on the disk, which give ``(H, W, 4)`` for each view.
        cameras: V cameras.
    """

    names: list[str]
    rgba: Tensor | Pictures
    cameras: Cameras

    def __len__(self) -> int:
        return len(self.names)

    @property
    def has_alpha(self) -> bool:
        """Whether the pictures may have transparent pixels."""
        return self.rgba.alpha if isinstance(self.rgba, Pictures) else bool((self.rgba[..., 3] < 1).any())

    def kept(self, view: int) -> Tensor | None:
        """Which pixels of a view count, ``(H, W)`` bool; None for all of them."""
        return self.rgba.kept(view) if isinstance(self.rgba, Pictures) else None

    def to(self, device: torch.device) -> Views:
        return replace(self, rgba=self.rgba.to(device), cameras=self.cameras.to(device))


@dataclass(frozen=True, kw_only=True)
class Space:
    """Where the object lies.

    Attributes:
        box: ``(6,)`` world box x0, y0, z0, x1, y1, z1 outside which space is empty; where space is
            contracted, the cube about contracted space.
        near, far: distances along a ray between which space is sampled, in world units; where space is
            contracted, samples are evenly spaced up to far and go on beyond.
        contracted: whether space outside the unit ball is contracted (:mod:`wsapps_nerf.contraction`).
    """

    box: Tensor
    near: float
    far: float
    contracted: bool = False


@dataclass(frozen=True, kw_only=True)
class Scene(Space):
    """A scene: the space in which the object lies, with training and test views of it.

    Attributes:
        name: for titles and run folders.
        train, test: the views.
    """

    name: str
    train: Views
    test: Views

    def to(self, device: torch.device) -> Scene:
        return replace(self, train=self.train.to(device), test=self.test.to(device), box=self.box.to(device))


def composite(rgba: Tensor, background: Tensor) -> Tensor:
    """Straight-alpha RGBA ``(..., 4)`` over a background ``(3,)`` or ``(..., 3)``: ``rgb a + bg (1 - a)``."""
    alpha = rgba[..., 3:]
    return rgba[..., :3] * alpha + background * (1.0 - alpha)


def downscale_rgba(rgba: Tensor, factor: int) -> Tensor:
    """Average every factor x factor block of a straight-alpha picture ``(H, W, 4)``.

    All four channels are averaged, before any compositing, as in the original NeRF's ``half_res``,
    with which published figures are made.

    Raises:
        UserError: the factor does not divide the picture's size.
    """
    check_downscale(rgba.shape[1], rgba.shape[0], factor)
    return reduce(rgba, "(h a) (w b) c -> h w c", "mean", a=factor, b=factor)


def check_downscale(width: int, height: int, factor: int) -> None:
    """Raise UserError unless ``factor`` divides both sides of a picture, in pixels."""
    if factor < 1 or height % factor or width % factor:
        raise UserError(
            f"data.downscale={factor} does not divide the image size {width}x{height}; "
            f"choose a common divisor of both"
        )
