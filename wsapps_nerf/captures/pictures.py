"""The pictures of a split on the disk, decoded when they are wanted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps_nerf.captures.picture_file import read_mask, read_pixels


@dataclass(frozen=True)
class PictureFile:
    """A picture, its mask if it has one, and its full size (width, height) in pixels."""

    path: Path
    mask: Path | None
    size: tuple[int, int]


@dataclass(frozen=True)
class Pictures:
    """V pictures, which need not have one size.

    ``pictures[view]`` is what a tensor of them would give: ``(H, W, 4)`` float32 in [0, 1], straight alpha.

    Attributes:
        files: V files.
        alpha: whether their alpha is used; otherwise they are opaque.
        downscale: average blocks of this many pixels squared.
        memory: bytes that pixels kept for training may take.
        rotate_every: steps after which the oldest picture kept makes room for another.
        device: of the tensors that are returned.
    """

    files: list[PictureFile]
    alpha: bool
    downscale: int
    memory: int
    rotate_every: int
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __len__(self) -> int:
        return len(self.files)

    def to(self, device: torch.device) -> Pictures:
        """The same, with tensors on another device."""
        return replace(self, device=device)

    def __getitem__(self, view: int) -> Tensor:
        pixels = torch.from_numpy(self.pixels(view)[..., : 4 if self.alpha else 3])
        return as_rgba(pixels.to(self.device))

    @property
    def masked(self) -> bool:
        """Whether some picture has a mask."""
        return any(file.mask is not None for file in self.files)

    @property
    def channels(self) -> int:
        """Bytes a pixel: RGB, alpha if it is used, and 255 or 0 for the mask if there is one."""
        return 3 + self.alpha + self.masked

    def size(self, view: int) -> tuple[int, int]:
        """Width and height in pixels, downscaled."""
        width, height = self.files[view].size
        return width // self.downscale, height // self.downscale

    def pixels(self, view: int) -> NDArray[np.uint8]:
        """``(H, W, channels)``, decoded from the file."""
        file = self.files[view]
        colour = read_pixels(file.path, file.size, self.alpha, self.downscale)
        if not self.masked:
            return colour
        kept = np.full(colour.shape[:2], 255, np.uint8)
        if file.mask is not None:
            kept[~read_mask(file.mask, file.size, self.downscale)] = 0
        return np.concatenate([colour, kept[..., None]], axis=-1)

    def kept(self, view: int) -> Tensor | None:
        """Which pixels the mask keeps, ``(H, W)`` bool; None without a mask."""
        file = self.files[view]
        if file.mask is None:
            return None
        return torch.from_numpy(read_mask(file.mask, file.size, self.downscale)).to(self.device)


def as_rgba(pixels: Tensor) -> Tensor:
    """Bytes ``(..., 3)`` or ``(..., 4)`` as float32 RGBA ``(..., 4)`` in [0, 1]."""
    values = pixels.float() / 255.0
    if values.shape[-1] == 4:
        return values
    return torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)
