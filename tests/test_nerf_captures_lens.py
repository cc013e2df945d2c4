"""Lenses: closed forms of every model, round trips in float64, and what cannot be undone."""

from __future__ import annotations

import math

import pytest
import torch
from capture_files import plain_lens
from hypothesis import given, settings
from hypothesis import strategies as st
from user_errors import one_line_error

from wsapps_nerf.cameras import Cameras
from wsapps_nerf.captures.colmap_models import MODELS, make_lens
from wsapps_nerf.captures.distortion import COEFFICIENTS, distort, undistort
from wsapps_nerf.captures.lens import Lens, make_lenses

VALUES = {
    "f": 500.0, "fx": 510.0, "fy": 490.0, "cx": 322.0, "cy": 235.0, "k1": 0.08, "k2": -0.03, "k3": 0.01,
    "k4": -0.004, "d1": 0.02, "d2": 0.005, "d3": -0.002, "p1": 0.002, "p2": -0.003, "s1": 0.001, "s2": -0.002,
    "omega": 0.9,
}  # fmt: skip


def coefficients(**given):
    return torch.tensor([given.get(key, 0.0) for key in COEFFICIENTS], dtype=torch.float64)


def lens_of(model, width=640, height=480):
    values = [VALUES[key] for key in MODELS[model].parameters]
    return make_lens(model, width, height, values, "here")


def every_pixel(lenses, lens):
    pixel = torch.arange(0, lens.width * lens.height, 7)
    return pixel, lenses.directions(torch.zeros_like(pixel), pixel)


@settings(deadline=None, max_examples=30)
@given(
    k1=st.floats(-0.1, 0.3), k2=st.floats(-0.05, 0.1), d1=st.floats(-0.1, 0.1), p1=st.floats(-0.01, 0.01),
    p2=st.floats(-0.01, 0.01), s1=st.floats(-0.01, 0.01), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_undistortion_undoes_distortion_to_double_precision(k1, k2, d1, p1, p2, s1, seed):
    given_ones = coefficients(k1=k1, k2=k2, d1=d1, p1=p1, p2=p2, s1=s1)
    draws = torch.Generator().manual_seed(seed)
    plane = (torch.rand(200, 2, generator=draws, dtype=torch.float64) - 0.5) * 1.4
    torch.testing.assert_close(undistort(distort(plane, given_ones), given_ones), plane, atol=1e-12, rtol=0)


def test_the_distortion_is_opencvs():
    """Its equations written out, at one point."""
    u, v, r2 = 0.3, -0.2, 0.13
    k1, k2, k3, d1, d2, d3, p1, p2 = (VALUES[key] for key in ("k1", "k2", "k3", "d1", "d2", "d3", "p1", "p2"))
    factor = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + d1 * r2 + d2 * r2**2 + d3 * r2**3)
    expected = [
        u * factor + 2 * p1 * u * v + p2 * (r2 + 2 * u * u),
        v * factor + p1 * (r2 + 2 * v * v) + 2 * p2 * u * v,
    ]
    found = distort(
        torch.tensor([[u, v]], dtype=torch.float64),
        coefficients(k1=k1, k2=k2, k3=k3, d1=d1, d2=d2, d3=d3, p1=p1, p2=p2),
    )
    assert found[0].tolist() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_projects_its_rays_back_to_their_pixels(model):
    lens = lens_of(model)
    lenses = make_lenses([lens], [0])
    pixel, directions = every_pixel(lenses, lens)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(len(pixel), dtype=torch.float64))
    projected = lenses.project(0, directions * 3)
    assert bool(projected.visible.all())
    torch.testing.assert_close(projected.x, (pixel % 640).double() + 0.5, atol=1e-8, rtol=0)
    torch.testing.assert_close(projected.y, (pixel // 640).double() + 0.5, atol=1e-8, rtol=0)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_looks_along_its_axis_at_the_principal_point(model):
    lens = lens_of(model)
    projected = make_lenses([lens], [0]).project(0, torch.tensor([[0.0, 0.0, 2.0]]))
    assert (float(projected.x), float(projected.y)) == pytest.approx((lens.cx, lens.cy))


def test_fisheye_pixels_are_as_far_from_the_centre_as_their_angles_are_large():
    lens = Lens(1000, 1000, 240.0, 240.0, 500.0, 500.0, "fisheye")
    lenses = make_lenses([lens], [0])
    # 400 pixels to the right: 1.67 radians, beyond the side.
    directions = lenses.directions(torch.tensor([0]), torch.tensor([500 * 1000 + 900]))
    angle = math.hypot(400.5, 0.5) / 240
    assert float(directions[0, 2]) == pytest.approx(math.cos(angle))


def test_the_fov_model_has_its_closed_form():
    lens = lens_of("FOV")
    point = torch.tensor([[0.4, 0.0, 1.0]], dtype=torch.float64)
    expected = lens.fx * math.atan(2 * 0.4 * math.tan(0.45)) / 0.9 + lens.cx
    assert float(make_lenses([lens], [0]).project(0, point).x) == pytest.approx(expected)


def test_lenses_without_distortion_see_what_pinholes_see():
    poses = torch.eye(4)[None, :3]
    pixel = torch.arange(20 * 12)
    view = torch.zeros_like(pixel)
    with_lens = Cameras(poses, 15.0, 20, 12, make_lenses([Lens(20, 12, 15.0, 15.0, 10.0, 6.0)], [0]))
    for found, expected in zip(
        with_lens.rays(view, pixel), Cameras(poses, 15.0, 20, 12).rays(view, pixel), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_views_of_several_sizes_and_lenses_are_told_apart():
    small, large = Lens(6, 4, 5.0, 7.0, 2.5, 2.0), plain_lens(12, distorted=True)
    both = make_lenses([small, large], [1, 0, 1])
    cameras = Cameras(torch.eye(4)[:3].expand(3, 3, 4), 10.0, 12, 12, both)
    assert [cameras.size(view) for view in range(3)] == [(12, 12), (6, 4), (12, 12)]
    _, directions = cameras.rays(torch.tensor([0, 1, 2]), torch.tensor([100, 17, 100]))
    torch.testing.assert_close(directions[0], directions[2])
    alone = make_lenses([small], [0]).directions(torch.tensor([0]), torch.tensor([17]))[0]
    torch.testing.assert_close(directions[1], (alone * torch.tensor([1, -1, -1])).float())
    chosen = cameras.select([1])
    assert chosen.size(0) == (6, 4)
    assert cameras.pinholes(cameras.camera_to_world).lenses is None


@pytest.mark.parametrize("factor", [2, 3])
def test_downscaled_lenses_see_the_middles_of_their_blocks(factor):
    lens = plain_lens(13, distorted=True)
    small = lens.downscaled(factor)
    assert (small.width, small.height) == (13 // factor, 13 // factor)
    # The centre of block (1, 2) is at these pixels of the whole picture.
    x, y = 1.5 * factor, 2.5 * factor
    direction = make_lenses([small], [0]).directions(torch.tensor([0]), torch.tensor([2 * small.width + 1]))
    projected = make_lenses([lens], [0]).project(0, direction)
    assert (float(projected.x), float(projected.y)) == pytest.approx((x, y), abs=1e-9)


def test_resized_lenses_show_the_same():
    lens = plain_lens(16, distorted=True)
    larger = lens.resized(48, 32)
    point = torch.tensor([[0.1, -0.2, 1.0]])
    one, other = (make_lenses([each], [0]).project(0, point) for each in (lens, larger))
    assert (float(other.x), float(other.y)) == pytest.approx((3 * float(one.x), 2 * float(one.y)))


def test_a_distortion_that_folds_the_picture_is_refused():
    lens = Lens(640, 480, 400.0, 400.0, 320.0, 240.0, coefficients=(-0.9, *[0.0] * 10))
    one_line_error(lambda: make_lenses([lens], [0], ["camera 7"]), "camera 7", "k1=-0.9", "folds", "640x480")


def test_points_that_a_polynomial_folds_back_are_not_taken_for_visible():
    """With k1 < 0 far points come back into the picture; carving must not believe it."""
    lens = Lens(640, 480, 800.0, 800.0, 320.0, 240.0, coefficients=(-0.3, *[0.0] * 10))
    projected = make_lenses([lens], [0]).project(0, torch.tensor([[1.8, 0.0, 1.0], [0.1, 0.0, 1.0]]))
    assert 0 < float(projected.x[0]) < 640, "an example that shows the danger"
    assert projected.visible.tolist() == [False, True]


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), distorted=st.booleans(), radius=st.floats(0.01, 0.8))
def test_footprints_contain_their_balls(seed, distorted, radius):
    draws = torch.Generator().manual_seed(seed)
    lens = plain_lens(200, distorted)
    cameras = Cameras(torch.eye(4)[None, :3], lens.fx, 200, 200, make_lenses([lens], [0]))
    centres = (torch.rand(50, 3, generator=draws) - 0.5) * 2 - torch.tensor([0.0, 0.0, 4.0])
    found = cameras.footprints(0, centres, radius)
    offsets = torch.nn.functional.normalize(torch.randn(50, 3, generator=draws), dim=-1) * radius
    moved = cameras.footprints(0, centres + offsets, radius)
    both = found.known & moved.known
    assert bool(both.any())
    apart = torch.hypot(found.x - moved.x, found.y - moved.y)[both]
    assert float(apart.max()) <= found.margin - 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 0}, ["0x480"]),
        ({"width": 10**7}, ["10000000x480"]),
        ({"values": [-500.0, 320.0, 240.0]}, ["-500", "positive"]),
        ({"values": [math.nan, 320.0, 240.0]}, ["finite", "f=nan"]),
        ({"values": [500.0, math.inf, 240.0]}, ["finite", "cx=inf"]),
        ({"values": [500.0, 320.0]}, ["3 parameters", "f cx cy", "got 2"]),
        ({"name": "EQUIRECTANGULAR"}, ["unknown camera model", "EQUIRECTANGULAR", "OPENCV"]),
    ],
)
def test_cameras_that_cannot_be_are_refused(change, words):
    given_ones = {"name": "SIMPLE_PINHOLE", "width": 640, "height": 480, "values": [500.0, 320.0, 240.0]}
    one_line_error(lambda: make_lens(**{**given_ones, **change}, where="cameras.txt"), "cameras.txt", *words)
