"""Pictures: from float images to PNG files, colour maps and rows of captioned images.

An image is a float array or tensor `(H, W, C)` in [0, 1], C = 3 (RGB, display-referred) or 1 (grey).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import imageio.v3 as iio
import matplotlib
import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wsapps.atomic import replacing, write_bytes

Picture: TypeAlias = "torch.Tensor | NDArray[np.generic]"

_CAPTION_BAND = 20  # pixels
_CAPTION_SIZE = 12  # pixels


def to_uint8(image: Picture) -> NDArray[np.uint8]:
    """Quantise a float image (H, W, 3 or 1) to uint8 of the same shape: clamp to [0, 1], round to nearest.

    A uint8 image passes unchanged. Raises ValueError for other integer types, for other shapes and for values
    that are not finite: clamping would show a diverged field as a plausible white or black picture.
    """
    array = _as_array(image)
    if array.ndim != 3 or array.shape[-1] not in (1, 3) or array.size == 0:
        raise ValueError(f"an image must have shape (H, W, 3) or (H, W, 1), got {array.shape}")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"an image must be uint8 or float in [0, 1], got {array.dtype}")
    _require_finite(array, "image")
    return np.rint(np.clip(array, 0.0, 1.0) * 255.0).astype(np.uint8)


def save_png(path: Path, image: Picture) -> None:
    """Write an image (H, W, 3 or 1) as an 8-bit PNG; a reader sees the old file or the new one, never a part.

    Raises ValueError as :func:`to_uint8` does, before anything is written.
    """
    pixels = to_uint8(image)
    if pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    data = iio.imwrite("<bytes>", pixels, extension=".png")
    with replacing(Path(path)) as temporary:
        Path(temporary).write_bytes(data)


def save_figure(path: Path, figure: Figure, dots_per_inch: float | None = None) -> None:
    """Write a figure of matplotlib as a PNG, whole or not at all; of its own resolution if none is given.

    Raises:
        UserError: it cannot be written.
    """
    content = io.BytesIO()
    FigureCanvasAgg(figure)  # its own canvas: pyplot would keep a list of figures, and may want a display
    figure.savefig(content, format="png", dpi=dots_per_inch or "figure")
    write_bytes(path, content.getvalue())


def colourize(
    values: Picture, low: float, high: float, mask: Picture | None = None, colormap: str = "turbo"
) -> NDArray[np.float32]:
    """Colour a scalar map: values (H, W) from `low` to `high` (clamped) -> RGB (H, W, 3) float32 in [0, 1].

    `colormap` is any name of matplotlib's (turbo for depth, magma for errors). Pixels where `mask` (H, W) is
    False are white, and their values may be anything. `low == high` gives the first colour everywhere.
    Raises ValueError for an unknown colormap, high < low, unequal shapes or unmasked values not finite.
    """
    if colormap not in matplotlib.colormaps:
        raise ValueError(f"unknown colormap {colormap!r}: use one of matplotlib's, such as 'turbo'")
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ValueError(f"must have finite low <= high, got low={low}, high={high}")
    scalars = _as_array(values).astype(np.float64)
    if scalars.ndim != 2:
        raise ValueError(f"values must have shape (H, W), got {scalars.shape}")
    shown = np.ones(scalars.shape, bool) if mask is None else _as_array(mask).astype(bool)
    if shown.shape != scalars.shape:
        raise ValueError(f"mask {shown.shape} must have the shape of values {scalars.shape}")
    _require_finite(scalars[shown], "unmasked values")
    # Not float values directly: matplotlib maps 1.0 by a special case and NaN to transparent.
    fraction = np.clip(np.where(shown, scalars, low) - low, 0.0, high - low) / ((high - low) or 1.0)
    rgb = matplotlib.colormaps[colormap](fraction)[..., :3]
    return np.where(shown[..., None], rgb, 1.0).astype(np.float32)


def error_map(a: Picture, b: Picture, high: float = 0.25) -> NDArray[np.float32]:
    """Where two images (H, W, C) differ: channel mean of |a - b|, 0 (black) to `high` (bright), in magma.

    Returns (H, W, 3) float32. `high` is fixed rather than the largest error, so that maps of different runs
    can be compared by eye. Raises ValueError for unequal shapes or values not finite.
    """
    first, second = _as_float(a), _as_float(b)
    if first.shape != second.shape or first.ndim != 3:
        raise ValueError(f"images must share one shape (H, W, C), got {first.shape} and {second.shape}")
    return colourize(np.abs(first - second).mean(axis=-1), 0.0, high, colormap="magma")


def side_by_side(images: Sequence[Picture | tuple[str | None, Picture]], gap: int = 4) -> NDArray[np.float32]:
    """Join images of equal height in a row: list of image or (caption, image) -> (H', sum of W + gaps, 3).

    Images are (H, W_i, 3 or 1); the result is float32 in [0, 1] with `gap` white columns between images.
    H' is H, or H + 20 with a band of captions on top when any caption is given; a long caption is cut with
    an ellipsis. Raises ValueError for an empty list or unequal heights.
    """
    pairs = [item if isinstance(item, tuple) else (None, item) for item in images]
    if not pairs:
        raise ValueError("side_by_side needs at least one image")
    panels = [_as_rgb(image) for _, image in pairs]
    heights = sorted({panel.shape[0] for panel in panels})
    if len(heights) > 1:
        raise ValueError(f"images side by side must have one height, got heights {heights}")
    captions = [caption or "" for caption, _ in pairs]
    if any(captions):
        panels = [
            np.concatenate([_caption_band(caption, panel.shape[1]), panel])
            for caption, panel in zip(captions, panels, strict=True)
        ]
    spacer = np.ones((panels[0].shape[0], gap, 3), np.float32)
    row = [panels[0]]
    for panel in panels[1:]:
        row += [spacer, panel]
    return np.concatenate(row, axis=1)


def _caption_band(caption: str, width: int) -> NDArray[np.float32]:
    """Dark text centred on a white band (20, width, 3)."""
    # DejaVu comes with matplotlib and covers accents, Greek and mathematics; Pillow's own font does not.
    font_file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(font_file), _CAPTION_SIZE)
    text = " ".join(caption.split())
    if font.getlength(text) > width:
        while text and font.getlength(text + "…") > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    band = Image.new("RGB", (width, _CAPTION_BAND), "white")
    ImageDraw.Draw(band).text((width / 2, _CAPTION_BAND / 2), text, fill=(30, 30, 30), font=font, anchor="mm")
    return np.asarray(band, np.float32) / 255.0


def _as_rgb(image: Picture) -> NDArray[np.float32]:
    pixels = to_uint8(image)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float32) / 255.0


def _as_float(image: Picture) -> NDArray[np.float64]:
    array = _as_array(image)
    return array / 255.0 if array.dtype == np.uint8 else array.astype(np.float64)


def _as_array(image: Picture) -> NDArray:
    """NumPy view or copy of an array or of a tensor on any device; half precision becomes float32."""
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu()
        return (image.float() if image.dtype in (torch.bfloat16, torch.float16) else image).numpy()
    return np.asarray(image)


def _require_finite(array: NDArray, what: str) -> None:
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise ValueError(f"{what} not finite in {bad} of {array.size} entries")
