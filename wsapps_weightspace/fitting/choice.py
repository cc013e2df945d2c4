"""Which engine fits: ``fitting.engine=``."""

from __future__ import annotations

import logging

import torch

from wsapps.errors import UserError
from wsapps_weightspace.fitting.batched import BatchedFitter
from wsapps_weightspace.fitting.config import Engine, FittingConfig
from wsapps_weightspace.fitting.fitter import Fitter
from wsapps_weightspace.fitting.kernel import NoKernel, load_kernel
from wsapps_weightspace.fitting.native import NativeFitter
from wsapps_weightspace.weights import Architecture

_log = logging.getLogger("wsapps")


def resolve_engine(engine: Engine, architecture: Architecture, device: torch.device) -> Engine:
    """The engine that ``auto`` stands for here; any other, if it works here.

    Raises:
        UserError: the engine does not work on the device, or without a compiler.
    """
    if engine == "native" and device.type != "cpu":
        raise UserError(f"fitting.engine=native is for CPUs, and this is {device.type}; choose compiled")
    if engine in ("compiled", "eager"):
        return engine
    if device.type != "cpu":
        return "compiled"
    try:
        load_kernel(architecture.sizes)
    except NoKernel as error:
        if engine == "native":
            raise UserError(f"fitting.engine=native does not work here: {error}") from error
        _log.warning("fitting in plain PyTorch, which is several times slower: %s", error)
        return "eager"
    return "native"


def make_fitter(
    config: FittingConfig,
    architecture: Architecture,
    peak: float,
    device: torch.device | str = "cpu",
    threads: int | None = None,
) -> Fitter:
    """What fits fields of an architecture.

    Args:
        config: its settings.
        peak: of the PSNR.
        device: where the fitting is done.
        threads: of the native engine; by default PyTorch's number.

    Raises:
        UserError: as :func:`resolve_engine`.
    """
    device = torch.device(device)
    engine = resolve_engine(config.engine, architecture, device)
    if engine == "native":
        return NativeFitter(config, architecture, peak, threads or torch.get_num_threads())
    return BatchedFitter(config, architecture, peak, device, compiled=engine == "compiled")
