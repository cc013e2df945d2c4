"""Viscous Burgers' equation by the Cole-Hopf transformation.

    u_t + u u_x = nu u_xx,  u(x, 0) = -sin(pi x),  x in [-1, 1],  u(-1, t) = u(1, t) = 0

With ``u = -2 nu phi_x / phi`` it becomes the heat equation (Cole 1951; Hopf 1950), and for this initial value
(Basdevant et al., Computers & Fluids 14, 1986, eq. 2.5)

    u(x, t) = - int sin(pi (x - eta)) w(eta) d eta / int w(eta) d eta,
    w(eta) = exp(-cos(pi (x - eta)) / (2 pi nu) - eta^2 / (4 nu t)).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsapps_pde.references.settings import count, positive
from wsapps_pde.references.solution import ReferenceSolution, relative_l2

Array = NDArray[np.float64]
_NAME = "burgers_cole_hopf"
_BATCH = 1 << 21  # integrand values at once: 16 MB an array
_FORGOTTEN = 40.0  # exp(-40) of the largest integrand is below rounding


def burgers_cole_hopf(
    *, nu: float = 0.01 / math.pi, points: int = 256, times: int = 100, horizon: float = 0.99
) -> ReferenceSolution:
    """u on ``points`` x ``times`` nodes of [-1, 1] x [0, horizon], ends included.

    The default grid is the published one of this problem, whose last time is 0.99. Between its nodes the
    shock (as thin as nu) is not resolved: :func:`cole_hopf` gives u anywhere.

    Raises:
        UserError: nu or the horizon not above 0, fewer than 2 points or times.
    """
    nu = positive(_NAME, "nu", nu)
    x = np.linspace(-1.0, 1.0, count(_NAME, "points", points, 2))
    t = np.linspace(0.0, positive(_NAME, "horizon", horizon), count(_NAME, "times", times, 2))
    u = cole_hopf(x[:, None], t, nu)
    # Odd and periodic: rounding must not leave 1e-17 where the boundary condition says 0.
    u[[0, -1]] = 0.0
    error = relative_l2(u, cole_hopf(x[:, None], t, nu, refine=2))
    return ReferenceSolution(
        {"x": x, "t": t},
        None,
        {"u": u},
        {"u": error},
        f"Cole-Hopf integrals by the trapezoid rule, error from twice as many nodes, nu = {nu:.6g}",
    )


def cole_hopf(x: ArrayLike, t: ArrayLike, nu: float, refine: float = 1.0) -> Array:
    """u at points (x, t), which broadcast; t in time units, 0 or above.

    The trapezoid rule over the real line converges exponentially for such integrands. Exponents are shifted
    by their largest value, which cancels in the quotient: they reach ``1 / (2 pi nu)``.

    Args:
        refine: factor on the number of nodes.

    Raises:
        ValueError: nu not above 0 or a negative t.
    """
    x, t = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(t, np.float64))
    if not nu > 0 or (t < 0).any():
        raise ValueError(f"nu must be above 0 and t not negative, got nu = {nu}, t from {t.min()}")
    shape, x, t = x.shape, x.ravel(), t.ravel()
    u = -np.sin(math.pi * x)
    if not (t > 0).any():
        return u.reshape(shape)
    reach = math.sqrt(_FORGOTTEN + 1.0 / (math.pi * nu))
    step = _trapezoid_step(nu, float(t.max())) / refine
    nodes = np.linspace(-reach, reach, 2 * math.ceil(reach / step) + 1)
    rows = np.flatnonzero(t > 0)
    batch = max(1, _BATCH // len(nodes))
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        angle = math.pi * (x[part, None] - np.sqrt(4.0 * nu * t[part, None]) * nodes)
        exponent = -np.cos(angle) / (2.0 * math.pi * nu) - nodes**2
        weight = np.exp(exponent - exponent.max(axis=1, keepdims=True))
        u[part] = -(np.sin(angle) * weight).sum(axis=1) / weight.sum(axis=1)
    return u.reshape(shape)


def _trapezoid_step(nu: float, t: float) -> float:
    """The longest step in s = eta / sqrt(4 nu t) with which the trapezoid rule is exact to rounding.

    At a distance a from the real line the integrand is larger than on it by at most ``exp(a^2 + (cosh(b a) -
    1) / (2 pi nu))``, b = pi sqrt(4 nu t), and the rule's error is that times ``exp(-2 pi a / step)`` for the
    best a (Trefethen & Weideman, SIAM Rev. 56, 2014, theorem 5.1).
    """
    a = np.geomspace(1e-3, 1e2, 500)
    with np.errstate(over="ignore"):
        growth = a**2 + (np.cosh(math.pi * math.sqrt(4.0 * nu * t) * a) - 1.0) / (2.0 * math.pi * nu)
    return float((2.0 * math.pi * a / (_FORGOTTEN + growth)).max())
