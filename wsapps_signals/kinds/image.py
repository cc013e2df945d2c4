"""Pictures: a field from (y, x) to grey or RGB.

Shapes: N = H W pixels, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.grid import regular_grid
from wsapps.metrics import SSIM_WINDOW, psnr_from_mse, ssim
from wsapps.pictures import colourize, save_png, side_by_side
from wsapps.readers.image_file import fitting_size, read_image, shrink, to_grey
from wsapps.readers.paths import named
from wsapps.report import Figure
from wsapps_signals.kinds.sampled import check_size, mean_square, predict_all, sample_grid
from wsapps_signals.kinds.signal import Predict
from wsapps_signals.samples.image import sample_image

SHOWN_SIDE = 1024  # pixels; of a picture in a comparison
PREVIEW_SIDE = 256  # pixels
_LARGEST_ERROR = 0.25  # of the error map's colours


@dataclass
class ImageConfig:
    """How a picture is read."""

    name: str = "image"
    grey: bool = doc("fit the luma alone: 0.299 R + 0.587 G + 0.114 B", default=False)
    max_side: int | None = doc(
        "average it down to at most this height and width", default=None, unit="pixels"
    )
    max_points: int | None = doc("average it down to at most so many pixels", default=None)

    def __post_init__(self) -> None:
        for name, value, least in (("max_side", self.max_side, 2), ("max_points", self.max_points, 4)):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


class ImageSignal:
    """A picture, as :class:`wsapps_signals.kinds.signal.Signal` has it.

    Coordinates are (y, x), each from -1 (top, left) to 1 (bottom, right), at the centres of the outermost
    pixels; a rectangle is so stretched to a square. Values lie in [0, 1] and the peak is 1, the format's
    white; the authors' script divides by the largest value in the picture instead.

    Args:
        title: for headings and run folders.
        image_HWC: ``(H, W, C)`` float32 in [0, 1], C = 1 or 3.
        bits: of a sample, as the picture was stored.

    Raises:
        UserError: fewer than 2x2 pixels, or all of one colour.
    """

    Config = ImageConfig

    def __init__(self, title: str, image_HWC: Tensor, bits: int = 8):
        height, width, channels = image_HWC.shape
        if min(height, width) < 2:
            raise UserError(f"{title} has {width}x{height} pixels; a picture needs 2x2 at least")
        low, high = image_HWC.amin(dim=(0, 1)), image_HWC.amax(dim=(0, 1))
        if bool((low == high).all()):
            raise UserError(
                f"{title} has one colour, {_colour(low)}, in all pixels: a constant has nothing to fit"
            )
        self.title = title
        self.grid: tuple[int, ...] = (height, width)
        self.coordinates = regular_grid(self.grid)
        self.values = image_HWC.reshape(-1, channels)
        self.weights: Tensor | None = None
        self.peak = 1.0
        self.native_bits = self.values.numel() * bits

    @classmethod
    def from_config(cls, config: ImageConfig, path: Path | str | None) -> ImageSignal:
        """Read a picture file, or make the embedded sample where ``path`` is None.

        Raises:
            UserError: as :func:`~wsapps.readers.image_file.read_image` and the class do.
        """
        image_HWC, bits = (sample_image(), 8) if path is None else read_image(Path(path))
        if config.grey:
            image_HWC = to_grey(image_HWC)
        height, width = fitting_size(image_HWC.shape[:2], config.max_side, config.max_points)
        if min(height, width) < 2 <= min(image_HWC.shape[:2]):
            raise UserError(
                f"{'the sample' if path is None else named(Path(path))} of "
                f"{image_HWC.shape[1]}x{image_HWC.shape[0]} pixels would be averaged down to "
                f"{width}x{height}; 2x2 are needed, so raise signal.max_side or signal.max_points"
            )
        image_HWC = shrink(image_HWC, height, width)
        return cls("sample_image" if path is None else Path(path).stem, image_HWC, bits)

    def scores(self, predict: Predict) -> dict[str, float]:
        """``psnr``: 10 log10(1 / MSE) in dB over pixels and channels; ``ssim`` from 11x11 pixels on.

        Both are of what the field says, neither clamped to [0, 1] nor rounded to 8 bits.
        """
        values_NC = predict_all(predict, self.coordinates, self.values.shape[1])
        scores = {"psnr": psnr_from_mse(mean_square(values_NC, self.values), self.peak)}
        if min(self.grid) >= SSIM_WINDOW:
            shape = (*self.grid, -1)
            scores["ssim"] = ssim(values_NC.view(shape), self.values.view(shape))
        return scores

    def write(self, folder: Path, predict: Predict) -> list[Figure]:
        """``reconstruction.png`` (8 bits, clamped), and ``comparison.png`` with truth and error beside it.

        Raises:
            UserError: the field is not finite, or a file cannot be written.
        """
        channels = self.values.shape[1]
        pixels_NC = np.empty(self.values.shape, np.uint8)
        error_N = torch.empty(len(self.values))
        for rows, values_MC in sample_grid(predict, self.grid):
            pixels_NC[rows] = quantised(values_MC)
            error_N[rows] = (values_MC.clamp(0, 1) - self.values[rows]).abs().mean(dim=1)
        pixels_HWC = pixels_NC.reshape(*self.grid, channels)
        save_png(folder / "reconstruction.png", pixels_HWC)
        size = fitting_size(self.grid, SHOWN_SIDE)
        error_HW = shrink(error_N.view(*self.grid, 1), *size)[..., 0]
        row = side_by_side(
            [
                ("truth", shrink(self.values.view(*self.grid, channels), *size).clamp(0, 1)),
                ("reconstruction", shrink(torch.from_numpy(pixels_HWC).float() / 255, *size)),
                ("error x 4", colourize(error_HW, 0.0, _LARGEST_ERROR, colormap="magma")),
            ]
        )
        save_png(folder / "comparison.png", row)
        return [
            Figure("comparison.png", f"{self.title}: truth, reconstruction, error (bright: 0.25 and above)"),
            Figure("reconstruction.png", f"{self.title}: reconstruction"),
        ]

    def resample(self, folder: Path, predict: Predict, size: tuple[int, ...]) -> list[Path]:
        """``resampled_<H>x<W>.png``: pixel k of an axis of n lies at the k-th of linspace(-1, 1, n).

        Raises:
            UserError: ``size`` is not (H, W) of at least 1 and 2^28 values in all, or the field is not
                finite.
        """
        check_size(size, ("height", "width"), self.values.shape[1])
        pixels_NC = np.empty((math.prod(size), self.values.shape[1]), np.uint8)
        for rows, values_MC in sample_grid(predict, size):
            pixels_NC[rows] = quantised(values_MC)
        path = folder / f"resampled_{size[0]}x{size[1]}.png"
        save_png(path, pixels_NC.reshape(*size, -1))
        return [path]

    def preview(self, predict: Predict) -> Tensor:
        """The field at no more than 512 pixels a side, averaged down to 256: ``(H, W, 3)`` in [0, 1]."""
        return preview_picture(predict, self.grid, self.values.shape[1])


def preview_picture(predict: Predict, grid: tuple[int, ...], channels: int) -> Tensor:
    """A field over a picture's square as a small picture ``(H, W, 3)``, its sides at most 256."""
    finer = fitting_size(grid, 2 * PREVIEW_SIDE)
    image_NC = torch.empty(math.prod(finer), channels)
    for rows, values_MC in sample_grid(predict, finer):
        image_NC[rows] = values_MC.clamp(0, 1)
    image_HWC = shrink(image_NC.view(*finer, channels), *fitting_size(finer, PREVIEW_SIDE))
    return image_HWC.clamp(0, 1).expand(-1, -1, 3)  # the float mean may leave [0, 1] by a rounding


def quantised(values_MC: Tensor) -> NDArray[np.uint8]:
    """Values in [0, 1] (clamped) as 8-bit samples."""
    return (values_MC.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _colour(values: Tensor) -> str:
    return ", ".join(f"{value:.3g}" for value in values.tolist())
