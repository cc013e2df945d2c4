"""A picture as a function of x and y: grey levels at the centres of pixels, and splines through them.

Shapes: W columns, H rows, M = W * H pixels.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import RectBivariateSpline

from wsapps.errors import UserError, one_line
from wsapps_pde.space.domain import Domain

Array = NDArray[np.float64]

FORMATS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
_LEAST = 4  # pixels along a side, for a cubic spline


@dataclass(frozen=True)
class Picture:
    """Grey levels in [0, 1] on the grid of pixel centres.

    Args:
        x: ``(W,)``, to the right.
        y: ``(H,)``, upwards: the last row of the file comes first.
        values: ``(W, H)``.
    """

    x: Array
    y: Array
    values: Array

    @property
    def points(self) -> Array:
        """``(M, 2)``, in the order of ``values.ravel()``."""
        return np.stack([axis.ravel() for axis in np.meshgrid(self.x, self.y, indexing="ij")], axis=1)

    def derivative(self, index: tuple[int, ...]) -> Array:
        """``(M,)``: a derivative of the cubic spline through the pixels, at their centres.

        Args:
            index: orders in x and y, at most 3 each.
        """
        spline = RectBivariateSpline(self.x, self.y, self.values)
        return np.asarray(spline(self.x, self.y, dx=index[0], dy=index[1]), np.float64).ravel()


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its name."""
    return path.suffix.lower() in FORMATS


def read_picture(path: Path, domain: Domain) -> Picture:
    """A picture that fills a domain of x and y; colours become grey by their luma.

    Raises:
        UserError: no such file, no picture, too small, or another domain.
    """
    if domain.variables != ("x", "y") or domain.geometry is not None:
        raise UserError(f"{path.name} is a picture, which needs a domain {{x: [...], y: [...]}}")
    if not path.is_file():
        raise UserError(f"there is no picture {path}; a name is relative to the problem file's folder")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                deep = image.mode.startswith("I")
                levels = np.asarray(image if deep else image.convert("L"), np.float64)
    except Exception as error:  # every decoder raises its own kinds on a broken file
        raise UserError(f"{path} cannot be read as a picture: {one_line(error)}") from None
    if min(levels.shape) < _LEAST:
        sides = f"{levels.shape[1]} x {levels.shape[0]}"
        raise UserError(f"{path} has {sides} pixels; at least {_LEAST} x {_LEAST} are needed")
    values = np.ascontiguousarray(levels[::-1].T) / (65535.0 if deep else 255.0)
    x, y = (
        low + (np.arange(count) + 0.5) * (high - low) / count
        for (low, high), count in zip(domain.bounds, values.shape, strict=True)
    )
    return Picture(x, y, values)
