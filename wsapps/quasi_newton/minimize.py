"""Choosing a method, and minimising a function in one call."""

from __future__ import annotations

import logging
from typing import Literal

from torch import Tensor

from wsapps.quasi_newton.dense import DenseInverse
from wsapps.quasi_newton.inverse import Inverse
from wsapps.quasi_newton.limited_memory import LimitedMemory
from wsapps.quasi_newton.line_search import LineSearch
from wsapps.quasi_newton.minimizer import Function, Minimizer, Stopping

Method = Literal["ssbroyden", "ssbfgs", "bfgs", "lbfgs"]
DENSE_LIMIT_BYTES = 2**30
_log = logging.getLogger("wsapps")


def make_inverse(
    method: Method, x: Tensor, memory: int = 50, dense_limit_bytes: int = DENSE_LIMIT_BYTES
) -> Inverse:
    """The approximation that a method keeps, for vectors like x (n,).

    Args:
        method: a dense one, or lbfgs.
        memory: steps that L-BFGS keeps.
        dense_limit_bytes: where a matrix of n x n numbers takes more, L-BFGS is taken instead, and said so.
    """
    n, size = x.numel(), x.numel() ** 2 * x.element_size()
    if method != "lbfgs" and size > dense_limit_bytes:
        _log.warning(
            "%s of %d parameters would take %.3g GiB (%.3g at most are taken): using L-BFGS",
            method, n, size / 2**30, dense_limit_bytes / 2**30,
        )  # fmt: skip
        method = "lbfgs"
    if method == "lbfgs":
        return LimitedMemory(n, memory, x.dtype, x.device)
    return DenseInverse(n, method, x.dtype, x.device)


def minimize(
    function: Function,
    x: Tensor,
    method: Method = "ssbroyden",
    max_steps: int = 1000,
    max_evaluations: int | None = None,
    memory: int = 50,
    search: LineSearch | None = None,
    stopping: Stopping | None = None,
) -> Minimizer:
    """Minimise a smooth function from x (n,), in this process.

    >>> found = minimize(lambda x: (0.5 * x.dot(x), x), torch.ones(3, dtype=torch.float64))
    >>> found.x, found.value, found.finished

    Args:
        function: x -> value and gradient (n,).
        max_steps, max_evaluations: stop there; the last search may go beyond the second.

    Returns:
        The minimiser where it ended; ``finished`` is empty where a limit was met first.
    """
    minimizer = Minimizer(function, x, make_inverse(method, x, memory), search, stopping)
    minimizer.start()
    while minimizer.steps < max_steps and not minimizer.finished:
        if max_evaluations is not None and minimizer.evaluations >= max_evaluations:
            break
        minimizer.step()
    return minimizer
