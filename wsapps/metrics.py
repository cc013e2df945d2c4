"""Scores, each with its definition."""

from __future__ import annotations

import math

from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

SSIM_WINDOW = 11  # pixels; the least side of an image


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


def ssim(image: Tensor, reference: Tensor, peak: float = 1.0) -> float:
    """Structural similarity of two images ``(H, W, C)`` with values in [0, peak].

    Wang et al., 2004: Gaussian window 11x11 of sigma 1.5, K1 = 0.01, K2 = 0.03, biased covariance; the
    mean over pixels whose window lies inside, and over channels. At least 11x11 pixels. Computed by
    torchmetrics; equals scikit-image's with ``gaussian_weights=True, use_sample_covariance=False``.

    Raises:
        ValueError: the shapes differ, or the images are smaller than the window.
    """
    _check_shapes(image, reference)
    if image.dim() != 3 or min(image.shape[:2]) < SSIM_WINDOW:
        raise ValueError(f"ssim needs images (H, W, C) of at least 11x11 pixels, got {tuple(image.shape)}")
    batched = [tensor.double().permute(2, 0, 1)[None] for tensor in (image, reference)]
    # torchmetrics' own mean takes in the border, where it mirrors the images.
    _, map_1CHW = structural_similarity_index_measure(
        batched[0], batched[1], data_range=peak, return_full_image=True
    )
    return float(map_1CHW[..., 5:-5, 5:-5].mean())


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
