"""H.264 videos that every browser plays, from a stream of frames."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from wsapps.atomic import replacing
from wsapps.errors import UserError


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write frames (H, W, 3) uint8 RGB as an MP4; one frame at a time is held in memory.

    Raises as :class:`VideoWriter`; whatever `frames` raises passes through, and no file is left behind.
    """
    with VideoWriter(path, fps) as writer:
        for frame in frames:
            writer.add(frame)


class VideoWriter:
    """Context manager that encodes frames as they come: `with VideoWriter(path, fps) as w: w.add(frame)`.

    H.264, yuv420p (what browsers decode), BT.709 colours, tagged as such, near-lossless to the eye (CRF 18).
    That chroma layout needs even sizes: an odd width or height is padded by repeating the last column or
    row, so no pixel is lost. The video appears under `path` when the block ends without an error, replacing
    what was there; otherwise `path` is untouched.

    Raises ValueError: fps not in (0, 1000], no frame at all, a frame that is not uint8 (H, W, 3), frames of
    different sizes. Raises UserError when ffmpeg cannot write, with its reason (a full disk).
    """

    def __init__(self, path: Path, fps: float) -> None:
        if not 0 < fps <= 1000:
            raise ValueError(f"must have 0 < fps <= 1000 frames per second, got {fps}")
        self.path = Path(path)
        self.fps = fps
        self.frames = 0
        self._shape: tuple[int, ...] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> VideoWriter:
        with ExitStack() as stack:
            self._temporary = Path(stack.enter_context(replacing(self.path)))
            # A file, not a pipe: nobody reads while frames are sent, and a full pipe would block ffmpeg.
            self._messages = stack.enter_context(tempfile.TemporaryFile())
            # Runs first on the way out, so that `replacing` sees its error and drops the file.
            stack.push(self._close)
            self._stack = stack.pop_all()
        return self

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Append one frame (H, W, 3) uint8, of the size of the first."""
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3 or frame.size == 0:
            raise ValueError(f"frame {self.frames} must be uint8 (H, W, 3), got {frame.dtype} {frame.shape}")
        if self._process is None:
            self._shape = frame.shape
            self._process = self._start()
        if frame.shape != self._shape:
            raise ValueError(f"frame {self.frames} is {frame.shape}, the frames before it are {self._shape}")
        height, width = frame.shape[:2]
        padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(padded.tobytes())
        except OSError:  # ffmpeg has gone; its own words are more useful than "broken pipe"
            self._process.wait()
            raise self._failure() from None
        self.frames += 1

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)  # type: ignore[arg-type]

    def _start(self) -> subprocess.Popen[bytes]:
        assert self._shape is not None
        height, width = (size + size % 2 for size in self._shape[:2])
        rate = str(Fraction(self.fps).limit_denominator(1_000_000))
        # fmt: off
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "pipe:0",
            "-an", "-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p",
            "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
            "-codec:v", "libx264", "-crf", "18", "-movflags", "+faststart",
            "-f", "mp4", str(self._temporary.absolute()),
        ]
        # fmt: on
        # Its own session: Ctrl-C reaches us alone, and we end it.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._messages,
            start_new_session=True,
        )  # fmt: skip

    def _close(self, error_type: type[BaseException] | None, error: object, traceback: object) -> None:
        if self._process is None:
            if error_type is None:
                raise ValueError(f"no frames for the video {self.path}: it needs at least one")
            return
        assert self._process.stdin is not None
        try:
            if error_type is not None:
                self._process.kill()
            self._process.stdin.close()
        except OSError:
            pass  # flushing to an ffmpeg that has gone: its exit status tells
        finally:
            status = self._process.wait()
        if error_type is None and status != 0:
            raise self._failure()

    def _failure(self) -> UserError:
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").split("\n")
        reason = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        where = f"cannot write the video {self.path}: ffmpeg stopped after {self.frames} frames"
        return UserError(f"{where}: {reason}")
