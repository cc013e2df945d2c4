"""The minimiser that a stage's configuration asks for, as far as its objective allows."""

from __future__ import annotations

import logging

import torch
from accelerate import Accelerator
from torch import Tensor

from wsapps.least_squares import FrozenResiduals, LeastSquaresObjective, LevenbergMarquardt
from wsapps.objective import Objective
from wsapps.quasi_newton.config import QuasiNewtonConfig
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps.quasi_newton.line_search import LineSearch
from wsapps.quasi_newton.minimize import make_inverse
from wsapps.quasi_newton.minimizer import Minimizer, Stopping

_INSTEAD = "ssbroyden"  # where Levenberg-Marquardt steps cannot be taken
_log = logging.getLogger("wsapps")


def make_minimizer(
    config: QuasiNewtonConfig, function: FrozenObjective, objective: Objective, accelerator: Accelerator
) -> Minimizer | LevenbergMarquardt:
    """A minimiser of ``function`` from its present vector; on the first rank alone with a matrix.

    Where levenberg_marquardt is asked for and the objective is none for it, or its matrices are too large,
    another method is taken, and that is said.
    """
    x, method, is_main = function.vector(), config.method, accelerator.is_main_process
    stopping = Stopping(config.gradient_tolerance, config.tolerance, config.patience)
    if method == "levenberg_marquardt":
        if (why := _hindrance(config, objective, x)) is None:
            assert isinstance(objective, LeastSquaresObjective)
            residuals = FrozenResiduals(function, objective)
            return LevenbergMarquardt(residuals, x, stopping, function.from_first)
        method = _INSTEAD
        if is_main:
            _log.warning("warning: levenberg_marquardt: %s; using %s", why, method)
    inverse = make_inverse(method, x, config.memory, config.dense_limit_bytes) if is_main else None
    # In float32 differences of values drown in rounding earlier.
    resolution = max(1e-6, 32 * torch.finfo(x.dtype).eps)
    search = LineSearch(resolution=resolution, evaluations=config.evaluations)
    return Minimizer(function, x, inverse, search, stopping, function.from_first)


def _hindrance(config: QuasiNewtonConfig, objective: Objective, x: Tensor) -> str | None:
    """Why Levenberg-Marquardt steps cannot be taken, or None."""
    if not isinstance(objective, LeastSquaresObjective) or not objective.has_rows:
        return "this loss does not give its residuals' derivatives one by one"
    size = 3 * x.numel() ** 2 * x.element_size()  # J'J, damped, and its factor
    if size > config.dense_limit_bytes:
        allowed = config.dense_limit_bytes / 2**30
        return f"{x.numel()} parameters take {size / 2**30:.3g} GiB ({allowed:.3g} at most are taken)"
    return None
