"""The embedded picture: smooth shading, sharp edges, fine texture and a chirp, in 256x256 pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SIDE = 256


def sample_image() -> Tensor:
    """``(256, 256, 3)`` float32, the 8-bit values k / 255; the same on every machine up to rounding."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, _SIDE)] * 2, indexing="ij")
    image = _sky(x, y)
    _paint(image, (x + 0.45) ** 2 + (y + 0.45) ** 2 < 0.14, _ball(x + 0.45, y + 0.45))
    _paint(image, (np.abs(x - 0.5) < 0.38) & (np.abs(y + 0.5) < 0.38), _chirp(x - 0.5, y + 0.5))
    _paint(image, _hills(x) < y, _grass(x, y))
    tiles = (np.abs(x + 0.5) + np.abs(y - 0.55)) < 0.35
    _paint(image, tiles, np.where(_checks(x - y, x + y)[..., None], [0.95, 0.9, 0.75], [0.55, 0.1, 0.15]))
    ring = np.abs(np.hypot(x - 0.45, y - 0.5) - 0.27) < 0.05
    _paint(image, ring, np.broadcast_to([0.98, 0.8, 0.1], image.shape))
    return torch.from_numpy((np.rint(np.clip(image, 0, 1) * 255) / 255).astype(np.float32))


def _paint(image: NDArray, where: NDArray, colours: NDArray) -> None:
    image[where] = colours[where]


def _sky(x: NDArray, y: NDArray) -> NDArray:
    """A gradient from blue to rose, with soft clouds."""
    dusk = (y[..., None] + 1) / 2
    clouds = 0.06 * (np.sin(5 * x + 2 * np.sin(4 * y)) + np.sin(9 * y - 3 * x))
    return (1 - dusk) * [0.15, 0.4, 0.8] + dusk * [0.95, 0.65, 0.6] + clouds[..., None]


def _ball(x: NDArray, y: NDArray) -> NDArray:
    """A shaded sphere of radius 0.374, lit from the upper left."""
    z = np.sqrt(np.clip(0.14 - x**2 - y**2, 0, None))
    light = np.clip((-0.5 * x - 0.6 * y + 0.62 * z) / 0.374, 0, 1)[..., None]
    return 0.08 + light * [0.9, 0.45, 0.2] + 0.6 * light**20


def _chirp(x: NDArray, y: NDArray) -> NDArray:
    """Rings whose frequency grows outwards, up to a period of about 3 pixels at the corners."""
    waves = 0.5 + 0.45 * np.cos(260 * (x**2 + y**2))
    return np.stack([waves, 0.15 + 0.7 * waves, 0.9 - 0.6 * waves], axis=-1)


def _hills(x: NDArray) -> NDArray:
    return 0.12 + 0.1 * np.sin(4 * x + 1) + 0.03 * np.sin(17 * x)


def _grass(x: NDArray, y: NDArray) -> NDArray:
    """Pixel noise over blades: the texture that a smooth field finds hardest."""
    noise = np.random.default_rng(7).random(x.shape)
    blades = 0.5 + 0.5 * np.sin(90 * x + 12 * np.sin(7 * y) + 25 * y)
    shade = (0.35 + 0.35 * blades + 0.3 * noise) * (1.1 - 0.4 * y)
    return shade[..., None] * [0.35, 0.75, 0.3]


def _checks(u: NDArray, v: NDArray) -> NDArray:
    return (np.floor(u / 0.1) + np.floor(v / 0.1)) % 2 == 0
