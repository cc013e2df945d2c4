"""COLMAP models: text and binary say the same, poses come back, and broken files are refused in one line."""

from __future__ import annotations

import struct
import tracemalloc

import imageio.v3 as imageio
import numpy as np
import pytest
from capture_files import TEST_NAMES, Similarity, around, ball_points, model_of, plain_lens, write_colmap_ball
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps_nerf.captures.colmap import find_colmap_model, read_colmap
from wsapps_nerf.captures.colmap_binary import read_binary_model
from wsapps_nerf.captures.colmap_models import MODELS, make_lens
from wsapps_nerf.captures.colmap_records import ColmapModel
from wsapps_nerf.captures.colmap_text import read_text_model
from wsapps_nerf.captures.open_capture import read_capture
from wsapps_nerf.captures.writing import colmap_image, write_colmap_binary, write_colmap_text

WRITERS = {"binary": (write_colmap_binary, read_binary_model), "text": (write_colmap_text, read_text_model)}


def small_model(count=3):
    poses = Similarity(seed=4, scale=37.0, shift=1e5).poses(around()[:count])
    names = [f"a folder/é {index}.jpg" for index in range(count)]
    return model_of(names, poses, plain_lens(), "PINHOLE", ball_points(5))


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_colmap_binary(folder, small_model())
    return {name: (folder / f"{name}.bin").read_bytes() for name in ("cameras", "images", "points3D")}


def replaced(folder, good_files, **files):
    for name, data in {**good_files, **files}.items():
        (folder / f"{name}.bin").write_bytes(data)
    return folder


@pytest.mark.parametrize("form", WRITERS)
def test_a_written_model_is_read_as_it_was(tmp_path, form):
    write, read = WRITERS[form]
    model = small_model()
    write(tmp_path, model)
    found = read(tmp_path)
    assert found.lenses == model.lenses
    assert found.images == model.images
    assert found.model_names == model.model_names
    np.testing.assert_array_equal(found.points, model.points)


@pytest.mark.parametrize("form", WRITERS)
def test_every_camera_model_comes_back(tmp_path, form):
    write, read = WRITERS[form]
    lenses, names = {}, {}
    for number, (name, model) in enumerate(MODELS.items(), start=5):
        values = [100.0 + index if index < 4 else 0.01 * index for index in range(len(model.parameters))]
        lenses[number], names[number] = make_lens(name, 30, 20, values, ""), name
    images = [colmap_image(f"{n}.png", around()[0], n) for n in lenses]
    write(tmp_path, ColmapModel(lenses, names, images, np.zeros((0, 3))))
    assert read(tmp_path).lenses == lenses


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(1, 10**6))
def test_poses_survive_quaternions(seed):
    pose = Similarity(seed, scale=3.0, shift=10.0).poses(around()[:1])[0]
    back = colmap_image("a", pose, 1).camera_to_world("here")
    np.testing.assert_allclose(back, pose, atol=1e-12 * np.abs(pose).max())


@pytest.mark.parametrize("turn", range(4))
def test_half_turns_survive_quaternions(turn):
    """Where the trace is smallest, and each component in turn the largest."""
    signs = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]][turn]
    pose = np.concatenate([np.diag(signs), [[1], [2], [3]]], axis=1).astype(float)
    np.testing.assert_allclose(colmap_image("a", pose, 1).camera_to_world("here"), pose, atol=1e-12)


def test_axes_are_turned_from_opencv_to_opengl(tmp_path):
    """The identity of COLMAP looks along +z with y down."""
    (tmp_path / "cameras.txt").write_text("1 SIMPLE_PINHOLE 8 8 10 4 4\n")
    (tmp_path / "images.txt").write_text("# comment\n\n1 1 0 0 0 1 2 3 1 a b.png\n1.5 2.5 -1\n")
    image = read_text_model(tmp_path).images[0]
    assert image.name == "a b.png"
    expected = [[1, 0, 0, -1], [0, -1, 0, -2], [0, 0, -1, -3]]
    np.testing.assert_allclose(image.camera_to_world("here"), expected)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("below", ["", "sparse", "sparse/0"])
def test_a_capture_is_found_from_its_folder_or_from_its_model(tmp_path, binary, below):
    ball = write_colmap_ball(tmp_path / "ball", binary=binary)
    capture = read_colmap(ball / below if below != "sparse" else ball)
    assert find_colmap_model(ball) == ball / "sparse" / "0"
    assert [shot.picture.name for shot in capture.shots] == [f"r_{index}.png" for index in range(8)]
    assert all(shot.picture.is_file() for shot in capture.shots)
    np.testing.assert_allclose(capture.poses, around(), atol=1e-12)
    assert [capture.shots[index].name for index in capture.splits["test"]] == TEST_NAMES
    assert len(capture.splits["train"]) == 6


def test_masks_beside_the_pictures_are_colmaps(tmp_path):
    ball = write_colmap_ball(tmp_path / "ball")
    (ball / "masks").mkdir()
    imageio.imwrite(ball / "masks" / "r_2.png.png", np.full((16, 16), 255, np.uint8))
    masks = [shot.mask for shot in read_colmap(ball).shots]
    assert masks[2] == ball / "masks" / "r_2.png.png"
    assert masks[:2] == [None, None]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_off_files_are_refused(tmp_path, good_files, data):
    name = data.draw(st.sampled_from(sorted(good_files)))
    whole = good_files[name]
    length = data.draw(st.integers(0, len(whole) - 1))
    replaced(tmp_path, good_files, **{name: whole[:length]})
    one_line_error(lambda: read_binary_model(tmp_path), f"{name}.bin")


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_read_or_refused(tmp_path, good_files, data):
    name = data.draw(st.sampled_from(sorted(good_files)))
    content = bytearray(good_files[name])
    at = data.draw(st.integers(0, len(content) - 1))
    change = data.draw(st.binary(min_size=1, max_size=9))
    content[at : at + len(change)] = change
    replaced(tmp_path, good_files, **{name: bytes(content)})
    poses, message = [], ""
    try:
        poses = [image.camera_to_world("here") for image in read_binary_model(tmp_path).images]
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    assert all(np.isfinite(pose).all() for pose in poses)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("count", [10**6, 2**40, 2**63, 2**64 - 1])
def test_counts_are_not_believed_before_the_size_is_checked(tmp_path, good_files, name, count):
    hostile = struct.pack("<Q", count) + good_files[name][8:]
    replaced(tmp_path, good_files, **{name: hostile})
    tracemalloc.start()
    try:
        one_line_error(lambda: read_binary_model(tmp_path), f"{name}.bin", count, "cut off")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "offset"),
    [("images", -8), ("points3D", -8)],
    ids=["points of the last picture", "track of the last point"],
)
def test_inner_counts_are_not_believed_either(tmp_path, good_files, name, offset):
    hostile = good_files[name][:offset] + struct.pack("<Q", 2**62)
    replaced(tmp_path, good_files, **{name: hostile})
    one_line_error(lambda: read_binary_model(tmp_path), f"{name}.bin")


def test_a_name_without_an_end_is_refused(tmp_path, good_files):
    images = good_files["images"].replace(b"\0", b"x")
    replaced(tmp_path, good_files, images=struct.pack("<Q", 1) + images[8:72] + b"a" * 10_000)
    one_line_error(lambda: read_binary_model(tmp_path), "images.bin", "name", "4096 bytes")


def test_an_unknown_camera_model_is_named(tmp_path, good_files):
    cameras = good_files["cameras"][:12] + struct.pack("<i", 77) + good_files["cameras"][16:]
    replaced(tmp_path, good_files, cameras=cameras)
    one_line_error(lambda: read_binary_model(tmp_path), "camera 3", "unknown camera model 77", "4 OPENCV")
    (tmp_path / "cameras.txt").write_text("1 HYPERBOLIC 8 8 10 4 4\n")
    (tmp_path / "images.txt").write_text("")
    one_line_error(lambda: read_text_model(tmp_path), "cameras.txt line 1", "HYPERBOLIC", "SIMPLE_RADIAL")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("cameras", "1 PINHOLE 8 8 10 10 4\n", ["4 parameters", "got 3"]),
        ("cameras", "1 PINHOLE eight 8 10 10 4 4\n", ["line 1", "whole number", "eight"]),
        ("cameras", "1 PINHOLE 8 8 10 nan 4 4\n", ["line 1", "finite", "nan"]),
        ("cameras", "1 PINHOLE\n", ["CAMERA_ID MODEL WIDTH HEIGHT"]),
        ("cameras", "1 PINHOLE 8 8 9 9 4 4\n1 PINHOLE 8 8 9 9 4 4\n", ["camera 1", "twice"]),
        ("images", "1 1 0 0 0 1 2 3 1\n\n", ["line 1", "QW QX QY QZ"]),
        ("images", "1 0 0 0 0 1 2 3 1 a.png\n\n", ["no pose", "a.png"]),
        ("images", "1 1 0 0 0 1 2 3 9 a.png\n\n", ["a.png", "camera 9"]),
        ("images", "1 1 0 0 0 1 2 3 1 a.png\n\n2 1 0 0 0 1 2 3 1 a.png\n\n", ["a.png", "2 times"]),
        ("images", "# nothing\n", ["lists no picture"]),
        ("points3D", "1 2 3\n", ["line 1", "POINT3D_ID X Y Z"]),
        ("points3D", "1 2 3 inf\n", ["line 1", "finite", "inf"]),
    ],
)
def test_malformed_text_is_refused_with_its_line(tmp_path, file, content, words):
    files = {
        "cameras": "1 PINHOLE 8 8 10 10 4 4\n",
        "images": "1 1 0 0 0 1 2 3 1 a.png\n\n",
        "points3D": "",
        file: content,
    }
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text)
    imageio.imwrite(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    one_line_error(lambda: read_colmap(tmp_path), *words)


def test_points_that_are_not_finite_are_refused(tmp_path):
    ball = write_colmap_ball(tmp_path / "ball", points=np.full((20, 3), np.nan))
    one_line_error(lambda: read_colmap(ball), "points3D.bin", "point 0", "nan")


def test_pictures_that_are_listed_and_missing_are_counted(tmp_path):
    ball = write_colmap_ball(tmp_path / "ball")
    for name in ("r_3.png", "r_6.png"):
        (ball / "images" / name).unlink()
    one_line_error(lambda: read_capture(ball, "colmap"), "8 pictures", "2 do not exist", "r_3.png")
    for file in (ball / "images").iterdir():
        file.unlink()
    one_line_error(lambda: read_capture(ball, "colmap"), "8 pictures", "r_0.png", "data.pictures=")


def test_poses_that_are_all_equal_are_refused(tmp_path):
    ball = write_colmap_ball(tmp_path / "ball")
    poses = np.repeat(around()[:1], 8, axis=0)
    names = [f"r_{index}.png" for index in range(8)]
    write_colmap_binary(ball / "sparse/0", model_of(names, poses, plain_lens(), "PINHOLE", ball_points()))
    one_line_error(lambda: read_capture(ball, "colmap"), "all 8 pictures are equal", "several places")
    poses = around()
    poses[:, :, 3] = poses[0, :, 3]
    write_colmap_binary(ball / "sparse/0", model_of(names, poses, plain_lens(), "PINHOLE", ball_points()))
    one_line_error(lambda: read_capture(ball, "colmap"), "all cameras stand at one point")


def test_a_test_list_with_an_unknown_name_is_refused(tmp_path):
    ball = write_colmap_ball(tmp_path / "ball")
    (ball / "sparse/0/test.txt").write_text("r_1.png\nr_99.png\n")
    one_line_error(lambda: read_colmap(ball), "test.txt", "r_99.png")


def test_a_folder_without_a_capture_says_what_was_looked_for(tmp_path):
    one_line_error(lambda: read_capture(tmp_path, "capture"), "transforms.json", "sparse/0", "COLMAP")
    one_line_error(lambda: read_capture(tmp_path, "colmap"), "no COLMAP model")
    one_line_error(lambda: read_capture(tmp_path, "transforms"), "transforms_train.json")
    one_line_error(lambda: read_capture(tmp_path / "nowhere", "capture"), "does not exist")
