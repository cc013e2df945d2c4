"""Pictures of sounds: waveforms and spectrograms.

Shapes: N samples in time, C channels; pictures show the mean over channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

_DOTS = 100  # pixels an inch
_BUCKETS = 2000  # of a waveform; more would not be seen
_WINDOW = 1024  # samples of a spectrum
_MOST_SPECTRA = 1000
_FLOOR = -80.0  # dB; what is quieter is black
_COLOURS = ("#2b6cb0", "#c05621", "#6b7280")


def waveforms(rows: Sequence[tuple[str, Tensor]], seconds: float, start: float = 0.0) -> Figure:
    """One plot below the other of ``(label, samples (N,))``, from ``start`` over ``seconds``.

    Long ones are drawn as the band from the lowest to the highest sample of each of 2,000 stretches, so that
    no peak is lost.
    """
    figure = Figure(figsize=(9, 1.6 * len(rows) + 0.4), dpi=_DOTS, layout="constrained")
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for plot, (label, samples_N), colour in zip(axes, rows, _COLOURS, strict=False):
        low, high = _envelope(samples_N)
        times = start + np.linspace(0, seconds, len(low))
        if len(samples_N) > _BUCKETS:
            plot.fill_between(times, low, high, color=colour, linewidth=0.5)
        else:
            plot.plot(times, low, color=colour, linewidth=0.8)
        plot.set_title(label, fontsize=9, loc="left")
        plot.margins(x=0)
    axes[-1].set_xlabel("seconds")
    return figure


def spectrograms(pair: Sequence[tuple[str, Tensor]], rate: int) -> Figure:
    """Power over time and frequency of ``(label, samples (N,))``, on one scale: dB below the first's peak."""
    figure = Figure(figsize=(9, 3.4), dpi=_DOTS, layout="constrained")
    axes = figure.subplots(1, len(pair), sharey=True, squeeze=False)[0]
    powers = [_spectra(samples_N) for _, samples_N in pair]
    top = float(powers[0].max()) or 1.0
    seconds = len(pair[0][1]) / rate
    for plot, (label, _), power in zip(axes, pair, powers, strict=True):
        decibels = 10 * np.log10(np.maximum(power / top, 10 ** (_FLOOR / 10)))
        shown = plot.imshow(
            decibels.T,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, rate / 2000),
            vmin=_FLOOR,
            vmax=0,
            cmap="magma",
        )
        plot.set_title(label, fontsize=9, loc="left")
        plot.set_xlabel("seconds")
    axes[0].set_ylabel("kHz")
    figure.colorbar(shown, ax=axes, label="dB")
    return figure


def picture(figure: Figure) -> Tensor:
    """The figure's pixels, ``(H, W, 3)`` float32 in [0, 1]."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba())
    return torch.from_numpy(rgba[..., :3].astype(np.float32) / 255.0)


def _envelope(samples_N: Tensor) -> tuple[NDArray, NDArray]:
    """Lowest and highest sample of each of at most 2,000 stretches."""
    samples = samples_N.numpy()
    if len(samples) <= _BUCKETS:
        return samples, samples
    starts = np.arange(_BUCKETS) * len(samples) // _BUCKETS
    return np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)


def _spectra(samples_N: Tensor) -> NDArray:
    """``(spectra, frequencies)`` power under a Hann window, at no more than 1,000 moments."""
    samples = samples_N.numpy()
    if len(samples) < _WINDOW:
        samples = np.pad(samples, (0, _WINDOW - len(samples)))
    last = len(samples) - _WINDOW
    moments = np.linspace(0, last, min(_MOST_SPECTRA, 1 + last // (_WINDOW // 4))).astype(int)
    windows = samples[moments[:, None] + np.arange(_WINDOW)] * np.hanning(_WINDOW).astype(np.float32)
    return np.abs(np.fft.rfft(windows, axis=1)) ** 2
