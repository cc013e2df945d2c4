"""Videos: read back what was written; nothing half-written."""

from __future__ import annotations

import subprocess

import imageio.v2 as iio
import imageio_ffmpeg
import numpy as np
import pytest

from wsapps.errors import UserError
from wsapps.video import VideoWriter, write_video

COLOURS = np.array(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [128, 128, 128]] * 2, np.uint8
)


def solid(colour, height=37, width=51):
    return np.broadcast_to(colour, (height, width, 3)).astype(np.uint8)


def test_frames_come_back_in_order_size_rate_and_colour(tmp_path):
    path = tmp_path / "turn.mp4"
    write_video(path, (solid(colour) for colour in COLOURS), fps=24)
    with iio.get_reader(path) as reader:
        meta = reader.get_meta_data()
        frames = np.stack(list(reader.iter_data()))
    assert frames.shape == (12, 38, 52, 3)
    assert meta["fps"] == pytest.approx(24)
    assert meta["codec"] == "h264"
    assert meta["pix_fmt"].startswith("yuv420p")
    np.testing.assert_allclose(frames.mean(axis=(1, 2)), COLOURS, atol=4)
    assert [file.name for file in tmp_path.iterdir()] == ["turn.mp4"]


def test_odd_sizes_repeat_the_last_row_and_column(tmp_path):
    frame = solid([0, 0, 0], 33, 33).copy()
    frame[-1], frame[:, -1] = 255, 255
    write_video(tmp_path / "a.mp4", [frame] * 3, fps=10)
    with iio.get_reader(tmp_path / "a.mp4") as reader:
        last = np.asarray(reader.get_data(2), np.float64)
    assert last[-2:].mean() > 235
    assert last[:, -2:].mean() > 235
    assert last[:30, :30].mean() < 10


def test_fractional_rates_are_kept(tmp_path):
    write_video(tmp_path / "a.mp4", [solid([9, 9, 9])] * 4, fps=30000 / 1001)
    probe = subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(tmp_path / "a.mp4")], capture_output=True, text=True
    )
    assert "29.97 fps" in probe.stderr
    assert "bt709" in probe.stderr


def test_frames_are_taken_one_at_a_time(tmp_path):
    alive: list[int] = []
    most = 0

    class Counted(np.ndarray):
        def __del__(self):
            if self.base is None:
                alive.pop()

    def frames():
        nonlocal most
        for _ in range(20):
            frame = np.zeros((16, 16, 3), np.uint8).copy().view(Counted).copy()
            alive.append(1)
            most = max(most, len(alive))
            yield frame
            del frame

    write_video(tmp_path / "a.mp4", frames(), fps=10)
    assert 1 <= most <= 3


def test_no_frames_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        write_video(tmp_path / "a.mp4", [], fps=10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_rates_out_of_range_are_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="fps"):
        VideoWriter(tmp_path / "a.mp4", fps)


@pytest.mark.parametrize(
    "bad",
    [np.zeros((37, 51, 3)), np.zeros((37, 51), np.uint8), np.zeros((37, 51, 4), np.uint8), solid(0, 37, 53)],
)
def test_a_wrong_frame_is_named_and_the_old_video_stays(tmp_path, bad):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="frame 1 "):
        write_video(path, [solid([1, 2, 3]), bad], fps=10)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_an_error_of_the_renderer_passes_through_and_leaves_nothing(tmp_path):
    def frames():
        yield solid([1, 2, 3])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "a.mp4", frames(), fps=10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 40])
def test_what_ffmpeg_cannot_write_is_one_clear_line(tmp_path, count):
    # 40 frames of noise overfill the pipe, so that ffmpeg's end is seen while frames are still sent.
    frame = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    with pytest.raises(UserError, match=r"cannot write .*a\.mp4") as caught:
        write_video(tmp_path / "missing" / "a.mp4", [frame] * count, fps=10)
    assert "\n" not in str(caught.value)
    assert "No such file" in str(caught.value)
