"""Fitting with the C++ kernel: a core takes a field through all its steps.

Shape suffixes: N fields, P parameters of one field, Q points, D coordinates, C values.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import torch
from torch import Tensor

from wsapps_weightspace.fitting.config import FittingConfig
from wsapps_weightspace.fitting.fitter import Fitted, Tick, psnr_of
from wsapps_weightspace.fitting.kernel import Settings, load_kernel
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat

_AT_ONCE = 4  # fields of one call; between calls we may be stopped


class NativeFitter:
    """A :class:`~wsapps_weightspace.fitting.fitter.Fitter` on the CPU, in float32.

    The same bits whatever the number of threads and the fields beside.

    Raises:
        NoKernel: it cannot be compiled here.
    """

    def __init__(self, config: FittingConfig, architecture: Architecture, peak: float, threads: int):
        self.config, self.architecture, self.peak, self.threads = config, architecture, peak, threads
        self._rates, self._roots = (
            np.ascontiguousarray(values, np.float32) for values in (config.rates(), config.roots())
        )
        self._fit_fields = load_kernel(architecture.sizes)

    def fit(
        self, initial: FieldWeights, coordinates: Tensor, targets: Tensor, tick: Tick | None = None
    ) -> Fitted:
        """See :class:`~wsapps_weightspace.fitting.fitter.Fitter`."""
        rows_NP = initial.flat().to("cpu", torch.float32).contiguous()  # flat() copies
        coordinates, targets_NQC = (
            tensor.detach().to("cpu", torch.float32).contiguous() for tensor in (coordinates, targets)
        )
        count, points, values = targets_NQC.shape
        sizes = self.architecture.sizes
        if len(rows_NP) != count or values != sizes[-1] or coordinates.shape[-2:] != (points, sizes[0]):
            raise ValueError(
                f"{len(rows_NP)} fields of {sizes} do not match coordinates {tuple(coordinates.shape)} and "
                f"targets {tuple(targets_NQC.shape)}"
            )
        errors, taken = torch.empty(count, dtype=torch.float64), torch.empty(count, dtype=torch.int64)
        settings = self._settings(points)

        def call(first: int) -> int:
            last = min(first + _AT_ONCE, count)
            own = coordinates.ndim == 3
            self._fit_fields(
                settings,
                last - first,
                rows_NP[first:].data_ptr(),
                (coordinates[first:] if own else coordinates).data_ptr(),
                points * sizes[0] if own else 0,
                targets_NQC[first:].data_ptr(),
                errors[first:].data_ptr(),
                taken[first:].data_ptr(),
            )
            return last - first

        with ThreadPoolExecutor(self.threads) as pool:
            calls = [pool.submit(call, first) for first in range(0, count, _AT_ONCE)]
            try:
                for done in as_completed(calls):
                    fields = done.result()
                    if tick is not None:
                        tick(fields)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return Fitted(from_flat(rows_NP, self.architecture), psnr_of(errors, self.peak), taken)

    def _settings(self, points: int) -> Settings:
        config, architecture = self.config, self.architecture
        return Settings(
            config.steps,
            points,
            architecture.omega_0,
            architecture.omega_hidden,
            config.beta1,
            config.beta2,
            config.eps,
            config.enough(self.peak),
            self._rates.ctypes.data,
            self._roots.ctypes.data,
        )
