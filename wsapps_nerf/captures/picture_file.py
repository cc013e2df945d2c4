"""Picture files of a capture: sizes from their headers, and pixels as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsapps.config.overrides import shown
from wsapps.errors import UserError, one_line


class Header(NamedTuple):
    """Size in pixels, and whether the file has an alpha channel."""

    width: int
    height: int
    has_alpha: bool


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels; UserError for what is no picture."""
    with _opened(path) as image:
        return image.size


def read_header(path: Path) -> Header:
    """What a picture's header says; UserError for what is no picture."""
    with _opened(path) as image:
        has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
        return Header(*image.size, has_alpha)


def read_pixels(path: Path, size: tuple[int, int], alpha: bool, downscale: int) -> NDArray[np.uint8]:
    """A picture as ``(H, W, 3)``, or ``(H, W, 4)`` with straight alpha, in blocks of pixels averaged.

    Every channel is averaged by itself, as in :func:`wsapps_nerf.scene.downscale_rgba`; pixels that are over
    at the right and below are cut off.

    Raises:
        UserError: it cannot be decoded, or no longer has the ``size`` (width, height) that it had.
    """
    with _opened(path) as image:
        if image.size != size:
            raise UserError(f"{path} has changed: it was {size[0]}x{size[1]}, and is {image.size}")
        if image.mode in ("I", "F"):
            raise UserError(f"{path} has 32 bits a pixel (mode {image.mode}); save it with 8 or 16")
        if image.mode.startswith("I;16"):  # Pillow's own conversion would clip it to white
            grey = Image.fromarray((np.asarray(image).astype(np.uint32) // 257).astype(np.uint8))
            image = grey
        picture = image.convert("RGBA" if alpha else "RGB")
        bands = [np.asarray(_reduced(band, downscale)) for band in picture.split()]
    return np.stack(bands, axis=-1)


def read_mask(path: Path, size: tuple[int, int], downscale: int) -> NDArray[np.bool_]:
    """Which pixels count, ``(H, W)``: those whose block of mask pixels has no zero.

    Raises:
        UserError: it cannot be decoded, or is not as large as its picture.
    """
    with _opened(path) as image:
        check_mask_size(path, image.size, size)
        kept = image.convert("L").point(lambda value: 255 if value else 0)
        return np.asarray(_reduced(kept, downscale)) == 255


def check_mask_size(path: Path, found: tuple[int, int], size: tuple[int, int]) -> None:
    """Raise UserError unless a mask is as large as its picture, both (width, height)."""
    if found != size:
        raise UserError(
            f"the mask {path} is {found[0]}x{found[1]}, and its picture {size[0]}x{size[1]}; they must agree"
        )


def _reduced(band: Image.Image, factor: int) -> Image.Image:
    if factor == 1:
        return band
    width, height = (side // factor * factor for side in band.size)
    return band.reduce(factor, box=(0, 0, width, height))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{shown(str(path), 300)} is listed in the capture but does not exist") from None
    except Exception as error:  # every decoder raises its own kinds on a broken file
        raise UserError(f"{path} cannot be read as a picture: {one_line(error)}") from None
