"""Pictures as signals: what is read, how it is scored, what is written."""

from __future__ import annotations

import io
import math
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from wsapps.errors import UserError
from wsapps.grid import axis, grid_points, regular_grid
from wsapps.readers.image_file import fitting_size, read_image, shrink
from wsapps_signals.kinds.image import ImageConfig, ImageSignal
from wsapps_signals.kinds.sampled import mean_square, sample_grid, squared_error
from wsapps_signals.samples.image import sample_image

RNG = np.random.default_rng(0)


def noise(*shape, most=255, kind=np.uint8):
    return np.random.default_rng(1).integers(0, most + 1, shape).astype(kind)


def saved(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def read(path, **options):
    return ImageSignal.from_config(ImageConfig(**options), path)


def looked_up(signal):
    """A "field" that looks the signal's own values up."""
    sizes = torch.tensor(signal.grid)

    def predict(coordinates):
        index = ((coordinates.double() + 1) / 2 * (sizes - 1)).round().long()
        return signal.values[index[:, 0] * sizes[1] + index[:, 1]]

    return predict


def ramp(channels):
    """A smooth field with values in [0, 1], different in each channel."""

    def predict(yx):
        phases = torch.arange(channels)
        return 0.5 + 0.5 * torch.sin(2 * yx[:, :1] + 3 * yx[:, 1:] + phases)

    return predict


# Grids


def test_a_grid_runs_from_minus_one_to_one_with_the_last_axis_fastest():
    grid = regular_grid((2, 3))
    assert grid.tolist() == [[-1, -1], [-1, 0], [-1, 1], [1, -1], [1, 0], [1, 1]]
    assert regular_grid((3,), scale=100.0).tolist() == [[-100], [0], [100]]
    assert regular_grid((1,)).tolist() == [[-1]]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), st.floats(0.5, 100), st.data())
def test_parts_of_a_grid_equal_its_rows(sizes, scale, data):
    whole = torch.cartesian_prod(*(axis(size, scale) for size in sizes)).view(-1, len(sizes))
    assert torch.equal(regular_grid(sizes, scale), whole)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert torch.equal(grid_points(sizes, start, stop, scale), whole[start:stop])


def test_a_long_axis_is_rounded_once():
    times = axis(8_000_000, 100.0).double()
    exact = torch.linspace(-100, 100, 8_000_000, dtype=torch.float64)
    assert float((times - exact).abs().max()) <= 2**-18  # half a float32 step below 128
    assert bool((times.diff() > 0).all())


@pytest.mark.parametrize("sizes", [(), (0,), (3, -1)])
def test_impossible_grids_are_refused(sizes):
    with pytest.raises(ValueError, match="sizes"):
        regular_grid(sizes)


def test_means_over_several_pieces_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr("wsapps_signals.kinds.sampled.PIECE", 7)
    values, truth = torch.rand(40, 3), torch.rand(40, 3)
    points = torch.arange(40.0)[:, None]
    expected = float((values.double() - truth).square().mean())
    assert mean_square(values, truth) == pytest.approx(expected)
    assert squared_error(lambda p: values[p[:, 0].long()], points, truth) == pytest.approx(expected)
    pieces = list(sample_grid(ramp(2), (5, 8), start=3, stop=31))
    assert [(rows.start, rows.stop) for rows, _ in pieces] == [(3, 10), (10, 17), (17, 24), (24, 31)]
    assert torch.equal(torch.cat([v for _, v in pieces]), ramp(2)(regular_grid((5, 8)))[3:31])


# Reading


def test_pixels_are_the_files_and_corners_lie_at_one(tmp_path):
    pixels = noise(5, 7, 3)
    signal = read(saved(tmp_path / "my photo.png", pixels))
    assert signal.title == "my photo"
    assert signal.grid == (5, 7)
    assert (signal.peak, signal.weights, signal.native_bits) == (1.0, None, 5 * 7 * 3 * 8)
    assert torch.equal(signal.values, torch.from_numpy(pixels).float().view(-1, 3) / 255)
    assert signal.coordinates[[0, 6, 28, 34]].tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]


@pytest.mark.parametrize(
    ("pixels", "bits"), [(noise(4, 5), 8), (noise(4, 5, most=65535, kind=np.uint16), 16)]
)
def test_grey_pictures_have_one_channel(tmp_path, pixels, bits):
    signal = read(saved(tmp_path / "a.png", pixels))
    assert signal.native_bits == 20 * bits
    assert torch.equal(
        signal.values[:, 0], torch.from_numpy(pixels.astype(np.float32).ravel()) / (2**bits - 1)
    )


@pytest.mark.parametrize("name", ["a.tif", "a.pgm"])
def test_16_bits_survive_in_other_formats(tmp_path, name):
    pixels = noise(4, 5, most=65535, kind=np.uint16)
    image, bits = read_image(saved(tmp_path / name, pixels))
    assert bits == 16
    assert torch.equal(image[..., 0], torch.from_numpy(pixels.astype(np.float32)) / 65535)


def png_16(pixels, colour_type):
    """A PNG of 16 bits a sample, written by hand."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    coded = [struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


def test_16_bits_of_colour_survive(tmp_path):
    pixels = noise(4, 5, 3, most=65535, kind=np.uint16)
    (tmp_path / "a.png").write_bytes(png_16(pixels, 2))
    image, bits = read_image(tmp_path / "a.png")
    assert bits == 16
    assert torch.equal(image, torch.from_numpy(pixels.astype(np.float32)) / 65535)


def test_16_bits_of_colour_with_alpha_lie_on_white(tmp_path):
    pixels = noise(4, 5, 4, most=65535, kind=np.uint16)
    (tmp_path / "a.png").write_bytes(png_16(pixels, 6))
    image, _ = read_image(tmp_path / "a.png")
    unit = pixels / 65535
    expected = unit[..., :3] * unit[..., 3:] + 1 - unit[..., 3:]
    np.testing.assert_allclose(image.numpy(), expected, atol=1e-6)


def test_16_bits_of_grey_with_alpha_stay_one_channel(tmp_path):
    pixels = noise(4, 5, 2, most=65535, kind=np.uint16)
    (tmp_path / "a.png").write_bytes(png_16(pixels, 4))
    image, bits = read_image(tmp_path / "a.png")
    assert (tuple(image.shape), bits) == ((4, 5, 1), 16)
    unit = pixels / 65535
    np.testing.assert_allclose(image.numpy(), unit[..., :1] * unit[..., 1:] + 1 - unit[..., 1:], atol=1e-6)


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_composited_over_white(tmp_path, channels):
    pixels = noise(6, 5, channels)
    image, _ = read_image(saved(tmp_path / "a.png", pixels))
    unit = pixels / 255
    np.testing.assert_allclose(image.numpy(), unit[..., :-1] * unit[..., -1:] + 1 - unit[..., -1:], atol=1e-6)


def test_palettes_and_their_transparency(tmp_path):
    palette = Image.new("P", (3, 2))
    palette.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 30])
    palette.putdata([0, 1, 2, 2, 1, 0])
    palette.save(tmp_path / "a.png", transparency=1)
    image, _ = read_image(tmp_path / "a.png")
    assert (image[0] * 255).round().tolist() == [[255, 0, 0], [255, 255, 255], [10, 20, 30]]
    palette.save(tmp_path / "b.gif")
    assert (read_image(tmp_path / "b.gif")[0][1] * 255).round().tolist() == [
        [10, 20, 30],
        [0, 255, 0],
        [255, 0, 0],
    ]


def test_cmyk_and_one_bit_are_converted(tmp_path):
    inks = np.zeros((2, 2, 4), np.uint8)
    inks[0, 0] = [255, 0, 0, 0]  # cyan
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif")[0][0].tolist() == [[0, 1, 1], [1, 1, 1]]
    Image.fromarray(np.eye(4) > 0).save(tmp_path / "b.png")
    image, bits = read_image(tmp_path / "b.png")
    assert bits == 1
    assert torch.equal(image[..., 0], torch.eye(4))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_that_of_pillow(tmp_path, orientation):
    stored = Image.fromarray(noise(3, 5, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image)).astype(np.float32) / 255
    assert torch.equal(read_image(tmp_path / "a.png")[0], torch.from_numpy(expected))


def test_grey_is_the_luma(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, range(3), range(3)] = 255
    signal = read(saved(tmp_path / "a.png", pixels), grey=True)
    assert signal.native_bits == 6 * 8
    assert signal.values[:3, 0].tolist() == pytest.approx([0.299, 0.587, 0.114])


# Down-scaling


def test_shrinking_averages_the_area_of_each_pixel():
    image = torch.rand(6, 8, 3)
    assert torch.allclose(shrink(image, 3, 2), image.view(3, 2, 2, 4, 3).mean(dim=(1, 3)), atol=1e-6)
    third = shrink(torch.tensor([[0.0, 1.0, 0.0]]).T[:, :, None].expand(3, 2, 1), 2, 2)
    assert third[:, 0, 0].tolist() == pytest.approx([1 / 3, 1 / 3])  # half of the middle pixel each
    assert float(shrink(image, 5, 7).mean()) == pytest.approx(float(image.mean()), abs=1e-6)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 6000), st.integers(1, 10**7))
def test_sizes_keep_to_both_limits(height, width, side, points):
    h, w = fitting_size((height, width), side, points)
    assert 1 <= h <= min(height, side)
    assert 1 <= w <= min(width, side)
    if min(h, w) > 1:
        assert h * w <= points
        assert (h + 1) * (w + 1) * (1 + 1e-9) >= min(height * width, points, (side / max(height, width)) ** 2)
    assert fitting_size((height, width), None, None) == (height, width)
    assert max(fitting_size((height, width), side, None)) == min(side, max(height, width))


def test_limits_reach_the_signal(tmp_path):
    path = saved(tmp_path / "a.png", noise(40, 60, 3))
    assert read(path, max_side=30).grid == (20, 30)
    assert math.prod(read(path, max_points=150).grid) <= 150
    assert read(path, max_side=30).native_bits == 20 * 30 * 3 * 8
    with pytest.raises(UserError, match="2x2 are needed"):
        read(saved(tmp_path / "b.png", noise(2, 60, 3)), max_side=20)


@pytest.mark.parametrize("options", [{"max_side": 1}, {"max_points": 3}, {"max_side": -5}])
def test_limits_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        ImageConfig(**options)


# Scores


def test_a_field_that_looks_values_up_is_perfect():
    signal = ImageSignal.from_config(ImageConfig(), None)
    assert signal.grid == (256, 256)
    assert signal.scores(looked_up(signal)) == {"psnr": math.inf, "ssim": pytest.approx(1.0)}


def test_a_known_offset_has_a_known_psnr():
    signal = ImageSignal.from_config(ImageConfig(max_side=64), None)
    exact = looked_up(signal)
    assert signal.scores(lambda points: exact(points) + 0.1)["psnr"] == pytest.approx(20.0, abs=1e-4)


def test_scores_are_of_unclamped_values():
    signal = ImageSignal("two", torch.tensor([[0.0, 1.0], [1.0, 0.0]])[..., None])
    exact = looked_up(signal)
    scores = signal.scores(lambda points: exact(points) * 2 - 0.5)  # off by 0.5 everywhere
    assert scores == {"psnr": pytest.approx(20 * math.log10(2))}  # and too small for SSIM


# Writing


@pytest.mark.parametrize("grey", [False, True])
def test_the_reconstruction_is_what_the_field_says(tmp_path, grey):
    signal = ImageSignal.from_config(ImageConfig(grey=grey, max_side=100), None)
    figures = signal.write(tmp_path, looked_up(signal))
    assert [figure.path for figure in figures] == ["comparison.png", "reconstruction.png"]
    image, _ = read_image(tmp_path / "reconstruction.png")
    assert image.shape == (100, 100, 1 if grey else 3)
    assert float((image.reshape(signal.values.shape) - signal.values).abs().max()) <= 0.5 / 255 + 1e-6
    assert sorted(p.name for p in tmp_path.iterdir()) == ["comparison.png", "reconstruction.png"]


@pytest.mark.parametrize("size", [(100, 100), (7, 31), (1, 5), (300, 2)])
def test_resampling_an_analytic_field_gives_its_values(tmp_path, size):
    signal = ImageSignal.from_config(ImageConfig(max_side=100), None)
    [path] = signal.resample(tmp_path, ramp(3), size)
    assert path.name == f"resampled_{size[0]}x{size[1]}.png"
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else [-1.0] for n in size), indexing="ij")
    expected = 0.5 + 0.5 * np.sin((2 * y + 3 * x)[..., None] + np.arange(3))
    assert np.abs(read_image(path)[0].numpy() - expected).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("size", [(5,), (5, 5, 5), (0, 5), (5, -1), (10**6, 10**6)])
def test_sizes_that_cannot_be_made_are_one_line(tmp_path, size):
    signal = ImageSignal.from_config(ImageConfig(max_side=20), None)
    with pytest.raises(UserError, match="new size") as caught:
        signal.resample(tmp_path, ramp(3), size)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_field_that_diverged_is_not_written(tmp_path):
    signal = ImageSignal.from_config(ImageConfig(max_side=20), None)

    def diverged(points):
        return torch.full((len(points), 3), math.nan)

    assert math.isnan(signal.scores(diverged)["psnr"])
    for write in (
        lambda: signal.write(tmp_path, diverged),
        lambda: signal.resample(tmp_path, diverged, (4, 4)),
        lambda: signal.preview(diverged),
    ):
        with pytest.raises(UserError, match="NaN or infinite"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_previews_are_small_and_averaged():
    wide = ImageSignal("wide", torch.rand(300, 1200, 3))
    preview = wide.preview(ramp(3))
    assert preview.shape == (64, 256, 3)
    points = regular_grid((128, 512))
    fine = ramp(3)(points).view(128, 512, 3)
    assert torch.allclose(preview, fine.view(64, 2, 256, 2, 3).mean(dim=(1, 3)), atol=1e-5)
    grey = ImageSignal("grey", torch.rand(20, 30, 1))
    assert torch.allclose(grey.preview(looked_up(grey)), grey.values.view(20, 30, 1).expand(-1, -1, 3))


def test_the_sample_has_colour_edges_and_fine_detail():
    image = sample_image()
    assert image.shape == (256, 256, 3)
    assert torch.equal(image, sample_image())
    assert torch.equal((image * 255).round() / 255, image)
    assert float(image.min()) < 0.05
    assert float(image.max()) > 0.95
    assert float(image.std(dim=-1).mean()) > 0.05  # colour
    high = torch.fft.fft2(image.mean(dim=-1)).abs()[64:193, 64:193]
    assert float(high.square().sum() / image.mean(-1).sub(image.mean()).square().sum() / 256**2) > 0.005


# Bad input


def refused(path, **options):
    with pytest.raises(UserError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_missing_files_folders_and_empty_files(tmp_path):
    assert "does not exist" in refused(tmp_path / "nothing.png")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.png").write_bytes(b"")
    assert "0 bytes" in refused(tmp_path / "empty.png")
    for name in ("a\0b.png", "a\nb.png", "x" * 1000):
        refused(tmp_path / name)


def test_text_and_truncated_files_are_no_pictures(tmp_path):
    (tmp_path / "text.png").write_text("This is not a picture.\n" * 9)
    assert "cannot be read as a picture" in refused(tmp_path / "text.png")
    for name in ("a.png", "a.jpg", "a.tif", "a.gif"):
        whole = saved(tmp_path / name, noise(64, 64, 3)).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        assert "cannot be read as a picture" in refused(tmp_path / name)
    (tmp_path / "c.png").write_bytes(png_16(noise(64, 64, 3, most=65535), 2)[:5000])
    assert "cannot be read as a picture" in refused(tmp_path / "c.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_constant_pictures_are_refused_with_their_colour(tmp_path, channels):
    pixels = np.full((8, 8, channels), 51, np.uint8).squeeze()
    message = refused(saved(tmp_path / "flat.png", pixels))
    assert "one colour" in message
    assert ", ".join(["0.2"] * channels) in message


def test_one_channel_that_varies_is_enough(tmp_path):
    pixels = np.full((8, 8, 3), 51, np.uint8)
    pixels[3, 3, 2] = 52
    assert read(saved(tmp_path / "a.png", pixels)).grid == (8, 8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_too_small_pictures_are_refused(tmp_path, shape):
    assert "2x2" in refused(saved(tmp_path / "small.png", noise(*shape)))


@pytest.mark.parametrize("limit", [300, 600])  # Pillow warns above its limit, and refuses above twice that
def test_decompression_bombs_are_one_line(tmp_path, monkeypatch, limit):
    path = saved(tmp_path / "bomb.png", noise(25, 25))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    assert "decompression bomb" in refused(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 625)
    assert read(path).grid == (25, 25)


def test_float_pictures_must_be_finite_and_in_range(tmp_path):
    pixels = RNG.random((4, 5)).astype(np.float32)
    assert torch.equal(
        read(saved(tmp_path / "a.tif", pixels)).values, torch.from_numpy(pixels.reshape(-1, 1))
    )
    assert "[0, 1]" in refused(saved(tmp_path / "b.tif", 3 * pixels))
    pixels[1, 1] = np.nan
    assert "1 of 20 pixels are NaN" in refused(saved(tmp_path / "c.tif", pixels))
    assert "32-bit" in refused(saved(tmp_path / "d.tif", noise(4, 5).astype(np.int32)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"]),
    cut=st.integers(1, 900),
    place=st.integers(0, 899),
    byte=st.integers(0, 255),
)
def test_broken_files_are_read_or_refused_in_one_line(tmp_path, kind, cut, place, byte):
    stream = io.BytesIO()
    Image.fromarray(noise(12, 12, 3)).save(stream, kind)
    data = bytearray(stream.getvalue())
    data[place % len(data)] = byte
    path = tmp_path / "a.picture"
    path.write_bytes(bytes(data[:cut]))
    message = ""
    try:
        image, _ = read_image(path)
    except UserError as error:
        message = str(error)
    else:
        assert image.dtype == torch.float32
        assert image.shape[-1] in (1, 3)
        assert float(image.min()) >= 0
        assert float(image.max()) <= 1
    assert "\n" not in message
