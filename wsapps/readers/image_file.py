"""Picture files as float tensors, and making pictures smaller.

Shapes: H rows, W columns, C channels (1 grey, 3 RGB).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from wsapps.errors import UserError, one_line
from wsapps.readers.ffmpeg_frames import png_pixels_16_bit
from wsapps.readers.paths import check_file, named

_ORIENTATION = 0x0112  # EXIF tag
_ALPHA_MODES = {"LA": "LA", "La": "LA", "PA": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's "L"


def read_image(path: Path) -> tuple[Tensor, int]:
    """Read a picture of any format that Pillow knows; of several pictures in a file, the first.

    Returns:
        The pixels, ``(H, W, C)`` float32 in [0, 1], C = 1 where the file is grey and 3 otherwise, and the
        bits of a sample in the file. 8-bit samples are divided by 255 and 16-bit ones by 65535; palettes and
        CMYK become RGB; alpha is composited over white; EXIF orientation is applied; colour profiles are
        not. Float pictures must lie in [0, 1]. TIFF files of 16-bit colour are read with 8 bits.

    Raises:
        UserError: there is no such file, it is no picture, broken or cut short, has more pixels than
            Pillow's limit against decompression bombs, 32-bit integers, or values outside [0, 1].
    """
    check_file(path, "picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                pixels, bits = _samples(image, path)
                pixels = _oriented(pixels, image.getexif().get(_ORIENTATION, 1))
    except UserError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UserError(
            f"{named(path)} has more than {Image.MAX_IMAGE_PIXELS:,} pixels, Pillow's limit against "
            f"decompression bombs; make it smaller first"
        ) from None
    except Exception as error:  # every decoder raises its own kinds on a broken file
        raise UserError(f"{named(path)} cannot be read as a picture: {one_line(error)}") from None
    return torch.from_numpy(np.ascontiguousarray(pixels)), bits


def to_grey(image_HWC: Tensor) -> Tensor:
    """Luma ``0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601): ``(H, W, 1)``; a grey picture as it is."""
    if image_HWC.shape[-1] == 1:
        return image_HWC
    return (image_HWC @ torch.tensor(_LUMA))[..., None]


def fitting_size(
    size: Sequence[int], max_side: int | None = None, max_points: int | None = None
) -> tuple[int, int]:
    """The largest (height, width) of the same shape as ``size`` and not above it, within both limits."""
    height, width = size
    factor = min(1.0, (max_side or math.inf) / max(height, width))
    factor = min(factor, math.sqrt((max_points or math.inf) / (height * width)))
    # 1e-9: 100 * (49 / 100) is 48.99...
    return max(1, int(height * factor + 1e-9)), max(1, int(width * factor + 1e-9))


def shrink(image_HWC: Tensor, height: int, width: int) -> Tensor:
    """A smaller picture: each new pixel is the mean over the area it covers, pixels cut by its edge in part.

    The mean is one of stored values, without undoing their gamma. (Pillow's BOX filter takes pixels wholly or
    not at all, and shifts the picture where the ratio is no whole number.)
    """
    if (height, width) == tuple(image_HWC.shape[:2]):
        return image_HWC
    rows_hH, columns_wW = (
        _coverage(new, old) for new, old in zip((height, width), image_HWC.shape, strict=False)
    )
    # Along rows first: that keeps what is between small. One channel at a time, without a transposed copy.
    planes = [rows_hH @ plane_HW @ columns_wW.T for plane_HW in image_HWC.unbind(dim=-1)]
    return torch.stack(planes, dim=-1)


def _coverage(new: int, old: int) -> Tensor:
    """``(new, old)``: the part that each old pixel has in the area of each new one; rows sum to 1."""
    ratio = old / new
    low_n1 = torch.arange(new, dtype=torch.float64)[:, None] * ratio
    low_1o = torch.arange(old, dtype=torch.float64)[None]
    overlap = torch.minimum(low_n1 + ratio, low_1o + 1) - torch.maximum(low_n1, low_1o)
    return (overlap.clamp(min=0) / ratio).float()


def _samples(image: Image.Image, path: Path) -> tuple[NDArray[np.float32], int]:
    """``(H, W, C)`` float32 in [0, 1] and the bits of a sample, not yet oriented."""
    image.load()
    mode, from_png = image.mode, image.format == "PNG"
    if from_png and mode in ("RGB", "RGBA") and _png_depth(path) == 16:
        pixels = _over_white(_scaled(png_pixels_16_bit(path), 65535))
        return pixels[..., :1] if _png_is_grey(path) else pixels, 16
    # Before version 11 or so, Pillow opened 16-bit PNGs as "I", as it still does portable grey maps.
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        return _scaled(np.asarray(image)[..., None], 65535), 16
    if mode == "I":
        raise UserError(f"{named(path)} has 32-bit integers; save it with 8 or 16 bits a sample")
    if mode == "F":
        return _unit_floats(np.array(image, np.float32)[..., None], path), 32
    if mode in _ALPHA_MODES or "transparency" in image.info:
        target = _ALPHA_MODES.get(mode, "LA" if mode in ("1", "L") else "RGBA")
        return _over_white(_scaled(np.asarray(image.convert(target)), 255)), 8
    grey = mode in ("1", "L")
    pixels = np.asarray(image.convert("L" if grey else "RGB"))
    return _scaled(pixels[..., None] if grey else pixels, 255), 1 if mode == "1" else 8


def _scaled(samples: NDArray, white: int) -> NDArray[np.float32]:
    pixels = samples.astype(np.float32)
    pixels /= white
    return pixels


def _over_white(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colour or grey with straight alpha last, composited over white."""
    alpha = pixels[..., -1:]
    composite = pixels[..., :-1] * alpha
    composite += 1.0 - alpha
    return composite


def _unit_floats(pixels: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    bad = int(np.count_nonzero(~np.isfinite(pixels)))
    if bad:
        raise UserError(f"{named(path)}: {bad} of {pixels.size} pixels are NaN or infinite; mend the file")
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        raise UserError(
            f"{named(path)} has float pixels from {low:g} to {high:g}; they must lie in [0, 1], so scale them"
        )
    return pixels


def _png_depth(path: Path) -> int:
    """Bits a sample in a PNG's header."""
    with open(path, "rb") as file:
        return file.read(25)[24]


def _png_is_grey(path: Path) -> bool:
    """Whether a PNG's header says grey, perhaps with alpha."""
    with open(path, "rb") as file:
        return file.read(26)[25] in (0, 4)


def _oriented(pixels: NDArray, orientation: int) -> NDArray:
    """What EXIF's orientation 1 to 8 says about how a picture ``(H, W, C)`` was stored, undone."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
