"""Pictures on the disk: what is decoded, which are held at a step, what masks leave out, and the budget."""

from __future__ import annotations

import itertools
import subprocess
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from user_errors import one_line_error

from wsapps_nerf.captures import picture_window
from wsapps_nerf.captures.picture_file import read_mask, read_pixels
from wsapps_nerf.captures.picture_window import PictureWindow
from wsapps_nerf.captures.pictures import PictureFile, Pictures
from wsapps_nerf.scene import downscale_rgba

GIB = 2**30


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def write_pictures(folder, count=6, size=(12, 8), masks=False, seed=0):
    """Pictures whose red channel is their number."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    files = []
    for index in range(count):
        picture = noise.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        picture[..., 0] = index
        imageio.imwrite(folder / f"{index}.png", picture)
        mask = None
        if masks:
            mask = folder / f"mask_{index}.png"
            kept = np.zeros((size[1], size[0]), np.uint8)
            kept[: 2 + index] = 1  # any value but zero keeps a pixel
            imageio.imwrite(mask, kept)
        files.append(PictureFile(folder / f"{index}.png", mask, size))
    return files


def pictures_of(files, memory=GIB, alpha=False, downscale=1, rotate_every=5):
    return Pictures(files, alpha, downscale, memory, rotate_every)


@pytest.fixture
def small_scratch(monkeypatch):
    """Budgets of a few tiny pictures, without the room that decoding is given."""
    monkeypatch.setattr(picture_window, "_SCRATCH", 0)


def test_pictures_are_what_a_tensor_of_them_would_be(tmp_path):
    pictures = pictures_of(write_pictures(tmp_path))
    assert len(pictures) == 6
    for view in (0, 5):
        rgba = pictures[view]
        assert rgba.shape == (8, 12, 4)
        np.testing.assert_allclose(rgba[..., :3] * 255, imageio.imread(tmp_path / f"{view}.png"), atol=1e-4)
        assert bool((rgba[..., 3] == 1).all())
        assert pictures.kept(view) is None


def test_downscaling_is_that_of_blender_scenes_to_a_byte(tmp_path):
    rgba = np.random.default_rng(1).integers(0, 256, (12, 8, 4), dtype=np.uint8)
    imageio.imwrite(tmp_path / "a.png", rgba)
    found = read_pixels(tmp_path / "a.png", (8, 12), True, 4)
    expected = downscale_rgba(torch.from_numpy(rgba).float(), 4).numpy()
    np.testing.assert_allclose(found, expected, atol=0.51)


def test_what_is_over_at_the_edges_is_cut_off(tmp_path):
    picture = np.random.default_rng(1).integers(0, 256, (11, 14, 3), dtype=np.uint8)
    imageio.imwrite(tmp_path / "a.png", picture)
    found = read_pixels(tmp_path / "a.png", (14, 11), False, 4)
    blocks = picture[:8, :12].reshape(2, 4, 3, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found, blocks, atol=0.51)


def test_a_block_counts_only_if_its_mask_does_throughout(tmp_path):
    mask = np.full((8, 8), 7, np.uint8)
    mask[5, 2] = 0
    imageio.imwrite(tmp_path / "m.png", mask)
    assert read_mask(tmp_path / "m.png", (8, 8), 4).tolist() == [[True, True], [False, True]]
    one_line_error(lambda: read_mask(tmp_path / "m.png", (8, 9), 4), "m.png", "8x8", "8x9")


def test_sixteen_bits_a_pixel_keep_their_range(tmp_path):
    imageio.imwrite(tmp_path / "a.png", np.linspace(0, 65535, 96).astype(np.uint16).reshape(8, 12))
    found = read_pixels(tmp_path / "a.png", (12, 8), True, 1)
    assert found[0, 0].tolist() == [0, 0, 0, 255]
    assert found[-1, -1].tolist() == [255, 255, 255, 255]


@pytest.mark.parametrize("content", [b"", b"no picture at all", None])
def test_files_that_are_no_pictures_are_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    one_line_error(lambda: read_pixels(tmp_path / "a.png", (4, 4), False, 1), "a.png")


def test_a_picture_that_has_changed_its_size_is_refused(tmp_path):
    files = write_pictures(tmp_path)
    imageio.imwrite(files[2].path, np.zeros((3, 3, 3), np.uint8))
    one_line_error(lambda: pictures_of(files)[2], "2.png", "has changed")


@pytest.mark.usefixtures("small_scratch")
@pytest.mark.parametrize("memory", [GIB, 3 * 288])
def test_draws_give_the_colours_of_their_pixels(tmp_path, memory):
    pictures = pictures_of(write_pictures(tmp_path), memory)
    view, pixel, rgba = PictureWindow(pictures, seed=3).draw(500, 0, draws())
    expected = torch.stack([pictures[int(v)].flatten(end_dim=1)[p] for v, p in zip(view, pixel, strict=True)])
    torch.testing.assert_close(rgba, expected)
    assert len(view.unique()) == min(6, memory // 288)


def test_all_pixels_are_drawn_alike(tmp_path):
    """Pictures of several sizes: a pixel is a pixel."""
    files = write_pictures(tmp_path / "a", 2, (4, 4)) + write_pictures(tmp_path / "b", 1, (12, 8))
    view, pixel, _ = PictureWindow(pictures_of(files), seed=0).draw(64_000, 0, draws())
    share = torch.bincount(view, minlength=3) / 64_000
    torch.testing.assert_close(share, torch.tensor([16, 16, 96]) / 128, atol=0.01, rtol=0)
    for one, pixels in ((0, 16), (1, 16), (2, 96)):
        assert int(pixel[view == one].max()) == pixels - 1


@pytest.mark.usefixtures("small_scratch")
@settings(deadline=None, max_examples=15)
@given(step=st.integers(0, 400), earlier=st.lists(st.integers(0, 400), max_size=3))
def test_what_is_held_depends_on_the_step_alone(tmp_path_factory, step, earlier):
    folder = tmp_path_factory.getbasetemp() / "held"
    files = write_pictures(folder) if not folder.is_dir() else None
    files = files or [PictureFile(folder / f"{index}.png", None, (12, 8)) for index in range(6)]
    fresh, used = (PictureWindow(pictures_of(files, 3 * 288), seed=1) for _ in range(2))
    for before in earlier:
        used.draw(10, before, draws())
    for found, expected in zip(used.draw(200, step, draws()), fresh.draw(200, step, draws()), strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.usefixtures("small_scratch")
def test_the_pictures_take_turns_and_all_have_theirs(tmp_path):
    window = PictureWindow(pictures_of(write_pictures(tmp_path), 3 * 288, rotate_every=5), seed=2)
    assert (window.slots, window.bytes_held) == (3, 3 * 288)
    held = [set(window.draw(300, step, draws(step))[0].tolist()) for step in range(0, 60, 5)]
    assert all(len(pictures) == 3 for pictures in held)
    assert all(len(before - after) == 1 for before, after in itertools.pairwise(held))
    assert set.union(*held[:4]) == set(range(6))
    # Within a turn they stay.
    assert set(window.draw(300, 64, draws())[0].tolist()) == set(window.draw(300, 60, draws())[0].tolist())


@pytest.mark.usefixtures("small_scratch")
def test_a_budget_for_less_than_two_pictures_is_refused(tmp_path):
    pictures = pictures_of(write_pictures(tmp_path), 2 * 288 - 1)
    one_line_error(lambda: PictureWindow(pictures, seed=0), "data.memory_gib", "data.downscale")


def test_masked_pixels_are_never_drawn(tmp_path):
    pictures = pictures_of(write_pictures(tmp_path, masks=True))
    view, pixel, rgba = PictureWindow(pictures, seed=0).draw(3000, 0, draws())
    assert bool((pixel // 12 < 2 + view).all())
    assert rgba.shape == (3000, 4)
    np.testing.assert_allclose(rgba[:, 0] * 255, view, atol=1e-3)
    # What is left is drawn alike: the last picture keeps 7 rows of 8, the first 2.
    counts = torch.bincount(view)
    assert float(counts[5] / counts[0]) == pytest.approx(3.5, rel=0.2)
    kept = pictures.kept(1)
    assert kept is not None
    assert kept.sum() == 36


def test_masks_that_leave_nothing_are_refused(tmp_path):
    files = write_pictures(tmp_path, masks=True)
    for file in files:
        imageio.imwrite(file.mask, np.zeros((8, 12), np.uint8))
    window = PictureWindow(pictures_of(files), seed=0)
    one_line_error(lambda: window.draw(100, 0, draws()), "masks leave nothing", "black")


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("seed", range(10))
def test_masks_that_leave_little_are_drawn_from_alike(tmp_path, seed, listed, monkeypatch):
    if listed:
        monkeypatch.setattr("wsapps_nerf.captures.picture_window._MOST_TRIES", 1000)
    files = write_pictures(tmp_path, masks=True)
    for view, file in enumerate(files):  # 1 pixel of 96, and none of the first picture
        mask = np.zeros((8, 12), np.uint8)
        mask[view, view] = 255 * (view > 0)
        imageio.imwrite(file.mask, mask)
    view, pixel, _ = PictureWindow(pictures_of(files), seed=0).draw(20_000, 0, draws(seed))
    assert bool((pixel == 13 * view).all())
    counts = torch.bincount(view, minlength=6) / 20_000
    torch.testing.assert_close(counts, torch.tensor([0, 0.2, 0.2, 0.2, 0.2, 0.2]), atol=0.02, rtol=0)


_MEASURE = """
import resource, sys, torch
from pathlib import Path
from wsapps_nerf.captures.picture_window import PictureWindow
from wsapps_nerf.captures.pictures import PictureFile, Pictures
torch.set_num_threads(1)
folder, count, budget = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
warm = Pictures([PictureFile(folder / "0.jpg", None, (1000, 1000))], False, 1, budget, 1)
warm[0]
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
files = [PictureFile(folder / f"{i % 4}.jpg", None, (1000, 1000)) for i in range(count)]
window = PictureWindow(Pictures(files, False, 1, budget, 1), seed=0)
for step in range(40):
    window.draw(1024, step, torch.Generator().manual_seed(step))
print(peak() - before, window.slots)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is Linux's")
def test_many_pictures_stay_within_the_budget(tmp_path):
    """100 pictures of 3 MB in 48 MiB, counted by the operating system."""
    for index in range(4):
        noise = np.random.default_rng(index).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
        imageio.imwrite(tmp_path / f"{index}.jpg", noise)
    budget = 48 * 2**20
    arguments = [sys.executable, "-c", _MEASURE, str(tmp_path), "100", str(budget)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    grown, slots = (int(word) for word in done.stdout.split())
    assert 2 <= slots < 16
    # What the interpreter and the threads' allocators keep for themselves comes on top.
    assert grown < budget + 16 * 2**20
