"""Sounds: a field from time to the amplitudes of C channels.

Shapes: N samples in time, C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.grid import regular_grid
from wsapps.metrics import psnr_from_mse
from wsapps.pictures import save_figure
from wsapps.readers.audio_file import Sound, lower_rate, read_sound, write_wav
from wsapps.report import Figure
from wsapps_signals.kinds.audio_pictures import picture, spectrograms, waveforms
from wsapps_signals.kinds.sampled import check_size, mean_square, sample_grid, squared_error
from wsapps_signals.kinds.signal import Predict
from wsapps_signals.samples.audio import SAMPLE_RATE, sample_audio

_PREVIEW_SAMPLES = 1 << 16
_CLOSE_UP = 0.03  # seconds
_MOST_RATE = 2**31 - 1  # Hz, in a WAV file


@dataclass
class AudioConfig:
    """How a sound is read, and the interval that its time becomes."""

    name: str = "audio"
    mono: bool = doc("fit the mean over channels", default=False)
    start: float = doc("where the part that is fitted begins", default=0.0, unit="s")
    seconds: float | None = doc("how long that part is; null is all of the rest", default=None, unit="s")
    max_points: int | None = doc("bring the rate down until at most so many samples are left", default=None)
    coordinate_scale: float = doc(
        "time runs from minus this to this; 100 is SIREN's choice: with omega_0 30 it is as omega_0 3000",
        default=100.0,
    )

    def __post_init__(self) -> None:
        if not 0 <= self.start < math.inf:
            raise ValueError(f"0 <= start is needed, got {self.start}")
        if self.seconds is not None and not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds must be positive, got {self.seconds}")
        if self.max_points is not None and self.max_points < 2:
            raise ValueError(f"max_points must be at least 2, got {self.max_points}")
        if not 0 < self.coordinate_scale < math.inf:
            raise ValueError(f"coordinate_scale must be positive, got {self.coordinate_scale}")


class AudioSignal:
    """A sound, as :class:`wsapps_signals.kinds.signal.Signal` has it.

    The coordinate is time, from ``-scale`` at the first sample to ``scale`` at the last. Sounds have many
    thousands of periods, so Sitzmann et al. (2020) fit them with omega_0 = 3000; scaling time by 100 does the
    same for SIREN and serves every other method alike. Values are amplitudes divided by the largest absolute
    one (``amplitude``), so that the peak is 1.

    Args:
        title: for headings and run folders.
        sound: what is fitted; its tensor is scaled in place.
        scale: the coordinate of the last sample.

    Raises:
        UserError: fewer than 2 samples, a sample that is NaN or infinite, or all samples equal.
    """

    Config = AudioConfig

    def __init__(self, title: str, sound: Sound, scale: float = 100.0):
        samples_NC = sound.samples_NC
        if len(samples_NC) < 2:
            raise UserError(f"{title} has {len(samples_NC)} samples; a sound needs 2 at least")
        low, high = float(samples_NC.min()), float(samples_NC.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            bad = int((~torch.isfinite(samples_NC)).sum())
            raise UserError(
                f"{title}: {bad:,} of {samples_NC.numel():,} samples are NaN or infinite; mend the file"
            )
        if low == high:
            raise UserError(f"{title} has the value {low:g} in all samples: a constant has nothing to fit")
        self.title, self.scale, self.rate = title, scale, sound.rate
        self.amplitude = max(-low, high)
        self.grid: tuple[int, ...] = (len(samples_NC),)
        self.coordinates = regular_grid(self.grid, scale)
        self.values = samples_NC.div_(self.amplitude)
        self.weights: Tensor | None = None
        self.peak = 1.0
        self.native_bits = self.values.numel() * sound.bits

    @classmethod
    def from_config(cls, config: AudioConfig, path: Path | str | None) -> AudioSignal:
        """Read a sound file, or make the embedded sample where ``path`` is None.

        Raises:
            UserError: as :func:`~wsapps.readers.audio_file.read_sound` and the class do.
        """
        sound = (
            _sample_part(config.start, config.seconds)
            if path is None
            else read_sound(Path(path), config.start, config.seconds)
        )
        if config.mono and sound.samples_NC.shape[1] > 1:
            sound = Sound(sound.samples_NC.mean(dim=1, keepdim=True), sound.rate, sound.bits)
        if config.max_points is not None:
            sound = lower_rate(sound, config.max_points)
        return cls("sample_audio" if path is None else Path(path).stem, sound, config.coordinate_scale)

    @property
    def seconds(self) -> float:
        """How long the sound lasts: samples over rate."""
        return len(self.values) / self.rate

    def scores(self, predict: Predict) -> dict[str, float]:
        """In dB, over samples and channels: ``psnr`` = 10 log10(peak^2 / MSE), where the peak is 1, the
        largest absolute amplitude; ``snr`` = 10 log10(mean square of the signal / MSE)."""
        mse = squared_error(predict, self.coordinates, self.values)
        root_mean_square = math.sqrt(mean_square(self.values))
        return {"psnr": psnr_from_mse(mse, self.peak), "snr": psnr_from_mse(mse, root_mean_square)}

    def write(self, folder: Path, predict: Predict) -> list[Figure]:
        """``reconstruction.wav`` (the signal's rate and loudness, 32-bit float), ``waveform.png``,
        ``close_up.png`` (30 ms around the loudest moment) and ``spectrogram.png``.

        Raises:
            UserError: the field is not finite, or a file cannot be written.
        """
        values_NC = self._sampled(predict, self.grid)
        truth_N, fitted_N = self.values.mean(dim=1), values_NC.mean(dim=1)
        write_wav(folder / "reconstruction.wav", values_NC.mul_(self.amplitude), self.rate)
        del values_NC
        error_N = fitted_N - truth_N
        labelled = [
            ("truth", truth_N),
            ("reconstruction", fitted_N),
            (f"error (largest {float(error_N.abs().max()):.2g})", error_N),
        ]
        save_figure(folder / "waveform.png", waveforms(labelled, self.seconds))
        part = self._loudest(max(2, round(_CLOSE_UP * self.rate)))
        close_up = waveforms(
            [(label, samples_N[part]) for label, samples_N in labelled],
            (part.stop - part.start) / self.rate,
            part.start / self.rate,
        )
        save_figure(folder / "close_up.png", close_up)
        save_figure(folder / "spectrogram.png", spectrograms(labelled[:2], self.rate))
        return [
            Figure(
                "waveform.png", f"{self.title}: truth, reconstruction, error; the sound: reconstruction.wav"
            ),
            Figure("close_up.png", f"{self.title}: {1000 * _CLOSE_UP:.0f} ms around the loudest sample"),
            Figure("spectrogram.png", f"{self.title}: spectrograms"),
        ]

    def resample(self, folder: Path, predict: Predict, size: tuple[int, ...]) -> list[Path]:
        """``resampled_<samples>.wav``, whose rate (whole Hz) is scaled so that the duration stays.

        Raises:
            UserError: ``size`` is not one number of at least 1 and 2^28 values in all, the rate does not fit
                into a WAV file, or the field is not finite.
        """
        check_size(size, ("samples",), self.values.shape[1])
        rate = max(1, round(self.rate * size[0] / len(self.values)))
        if rate > _MOST_RATE:
            raise UserError(
                f"{size[0]:,} samples in {self.seconds:g} s are {rate:,} Hz; a WAV file has no such"
            )
        values_MC = self._sampled(predict, size)
        path = folder / f"resampled_{size[0]}.wav"
        write_wav(path, values_MC.mul_(self.amplitude), rate)
        return [path]

    def preview(self, predict: Predict) -> Tensor:
        """Waveforms of truth and reconstruction, of 65,536 samples around the loudest one at most."""
        part = self._loudest(_PREVIEW_SAMPLES)
        fitted_M = torch.cat(
            [v.mean(dim=1) for _, v in sample_grid(predict, self.grid, self.scale, part.start, part.stop)]
        )
        rows = [("truth", self.values[part].mean(dim=1)), ("reconstruction", fitted_M)]
        return picture(waveforms(rows, len(fitted_M) / self.rate, part.start / self.rate))

    def _sampled(self, predict: Predict, size: tuple[int, ...]) -> Tensor:
        """The field at ``size`` equal steps: ``(N, C)``."""
        values_NC = torch.empty(size[0], self.values.shape[1])
        for rows, values_MC in sample_grid(predict, size, self.scale):
            values_NC[rows] = values_MC
        return values_NC

    def _loudest(self, count: int) -> slice:
        """``count`` samples, or all, around the largest absolute one."""
        middle = int(self.values.abs().amax(dim=1).argmax())
        start = max(0, min(middle - count // 2, len(self.values) - count))
        return slice(start, min(start + count, len(self.values)))


def _sample_part(start: float, seconds: float | None) -> Sound:
    samples_NC = sample_audio()
    first = round(start * SAMPLE_RATE)
    if first >= len(samples_NC):
        raise UserError(
            f"the sample lasts {len(samples_NC) / SAMPLE_RATE:g} s, and signal.start={start:g} s is behind "
            f"its end"
        )
    count = None if seconds is None else max(1, round(seconds * SAMPLE_RATE))
    return Sound(samples_NC[first:][:count], SAMPLE_RATE, 16)
