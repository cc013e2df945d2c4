"""The embedded dataset: digits drawn with strokes, each one bent and placed at random.

It needs no file, and any number of them can be had: ten classes, 28 x 28 pixels, bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.seeding import derive_seed
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.labelled import drawn_test, picture_samples

_SIDE = 28
_SEGMENTS = 12  # of an arc


@dataclass
class GlyphsConfig:
    """How many digits are drawn."""

    count: int = doc("digits, the ten classes in turn", default=1000)
    seed: int = doc("of their shapes", default=0)

    def __post_init__(self) -> None:
        at_least_one(self, "count")


def draw_glyphs(config: GlyphsConfig, test_fraction: float) -> LabelledSamples:
    """Draw the digits; number n depends on the seed and on n alone."""
    pictures = np.stack([_glyph(config.seed, number) for number in range(config.count)])
    labels = torch.arange(config.count) % 10
    classes = tuple(str(digit) for digit in range(10))
    return picture_samples("glyphs", pictures, labels, classes, drawn_test(config.count, test_fraction))


def _glyph(seed: int, number: int) -> NDArray[np.uint8]:
    """``(28, 28)``: brightness falls over one pixel at the edge of a stroke."""
    rng = np.random.default_rng(derive_seed("glyph", seed, number))
    strokes = [_bent(stroke, rng) for stroke in _DIGITS[number % 10]]
    move, shift = _affine(rng)
    width = rng.uniform(0.9, 1.7)  # half of the stroke's, in pixels
    distance = np.full((_SIDE, _SIDE), np.inf)
    for stroke in strokes:
        corners = (stroke @ move.T + shift) * _SIDE / 2 + (_SIDE - 1) / 2
        distance = np.minimum(distance, _distance(corners))
    return np.rint(255 * np.clip(width + 0.5 - distance, 0, 1)).astype(np.uint8)


def _affine(rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """A turn, a slant, sizes and a shift: ``(2, 2)`` and ``(2,)``, for (x, y) in [-1, 1]."""
    turn, slant = rng.uniform(-0.2, 0.2), rng.normal(0, 0.15)
    wide, high = rng.uniform(0.7, 1.0, 2)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return rotation @ np.array([[wide, -slant], [0, high]]), rng.uniform(-0.12, 0.12, 2)


def _bent(stroke: NDArray, rng: np.random.Generator) -> NDArray:
    """A stroke moved by a slow wave along each axis, so that no two digits have one shape."""
    along = np.linspace(0, 1, len(stroke))
    waves = [
        rng.normal(0, 0.05) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.0) * along + rng.random())) for _ in "xy"
    ]
    return stroke + np.stack(waves, axis=1)


def _distance(corners: NDArray) -> NDArray:
    """``(28, 28)`` distances of the pixels from a line through corners ``(M, 2)``, (x, y) in pixels."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    pixels = np.stack([x, y], axis=-1)[:, :, None, :]
    start, step = corners[:-1], np.diff(corners, axis=0)
    part = ((pixels - start) * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-12)
    nearest = start + np.clip(part, 0, 1)[..., None] * step
    return np.linalg.norm(pixels - nearest, axis=-1).min(axis=-1)


def _line(*corners: tuple[float, float]) -> NDArray:
    """A polyline with intermediate points, so that it can be bent."""
    pieces = [np.linspace(a, b, 6)[:-1] for a, b in pairwise(corners)]
    return np.concatenate([*pieces, np.array(corners[-1:])])


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> NDArray:
    """Part of an ellipse; angles in degrees, 0 to the right, 90 down."""
    angle = np.radians(np.linspace(start, end, _SEGMENTS + 1))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


# x to the right and y down, in [-0.8, 0.8].
_DIGITS = (
    [_arc(0, 0, 0.45, 0.7, 0, 360)],
    [_line((-0.25, -0.4), (0.05, -0.7), (0.05, 0.7))],
    [np.concatenate([_arc(0, -0.3, 0.45, 0.4, -170, 40), _line((-0.45, 0.7), (0.5, 0.7))])],
    [_arc(0, -0.35, 0.4, 0.35, -160, 90), _arc(0, 0.35, 0.45, 0.35, -90, 160)],
    [_line((0.1, -0.7), (-0.5, 0.2), (0.5, 0.2)), _line((0.2, -0.2), (0.2, 0.7))],
    [np.concatenate([_line((0.45, -0.7), (-0.35, -0.7), (-0.4, -0.1)), _arc(0, 0.25, 0.4, 0.4, -140, 150)])],
    [np.concatenate([_arc(0.35, 0.2, 0.8, 0.9, -90, -180), _arc(0, 0.3, 0.45, 0.4, 180, -180)])],
    [_line((-0.45, -0.7), (0.45, -0.7), (-0.1, 0.7))],
    [_arc(0, -0.35, 0.35, 0.35, 90, 450), _arc(0, 0.35, 0.42, 0.36, -90, 270)],
    [np.concatenate([_arc(0, -0.3, 0.42, 0.4, 0, 360), _line((0.42, -0.3), (0.3, 0.7))])],
)  # fmt: skip
