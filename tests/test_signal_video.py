"""Videos as signals: what is read, how it is scored, what is written."""

from __future__ import annotations

import math

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from PIL import Image

from wsapps.errors import UserError
from wsapps.readers.ffmpeg_frames import frames_a_second, video_frames
from wsapps.readers.image_file import read_image
from wsapps.video import write_video
from wsapps_signals.kinds.video import VideoConfig, VideoSignal
from wsapps_signals.samples.video import sample_video

GREYS = np.arange(10, 250, 20)  # of twelve frames


def clip(path, fps=8.0, height=20, width=32):
    """Twelve frames of growing grey, each with a white left half."""
    frames = np.full((len(GREYS), height, width, 3), 255, np.uint8)
    frames[:, :, width // 2 :] = GREYS[:, None, None, None]
    if path.suffix in (".gif", ".png", ".webp"):
        pictures = [Image.fromarray(frame) for frame in frames]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=round(1000 / fps), quality=100
        )
    else:
        write_video(path, frames, fps)
    return path


def read(path, **options):
    return VideoSignal.from_config(VideoConfig(**options), path)


def looked_up(signal):
    """A "field" that looks the signal's own values up."""
    _, height, width = signal.grid

    def predict(coordinates):
        index = ((coordinates.double() + 1) / 2 * (torch.tensor(signal.grid) - 1)).round().long()
        return signal.values[(index[:, 0] * height + index[:, 1]) * width + index[:, 2]]

    return predict


def greys(signal):
    """The grey of each frame, in 8-bit steps."""
    return signal.values.view(*signal.grid, 3)[:, :, -8:].mean(dim=(1, 2, 3)) * 255


@pytest.mark.parametrize("name", ["my clip.mp4", "a.gif", "a.png", "a.webp", "%03d [x].mp4"])
def test_frames_are_read_in_order(tmp_path, name):
    signal = read(clip(tmp_path / name))
    assert signal.title == (tmp_path / name).stem
    assert signal.grid == (12, 20, 32)
    assert signal.fps == pytest.approx(8, rel=0.05)
    assert (signal.peak, signal.weights, signal.native_bits) == (1.0, None, 12 * 20 * 32 * 3 * 8)
    np.testing.assert_allclose(greys(signal), GREYS, atol=3)
    assert signal.coordinates[[0, 31, -1]].tolist() == [[-1, -1, -1], [-1, -1, 1], [1, 1, 1]]
    assert signal.coordinates[12 * 20 * 32 // 2].tolist() == pytest.approx([1 / 11, -1, -1])


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_frames_are_chosen(tmp_path, name):
    signal = read(clip(tmp_path / name), every=3, max_frames=3)
    np.testing.assert_allclose(greys(signal), GREYS[[0, 3, 6]], atol=3)
    assert signal.fps == pytest.approx(8 / 3, rel=0.05)
    np.testing.assert_allclose(greys(read(tmp_path / name, every=5)), GREYS[::5], atol=3)


def test_no_more_is_decoded_than_is_wanted(tmp_path):
    frames = video_frames(clip(tmp_path / "a.mp4"), most=2)
    assert len(list(frames)) == 2
    stopped = video_frames(tmp_path / "a.mp4")
    next(stopped)
    stopped.close()  # ends ffmpeg without an error


def test_the_rate_is_that_of_the_file_and_of_no_other(tmp_path):
    clip(tmp_path / "real.mp4", fps=7)
    assert frames_a_second(tmp_path / "real.mp4") == pytest.approx(7, rel=0.05)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile real.mp4\n")
    assert frames_a_second(tmp_path / "list.mp4") == 25.0


def test_frames_are_averaged_down_as_they_come(tmp_path):
    signal = read(clip(tmp_path / "a.mp4"), max_side=8)
    assert signal.grid == (12, 5, 8)
    assert torch.equal((signal.values * 255).round() / 255, signal.values)
    full = read(tmp_path / "a.mp4").values.view(12, 5, 4, 8, 4, 3).mean(dim=(2, 4))
    assert float((signal.values.view(full.shape) - full).abs().max()) <= 0.51 / 255


@pytest.mark.parametrize("options", [{"max_frames": 1}, {"every": 0}, {"max_side": 1}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        VideoConfig(**options)


def test_the_sample_moves_and_follows_the_settings():
    video = sample_video()
    assert video.shape == (16, 64, 64, 3)
    assert torch.equal(video, sample_video())
    assert float(video.diff(dim=0).abs().mean(dim=(1, 2, 3)).min()) > 0.01
    assert torch.equal(VideoSignal.from_config(VideoConfig(), None).values, video.view(-1, 3))
    small = VideoSignal.from_config(VideoConfig(every=2, max_frames=5, max_side=32), None)
    assert small.grid == (5, 32, 32)
    assert small.fps == 4


def test_a_field_that_looks_values_up_is_perfect():
    signal = VideoSignal.from_config(VideoConfig(), None)
    assert signal.scores(looked_up(signal)) == {"psnr": math.inf, "ssim": pytest.approx(1.0)}


def test_a_known_offset_has_a_known_psnr():
    signal = VideoSignal.from_config(VideoConfig(), None)
    exact = looked_up(signal)

    def off_in_the_second_half(points):
        return exact(points) + 0.1 * (points[:, :1] > 0)

    # The PSNR of the mean error: 3 dB above that of an offset of 0.1 everywhere.
    expected = 20 + 10 * math.log10(2)
    assert signal.scores(off_in_the_second_half)["psnr"] == pytest.approx(expected, abs=1e-4)


def test_small_frames_have_no_ssim():
    signal = VideoSignal("small", torch.rand(3, 10, 20, 3), 8.0)
    assert set(signal.scores(looked_up(signal))) == {"psnr"}


def test_what_is_written_can_be_watched(tmp_path):
    signal = VideoSignal.from_config(VideoConfig(), None)
    figures = signal.write(tmp_path, looked_up(signal))
    assert [figure.path for figure in figures] == ["comparison.mp4", "frames.png"]
    assert len(list(tmp_path.iterdir())) == 3
    both = iio.imread(tmp_path / "comparison.mp4")
    assert both.shape == (16, 256, 516, 3)
    np.testing.assert_allclose(both[:, :, :256].astype(float), both[:, :, 260:], atol=40)
    enlarged = signal.values.view(16, 64, 64, 3).repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert np.abs(both[:, :, :256] / 255 - enlarged.numpy()).mean() < 0.02
    assert iio.imread(tmp_path / "reconstruction.mp4").shape == (16, 64, 64, 3)
    picture, _ = read_image(tmp_path / "frames.png")
    assert picture.shape == (3 * 256, 4 * 256 + 3 * 4, 3)
    assert torch.equal(picture[:256], picture[256:512])
    assert float(picture[512:, :256].max()) < 0.02  # no error


@pytest.mark.parametrize("size", [(16, 64, 64), (32, 20, 30), (5, 64, 128)])
def test_resampling_gives_the_fields_values_and_keeps_the_duration(tmp_path, size):
    signal = VideoSignal.from_config(VideoConfig(), None)

    def smooth(points):
        return (0.5 + 0.4 * torch.sin(2 * points.sum(dim=1, keepdim=True))).expand(-1, 3)

    [path] = signal.resample(tmp_path, smooth, size)
    frames = iio.imread(path)
    assert frames.shape == (*size, 3)
    t, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    expected = 0.5 + 0.4 * np.sin(2 * (t + y + x))
    error = np.abs(frames.mean(axis=-1) / 255 - expected)  # the codec's
    assert error.mean() < 0.01
    assert error.max() < 0.06
    assert size[0] / iio.immeta(path)["fps"] == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize("size", [(4, 4), (0, 4, 4), (4, 4, 4, 4), (2, 10**6, 10**6)])
def test_sizes_that_cannot_be_made_are_one_line(tmp_path, size):
    signal = VideoSignal.from_config(VideoConfig(), None)
    with pytest.raises(UserError, match="new size"):
        signal.resample(tmp_path, looked_up(signal), size)
    with pytest.raises(UserError, match="a second"):
        signal.resample(tmp_path, looked_up(signal), (10**7, 4, 4))
    assert list(tmp_path.iterdir()) == []


def test_a_field_that_diverged_is_not_written(tmp_path):
    signal = VideoSignal.from_config(VideoConfig(max_frames=2), None)

    def diverged(points):
        return torch.where(points[:, :1] > 0, math.nan, 0.5).expand(-1, 3)  # from the second frame on

    assert math.isnan(signal.scores(diverged)["psnr"])
    for write in (
        lambda: signal.write(tmp_path, diverged),
        lambda: signal.resample(tmp_path, diverged, (4, 4, 4)),
        lambda: signal.preview(diverged),
    ):
        with pytest.raises(UserError, match="NaN or infinite"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_the_preview_is_the_middle_frame():
    signal = VideoSignal("large", torch.rand(3, 20, 512, 3), 8.0)
    preview = signal.preview(looked_up(signal))
    assert preview.shape == (10, 256, 3)
    middle = signal.values.view(3, 20, 512, 3)[1].view(10, 2, 256, 2, 3).mean(dim=(1, 3))
    assert float((preview - middle).abs().max()) <= 1.01 / 255


# Bad input


def refused(path, **options):
    with pytest.raises(UserError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message


def test_missing_files_folders_and_empty_files(tmp_path):
    assert "does not exist" in refused(tmp_path / "nothing.mp4")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "0 bytes" in refused(tmp_path / "empty.mp4")


@pytest.mark.parametrize("name", ["a.mp4", "a.txt", "a.gif", "a.m3u8"])
def test_text_is_no_video(tmp_path, name):
    """Also not where ffmpeg would film a terminal that prints it, or follow it as a playlist."""
    (tmp_path / name).write_text("#EXTM3U\n" * (name == "a.m3u8") + "This is not a video.\n" * 50)
    assert "cannot be read as a video" in refused(tmp_path / name)


def test_a_picture_is_no_video(tmp_path):
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.png")
    assert "signal=image" in refused(tmp_path / "a.png")
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.jpg")
    assert "of another kind" in refused(tmp_path / "a.jpg")
    still = Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20))
    still.save(tmp_path / "still.gif")
    assert "signal=image" in refused(tmp_path / "still.gif")


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
@pytest.mark.parametrize("part", [0.01, 0.05, 0.1, 0.6, 0.9])
def test_truncated_files_are_refused(tmp_path, name, part):
    frames = np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), np.uint8)
    path = tmp_path / name
    if name == "a.gif":
        Image.fromarray(frames[0]).save(
            path, save_all=True, append_images=[Image.fromarray(f) for f in frames[1:]]
        )
    else:
        write_video(path, frames, 10)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    assert "cannot be read as a video" in refused(path)


def test_transparent_frames_lie_on_white(tmp_path):
    frames = np.zeros((2, 4, 4, 4), np.uint8)
    frames[1, :, :2, 3] = 255
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(tmp_path / "a.png", save_all=True, append_images=pictures[1:], disposal=1, blend=0)
    values = read(tmp_path / "a.png").values.view(2, 4, 4, 3)
    assert bool((values[0] == 1).all())
    assert bool((values[1, :, :2] == 0).all())
    assert bool((values[1, :, 2:] == 1).all())


def test_constant_videos_are_refused_with_their_value(tmp_path):
    write_video(tmp_path / "a.mp4", [np.zeros((16, 16, 3), np.uint8)] * 3, 10)
    assert "the value 0 everywhere" in refused(tmp_path / "a.mp4")


def test_frames_too_small_are_refused(tmp_path):
    assert "2x2" in refused(clip(tmp_path / "a.mp4", height=4, width=64), max_side=16)


def test_videos_too_large_to_hold_are_refused_early(tmp_path, monkeypatch):
    path = clip(tmp_path / "a.mp4")
    monkeypatch.setattr("wsapps_signals.kinds.video.MOST_VALUES", 5 * 20 * 32 * 3)
    assert "signal.max_frames=" in refused(path)
    assert read(path, max_frames=5).grid == (5, 20, 32)
