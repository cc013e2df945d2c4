"""The demo scene's textures: small sRGB images (H, W, 3) uint8, computed with numpy, that repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Colour = tuple[int, int, int]


def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    v, u = np.mgrid[0:height, 0:width]
    return (u + 0.5) / width, (v + 0.5) / height


def _mix(a: Colour, b: Colour, weight: np.ndarray) -> np.ndarray:
    weight = np.clip(weight, 0, 1)[..., None]
    return np.round(np.asarray(a) * (1 - weight) + np.asarray(b) * weight).astype(np.uint8)


def barber(a: Colour, b: Colour, turns: int = 1, size: int = 256) -> np.ndarray:
    """Two-colour diagonal stripes; wound round a tower they make a spiral."""
    u, v = _grid(size, size)
    return _mix(a, b, ((u + turns * v) % 1 < 0.5).astype(float))


def stripes(colours: Sequence[Colour], size: int = 256) -> np.ndarray:
    """Upright bands of equal width."""
    u, _ = _grid(8, size)
    return np.asarray(colours, np.uint8)[(u * len(colours)).astype(int)]


def checks(a: Colour, b: Colour, cells: int = 2, size: int = 128) -> np.ndarray:
    """A chequerboard of `cells` (even) by `cells`."""
    u, v = _grid(size, size)
    return _mix(a, b, ((u * cells).astype(int) + (v * cells).astype(int)) % 2)


def bricks(
    mortar: Colour, a: Colour, b: Colour, rows: int = 4, columns: int = 2, seed: int = 1
) -> np.ndarray:
    """Running bond; every brick has its own shade between `a` and `b`."""
    u, v = _grid(128, 128)
    row = (v * rows).astype(int)
    x = (u * columns + 0.5 * (row % 2)) % columns
    shade = np.random.default_rng(seed).random((rows, columns))[row, x.astype(int)]
    joint = (np.abs(x % 1 - 0.5) > 0.46) | (np.abs((v * rows) % 1 - 0.5) > 0.42)
    return np.where(joint[..., None], np.asarray(mortar, np.uint8), _mix(a, b, shade))


def wood(dark: Colour, light: Colour, planks: int = 1, seed: int = 2) -> np.ndarray:
    """Grain along u, in `planks` boards of their own shade with dark joints."""
    u, v = _grid(256, 256)
    board = (v * planks).astype(int)
    rng = np.random.default_rng(seed)
    phase, tone = rng.random(planks)[board], rng.uniform(-0.2, 0.2, planks)[board]
    bend = 0.02 * np.sin(2 * np.pi * (u + phase)) + 0.008 * np.sin(2 * np.pi * (3 * u + 2 * phase))
    rings = (
        0.5 + 0.30 * np.sin(2 * np.pi * (4 * (v + bend) + phase)) + 0.10 * np.sin(2 * np.pi * (11 * v + u))
    )
    joint = (np.abs((v * planks) % 1 - 0.5) > 0.46) & (planks > 1)
    return _mix(dark, light, np.where(joint, -0.6, rings + tone))


def shingles(a: Colour, b: Colour, rows: int = 6, columns: int = 6, seed: int = 3) -> np.ndarray:
    """Overlapping roof tiles, darker towards their upper edge."""
    u, v = _grid(192, 192)
    row = (v * rows).astype(int)
    x = (u * columns + 0.5 * (row % 2)) % columns
    shade = np.random.default_rng(seed).random((rows, columns))[row, x.astype(int)]
    rounded = (v * rows) % 1 + 0.35 * (2 * (x % 1) - 1) ** 2
    return _mix(a, b, 0.55 * shade + 0.6 * (rounded % 1) - 0.1)


def sea(deep: Colour, light: Colour) -> np.ndarray:
    """Broad, softly interfering waves."""
    u, v = 2 * np.pi * np.stack(_grid(256, 256))
    bend_u, bend_v = (
        u + 0.7 * np.sin(2 * v + 0.6) + 0.3 * np.sin(3 * u),
        v + 0.7 * np.sin(u + 2) + 0.3 * np.sin(3 * v),
    )
    crest = np.abs(np.sin(2 * bend_u + bend_v) + 0.6 * np.sin(2 * bend_v - bend_u))
    return _mix(deep, light, 1 - 0.9 * crest)


def fields(seed: int = 5) -> np.ndarray:
    """A patchwork of meadows and furrowed fields, for the top of the island."""
    u, v = _grid(512, 512)
    rng = np.random.default_rng(seed)
    sites = (
        np.stack(np.meshgrid(np.arange(5), np.arange(5)), -1).reshape(-1, 2)
        + rng.uniform(0.15, 0.85, (25, 2))
    ) / 5
    distance = np.hypot(u[..., None] - sites[:, 0], v[..., None] - sites[:, 1])
    order = np.argsort(distance, -1)
    cell = order[..., 0]
    near = np.take_along_axis(distance, order[..., :2], -1)
    palette = np.array(
        [[150, 196, 110], [224, 212, 122], [126, 180, 106], [184, 208, 122], [232, 192, 118], [120, 172, 118]]
    )
    colour = palette[np.arange(25) * 7 % 6][cell].astype(float)
    angle = rng.uniform(0, np.pi, 25)[cell]
    furrow = np.sin(2 * np.pi * 14 * (u * np.cos(angle) + v * np.sin(angle)))
    colour *= (1 + 0.08 * (furrow > 0) * (cell % 3 != 0))[..., None]
    hedge = (near[..., 1] - near[..., 0] < 0.014)[..., None]
    return np.clip(np.where(hedge, (104, 150, 92), colour), 0, 255).astype(np.uint8)
