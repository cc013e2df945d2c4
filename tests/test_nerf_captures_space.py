"""Where a capture's scene lies: the same from wherever, however turned and in whatever unit it was taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from capture_files import Similarity, around, ball_points, plain_lens
from hypothesis import given, settings
from hypothesis import strategies as st
from user_errors import one_line_error

from wsapps_nerf.camera_path import look_at
from wsapps_nerf.captures.capture import Capture, Shot
from wsapps_nerf.captures.extent import seen_radius
from wsapps_nerf.captures.found_space import PlacementConfig, find_space
from wsapps_nerf.captures.upright import Placement, find_centre, find_up, rotation_to_z


def capture_of(poses, points=None, lens=None, box=None):
    shots = [Shot(f"{index}", None, None, pose, 0) for index, pose in enumerate(poses)]  # type: ignore[arg-type]
    return Capture("here", shots, [lens or plain_lens(100)], ["camera"], points, box=box)


def found(poses, points=None, opaque=False, contracted=None, **config):
    return find_space(capture_of(poses, points), PlacementConfig(**config), opaque, contracted)


def looking_outwards(count=12, radius=0.2):
    """Cameras in the middle of a room, level, that look at its walls."""
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    eyes = radius * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    return np.stack([look_at(eye, 10 * eye).double().numpy() for eye in eyes])


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(1, 10**6),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(0, 1e5),
    with_points=st.booleans(),
    opaque=st.booleans(),
)
def test_moving_turning_and_scaling_the_data_changes_nothing(seed, scale, shift, with_points, opaque):
    points = ball_points() * [1.0, 0.6, 0.8] if with_points else None
    move = Similarity(seed, scale, shift * scale)
    plain = found(around(), points, opaque)
    moved = found(move.poses(around()), move.points(points) if with_points else None, opaque)
    assert moved.contracted == plain.contracted == opaque
    assert [moved.near, moved.far] == pytest.approx([plain.near, plain.far], rel=0.01)
    old, new = plain.placement.poses(around()), moved.placement.poses(move.poses(around()))
    np.testing.assert_allclose(new[:, 2], old[:, 2], rtol=0.01, atol=1e-4)
    np.testing.assert_allclose(
        np.linalg.norm(new[:, :, 3], axis=1), np.linalg.norm(old[:, :, 3], axis=1), rtol=0.01
    )
    sides = [np.subtract(space.box[3:], space.box[:3]) for space in (plain, moved)]
    np.testing.assert_allclose(sides[0], sides[1], rtol=0.01)
    if with_points and not opaque:  # the heading too, but for half a turn; without points it is free
        half_turn = np.sign((new[:, :2] * old[:, :2]).sum())
        np.testing.assert_allclose(half_turn * new[:, :2], old[:, :2], atol=0.03)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_without_points_the_invariance_is_exact(shift):
    move = Similarity(5, 37.0, shift)
    plain, moved = found(around()), found(move.poses(around()))
    assert moved.box == pytest.approx(plain.box, rel=1e-5)
    assert (moved.near, moved.far) == pytest.approx((plain.near, plain.far), rel=1e-5)
    assert moved.placement.scale * 37 == pytest.approx(plain.placement.scale, rel=1e-6)


def test_placed_poses_are_proper_and_seen_points_stay_where_they_were_seen():
    move = Similarity(3, 5.0, 100.0)
    poses, points = move.poses(around()), move.points(ball_points())
    placement = found(poses, points).placement
    placed, scene_points = placement.poses(poses), placement.points(points)
    eye = np.eye(3)
    for pose, new in zip(poses, placed, strict=True):
        np.testing.assert_allclose(new[:, :3].T @ new[:, :3], eye, atol=1e-12)
        before = (points - pose[:, 3]) @ pose[:, :3]
        after = (scene_points - new[:, 3]) @ new[:, :3]
        np.testing.assert_allclose(after, placement.scale * before, atol=1e-9)
    np.testing.assert_allclose(placement.points_back(scene_points), points, atol=1e-9)


def test_the_box_holds_the_points_and_its_longest_side_is_three():
    points = ball_points() * [1.0, 0.5, 0.9]
    space = found(around(), points)
    placed, box = space.placement.points(points), np.array(space.box)
    assert ((placed > box[:3]) & (placed < box[3:])).all()
    assert float((box[3:] - box[:3]).max()) == pytest.approx(3.0, rel=1e-5)
    assert space.outside == 0


def test_a_few_stray_points_do_not_make_the_box():
    points = ball_points(2000)
    points[:5] *= 100
    plain, stray = (found(around(), each) for each in (ball_points(2000), points))
    assert stray.box == pytest.approx(plain.box, rel=0.05)
    assert stray.outside == pytest.approx(5 / 2000)


def test_the_box_turns_to_where_it_is_smallest():
    """Points in an oblong room that stands askew."""
    draws = np.random.default_rng(0)
    room = (draws.random((3000, 3)) - 0.5) * [4, 1, 2]
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    box = np.array(found(around(), room @ turn.T).box)
    sides = box[3:] - box[:3]
    assert sides / sides.max() == pytest.approx([1.0, 0.25, 0.5], abs=0.01)


def test_near_and_far_enclose_the_box_as_cameras_see_it():
    space = found(around())
    placed = space.placement.poses(around())
    box = np.array(space.box)
    distances = np.linalg.norm(placed[:, :, 3], axis=1)
    corner = float(np.linalg.norm(box[3:]))
    assert space.near < distances.min() - corner
    assert distances.max() + corner < space.far < distances.max() + corner + 0.5


def test_the_ball_in_view_of_a_pinhole_has_its_closed_form():
    poses = around(radius=4.0)
    lens = plain_lens(100)
    angle = np.arctan(50 / 160)
    # The nearest edges are those of the picture's sides.
    assert seen_radius(poses, [lens] * 8) == pytest.approx(4 * np.sin(angle), rel=1e-3)


def test_up_is_square_to_level_horizontals_even_when_all_look_down():
    up, how = find_up(around() * 1.0)
    np.testing.assert_allclose(up, [0, 0, 1], atol=1e-6)
    assert "horizontals" in how


def test_up_is_the_mean_where_cameras_were_rolled():
    draws = np.random.default_rng(1)
    poses = around(40)
    for pose in poses:
        angle = draws.normal() * 0.6
        roll = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        pose[:, :3] = pose[:, :3] @ roll
    up, how = find_up(poses)
    assert "mean" in how
    assert up[2] > 0.9


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(1, 10**6))
def test_the_turn_to_z_is_a_rotation(seed):
    up = Similarity(seed).rotation[0]
    rotation = rotation_to_z(up)
    np.testing.assert_allclose(rotation @ up, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("up", [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
def test_the_turn_to_z_is_there_for_z_itself(up):
    np.testing.assert_allclose(rotation_to_z(np.array(up)) @ up, [0, 0, 1])


def test_the_centre_is_what_is_looked_at_or_else_in_the_middle():
    centre, focused, _ = find_centre(around() + np.array([0, 0, 0, 7.0]), None)
    np.testing.assert_allclose(centre, [7, 7, 7], atol=1e-5)
    assert focused
    outwards = looking_outwards()
    centre, focused, _ = find_centre(outwards, None)
    assert not focused
    np.testing.assert_allclose(centre, outwards[:, :, 3].mean(axis=0), atol=1e-12)
    centre, focused, _ = find_centre(outwards, np.array([[1.0, 2.0, 3.0]] * 5))
    assert centre.tolist() == [1, 2, 3]
    # Side by side, looking the same way: the axes meet nowhere.
    parallel = np.stack([look_at((x, 0, 0), (x, 10, 0)).double().numpy() for x in range(4)])
    assert not find_centre(parallel, None)[1]


def test_endless_scenes_have_their_cameras_about_the_unit_ball():
    space = found(around(radius=30.0), opaque=True)
    placed = space.placement.poses(around(radius=30.0))
    assert space.contracted
    assert space.box == [-2, -2, -2, 2, 2, 2]
    np.testing.assert_allclose(np.linalg.norm(placed[:, :, 3], axis=1), 2.0, rtol=1e-5)
    assert space.far == pytest.approx(3.0)
    rooms = found(looking_outwards(), opaque=True)
    placed = rooms.placement.poses(looking_outwards())
    assert np.linalg.norm(placed[:, :, 3], axis=1).max() == pytest.approx(1.0)


def test_near_of_an_endless_scene_is_before_its_nearest_points():
    space = found(around(), ball_points(), opaque=True)
    nearest = np.linalg.norm(
        space.placement.points(ball_points())[None] - space.placement.poses(around())[:, None, :, 3], axis=-1
    ).min()
    assert 0.3 * nearest < space.near < nearest


def test_whether_space_is_contracted():
    box = np.array([-1.0, -1, -1, 1, 1, 1])

    def contracted(opaque, declared, asked=None):
        return find_space(capture_of(around(), box=declared), PlacementConfig(), opaque, asked).contracted

    assert contracted(True, None)
    assert not contracted(False, None)
    assert not contracted(True, box)
    assert contracted(False, box, asked=True)
    assert not contracted(True, None, asked=False)


def test_a_declared_box_is_the_box():
    box = np.array([-1.0, -2, -1, 1, 0, 1])
    space = find_space(capture_of(around(), box=box), PlacementConfig(up="keep", centre="keep"), False, None)
    np.testing.assert_allclose(space.box, box * 1.5)


def test_a_model_without_points_is_refused_unless_the_cameras_are_to_say():
    one_line_error(lambda: found(around(), np.zeros((0, 3))), "0 points", "scene.placement.extent=cameras")
    assert found(around(), np.zeros((0, 3)), extent="cameras").box == pytest.approx(found(around()).box)


def test_keeping_the_data_axes_and_origin():
    space = found(around() + np.array([0, 0, 0, 0.5]), up="keep", centre="keep")
    placement = space.placement
    np.testing.assert_array_equal(placement.rotation, np.eye(3))
    np.testing.assert_array_equal(placement.centre, 0)


def test_placements_compose_as_similarities():
    move = Similarity(9, 3.0, 2.0)
    placement = Placement(move.rotation, np.array([1.0, 2, 3]), 3.0)
    points = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).double().numpy()
    np.testing.assert_allclose(
        placement.points(points), 3 * (points - [1, 2, 3]) @ move.rotation.T, atol=1e-12
    )
