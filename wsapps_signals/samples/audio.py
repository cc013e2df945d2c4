"""The embedded sound: three seconds of plucked strings at 16 kHz."""

from __future__ import annotations

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor

SAMPLE_RATE = 16_000  # Hz
_SECONDS = 3.0
_BEAT = 0.22  # s
#: (beat, semitones above A2 = 110 Hz): a broken chord over a bass, and a closing chord.
_NOTES = (
    *((0, 0), (1, 12), (2, 19), (3, 24), (4, 28), (5, 24), (6, 19), (7, -4), (7, 15)),
    *((8, 20), (9, 24), (10, 0), (10, 12), (10, 19), (10, 28)),
)


def sample_audio() -> Tensor:
    """``(48000, 1)`` float32 amplitudes k / 32768, 16-bit samples, of mixed decaying strings."""
    mixed = np.zeros(round(_SECONDS * SAMPLE_RATE))
    for index, (beat, semitones) in enumerate(_NOTES):
        start = round(beat * _BEAT * SAMPLE_RATE)
        mixed[start:] += _string(110.0 * 2 ** (semitones / 12), len(mixed) - start, seed=index)
    mixed *= 0.8 / np.abs(mixed).max()
    return torch.from_numpy((np.rint(mixed * 32768) / 32768).astype(np.float32))[:, None]


def _string(frequency: float, samples: int, seed: int) -> np.ndarray:
    """A plucked string (Karplus and Strong, 1983): ``y[n] = x[n] + 0.498 (y[n-p] + y[n-p-1])``.

    The pluck x is one period p of noise, smoothed a little, of mean 0: a mean would decay too slowly.
    """
    period = round(SAMPLE_RATE / frequency - 0.5)  # the average in the loop delays by half a sample
    pluck = np.zeros(samples)
    noise = np.random.default_rng(seed).uniform(-1, 1, period)
    smooth = np.convolve(noise, [0.25, 0.5, 0.25], "same")
    pluck[:period] = (smooth - smooth.mean())[:samples]
    feedback = np.zeros(period + 2)
    feedback[0], feedback[period], feedback[period + 1] = 1.0, -0.498, -0.498
    return np.asarray(lfilter([1.0], feedback, pluck))
