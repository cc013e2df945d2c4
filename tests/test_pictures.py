"""Pictures: quantisation, files, colour maps, rows."""

from __future__ import annotations

import imageio.v3 as iio
import matplotlib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsapps.errors import UserError
from wsapps.pictures import colourize, error_map, save_png, side_by_side, to_uint8


def test_to_uint8_rounds_to_nearest_and_clamps():
    row = np.array([[-0.5, 0.0, 0.49 / 255, 0.51 / 255, 254.49 / 255, 254.51 / 255, 1.0, 7.0]])
    assert to_uint8(row[..., None])[0, :, 0].tolist() == [0, 0, 0, 1, 254, 255, 255, 255]


@settings(deadline=None)
@given(st.integers(0, 255))
def test_every_level_survives_the_round_trip_through_float(level):
    image = torch.full((2, 3, 3), level / 255)
    assert (to_uint8(image) == level).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_to_uint8_takes_tensors_of_any_float_type_and_with_gradients(dtype):
    image = torch.full((2, 3, 1), 0.5, dtype=dtype, requires_grad=True)
    result = to_uint8(image)
    assert result.dtype == np.uint8
    assert result.shape == (2, 3, 1)
    assert set(result.ravel()) == {128}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_not_finite_are_refused_with_their_count(bad):
    image = np.zeros((4, 5, 3))
    image[1, 2] = bad
    with pytest.raises(ValueError, match="3 of 60"):
        to_uint8(image)


@pytest.mark.parametrize("image", [np.zeros((4, 4)), np.zeros((4, 4, 2)), np.zeros((0, 4, 3))])
def test_other_shapes_are_refused(image):
    with pytest.raises(ValueError, match="shape"):
        to_uint8(image)


def test_integers_other_than_uint8_are_refused():
    with pytest.raises(ValueError, match="int64"):
        to_uint8(np.full((2, 2, 3), 200))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_holds_exactly_the_quantised_pixels(tmp_path, channels):
    image = np.random.default_rng(0).random((7, 5, channels)).astype(np.float32)
    path = tmp_path / "picture.png"
    save_png(path, image)
    assert np.array_equal(iio.imread(path).reshape(7, 5, channels), to_uint8(image))
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]


def test_refused_picture_leaves_the_old_file(tmp_path):
    path = tmp_path / "picture.png"
    save_png(path, np.zeros((2, 2, 3)))
    before = path.read_bytes()
    with pytest.raises(ValueError, match="finite"):
        save_png(path, np.full((2, 2, 3), np.nan))
    assert path.read_bytes() == before


def test_missing_folder_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match=r"picture\.png") as caught:
        save_png(tmp_path / "missing" / "picture.png", np.zeros((2, 2, 3)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["turbo", "magma"])
def test_colourize_maps_the_range_onto_the_colormap_and_clamps(name):
    ends = matplotlib.colormaps[name]([0.0, 1.0])[:, :3]
    rgb = colourize(torch.tensor([[2.0, 6.0, 1.0, 9.0]]), 2.0, 6.0, colormap=name)
    assert rgb.dtype == np.float32
    np.testing.assert_allclose(rgb[0], ends[[0, 1, 0, 1]], atol=1e-6)


def test_colourize_leaves_masked_pixels_white_whatever_they_hold():
    values = np.array([[1.0, np.nan], [np.inf, 2.0]])
    mask = np.array([[True, False], [False, True]])
    rgb = colourize(values, 1.0, 2.0, mask=mask)
    assert (rgb[~mask] == 1.0).all()
    assert (rgb[mask] != 1.0).any(axis=-1).all()


def test_colourize_of_a_flat_map_is_one_colour():
    rgb = colourize(np.full((3, 4), 5.0), 5.0, 5.0)
    assert np.unique(rgb.reshape(-1, 3), axis=0).shape == (1, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"colormap": "turbot"}, "turbot"),
        ({"low": 3.0, "high": 1.0}, "low=3.0, high=1.0"),
        ({"high": np.nan}, "high=nan"),
        ({"values": np.zeros((2, 2, 1))}, r"\(2, 2, 1\)"),
        ({"mask": np.ones((3, 2), bool)}, r"\(3, 2\)"),
        ({"values": np.array([[0.0, np.nan], [0.0, 0.0]])}, "1 of 4"),
    ],
)
def test_colourize_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        colourize(**({"values": np.zeros((2, 2)), "low": 0.0, "high": 1.0} | arguments))


def test_error_map_is_black_where_images_agree_and_grows_with_the_error():
    truth = np.full((1, 4, 3), 0.5)
    error_map_row = error_map(truth, truth + np.array([0.0, 0.05, 0.1, 0.2])[None, :, None])[0]
    brightness = error_map_row.sum(axis=-1)
    assert (np.diff(brightness) > 0.1).all()
    np.testing.assert_allclose(error_map_row[0], matplotlib.colormaps["magma"](0.0)[:3], atol=1e-6)


def test_error_map_averages_channels_on_a_fixed_scale():
    truth = np.zeros((1, 1, 3))
    pixel = error_map(truth, truth + np.array([0.33, 0.0, 0.0]), high=0.2)[0, 0]
    np.testing.assert_allclose(pixel, matplotlib.colormaps["magma"](0.55)[:3], atol=1e-6)


def test_error_map_refuses_unequal_shapes():
    with pytest.raises(ValueError, match=r"\(2, 2, 3\) and \(2, 3, 3\)"):
        error_map(np.zeros((2, 2, 3)), np.zeros((2, 3, 3)))


def test_side_by_side_keeps_every_image_between_white_gaps():
    red = np.zeros((6, 3, 3), np.float32)
    red[..., 0] = 1.0
    grey = torch.full((6, 5, 1), 0.2)
    row = side_by_side([red, grey, red], gap=2)
    assert row.shape == (6, 3 + 5 + 3 + 2 * 2, 3)
    assert (row[:, :3] == red).all()
    assert (row[:, 3:5] == 1.0).all()
    np.testing.assert_allclose(row[:, 5:10], 0.2, atol=1e-6)
    assert (row[:, 10:12] == 1.0).all()


def test_captions_stand_above_the_untouched_images():
    black = np.zeros((10, 60, 3))
    plain = side_by_side([black, black])
    captioned = side_by_side([("δ truth", black), (None, black)])
    band = captioned[: len(captioned) - 10]
    assert np.array_equal(captioned[-10:], plain)
    assert band[:, :60].min() < 0.5  # letters
    assert (band[:, 60:] == 1.0).all()


def test_a_caption_wider_than_its_image_is_cut_not_spilt():
    black = np.zeros((4, 30, 3))
    long = side_by_side([("a very long caption indeed", black), ("", black)])
    assert long.shape[1] == 64
    assert (long[:-4, 30:] == 1.0).all()
    assert long[:-4, :30].min() < 0.5


def test_side_by_side_refuses_unequal_heights_and_nothing():
    with pytest.raises(ValueError, match=r"\[4, 5\]"):
        side_by_side([np.zeros((4, 4, 3)), np.zeros((5, 4, 3))])
    with pytest.raises(ValueError, match="at least one"):
        side_by_side([])
