"""Scores, each with its definition."""

from __future__ import annotations

import math

from torch import Tensor

from wsapps.ssim import SSIM_WINDOW as SSIM_WINDOW
from wsapps.ssim import ssim as ssim


def psnr(image: Tensor, reference: Tensor, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB: ``10 log10(peak^2 / MSE)``, the mean over all elements.

    Infinite for equal tensors. The mean over several images of this is what tables report; it is not
    the PSNR of the mean error.

    Raises:
        ValueError: the shapes differ.
    """
    _check_shapes(image, reference)
    return psnr_from_mse(float((image.double() - reference.double()).square().mean()), peak)


def psnr_from_mse(mse: float, peak: float = 1.0) -> float:
    """PSNR in dB of a mean squared error; infinite at 0, -infinite at infinity, NaN stays NaN."""
    if math.isnan(mse):
        return math.nan
    return math.inf if mse <= 0 else 20.0 * math.log10(peak) - 10.0 * math.log10(mse)


def iou(occupied: Tensor, reference: Tensor) -> float:
    """Intersection over union of two boolean tensors; 1 where both are empty."""
    _check_shapes(occupied, reference)
    union = int((occupied | reference).sum())
    return int((occupied & reference).sum()) / union if union else 1.0


def relative_l2(values: Tensor, reference: Tensor) -> float:
    """``||values - reference||_2 / ||reference||_2`` over all elements, in float64.

    Raises:
        ValueError: the shapes differ, or the reference is zero everywhere.
    """
    _check_shapes(values, reference)
    norm = float(reference.double().norm())
    if norm == 0:
        raise ValueError("relative_l2 is not defined for a reference that is zero everywhere")
    return float((values.double() - reference.double()).norm()) / norm


def _check_shapes(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise ValueError(f"shapes must be equal, got {tuple(first.shape)} and {tuple(second.shape)}")
