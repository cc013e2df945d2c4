"""Real Fourier transforms of fields along their last axis or last two axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Array = NDArray[np.float64]
Spectrum = NDArray[np.complex128]

# Their annotations speak of dispatch and not of arrays.
_rfft: Any = scipy.fft.rfft
_irfft: Any = scipy.fft.irfft
_rfft2: Any = scipy.fft.rfft2
_irfft2: Any = scipy.fft.irfft2


def line_spectrum(fields: Array) -> Spectrum:
    """``(..., n)`` to ``(..., n / 2 + 1)``."""
    return _rfft(fields)


def line_fields(spectrum: Spectrum, nodes: int) -> Array:
    """``(..., K)`` to ``(..., nodes)``."""
    return _irfft(spectrum, nodes)


def square_spectrum(fields: Array) -> Spectrum:
    """``(..., n, n)`` to ``(..., n, n / 2 + 1)``."""
    return _rfft2(fields)


def square_fields(spectrum: Spectrum, nodes: int) -> Array:
    """``(..., n, n / 2 + 1)`` to ``(..., n, n)``, n the nodes along each axis."""
    return _irfft2(spectrum, s=(nodes, nodes))
