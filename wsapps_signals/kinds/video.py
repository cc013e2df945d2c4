"""Videos: a field from (t, y, x) to RGB.

Shapes: T frames, H rows, W columns, C = 3 channels; N = T H W.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.grid import regular_grid
from wsapps.metrics import SSIM_WINDOW, psnr_from_mse, ssim
from wsapps.pictures import error_map, save_png, side_by_side
from wsapps.readers.ffmpeg_frames import frames_a_second, video_frames
from wsapps.readers.image_file import fitting_size, shrink
from wsapps.readers.paths import check_file, named
from wsapps.report import Figure
from wsapps.video import VideoWriter
from wsapps_signals.kinds.animated_picture import animated_frames, animation_rate, is_animated_picture
from wsapps_signals.kinds.image import PREVIEW_SIDE, quantised
from wsapps_signals.kinds.sampled import MOST_VALUES, check_size, sample_grid
from wsapps_signals.kinds.signal import Predict
from wsapps_signals.samples.video import SAMPLE_RATE, sample_video

_SHOWN_FRAMES = 4
_LEAST_SHOWN = 256  # pixels of height in comparisons; smaller frames are enlarged by a whole factor
_SHOWN_SIDE = 512  # pixels; larger frames are averaged down there
_MOST_RATE = 1000.0  # frames a second


@dataclass
class VideoConfig:
    """How a video is read."""

    name: str = "video"
    max_frames: int | None = doc("take at most so many frames, from the first on", default=None)
    every: int = doc("take every so-manieth frame", default=1)
    max_side: int | None = doc(
        "average frames down to at most this height and width", default=None, unit="pixels"
    )

    def __post_init__(self) -> None:
        for name, value, least in (
            ("max_frames", self.max_frames, 2),
            ("every", self.every, 1),
            ("max_side", self.max_side, 2),
        ):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


class VideoSignal:
    """A video, as :class:`wsapps_signals.kinds.signal.Signal` has it.

    Coordinates are (t, y, x), each from -1 to 1 at the outermost frames and pixel centres. Values lie in
    [0, 1] and the peak is 1.

    Args:
        title: for headings and run folders.
        video_THWC: ``(T, H, W, 3)`` float32 in [0, 1].
        fps: frames a second of what is given.

    Raises:
        UserError: fewer than 2 frames of 2x2 pixels, or all values equal.
    """

    Config = VideoConfig

    def __init__(self, title: str, video_THWC: Tensor, fps: float):
        frames, height, width, channels = video_THWC.shape
        if frames < 2:
            raise UserError(
                f"{title} has {frames} frames; a video needs 2 at least (signal=image for a picture)"
            )
        if min(height, width) < 2:
            raise UserError(f"{title} has frames of {width}x{height} pixels; a video needs 2x2 at least")
        low, high = float(video_THWC.min()), float(video_THWC.max())
        if low == high:
            raise UserError(f"{title} has the value {low:.3g} everywhere: a constant has nothing to fit")
        self.title, self.fps = title, fps
        self.grid: tuple[int, ...] = (frames, height, width)
        self.coordinates = regular_grid(self.grid)
        self.values = video_THWC.reshape(-1, channels)
        self.weights: Tensor | None = None
        self.peak = 1.0
        self.native_bits = self.values.numel() * 8

    @classmethod
    def from_config(cls, config: VideoConfig, path: Path | str | None) -> VideoSignal:
        """Read a video or an animated picture (GIF, PNG, WebP), or make the embedded sample for None.

        Frames are decoded one at a time, and only as far as they are wanted.

        Raises:
            UserError: no such file, no video, broken, too large to hold, or as the class does.
        """
        if path is None:
            chosen = np.rint(sample_video()[:: config.every][: config.max_frames].numpy() * 255)
            stored, fps = iter(chosen.astype(np.uint8)), SAMPLE_RATE
        else:
            check_file(Path(path), "video")
            picture = is_animated_picture(Path(path))
            read_frames, rate_of = (
                (animated_frames, animation_rate) if picture else (video_frames, frames_a_second)
            )
            stored, fps = read_frames(Path(path), config.every, config.max_frames), rate_of(Path(path))
        title = "sample_video" if path is None else Path(path).stem
        where = title if path is None else named(Path(path))
        return cls(title, _collect(stored, config.max_side, where), fps / config.every)

    def scores(self, predict: Predict) -> dict[str, float]:
        """``psnr``: 10 log10(1 / MSE) in dB over all frames, pixels and channels; ``ssim``, the mean of the
        frames', from 11x11 pixels on. Both are of what the field says, not clamped."""
        squared, ssim_sum = 0.0, 0.0
        has_ssim = min(self.grid[1:]) >= SSIM_WINDOW
        for frame in range(self.grid[0]):
            rows = self._rows(frame)
            fitted_HWC = predict(self.coordinates[rows]).view(*self.grid[1:], -1)
            truth_HWC = self._frame(frame)
            squared += float((fitted_HWC.double() - truth_HWC).square().sum())
            ssim_sum += ssim(fitted_HWC, truth_HWC) if has_ssim else 0.0
        scores = {"psnr": psnr_from_mse(squared / self.values.numel(), self.peak)}
        return scores | ({"ssim": ssim_sum / self.grid[0]} if has_ssim else {})

    def write(self, folder: Path, predict: Predict) -> list[Figure]:
        """``comparison.mp4`` (truth beside reconstruction), ``reconstruction.mp4`` and ``frames.png``: up to
        four frames of both, with the error below.

        Raises:
            UserError: the field is not finite, or a file cannot be written.
        """
        shown = set(np.linspace(0, self.grid[0] - 1, min(_SHOWN_FRAMES, self.grid[0])).astype(int).tolist())
        columns = []
        rate = min(self.fps, _MOST_RATE)
        with (
            VideoWriter(folder / "comparison.mp4", rate) as both,
            VideoWriter(folder / "reconstruction.mp4", rate) as alone,
        ):
            for frame, fitted_HWC in enumerate(_fitted_frames(predict, self.grid)):
                alone.add(fitted_HWC)
                truth, fitted = _shown(quantised(self._frame(frame))), _shown(fitted_HWC)
                gap = np.full((truth.shape[0], 4, 3), 255, np.uint8)
                both.add(np.concatenate([truth, gap, fitted], axis=1))
                if frame in shown:
                    columns.append((truth, fitted, error_map(fitted, truth)))
        rows = [side_by_side(row) for row in zip(*columns, strict=True)]
        save_png(folder / "frames.png", np.concatenate(rows))
        return [
            Figure("comparison.mp4", f"{self.title}: truth and reconstruction"),
            Figure("frames.png", f"{self.title}: truth, reconstruction, error x 4, over time"),
        ]

    def resample(self, folder: Path, predict: Predict, size: tuple[int, ...]) -> list[Path]:
        """``resampled_<T>x<H>x<W>.mp4``, whose rate is scaled so that the duration stays.

        Raises:
            UserError: ``size`` is not (frames, height, width) of at least 1 and 2^28 values a frame, the rate
                is over 1000 frames a second, ffmpeg cannot make it, or the field is not finite.
        """
        check_size(size, ("frames", "height", "width"), 0)
        check_size(size[1:], ("height", "width"), self.values.shape[1])
        rate = self.fps * size[0] / self.grid[0]
        if rate > _MOST_RATE:
            raise UserError(
                f"{size[0]} frames in {self.grid[0] / self.fps:g} s are {rate:g} a second; at most "
                f"{_MOST_RATE:g} can be written"
            )
        path = folder / f"resampled_{'x'.join(map(str, size))}.mp4"
        with VideoWriter(path, rate) as writer:
            for frame_HWC in _fitted_frames(predict, size):
                writer.add(frame_HWC)
        return [path]

    def preview(self, predict: Predict) -> Tensor:
        """The middle frame of the reconstruction, averaged down to 256 pixels a side: ``(H, W, 3)``."""
        frame_HWC = _fitted_frame(predict, self.grid, self.grid[0] // 2)
        small = _smaller(frame_HWC, *fitting_size(self.grid[1:], PREVIEW_SIDE))
        return torch.from_numpy(small).float() / 255

    def _rows(self, frame: int) -> slice:
        size = self.grid[1] * self.grid[2]
        return slice(frame * size, (frame + 1) * size)

    def _frame(self, frame: int) -> Tensor:
        return self.values[self._rows(frame)].view(*self.grid[1:], -1)


def _collect(stored: Iterator[NDArray[np.uint8]], max_side: int | None, where: str) -> Tensor:
    """Frames ``(H, W, 3)`` uint8, made small as they come and rounded to 8 bits, as one float tensor."""
    frames: list[NDArray[np.uint8]] = []
    for frame in stored:
        height, width = fitting_size(frame.shape[:2], max_side)
        if (height, width) != frame.shape[:2]:
            frame = _smaller(frame, height, width)
        if frames and frame.shape != frames[0].shape:
            raise UserError(f"{where}: frame {len(frames)} changes its size, which a grid cannot have")
        frames.append(frame)
        if len(frames) * frame.size > MOST_VALUES:
            raise UserError(
                f"{where} has over {MOST_VALUES:,} values ({len(frames)} frames of {width}x{height} so far); "
                f"take less with signal.max_frames=, signal.every= or signal.max_side="
            )
    if not frames:
        raise UserError(f"{where} has no frames")
    video_THWC = torch.empty(len(frames), *frames[0].shape)
    for index, frame in enumerate(frames):
        torch.div(torch.from_numpy(np.array(frame)), 255, out=video_THWC[index])
    return video_THWC


def _fitted_frames(predict: Predict, size: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
    for frame in range(size[0]):
        yield _fitted_frame(predict, size, frame)


def _fitted_frame(predict: Predict, size: Sequence[int], frame: int) -> NDArray[np.uint8]:
    """One frame of a field on the grid (T, H, W): ``(H, W, 3)`` uint8, clamped."""
    pixels = math.prod(size[1:])
    first = frame * pixels
    frame_MC = np.empty((pixels, 3), np.uint8)
    for rows, values_MC in sample_grid(predict, size, start=first, stop=first + pixels):
        frame_MC[rows.start - first : rows.stop - first] = quantised(values_MC)
    return frame_MC.reshape(*size[1:], 3)


def _shown(frame_HWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as comparisons show it: small ones enlarged, as the codec halves the resolution of colours."""
    height, width = fitting_size(frame_HWC.shape[:2], _SHOWN_SIDE)
    small = _smaller(frame_HWC, height, width)
    factor = max(1, min(_LEAST_SHOWN // height, _SHOWN_SIDE // width))
    return small.repeat(factor, axis=0).repeat(factor, axis=1)


def _smaller(frame_HWC: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A frame averaged down by area, in 8 bits again."""
    if frame_HWC.shape[:2] == (height, width):
        return frame_HWC
    small_HWC = shrink(torch.from_numpy(frame_HWC.astype(np.float32)), height, width)
    return small_HWC.round().clamp(0, 255).to(torch.uint8).numpy()
