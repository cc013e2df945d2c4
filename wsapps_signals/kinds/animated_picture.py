"""Frames of animated GIF, PNG and WebP files, one at a time: Pillow knows their timing and their holes better
than ffmpeg does."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsapps.errors import UserError, one_line
from wsapps.readers.paths import named

_FORMATS = ("GIF", "PNG", "WEBP")
_USUAL_DURATION = 100  # ms, of frames that state none; what browsers take


def is_animated_picture(path: Path) -> bool:
    """Whether the file is a GIF, PNG or WebP, by its first bytes."""
    try:
        with Image.open(path, formats=_FORMATS):
            return True
    except Exception:  # broken or of another kind: ffmpeg will say
        return False


def animated_frames(path: Path, every: int = 1, most: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Frames 0, ``every``, 2 ``every``, ..., at most ``most``: each ``(H, W, 3)`` RGB uint8, over white.

    Uneven spacing in time is not kept.

    Raises:
        UserError: a frame that is wanted, or one before it, is broken.
    """
    count, frame = 0, 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=_FORMATS)
        with image:
            while most is None or count < most:
                try:
                    image.seek(frame)
                except EOFError:
                    return
                yield _over_white(image)
                count, frame = count + 1, frame + every
    except Exception as error:  # every decoder raises its own kinds on a broken file
        raise UserError(
            f"{named(path)} cannot be read as a video after {count} frames: {one_line(error)}"
        ) from None


def animation_rate(path: Path) -> float:
    """Frames a second, by the duration of the first frame, in (0, 1000]; 10 where it states none."""
    duration = 0.0
    # A broken frame is for the reader of frames to report.
    with contextlib.suppress(Exception), Image.open(path, formats=_FORMATS) as image:
        image.load()  # WebP tells the duration then
        duration = float(image.info.get("duration") or 0.0)
    return min(1000.0, 1000.0 / (duration if duration > 0 else _USUAL_DURATION))


def _over_white(image: Image.Image) -> NDArray[np.uint8]:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))
