"""A folder of short sounds, a sub-folder for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly
from torch import Tensor

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.grid import axis
from wsapps.readers.audio_file import Sound, read_sound
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.class_folders import list_class_files

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif")


@dataclass
class AudioConfig:
    """How clips are made alike."""

    seconds: float = doc(
        "of each clip, from its beginning; shorter ones end in silence", default=1.0, unit="s"
    )
    points: int = doc("samples in time to which a clip is brought", default=2048)

    def __post_init__(self) -> None:
        at_least_one(self, "points")
        if not 0 < self.seconds <= 600:
            raise ValueError(f"seconds must be above 0 and at most 600, got {self.seconds}")


def read_audio_clips(
    folder: Path, config: AudioConfig, limit: int | None, test_fraction: float
) -> LabelledSamples:
    """Read clips as amplitudes in [-1, 1] (full scale) over time from -1 to 1; the mean of their channels.

    They are resampled by polyphase filters (:func:`scipy.signal.resample_poly`). A field that is to follow
    them needs a larger ``field.omega_0`` than pictures do: an octave of sound is many periods.

    Raises:
        UserError: no clips, or one that cannot be read.
    """
    files = list_class_files(folder, SUFFIXES, limit, test_fraction)
    values = torch.stack([_clip(read_sound(path, 0.0, config.seconds), config) for path in files.paths])
    return LabelledSamples(
        name=folder.resolve().name,
        coordinates=axis(config.points)[:, None],
        values=values[..., None],
        labels=files.labels,
        classes=files.classes,
        test=files.test,
    )


def _clip(sound: Sound, config: AudioConfig) -> Tensor:
    """``(points,)`` amplitudes."""
    wanted = max(1, round(config.seconds * sound.rate))
    mono = sound.samples_NC.mean(dim=1).numpy()[:wanted]
    mono = np.pad(mono, (0, wanted - len(mono)))
    clip = resample_poly(mono, config.points, wanted)[: config.points]
    return torch.from_numpy(np.ascontiguousarray(clip, np.float32)).clamp(-1, 1)
