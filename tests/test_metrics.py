"""Scores, against closed forms and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wsapps.metrics import iou, psnr, psnr_from_mse, relative_l2, ssim


def noisy_pair(height=24, width=31, channels=3, noise=0.1, seed=0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.rand(height, width, channels, generator=generator)
    return (reference + noise * torch.randn(reference.shape, generator=generator)).clamp(0, 1), reference


@pytest.mark.parametrize(("error", "decibels"), [(1.0, 0.0), (0.1, 20.0), (0.01, 40.0), (2.0, -6.0206)])
def test_psnr_of_a_known_error(error, decibels):
    reference = torch.rand(7, 5, 3, dtype=torch.float64)
    assert psnr(reference + error, reference) == pytest.approx(decibels, abs=1e-4)
    assert psnr_from_mse(error**2) == pytest.approx(decibels, abs=1e-4)


def test_psnr_is_of_the_mean_over_all_elements():
    image, reference = torch.zeros(4), torch.tensor([0.2, 0.0, 0.0, 0.0])
    assert psnr(image, reference) == pytest.approx(20.0, abs=1e-5)  # mean squared error 0.01


@pytest.mark.parametrize("peak", [0.5, 1.0, 255.0])
def test_psnr_peak(peak):
    image, reference = noisy_pair()
    assert psnr(peak * image, peak * reference, peak) == pytest.approx(psnr(image, reference), abs=1e-4)
    expected = peak_signal_noise_ratio(reference.double().numpy(), image.double().numpy(), data_range=peak)
    assert psnr(image, reference, peak) == pytest.approx(expected, abs=1e-9)


def test_psnr_limits():
    image, reference = noisy_pair()
    assert psnr(reference, reference) == math.inf
    assert psnr_from_mse(0.0) == math.inf
    assert math.isnan(psnr_from_mse(math.nan))
    assert math.isnan(psnr(image * math.nan, reference))
    assert psnr_from_mse(math.inf) == -math.inf


def test_psnr_of_small_integers_does_not_wrap_around():
    dark, bright = torch.zeros(4, dtype=torch.uint8), torch.full((4,), 255, dtype=torch.uint8)
    assert psnr(dark, bright, peak=255.0) == pytest.approx(0.0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("noise", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("peak", [1.0, 255.0])
@pytest.mark.parametrize("strip", [200, 1 << 17])
def test_ssim_equals_scikit_image(channels, noise, peak, strip, monkeypatch):
    monkeypatch.setattr("wsapps.ssim._STRIP", strip)  # many strips of rows, and one
    image, reference = (peak * tensor.double() for tensor in noisy_pair(channels=channels, noise=noise))
    expected = structural_similarity(
        image.numpy(),
        reference.numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=peak,
        channel_axis=-1,
    )
    assert ssim(image, reference, peak) == pytest.approx(expected, abs=1e-6)


def test_ssim_limits():
    image, reference = noisy_pair()
    assert ssim(reference, reference) == pytest.approx(1.0, abs=1e-12)
    assert ssim(image, reference) == pytest.approx(ssim(reference, image), abs=1e-12)
    assert ssim(image, reference) < ssim(noisy_pair(noise=0.01)[0], reference) < 1
    smallest, other = noisy_pair(11, 11)
    assert -1 <= ssim(smallest, other) <= 1


def test_ssim_of_constant_images():
    """Without structure only luminance counts: (2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.01^2."""
    first, second = torch.full((16, 16, 3), 0.2), torch.full((16, 16, 3), 0.6)
    assert ssim(first, second) == pytest.approx((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4), abs=1e-5)


@pytest.mark.parametrize("shape", [(10, 20, 3), (20, 10, 3), (20, 20), (1, 20, 20, 3)])
def test_ssim_of_unsuitable_shapes(shape):
    with pytest.raises(ValueError, match="11x11"):
        ssim(torch.zeros(shape), torch.zeros(shape))


def test_iou():
    occupied = torch.tensor([True, True, False, False])
    reference = torch.tensor([True, False, True, False])
    assert iou(occupied, reference) == pytest.approx(1 / 3)
    assert iou(occupied, occupied) == 1.0
    assert iou(occupied, ~occupied) == 0.0
    empty = torch.zeros(4, dtype=torch.bool)
    assert iou(empty, empty) == 1.0
    assert iou(empty, reference) == 0.0


def test_relative_l2():
    reference = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    assert relative_l2(reference, reference) == 0.0
    assert relative_l2(torch.zeros(2, 2), reference) == pytest.approx(1.0)
    assert relative_l2(reference * 1.25, reference) == pytest.approx(0.25)
    assert relative_l2(reference + torch.tensor([[0.0, 1.0], [0.0, 0.0]]), reference) == pytest.approx(0.2)


def test_relative_l2_is_computed_in_float64():
    reference = torch.full((1000,), 1e30)
    assert relative_l2(2 * reference, reference) == pytest.approx(1.0)  # the square overflows float32


def test_relative_l2_of_zero():
    with pytest.raises(ValueError, match="zero everywhere"):
        relative_l2(torch.ones(3), torch.zeros(3))


@pytest.mark.parametrize("score", [psnr, ssim, relative_l2])
def test_shapes_must_be_equal(score):
    with pytest.raises(ValueError, match=r"\(16, 16, 3\) and \(16, 16, 1\)"):
        score(torch.ones(16, 16, 3), torch.ones(16, 16, 1))  # would broadcast


def test_iou_shapes_must_be_equal():
    with pytest.raises(ValueError, match="shapes"):
        iou(torch.ones(4, 1, dtype=torch.bool), torch.ones(4, dtype=torch.bool))


def test_scores_are_python_floats():
    image, reference = noisy_pair()
    for value in (psnr(image, reference), ssim(image, reference), relative_l2(image, reference)):
        assert type(value) is float
        assert np.isfinite(value)
