"""Rays of pinhole cameras, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wsapps_nerf.camera_path import look_at, orbit
from wsapps_nerf.cameras import Cameras, focal_from_angle

IDENTITY = torch.eye(4)[None, :3]


def ray(cameras: Cameras, column: int, row: int, view: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    origins, directions = cameras.rays(torch.tensor([view]), torch.tensor([row * cameras.width + column]))
    return origins[0], directions[0]


def test_the_centre_pixel_of_an_odd_image_looks_along_minus_z():
    origin, direction = ray(Cameras(IDENTITY, 10.0, 5, 3), 2, 1)
    assert origin.tolist() == [0, 0, 0]
    assert direction.tolist() == [0, 0, -1]


@pytest.mark.parametrize(("column", "row"), [(0, 0), (7, 0), (0, 5), (7, 5)])
def test_corner_pixels_look_through_their_centres(column, row):
    _, direction = ray(Cameras(IDENTITY, 9.0, 8, 6), column, row)
    # Columns to the right are +X, rows downwards are -Y.
    expected = torch.tensor([(column + 0.5 - 4) / 9, -(row + 0.5 - 3) / 9, -1.0])
    torch.testing.assert_close(direction, expected / expected.norm())


def test_the_outer_edges_of_the_image_span_the_field_of_view():
    angle, width = 0.7, 400
    _, left = ray(Cameras(IDENTITY, focal_from_angle(width, angle), width, 1), 0, 0)
    # The edge is half a pixel beyond the centre of the first one.
    focal = focal_from_angle(width, angle)
    edge = math.atan(float(-left[0] / -left[2]) + 0.5 / focal)
    assert edge == pytest.approx(angle / 2, rel=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 2**31))
def test_directions_have_unit_length_and_pass_through_projected_points(seed):
    draw = torch.Generator().manual_seed(seed)
    position = torch.randn(3, generator=draw) * 3
    target = position + torch.nn.functional.normalize(torch.randn(3, generator=draw), dim=0)
    cameras = Cameras(look_at(position, target)[None], 20.0, 16, 12)
    pixel = torch.arange(cameras.pixels_per_view)
    origins, directions = cameras.rays(torch.zeros_like(pixel), pixel)
    torch.testing.assert_close(directions.norm(dim=-1), torch.ones(len(pixel)))
    # Project a point on every ray back, by the pinhole equations: it must fall on the pixel's centre.
    points = (origins + directions * 5 - position).double()
    local = points @ cameras.camera_to_world[0, :, :3].double()
    column = 20.0 * local[:, 0] / -local[:, 2] + 8
    row = -20.0 * local[:, 1] / -local[:, 2] + 6
    torch.testing.assert_close(column, (pixel % 16).double() + 0.5, atol=1e-4, rtol=0)
    torch.testing.assert_close(row, (pixel // 16).double() + 0.5, atol=1e-4, rtol=0)


def test_views_are_indexed_one_by_one():
    poses = orbit(4, radius=4.0, elevation_degrees=10.0)
    cameras = Cameras(poses, 10.0, 3, 3)
    view = torch.tensor([2, 0, 3])
    origins, directions = cameras.rays(view, torch.full((3,), 4))
    torch.testing.assert_close(origins, poses[view, :, 3])
    torch.testing.assert_close(directions, -poses[view, :, 2])


def test_scaled_poses_still_give_unit_directions():
    poses = IDENTITY.clone()
    poses[:, :, :3] *= 2.5
    _, direction = ray(Cameras(poses, 10.0, 5, 5), 0, 3)
    _, plain = ray(Cameras(IDENTITY, 10.0, 5, 5), 0, 3)
    torch.testing.assert_close(direction, plain)


@pytest.mark.parametrize("factor", [2, 4])
def test_the_focal_length_follows_the_width_so_that_the_view_stays(factor):
    assert focal_from_angle(800 // factor, 0.69) == pytest.approx(focal_from_angle(800, 0.69) / factor)
    assert focal_from_angle(2, math.pi / 2) == pytest.approx(1.0)
