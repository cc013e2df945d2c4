"""Frames that ffmpeg decodes, one at a time."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps.readers.paths import named

# Without a list ffmpeg reads text files as films of a terminal, and playlists that name other files.
_VIDEO_FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,nut,ivf,yuv4mpegpipe"
_MOST_HEADER = 100  # bytes of a line; a longer one is not ours
# Messages of a decoder that ends early and still reports success.
_BROKEN = ("decode failed", "corrupt", "partial file", "truncat", "invalid data")


def video_frames(path: Path, every: int = 1, most: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Frames 0, ``every``, 2 ``every``, ... of a video, at most ``most``: each ``(H, W, 3)`` RGB uint8.

    Rotation is applied; uneven spacing in time is not kept. Decoding stops with the last frame wanted, and
    whoever stops asking stops ffmpeg.

    Raises:
        UserError: ffmpeg cannot read the file, or finds it broken before the last frame.
    """
    # Passed through: ffmpeg would double frames to fill the gaps that the selection leaves.
    arguments = ["-vf", f"select=not(mod(n\\,{every}))", "-fps_mode", "passthrough"]
    arguments += ["-c:v", "ppm", "-pix_fmt", "rgb24"]
    if most is not None:
        arguments += ["-frames:v", str(most)]
    yield from _decode(path, ["-format_whitelist", _VIDEO_FORMATS], arguments, "video")


def png_pixels_16_bit(path: Path) -> NDArray[np.uint16]:
    """A PNG of 16 bits a sample as ``(H, W, 4)`` RGBA uint16: Pillow would drop the lower 8 bits.

    Orientation is not applied.

    Raises:
        UserError: ffmpeg cannot read the file, or finds it broken.
    """
    arguments = ["-c:v", "pam", "-pix_fmt", "rgba64be", "-frames:v", "1"]
    for frame in _decode(path, ["-noautorotate", "-f", "png_pipe"], arguments, "picture"):
        return frame.astype(np.uint16)
    raise UserError(f"{named(path)} cannot be read as a picture: it holds no pixels")


def frames_a_second(path: Path) -> float:
    """The rate that the file states, or 25 where it states none that can be."""
    allowed = ["-protocol_whitelist", "file", "-format_whitelist", _VIDEO_FORMATS]
    reader = imageio_ffmpeg.read_frames(str(path.absolute()), input_params=allowed)
    try:
        rate = float(next(reader)["fps"])
    except Exception:  # no header that could be understood
        rate = 0.0
    finally:
        reader.close()
    return rate if 0 < rate <= 1000 else 25.0


def _decode(path: Path, before: list[str], after: list[str], what: str) -> Iterator[NDArray]:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-v", "error", "-xerror"]
    command += ["-protocol_whitelist", "file", *before, "-i", f"file:{path.absolute()}", "-map", "0:v:0"]
    command += [*after, "-f", "image2pipe", "pipe:1"]
    count = 0
    # A file, not a pipe: nobody reads while frames come, and a full pipe would block ffmpeg.
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            while (frame := _next_frame(process.stdout)) is not None:
                count += 1
                yield frame
            status = process.wait()
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        messages.seek(0)
        text = messages.read(1 << 16).decode(errors="replace")
    if status != 0 or any(word in text.lower() for word in _BROKEN):
        after_frames = f" after {count} frames" if count and what == "video" else ""
        raise UserError(f"{named(path)} cannot be read as a {what}{after_frames}: {_reason(text)}")


def _next_frame(stream: IO[bytes]) -> NDArray | None:
    """The next PPM or PAM picture of a stream, ``(H, W, C)`` uint8 or big-endian uint16; None at its end."""
    magic = stream.readline(_MOST_HEADER).strip()
    if magic == b"P6":
        width, height = map(int, stream.readline(_MOST_HEADER).split())
        depth, most = 3, int(stream.readline(_MOST_HEADER))
    elif magic == b"P7":
        header = {}
        while (line := stream.readline(_MOST_HEADER).split()) and line[0] != b"ENDHDR":
            header[line[0]] = line[-1]
        width, height, depth, most = (int(header[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    else:
        return None
    kind = np.dtype(np.uint8 if most < 256 else ">u2")
    data = stream.read(width * height * depth * kind.itemsize)
    if len(data) < width * height * depth * kind.itemsize:
        return None
    return np.frombuffer(data, kind).reshape(height, width, depth)


def _reason(text: str) -> str:
    """The first thing that ffmpeg said, without the addresses that it puts in brackets."""
    if "not on whitelist" in text:
        return f"it is of another kind ({_VIDEO_FORMATS.replace(',', ', ')} can be read)"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = [line.partition("] ")[2] if line.startswith("[") else line for line in lines]
    return said[0][:200] if said else "ffmpeg gives no reason"
