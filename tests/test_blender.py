"""The reader of Blender scenes: what it makes of good files, and what it says about bad ones."""

from __future__ import annotations

import json
import math

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps_nerf.blender import load_blender_cameras, load_blender_views
from wsapps_nerf.load import DataConfig, SceneConfig, load_scene, load_views
from wsapps_nerf.scene import Views, composite

POSE = [[1, 0, 0, 0.5], [0, 0, -1, -4], [0, 1, 0, 0.25], [0, 0, 0, 1]]


def picture(seed=0, height=4, width=6, channels=4):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def write_scene(folder, pictures=None, split="train", **document):
    """A split of pictures with one pose; keywords replace or (None: remove) entries of the document."""
    pictures = {"r_0.png": picture(0), "r_1.png": picture(1)} if pictures is None else pictures
    folder.mkdir(exist_ok=True)
    for name, pixels in pictures.items():
        imageio.imwrite(folder / name, pixels)
    frames = [{"file_path": f"./{name}", "transform_matrix": POSE} for name in pictures]
    whole = {"camera_angle_x": 0.7, "frames": frames} | document
    content = {key: value for key, value in whole.items() if value is not None}
    (folder / f"transforms_{split}.json").write_text(json.dumps(content))
    return folder


def read_or_complain(folder):
    """The views, or None and what was said; every other exception passes."""
    try:
        return load_blender_views(folder, "train"), ""
    except UserError as error:
        return None, str(error)


def test_rgba_pictures_are_read_as_they_are(tmp_path):
    views = load_blender_views(write_scene(tmp_path), "train")
    assert views.names == ["r_0", "r_1"]
    assert views.rgba.dtype == torch.float32
    np.testing.assert_allclose(views.rgba.numpy() * 255, np.stack([picture(0), picture(1)]), atol=1e-4)
    assert (views.cameras.width, views.cameras.height) == (6, 4)
    assert views.cameras.focal == pytest.approx(3 / math.tan(0.35))
    torch.testing.assert_close(views.cameras.camera_to_world, torch.tensor([POSE[:3]] * 2).float())


def test_pictures_without_alpha_are_opaque(tmp_path):
    rgb = picture(channels=3)
    views = load_blender_views(write_scene(tmp_path, {"a.png": rgb}), "train")
    np.testing.assert_allclose(views.rgba[0, ..., :3].numpy() * 255, rgb, atol=1e-4)
    assert bool((views.rgba[..., 3] == 1).all())


def test_grey_pictures_get_three_equal_channels(tmp_path):
    grey = picture(channels=1)[..., 0]
    rgba = load_blender_views(write_scene(tmp_path, {"a.png": grey}), "train").rgba[0].numpy()
    for channel in range(3):
        np.testing.assert_allclose(rgba[..., channel] * 255, grey, atol=1e-4)
    assert (rgba[..., 3] == 1).all()


def test_sixteen_bits_a_pixel_keep_their_range(tmp_path):
    grey = np.linspace(0, 65535, 24).astype(np.uint16).reshape(4, 6)
    rgba = load_blender_views(write_scene(tmp_path, {"a.png": grey}), "train").rgba[0].numpy()
    np.testing.assert_allclose(rgba[..., 1] * 65535, grey, atol=0.1)


def test_pictures_of_floats_are_refused_rather_than_clipped(tmp_path):
    folder = write_scene(tmp_path, {"a.tiff": np.full((4, 6), 3.5, np.float32)})
    one_line_error(lambda: load_blender_views(folder, "train"), tmp_path / "a.tiff", "32 bits")


def test_downscaling_averages_rgba_before_it_is_composited(tmp_path):
    # A block of two opaque red and two transparent green pixels.
    block = np.array([[[255, 0, 0, 255], [0, 255, 0, 0]], [[0, 255, 0, 0], [255, 0, 0, 255]]], np.uint8)
    views = load_blender_views(write_scene(tmp_path, {"a.png": np.tile(block, (2, 3, 1))}), "train", 2)
    assert views.rgba.shape == (1, 2, 3, 4)
    torch.testing.assert_close(views.rgba, torch.tensor([0.5, 0.5, 0.0, 0.5]).expand(1, 2, 3, 4))
    over_white = composite(views.rgba, torch.ones(3))
    # Compositing first would give (1, 0.5, 0.5).
    torch.testing.assert_close(over_white, torch.tensor([0.75, 0.75, 0.5]).expand(1, 2, 3, 3))
    full = load_blender_views(tmp_path, "train").cameras
    assert (views.cameras.width, views.cameras.height) == (3, 2)
    assert views.cameras.focal == pytest.approx(full.focal / 2)


@pytest.mark.parametrize("factor", [3, 5, 0, -2])
def test_a_downscale_that_does_not_divide_is_refused(tmp_path, factor):
    write_scene(tmp_path)
    for read in (load_blender_views, load_blender_cameras):
        one_line_error(lambda read=read: read(tmp_path, "train", factor), f"data.downscale={factor}", "6x4")


@pytest.mark.parametrize(
    ("file", "listed", "name"),
    [
        ("r_0.png", "./r_0", "r_0"),
        ("r_0.png", "r_0.png", "r_0"),
        ("r.0.png", "./r.0", "r.0"),
        ("r.0.png", "./r.0.png", "r.0"),
        ("photo.jpg", "photo.jpg", "photo"),
    ],
)
def test_file_names_with_and_without_extension(tmp_path, file, listed, name):
    frames = [{"file_path": listed, "transform_matrix": POSE}]
    views = load_blender_views(write_scene(tmp_path, {file: picture(channels=3)}, frames=frames), "train")
    assert views.names == [name]


def test_cameras_alone_are_those_of_the_views(tmp_path):
    write_scene(tmp_path)
    cameras, views = load_blender_cameras(tmp_path, "train", 2), load_blender_views(tmp_path, "train", 2)
    torch.testing.assert_close(cameras.camera_to_world, views.cameras.camera_to_world)
    assert (cameras.width, cameras.height) == (views.cameras.width, views.cameras.height)
    assert cameras.focal == pytest.approx(views.cameras.focal)


def test_extra_entries_of_the_json_are_read_over(tmp_path):
    frames = [{"file_path": "r_0", "transform_matrix": POSE, "rotation": 0.1, "near": 1}]
    assert len(load_blender_views(write_scene(tmp_path, frames=frames, aabb_scale=4), "train")) == 1


def test_lenses_and_masks_that_a_blender_scene_has_not_are_refused(tmp_path):
    def loaded(frame=None, **top):
        frames = [{"file_path": "r_0", "transform_matrix": POSE, **(frame or {})}]
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        return load_blender_views(write_scene(folder, frames=frames, **top), "train")

    width = loaded().cameras.width
    same = {"k1": 0.0, "cx": width / 2, "is_fisheye": False, "camera_model": "OPENCV"}
    assert len(loaded(**same)) == 1
    for top, frame in (
        ({"k1": 0.1}, {}), ({"fl_x": 3.0 * width}, {}), ({"cx": 0.4 * width}, {}), ({}, {"is_fisheye": True}),
        ({}, {"mask_path": "mask.png"}), ({}, {"camera_angle_x": 0.3}), ({}, {"camera_angle_y": 0.1}),
    ):  # fmt: skip
        one_line_error(lambda: loaded(frame, **top), "frames[0]", "scene.format=transforms")  # noqa: B023


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["not JSON"]),
        ("{", ["not JSON"]),
        ('{"frames": ', ["not JSON"]),
        ("\xff\xfe{}", ["not JSON"]),
        ("[" * 100_000, ["not JSON"]),
        ('{"camera_angle_x": ' + "9" * 10_000 + "}", ["not JSON"]),
        ("[]", ["an object", "[]"]),
        ('"lego"', ["an object", "lego"]),
        ("3", ["an object"]),
        ("null", ["an object"]),
    ],
)
def test_files_that_are_no_scene(tmp_path, text, words):
    (tmp_path / "transforms_train.json").write_bytes(text.encode("latin-1"))
    one_line_error(lambda: load_blender_views(tmp_path, "train"), tmp_path / "transforms_train.json", *words)


def test_a_missing_split_is_named(tmp_path):
    one_line_error(lambda: load_blender_views(write_scene(tmp_path), "val"), tmp_path / "transforms_val.json")


@pytest.mark.parametrize("frames", [None, [], {}, "frames", 7, {"0": {}}, [None], [[]], ["r_0"]])
def test_bad_frames(tmp_path, frames):
    document = {"camera_angle_x": 0.7} if frames is None else {"camera_angle_x": 0.7, "frames": frames}
    (tmp_path / "transforms_train.json").write_text(json.dumps(document))
    one_line_error(lambda: load_blender_views(tmp_path, "train"), "transforms_train.json", "frames")


@pytest.mark.parametrize("angle", [None, 0, -0.5, math.pi, 4, "0.7", [0.7], True, math.nan, math.inf, 1e-300])
def test_bad_field_of_view(tmp_path, angle):
    folder = write_scene(tmp_path, camera_angle_x=angle)
    one_line_error(lambda: load_blender_views(folder, "train"), "camera_angle_x", "radians")


def changed(row, column, value):
    pose = [list(values) for values in POSE]
    pose[row][column] = value
    return pose


@pytest.mark.parametrize(
    ("pose", "words"),
    [
        (None, ["4x4"]),
        ("identity", ["4x4"]),
        (1.0, ["4x4"]),
        ([], ["4x4"]),
        (POSE[:3], ["4x4"]),
        ([row[:3] for row in POSE], ["row 0", "4 numbers"]),
        ([POSE], ["4x4"]),
        ([*POSE[:3], [0, 0, 1]], ["row 3"]),
        (changed(0, 3, math.nan), ["row 0[3]", "finite", "NaN"]),
        (changed(1, 2, math.inf), ["row 1[2]", "finite", "Infinity"]),
        (changed(2, 3, 1e300), ["row 2[3]", "1e30"]),
        (changed(2, 3, 10**400), ["row 2[3]"]),
        (changed(0, 0, "1"), ["row 0[0]", "number", '"1"']),
        (changed(0, 0, None), ["row 0[0]", "number", "null"]),
        (changed(0, 0, True), ["row 0[0]", "number", "true"]),
        (changed(0, 0, 0), ["singular"]),
        ([[0] * 4] * 4, ["singular"]),
    ],
)
def test_bad_poses_name_the_frame_and_the_value(tmp_path, pose, words):
    frames = [
        {"file_path": "r_0", "transform_matrix": POSE},
        {"file_path": "r_1", "transform_matrix": pose},
    ]
    folder = write_scene(tmp_path, frames=frames)
    message = one_line_error(lambda: load_blender_views(folder, "train"), "frames[1]", *words)
    assert len(message) < 500


def test_a_frame_without_a_pose(tmp_path):
    folder = write_scene(tmp_path, frames=[{"file_path": "r_0"}])
    one_line_error(lambda: load_blender_views(folder, "train"), "frames[0]", "no 'transform_matrix'")


def test_scaled_poses_are_accepted_in_any_unit_of_length(tmp_path):
    pose = [[value * 1e-4 for value in row] for row in POSE[:3]] + [POSE[3]]
    write_scene(tmp_path, frames=[{"file_path": "r_0", "transform_matrix": pose}])
    assert len(load_blender_views(tmp_path, "train")) == 1


@pytest.mark.parametrize("name", [None, "", "/", ".", 3, ["r_0"], {"r": 0}])
def test_bad_file_paths(tmp_path, name):
    folder = write_scene(tmp_path, frames=[{"file_path": name, "transform_matrix": POSE}])
    one_line_error(lambda: load_blender_views(folder, "train"), "frames[0]", "file_path")


@pytest.mark.parametrize(
    "name", ["nowhere", "nowhere.png", "a" * 5000, "zero\0byte", "..", "\ud800", "two\nlines"]
)
def test_pictures_that_are_not_there(tmp_path, name):
    folder = write_scene(tmp_path, frames=[{"file_path": name, "transform_matrix": POSE}])
    for read in (load_blender_views, load_blender_cameras):
        one_line_error(lambda read=read: read(folder, "train"), "does not exist")


def test_a_truncated_picture_is_an_error_or_whole(tmp_path):
    """Only the checksums after the last pixel may be missing."""
    folder = write_scene(tmp_path, {"a.png": picture(height=16, width=16)})
    whole = (folder / "a.png").read_bytes()
    accepted = []
    for length in [0, 1, 8, 20, 33, 60, *range(100, len(whole), 37), *range(len(whole) - 30, len(whole))]:
        (folder / "a.png").write_bytes(whole[:length])
        views, message = read_or_complain(folder)
        if views is None:
            assert str(folder / "a.png") in message
        else:
            accepted.append(length)
            np.testing.assert_allclose(views.rgba[0].numpy() * 255, picture(height=16, width=16), atol=1e-4)
    assert min(accepted, default=len(whole)) > len(whole) - 30


@pytest.mark.parametrize("content", [b"not a picture", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\0" * 1000])
def test_files_that_are_no_picture(tmp_path, content):
    folder = write_scene(tmp_path)
    (folder / "r_1.png").write_bytes(content)
    one_line_error(lambda: load_blender_views(folder, "train"), folder / "r_1.png", "cannot be read")


def test_pictures_of_different_sizes(tmp_path):
    folder = write_scene(tmp_path, {"a.png": picture(), "b.png": picture(height=6, width=4)})
    one_line_error(lambda: load_blender_views(folder, "train"), "b.png is 4x6", "a.png is 6x4")


def test_pictures_that_are_all_transparent(tmp_path):
    clear = picture()
    clear[..., 3] = 0
    folder = write_scene(tmp_path, {"a.png": clear, "b.png": clear})
    one_line_error(lambda: load_blender_views(folder, "train"), "all 2 images", "transparent")
    opaque_somewhere = clear.copy()
    opaque_somewhere[0, 0, 3] = 1
    write_scene(tmp_path, {"a.png": clear, "b.png": opaque_somewhere})
    assert len(load_blender_views(folder, "train")) == 2


def write_both_splits(folder):
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        write_scene(folder, {f"{split}.png": picture(height=12, width=12)}, split)
    return folder


@pytest.mark.parametrize("place", ["nerf_synthetic/lego", "lego", "."])
def test_a_scene_is_found_below_its_root(tmp_path, monkeypatch, place):
    monkeypatch.delenv("WSAPPS_DATA", raising=False)
    config = SceneConfig(name="lego", folder="nerf_synthetic/lego")
    root = tmp_path / "data"
    write_both_splits(root / place)
    scene = load_scene(config, DataConfig(root=str(root)))
    assert (scene.name, len(scene.train), len(scene.test)) == ("lego", 1, 1)
    assert scene.box.tolist() == [-1.5, -1.5, -1.5, 1.5, 1.5, 1.5]
    monkeypatch.setenv("WSAPPS_DATA", str(root))
    assert len(load_scene(config, DataConfig()).train) == 1


def test_a_missing_scene_says_where_it_was_looked_for_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("WSAPPS_DATA", raising=False)
    config = SceneConfig(name="lego", folder="nerf_synthetic/lego")
    one_line_error(
        lambda: load_scene(config, DataConfig()), "data.root=", "WSAPPS_DATA", "nerf_synthetic.zip"
    )
    looked = [tmp_path / "nerf_synthetic/lego", tmp_path / "lego", "nerf_synthetic.zip", "data.root="]
    one_line_error(lambda: load_scene(config, DataConfig(root=str(tmp_path))), *looked)
    monkeypatch.setenv("WSAPPS_DATA", str(tmp_path))
    one_line_error(lambda: load_scene(config, DataConfig()), *looked)


def test_pictures_too_small_to_be_scored_are_refused_before_training(tmp_path):
    write_scene(tmp_path, {"a.png": picture(height=20, width=20)})
    assert len(load_views(SceneConfig(), DataConfig(root=str(tmp_path)), "train")) == 1
    half = DataConfig(root=str(tmp_path), downscale=2)
    one_line_error(lambda: load_views(SceneConfig(), half, "train"), "downscale=2", "10x10", "11x11")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(POSE),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_documents_give_views_or_a_user_error(tmp_path, data):
    """Any JSON value anywhere in an otherwise good document."""
    frame = {"file_path": "r_0", "transform_matrix": POSE}
    document = {"camera_angle_x": 0.7, "frames": [frame]}
    place = data.draw(
        st.sampled_from(["document", "frames", "angle", "frame", "path", "pose", "row", "entry"])
    )
    value = data.draw(values)
    if place == "document":
        document = value
    elif place in ("frames", "angle"):
        document["frames" if place == "frames" else "camera_angle_x"] = value
    elif place == "frame":
        document["frames"] = [frame, value]
    elif place == "path":
        frame["file_path"] = value
    else:
        row, column = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
        pose = changed(row, column, value)
        if place == "row":
            pose[row] = value
        frame["transform_matrix"] = value if place == "pose" else pose
    write_scene(tmp_path)
    (tmp_path / "transforms_train.json").write_text(json.dumps(document))
    views, message = read_or_complain(tmp_path)
    assert "\n" not in message
    if views is not None:
        assert isinstance(views, Views)
        assert bool(torch.isfinite(views.cameras.camera_to_world).all())
        assert math.isfinite(views.cameras.focal)
