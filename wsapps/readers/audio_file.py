"""Sound files as float tensors.

Shapes: N samples in time, C channels.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly
from torch import Tensor

from wsapps.atomic import write_bytes
from wsapps.errors import UserError, one_line
from wsapps.readers.paths import check_file, named

MOST_VALUES = 1 << 28  # of a sound, 1 GiB in float32
#: Bits of a sample as it was digitised; lossy formats are decoded to 16.
_BITS = {
    "PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64,
    "ULAW": 8, "ALAW": 8, "IMA_ADPCM": 4, "MS_ADPCM": 4, "ALAC_16": 16, "ALAC_20": 20, "ALAC_24": 24,
    "ALAC_32": 32, "VORBIS": 16, "OPUS": 16, "MPEG_LAYER_I": 16, "MPEG_LAYER_II": 16, "MPEG_LAYER_III": 16,
}  # fmt: skip
# libsndfile's own log: a chunk of samples that says to be longer than the file. 0xFFFFFFFF and the like are
# what programs write that did not know the length.
_SHORT_CHUNK = re.compile(r"^ *(?:data|SSND) *: *(\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_LENGTH = 0x7FFFF000
_OGG_PAGE = 65_307  # bytes, at most


@dataclass(frozen=True)
class Sound:
    """Amplitudes ``samples_NC`` (float32, full scale 1), ``rate`` in Hz, and ``bits`` of a stored sample."""

    samples_NC: Tensor
    rate: int
    bits: int


def read_sound(path: Path, start: float = 0.0, seconds: float | None = None) -> Sound:
    """Read a sound that libsndfile knows (WAV, FLAC, OGG, MP3, AIFF, ...), or a part of it.

    Args:
        start, seconds: the part, in seconds; from ``start`` to the end where ``seconds`` is None. A part that
            reaches beyond the end ends there.

    Raises:
        UserError: there is no such file, it is no sound, broken, cut short or without samples, the part lies
            behind its end, or it is over 2^28 values.
    """
    check_file(path, "sound file")
    _check_ogg_ends(path)
    try:
        with soundfile.SoundFile(str(path)) as file:
            return _read_part(file, path, start, seconds)
    except UserError:
        raise
    except Exception as error:  # soundfile raises RuntimeError, TypeError and more
        message = one_line(error).removeprefix(f"Error opening {str(path)!r}: ")
        raise UserError(
            f"{named(path)} cannot be read as sound: {message} (WAV, FLAC, OGG, MP3 and AIFF can be)"
        ) from None


def _check_ogg_ends(path: Path) -> None:
    """Refuse an Ogg file whose last page is not marked as the last: libsndfile reads what is there."""
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"OggS":
                return
            file.seek(max(0, path.stat().st_size - 2 * _OGG_PAGE))
            tail = file.read()
    except OSError as error:
        raise UserError(f"{named(path)} cannot be read: {one_line(error)}") from None
    flags = tail[tail.rfind(b"OggS") :][5:6]
    if not flags or not flags[0] & 4:
        raise UserError(f"{named(path)} is cut short: its last page is missing; get the whole file")


def _read_part(file: soundfile.SoundFile, path: Path, start: float, seconds: float | None) -> Sound:
    rate, whole = file.samplerate, file.frames
    short = _SHORT_CHUNK.search(file.extra_info)
    if short and int(short[2]) < int(short[1]) < _UNKNOWN_LENGTH:
        raise UserError(
            f"{named(path)} is cut short: it says to hold {int(short[1]):,} bytes of samples and holds "
            f"{int(short[2]):,}; get the whole file"
        )
    if whole < 1 or rate < 1:
        raise UserError(f"{named(path)} has no samples; give a sound with something in it")
    first = round(start * rate)
    if first >= whole:
        raise UserError(
            f"{named(path)} lasts {whole / rate:.3f} s, and signal.start={start:g} s is behind its end"
        )
    count = whole - first if seconds is None else min(whole - first, max(1, round(seconds * rate)))
    if count * file.channels > MOST_VALUES:
        raise UserError(
            f"{named(path)} has {count:,} samples of {file.channels} channels, over {MOST_VALUES:,} values; "
            f"take a part with signal.seconds="
        )
    file.seek(first)
    samples = file.read(count, dtype="float32", always_2d=True)
    if len(samples) < count:
        raise UserError(
            f"{named(path)} is cut short: it says to hold {count:,} samples from {start:g} s on, and "
            f"{len(samples):,} can be read; get the whole file"
        )
    return Sound(torch.from_numpy(samples), rate, _BITS.get(file.subtype, 0))


def lower_rate(sound: Sound, max_points: int) -> Sound:
    """The sound at the highest whole rate in Hz that leaves at most ``max_points`` samples.

    Polyphase filtering (:func:`scipy.signal.resample_poly`, a Kaiser window with beta 5, 10 periods a side);
    a sound that is short enough passes unchanged.

    Raises:
        UserError: not even 1 Hz does.
    """
    count = len(sound.samples_NC)
    if count <= max_points:
        return sound
    rate = sound.rate * max_points // count
    if rate < 1:
        raise UserError(
            f"{count:,} samples at {sound.rate} Hz cannot be brought down to signal.max_points={max_points}: "
            f"the rate would be under 1 Hz; take a part with signal.seconds="
        )
    common = gcd(rate, sound.rate)
    samples = resample_poly(sound.samples_NC.numpy(), rate // common, sound.rate // common, axis=0)
    return Sound(torch.from_numpy(np.ascontiguousarray(samples, np.float32)), rate, sound.bits)


def write_wav(path: Path, samples_NC: Tensor, rate: int) -> None:
    """Write amplitudes as a WAV file of 32-bit floats: exact, and louder than full scale is no overflow.

    Raises:
        UserError: the file cannot be written.
    """
    content = io.BytesIO()
    soundfile.write(content, samples_NC.numpy(), rate, subtype="FLOAT", format="WAV")
    write_bytes(path, content.getvalue())
