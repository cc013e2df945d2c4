"""The embedded video: a textured ball and a box that move over a drifting background."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLE_RATE = 8.0  # frames a second
_FRAMES, _SIDE = 16, 64


def sample_video() -> Tensor:
    """``(16, 64, 64, 3)`` float32, the 8-bit values k / 255."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, _SIDE)] * 2, indexing="ij")
    frames = np.stack([_frame(x, y, t) for t in np.linspace(0, 1, _FRAMES)])
    return torch.from_numpy((np.rint(np.clip(frames, 0, 1) * 255) / 255).astype(np.float32))


def _frame(x: NDArray, y: NDArray, t: float) -> NDArray:
    drift = x + 0.4 * t
    cloth = 0.5 + 0.2 * np.sin(9 * drift + 3 * np.sin(4 * y)) + 0.1 * np.sin(40 * drift) * np.sin(40 * y)
    image = cloth[..., None] * [0.5, 0.7, 1.0]
    u, v = x - 0.6 * np.cos(2 * np.pi * t), y - 0.6 * np.sin(2 * np.pi * t)
    turned = np.arctan2(v, u) + 2 * np.pi * t
    stripes = 0.7 + 0.3 * np.sin(8 * turned)
    ball = u**2 + v**2 < 0.09
    image[ball] = (stripes[..., None] * [1.0, 0.5, 0.15])[ball]
    across, up = x + 0.8 - 1.6 * t, y - 0.3 * np.sin(4 * np.pi * t)
    box = (np.abs(across) < 0.2) & (np.abs(up) < 0.2)
    checks = (np.floor(across / 0.1) + np.floor(up / 0.1)) % 2
    image[box] = np.where(checks[..., None] == 0, [0.1, 0.45, 0.2], [0.95, 0.95, 0.6])[box]
    return image
