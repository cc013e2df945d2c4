"""transforms.json: intrinsics global or by frame, splits, masks, boxes, and what is refused."""

from __future__ import annotations

import json
import math

import imageio.v3 as imageio
import numpy as np
import pytest
from capture_files import DISTORTION, TEST_NAMES, around, plain_lens, write_transforms_ball
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_scene import ANGLE, write_ball_scene
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps_nerf.captures.found_space import PlacementConfig
from wsapps_nerf.captures.open_capture import open_capture, read_capture
from wsapps_nerf.captures.transforms import read_transforms


@pytest.fixture
def ball(tmp_path):
    return write_transforms_ball(tmp_path / "ball")


def changed(folder, frame=None, **top):
    """The capture with other entries; None removes one. ``frame`` changes the third frame."""
    path = folder / "transforms.json"
    document = {**json.loads(path.read_text()), **top}
    document["frames"][2] |= frame or {}
    for part in (document, document["frames"][2]):
        for key in [key for key, value in part.items() if value is None]:
            del part[key]
    path.write_text(json.dumps(document))
    return folder


def test_a_written_capture_is_read_as_it_was(tmp_path):
    capture = read_transforms(write_transforms_ball(tmp_path / "ball", distorted=True))
    np.testing.assert_allclose(capture.poses, around(), atol=1e-12)
    assert capture.lenses == [plain_lens(distorted=True)]
    assert capture.lenses[0].coefficients == DISTORTION
    assert [shot.picture.name for shot in capture.shots] == [f"r_{index}.png" for index in range(8)]
    assert [capture.shots[index].picture.name for index in capture.splits["test"]] == TEST_NAMES
    assert capture.points is None


def test_a_frames_own_intrinsics_win(ball):
    frame = {"fl_x": 30.0, "fl_y": 31.0, "cx": 7.0, "k1": 0.25, "w": 16, "h": 16}
    capture = read_transforms(changed(ball, frame))
    assert [shot.lens for shot in capture.shots] == [0, 0, 1, 0, 0, 0, 0, 0]
    own = capture.lenses[1]
    assert (own.fx, own.fy, own.cx, own.cy, own.coefficients[0]) == (30.0, 31.0, 7.0, 8.0, 0.25)


def test_a_frames_own_angle_wins_over_a_global_focal_length(ball):
    capture = read_transforms(changed(ball, {"camera_angle_x": 1.0}))
    own = capture.lenses[1]
    assert own.fx == own.fy == pytest.approx(8 / math.tan(0.5))
    fisheye = read_transforms(changed(ball, {"is_fisheye": True}, camera_model="OPENCV"))
    assert [lens.projection for lens in fisheye.lenses] == ["perspective", "fisheye"]


def test_what_is_not_given_follows_from_the_picture(ball):
    bare = dict.fromkeys(("fl_x", "fl_y", "cx", "cy", "w", "h"))
    capture = read_transforms(changed(ball, camera_angle_x=0.6, **bare))
    lens = capture.lenses[0]
    assert (lens.width, lens.height, lens.cx, lens.cy) == (16, 16, 8.0, 8.0)
    assert lens.fx == lens.fy == pytest.approx(8 / math.tan(0.3))
    lens = read_transforms(changed(ball, camera_angle_y=0.8)).lenses[0]
    assert lens.fy == pytest.approx(8 / math.tan(0.4))


def test_fisheye_models_are_known_by_both_names(ball):
    for more in ({"camera_model": "OPENCV_FISHEYE"}, {"camera_model": None, "is_fisheye": True}):
        assert read_transforms(changed(ball, **more)).lenses[0].projection == "fisheye"


def test_blender_scenes_are_captures_with_splits(tmp_path):
    capture = read_transforms(write_ball_scene(tmp_path / "ball", size=12))
    assert {split: len(indices) for split, indices in capture.splits.items()} == {
        "train": 5,
        "test": 3,
        "val": 2,
    }
    assert capture.lenses[0].fx == pytest.approx(6 / math.tan(ANGLE / 2))
    assert capture.shots[0].picture.name == "r_0.png"


def test_a_scale_in_a_pose_is_taken_out(ball):
    matrix = np.eye(4)
    matrix[:3, :3] *= 2.5
    capture = read_transforms(changed(ball, {"transform_matrix": matrix.tolist()}))
    np.testing.assert_allclose(capture.shots[2].camera_to_world, np.eye(4)[:3])


@pytest.mark.parametrize(("aabb_scale", "half"), [(1, 0.5 / 0.33), (2, 1 / 0.33), (4, None), (128, None)])
def test_a_small_aabb_scale_declares_a_box(ball, aabb_scale, half):
    """instant-ngp's coordinates are 0.33 x + 0.5, and its box aabb_scale unit cubes about their middle."""
    box = read_transforms(changed(ball, aabb_scale=aabb_scale)).box
    if half is None:
        assert box is None
    else:
        np.testing.assert_allclose(box, [-half] * 3 + [half] * 3)


def test_a_declared_box_follows_scale_and_offset(ball):
    box = read_transforms(changed(ball, aabb_scale=1, scale=0.5, offset=[0.5, 1.0, 0.25])).box
    np.testing.assert_allclose(box, [-1, -2, -0.5, 1, 0, 1.5])


def test_masks_are_read_beside_their_frames(ball):
    imageio.imwrite(ball / "mask.png", np.full((16, 16), 255, np.uint8))
    capture = read_capture(changed(ball, {"mask_path": "mask.png"}), "capture")
    assert [shot.mask is not None for shot in capture.shots] == [index == 2 for index in range(8)]


def opened(folder):
    return open_capture(folder, "capture", PlacementConfig(), None)


def test_masks_of_another_size_are_refused(ball):
    imageio.imwrite(ball / "mask.png", np.full((8, 16), 255, np.uint8))
    changed(ball, {"mask_path": "mask.png"})
    one_line_error(lambda: opened(ball), "mask.png", "16x8", "16x16")


def test_masks_and_pictures_that_are_missing_are_named(ball):
    changed(ball, {"mask_path": "mask.png"})
    one_line_error(lambda: opened(ball), "1 masks", "mask.png")
    changed(ball, {"mask_path": None, "file_path": "images/nothing.png"})
    one_line_error(lambda: opened(ball), "8 pictures", "1 do not exist", "nothing.png")


def test_pictures_of_another_shape_are_refused_and_of_another_scale_followed(ball):
    file = ball / "images" / "r_2.png"
    imageio.imwrite(file, np.full((8, 16, 4), 200, np.uint8))
    one_line_error(lambda: opened(ball), "r_2.png", "16x8", "16x16")
    imageio.imwrite(file, np.full((32, 32, 4), 200, np.uint8))
    capture = opened(ball)
    assert capture.lens(2) == plain_lens(16).resized(32, 32)
    assert capture.lens(1) == plain_lens(16)
    assert any("1 pictures are larger or smaller" in note for note in capture.notes)
    views = capture.views("train")
    assert sorted({tuple(views.rgba[view].shape) for view in range(len(views))}) == [(16, 16, 4), (32, 32, 4)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"camera_model": "ORTHOPHOTO"}, ["frames[0]", "unknown camera model", "ORTHOPHOTO", "OPENCV"]),
        ({"fl_x": 0}, ["'fl_x'", "above 0"]),
        ({"fl_x": None, "fl_y": None}, ["fl_x", "camera_angle_x"]),
        ({"k1": "a lot"}, ["'k1'", "a lot"]),
        ({"w": 15.5}, ["'w'", "whole"]),
        ({"w": -16}, ["'w'"]),
        ({"aabb_scale": -1}, ["aabb_scale", "-1"]),
        ({"aabb_scale": 1, "offset": [1]}, ["offset"]),
        ({"frames": []}, ["frames"]),
        ({"test_filenames": ["images/other.png"]}, ["test_filenames", "images/other.png"]),
    ],
)
def test_malformed_documents_are_refused(ball, change, words):
    path = ball / "transforms.json"
    document = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
    one_line_error(lambda: opened(ball), "transforms.json", *words)


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        ({"transform_matrix": None}, ["transform_matrix"]),
        ({"transform_matrix": [[1, 2], [3, 4]]}, ["4x4"]),
        ({"transform_matrix": np.zeros((4, 4)).tolist()}, ["singular"]),
        ({"transform_matrix": np.diag([1, 1, -1, 1]).tolist()}, ["mirrors"]),
        ({"transform_matrix": [[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}, ["no rotation"]),
        ({"file_path": 7}, ["file_path", "7"]),
        ({"file_path": None}, ["file_path"]),
        ({"mask_path": ["a"]}, ["mask_path"]),
    ],
)
def test_malformed_frames_are_refused_with_their_number(ball, frame, words):
    changed(ball, frame)
    one_line_error(lambda: read_transforms(ball), "frames[2]", *words)


PLACES = (
    "frames", "fl_x", "w", "h", "k1", "cx", "camera_model", "aabb_scale", "offset", "test_filenames",
    "frame.transform_matrix", "frame.file_path", "frame.mask_path", "frame.fl_x", "frame.w",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from(PLACES),
    value=JSON,
)
def test_anything_in_the_place_of_a_value_is_read_or_refused_in_one_line(tmp_path_factory, key, value):
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    if not folder.is_dir():
        write_transforms_ball(folder)
    whole = (folder / "transforms.json").read_text()
    document = json.loads(whole)
    place, name = (document["frames"][1], key[6:]) if key.startswith("frame.") else (document, key)
    place[name] = value
    path = folder / "other.json"
    path.write_text(json.dumps(document))
    message = ""
    try:
        read_capture(path, "transforms")
    except UserError as error:
        message = str(error)
    assert "\n" not in message
