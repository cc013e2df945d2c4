"""Poses: the geometry of look_at, orbits and splines; camera paths as users write them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wsapps.errors import UserError
from wsapps_nerf.camera_path import (
    catmull_rom,
    look_at,
    nearest_point_to_axes,
    orbit,
    orbit_around,
)
from wsapps_nerf.camera_path_file import load_camera_path

coordinate = st.floats(-100, 100, width=32)
point = st.tuples(coordinate, coordinate, coordinate).map(np.array)
degrees = st.floats(-360, 360)


def assert_rotation(pose: torch.Tensor) -> None:
    rotation = pose[..., :3].double()
    assert torch.allclose(rotation.mT @ rotation, torch.eye(3, dtype=torch.float64), atol=1e-6)
    assert torch.allclose(torch.linalg.det(rotation), torch.tensor(1.0, dtype=torch.float64), atol=1e-6)


@settings(deadline=None)
@given(position=point, target=point, up=point)
def test_look_at_is_a_rotation_whose_minus_z_points_at_the_target(position, target, up):
    offset = target - position
    distance = np.linalg.norm(offset)
    assume(distance > 1e-3)
    assume(np.linalg.norm(up) > 1e-3)
    pose = look_at(position, target, up)
    assert pose.dtype == torch.float32
    assert pose.shape == (3, 4)
    assert_rotation(pose)
    np.testing.assert_allclose(-pose[:, 2], offset / distance, atol=1e-6)
    np.testing.assert_allclose(pose[:, 3], position, rtol=1e-6)
    # The image is upright: its right is level, its up is never against `up`.
    if np.linalg.norm(np.cross(up / np.linalg.norm(up), offset / distance)) > 1e-3:
        assert abs(pose[:, 0].numpy() @ up) < 1e-4 * np.linalg.norm(up)
        assert pose[:, 1].numpy() @ up > 0


@pytest.mark.parametrize("height", [3.0, -3.0])
def test_look_at_straight_along_up_is_still_a_rotation(height):
    pose = look_at((0, 0, height), (0, 0, 0))
    assert_rotation(pose)
    np.testing.assert_allclose(pose[:, 2], [0, 0, math.copysign(1, height)], atol=1e-7)


def test_look_at_by_hand():
    expected = [[0, 0, 1, 4], [1, 0, 0, 0], [0, 1, 0, 0]]
    np.testing.assert_allclose(look_at((4, 0, 0), (0, 0, 0)), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("position", "target", "up"),
    [
        ((1, 2, 3), (1, 2, 3), (0, 0, 1)),
        ((np.nan, 0, 0), (0, 0, 0), (0, 0, 1)),
        ((1, 0, 0), (0, 0, 0), (0, 0, 0)),
    ],
)
def test_look_at_refuses_what_has_no_direction(position, target, up):
    with pytest.raises(ValueError):
        look_at(position, target, up)


@settings(max_examples=50, deadline=None)
@given(
    frames=st.integers(1, 12),
    radius=st.floats(0.1, 100),
    elevation=st.floats(-89, 89),
    target=point,
    up=point,
    start=degrees,
)
def test_orbit_keeps_radius_and_elevation_and_sees_the_target(frames, radius, elevation, target, up, start):
    assume(np.linalg.norm(up) > 1e-3)
    poses = orbit(frames, radius, elevation, target, up, start)
    assert poses.shape == (frames, 3, 4)
    assert_rotation(poses)
    offsets = poses[:, :, 3].double().numpy() - target
    tolerance = 1e-4 * (1 + radius / 100)
    np.testing.assert_allclose(np.linalg.norm(offsets, axis=1), radius, atol=tolerance)
    heights = offsets @ (up / np.linalg.norm(up))
    np.testing.assert_allclose(heights, radius * math.sin(math.radians(elevation)), atol=tolerance)
    np.testing.assert_allclose(poses[:, :, 2] * radius, offsets, atol=tolerance)


def test_orbit_is_a_closed_loop_of_even_steps_from_the_given_azimuth():
    poses = orbit(8, 2.0, 30.0, start_degrees=90.0).double()
    np.testing.assert_allclose(poses[0, :, 3], [0, math.sqrt(3), 1], atol=1e-6)
    np.testing.assert_allclose(poses[2, :, 3], [-math.sqrt(3), 0, 1], atol=1e-6)  # anticlockwise
    steps = (poses[:, :, 3].roll(-1, 0) - poses[:, :, 3]).norm(dim=1)
    assert torch.allclose(steps, steps[0], atol=1e-6)
    assert steps.min() > 0.1


@pytest.mark.parametrize(
    ("frames", "radius", "elevation"), [(0, 1, 0), (3, 0, 0), (3, 1, 90), (3, math.nan, 0)]
)
def test_orbit_refuses(frames, radius, elevation):
    with pytest.raises(ValueError, match=f"frames={frames}"):
        orbit(frames, radius, elevation)


@settings(max_examples=30, deadline=None)
@given(radius=st.floats(0.5, 10), elevation=st.floats(-80, 80), target=st.tuples(*[st.floats(-5, 5)] * 3))
def test_orbit_around_an_orbit_is_that_orbit(radius, elevation, target):
    training = orbit(10, radius, elevation, target)
    np.testing.assert_allclose(orbit_around(training, 10), training, atol=2e-3)


def test_orbit_around_takes_medians_and_overrides():
    training = torch.stack([look_at(p, (1, 1, 0)) for p in [(4, 1, 0), (1, 4, 0), (-2, 1, 0), (1, 1, 9.0)]])
    positions = orbit_around(training, 4)[:, :, 3] - torch.tensor([1.0, 1.0, 0.0])
    np.testing.assert_allclose(positions.norm(dim=1), 3.0, atol=1e-5)
    np.testing.assert_allclose(positions[:, 2], 0.0, atol=1e-5)
    chosen = orbit_around(training, 4, radius=7.0, elevation_degrees=30.0)[:, :, 3]
    np.testing.assert_allclose(chosen[:, 2], 3.5, atol=1e-5)


def test_orbit_around_a_single_camera_stays_at_its_place():
    camera = look_at((3, -4, 2), (0, 0, 0))
    poses = orbit_around(camera[None], 5)
    np.testing.assert_allclose(poses[:, :, 3].norm(dim=1), math.sqrt(29), rtol=1e-4)


def test_orbit_around_refuses_nothing_and_cameras_turning_on_the_spot():
    with pytest.raises(ValueError, match="0, 3, 4"):
        orbit_around(torch.empty(0, 3, 4), 4)
    spot = torch.stack([look_at((0, 0, 0), target) for target in [(1, 0, 0), (0, 1, 0), (0, 0.5, 1)]])
    with pytest.raises(ValueError, match="give a radius"):
        orbit_around(spot, 4)


@settings(deadline=None)
@given(target=point, eyes=st.lists(point, min_size=2, max_size=6))
def test_nearest_point_is_where_axes_cross(target, eyes):
    directions = target - np.array(eyes)
    assume((np.linalg.norm(directions, axis=1) > 1).all())
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    assume(np.linalg.norm(np.cross(unit[0], unit[1])) > 0.1)
    np.testing.assert_allclose(nearest_point_to_axes(np.array(eyes), directions), target, atol=1e-6)


@st.composite
def knots(draw):
    steps = draw(st.lists(st.floats(0.01, 10), min_size=1, max_size=6))
    points = draw(st.lists(point, min_size=len(steps) + 1, max_size=len(steps) + 1))
    return np.concatenate([[0.0], np.cumsum(steps)]), np.array(points)


@settings(deadline=None)
@given(knots())
def test_catmull_rom_passes_through_its_points_and_stops_at_the_ends(curve):
    times, points = curve
    np.testing.assert_allclose(catmull_rom(times, points, times), points, atol=1e-9)
    outside = catmull_rom(times, points, [times[0] - 1, times[-1] + 1])
    np.testing.assert_allclose(outside, points[[0, -1]], atol=1e-9)


@settings(deadline=None)
@given(knots())
def test_catmull_rom_has_a_continuous_velocity(curve):
    times, points = curve
    h = 1e-6 * np.diff(times).min()
    at = times[1:-1]
    before = (catmull_rom(times, points, at) - catmull_rom(times, points, at - h)) / h
    after = (catmull_rom(times, points, at + h) - catmull_rom(times, points, at)) / h
    np.testing.assert_allclose(before, after, atol=1e-3 * (1 + np.abs(points).max() / np.diff(times).min()))


def test_catmull_rom_reproduces_a_straight_line_at_constant_speed():
    times, at = np.array([0.0, 0.3, 1.0, 4.0]), np.linspace(0, 4, 33)
    line = np.outer(times, [1.0, -2.0, 0.5])
    np.testing.assert_allclose(catmull_rom(times, line, at), np.outer(at, [1.0, -2.0, 0.5]), atol=1e-12)


# Files


def write(tmp_path, content) -> object:
    path = tmp_path / "path.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def matrix(pose=None) -> list[list[float]]:
    rows = orbit(1, 4.0, 30.0)[0] if pose is None else pose
    return [*rows.tolist(), [0.0, 0.0, 0.0, 1.0]]


def key(time, position=(4, 0, 1), target=(0, 0, 0)):
    return {"position": list(position), "target": list(target), "time": time}


def test_frames_are_read_as_written(tmp_path):
    poses = orbit(3, 4.0, 20.0)
    frames = [{"transform_matrix": matrix(pose)} for pose in poses]
    content = {"fps": 24, "width": 320, "height": 240, "fov_degrees": 60, "frames": frames}
    path = load_camera_path(write(tmp_path, content))
    assert torch.equal(path.camera_to_world, poses)
    assert (path.fps, path.width, path.height) == (24.0, 320, 240)
    assert path.camera_angle_x == pytest.approx(math.pi / 3)


def test_blender_transforms_are_a_camera_path(tmp_path):
    frame = {"file_path": "./test/r_0", "rotation": 0.01, "transform_matrix": matrix()}
    path = load_camera_path(write(tmp_path, {"camera_angle_x": 0.69, "frames": [frame]}))
    assert path.camera_to_world.shape == (1, 3, 4)
    assert (path.fps, path.width, path.height, path.camera_angle_x) == (30.0, None, None, 0.69)


def test_keyframes_are_joined_at_the_frame_rate(tmp_path):
    keyframes = [key(1.0, (4, 0, 1)), key(1.5, (0, 4, 2), (0, 0, 1)), key(2.0, (-4, 0, 1))]
    poses = load_camera_path(write(tmp_path, {"fps": 10, "keyframes": keyframes})).camera_to_world
    assert poses.shape == (11, 3, 4)
    assert_rotation(poses)
    for index, keyframe in zip([0, 5, 10], keyframes, strict=True):
        expected = look_at(keyframe["position"], keyframe["target"])
        np.testing.assert_allclose(poses[index], expected, atol=1e-6)


def test_keyframes_may_pass_straight_overhead(tmp_path):
    keyframes = [key(0, (4, 0, 4)), key(1, (0, 0, 4)), key(2, (-4, 0, 4))]
    assert_rotation(load_camera_path(write(tmp_path, {"keyframes": keyframes})).camera_to_world)


def changed(row, column, value):
    rows = matrix()
    rows[row][column] = value
    return {"frames": [{"transform_matrix": matrix()}, {"transform_matrix": rows}]}


SCALED = [*(2 * torch.eye(4)).tolist()[:3], [0, 0, 0, 1]]
MIRRORED = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 4], [0, 0, 0, 1]]
GOOD = {"transform_matrix": SCALED[3:] * 4}

MALFORMED = {
    "empty": ("", ["not JSON"]),
    "cut": ('{"frames": [', ["not JSON"]),
    "deep": ("[" * 100_000, ["not JSON"]),
    "digits": ('{"fps": ' + "9" * 5000 + "}", ["not JSON"]),
    "list": ("[]", ["must be a JSON object", "[]"]),
    "neither": ({}, ["'frames' or 'keyframes'"]),
    "both": ({"frames": [], "keyframes": []}, ["'frames' or 'keyframes'"]),
    "no frames": ({"frames": []}, ["frames", "1 to", "got 0"]),
    "frames not a list": ({"frames": {"a": 1}}, ["frames", "must be a list"]),
    "frame not an object": ({"frames": [3]}, ["frame 0", "3"]),
    "no matrix": ({"frames": [{}]}, ["frame 0", "transform_matrix"]),
    "3 rows": ({"frames": [{"transform_matrix": matrix()[:3]}]}, ["frame 0", "4x4"]),
    "3 columns": ({"frames": [{"transform_matrix": [[1, 0, 0]] * 4}]}, ["frame 0", "row 0", "[1, 0, 0]"]),
    "text": (changed(1, 2, "x"), ["frame 1", "row 1[2]", '"x"']),
    "bool": (changed(1, 2, True), ["frame 1", "row 1[2]", "true"]),
    "nan": (changed(0, 3, math.nan), ["frame 1", "row 0[3]", "finite", "NaN"]),
    "infinite": (changed(0, 3, -math.inf), ["frame 1", "row 0[3]", "finite", "-Infinity"]),
    "huge integer": (changed(0, 3, 10**400), ["frame 1", "row 0[3]", "finite"]),
    "last row": (changed(3, 0, 0.5), ["frame 1", "last row", "0.5"]),
    "scaled": ({"frames": [{"transform_matrix": SCALED}]}, ["frame 0", "rotation", "deviation of 3"]),
    "sheared": (changed(0, 0, 0.01), ["frame 1", "rotation"]),
    "mirrored": ({"frames": [{"transform_matrix": MIRRORED}]}, ["frame 0", "mirrors"]),
    "unknown key": ({"frmaes": []}, ["'frames'", '"frmaes"']),
    "unknown frame key": (
        {"frames": [{"transform_matrx": 1}]},
        ["frame 0", "did you mean 'transform_matrix'"],
    ),
    "fps": ({"fps": 0, "keyframes": [key(0), key(1)]}, ["fps", "above 0", "got 0"]),
    "fps text": ({"fps": "30", "keyframes": [key(0), key(1)]}, ["fps", "number", '"30"']),
    "width alone": ({"width": 9, "keyframes": [key(0), key(1)]}, ["both width and height"]),
    "half a pixel": ({"width": 9.5, "height": 9, "keyframes": [key(0), key(1)]}, ["width", "9.5"]),
    "no pixels": ({"width": 9, "height": 0, "keyframes": [key(0), key(1)]}, ["height", "0"]),
    "fov": ({"fov_degrees": 180, "keyframes": [key(0), key(1)]}, ["fov_degrees", "below 180"]),
    "angle in degrees": ({"camera_angle_x": 40, "keyframes": [key(0), key(1)]}, ["radians", "40"]),
    "two angles": ({"camera_angle_x": 1, "fov_degrees": 50, "keyframes": [key(0), key(1)]}, ["not both"]),
    "one keyframe": ({"keyframes": [key(0)]}, ["keyframes", "2 to", "got 1"]),
    "no time": (
        {"keyframes": [key(0), {"position": [1, 2, 3], "target": [0, 0, 0]}]},
        ["keyframe 1", "'time'"],
    ),
    "time back": ({"keyframes": [key(0), key(2), key(1)]}, ["keyframe 2", "increase", "1 s after 2 s"]),
    "time stands": ({"keyframes": [key(0), key(0)]}, ["keyframe 1", "increase", "0 s after 0 s"]),
    "2 coordinates": ({"keyframes": [key(0, (1, 2)), key(1)]}, ["keyframe 0: position", "[1, 2]"]),
    "no direction": ({"keyframes": [key(0, (0, 0, 0)), key(1)]}, ["at 0 s", "[0.0, 0.0, 0.0]"]),
    "too long": ({"keyframes": [key(0), key(1e9)]}, ["more than 100000 frames"]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_are_one_line_that_names_file_place_and_value(tmp_path, name):
    content, parts = MALFORMED[name]
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        load_camera_path(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    for part in [str(path), *parts]:
        assert part in message


def test_files_that_cannot_be_read_are_one_line(tmp_path):
    (tmp_path / "bytes.json").write_bytes(b'{"fps": "\xff\xfe"}')
    for path in (tmp_path / "missing.json", tmp_path, tmp_path / "bytes.json"):
        with pytest.raises(UserError, match="camera path") as caught:
            load_camera_path(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_json_in_any_place_is_read_or_refused_in_one_line(tmp_path_factory, data):
    content = data.draw(
        st.fixed_dictionaries(
            {},
            optional={
                "fps": json_values | st.just(5),
                "width": json_values | st.just(8),
                "height": json_values | st.just(8),
                "fov_degrees": json_values,
                "frames": json_values
                | st.lists(st.fixed_dictionaries({"transform_matrix": json_values}), max_size=2),
                "keyframes": st.lists(
                    st.fixed_dictionaries(
                        {
                            "position": st.lists(json_values | st.floats(), min_size=3, max_size=3),
                            "target": st.lists(st.floats(-9, 9), min_size=3, max_size=3),
                            "time": st.floats(0, 9) | json_values,
                        }
                    ),
                    max_size=3,
                ),
            },
        )
    )
    path = write(tmp_path_factory.mktemp("fuzz"), content)
    message, poses = "", torch.zeros(0)
    try:
        poses = load_camera_path(path).camera_to_world
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    assert poses.isfinite().all()
