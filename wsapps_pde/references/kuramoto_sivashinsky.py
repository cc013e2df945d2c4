"""The Kuramoto-Sivashinsky equation in the scaling of PINNacle (2306.08827) and jaxpi.

    u_t + alpha u u_x + beta u_xx + gamma u_xxxx = 0,  u(x, 0) = cos(x) (1 + sin(x)),  periodic on [0, 2 pi]

With alpha = 100/16, beta = 100/16^2, gamma = 100/16^4 it is the equation v_s + v v_y + v_yy + v_yyyy = 0
with y = 16 x, s = 100 t. It is chaotic: perturbations grow by about exp(0.09 s), so that the error at t = 1
is some thousand times the early one, and beyond t = 3 a reference means nothing in double precision.
"""

from __future__ import annotations

import numpy as np

from wsapps_pde.references.periodic_line import LineEquation, advection, solve_line
from wsapps_pde.references.settings import number, positive
from wsapps_pde.references.solution import ReferenceSolution

_NAME = "kuramoto_sivashinsky"


def kuramoto_sivashinsky(
    *,
    alpha: float = 100 / 16,
    beta: float = 100 / 16**2,
    gamma: float = 100 / 16**4,
    horizon: float = 1.0,
    points: int = 512,
    times: int = 201,
    modes: int = 1024,
    dt: float = 5e-5,
) -> ReferenceSolution:
    """u on ``points + 1`` x ``times`` nodes.

    Raises:
        UserError: a setting out of range.
    """
    alpha, beta = number(_NAME, "alpha", alpha), number(_NAME, "beta", beta)
    gamma = positive(_NAME, "gamma", gamma)
    equation = LineEquation(
        low=0.0,
        high=2.0 * np.pi,
        symbol=lambda line: beta * line.wavenumbers**2 - gamma * line.wavenumbers**4,
        nonlinear=lambda line: advection(line, alpha),
        initial=lambda x: np.cos(x) * (1.0 + np.sin(x)),
    )
    return solve_line(
        _NAME,
        equation,
        points=points,
        times=times,
        horizon=horizon,
        modes=modes,
        dt=dt,
        description=f"Kuramoto-Sivashinsky, alpha = {alpha:g}, beta = {beta:g}, gamma = {gamma:g}",
    )
