"""The Allen-Cahn equation of the literature on physics-informed networks (Raissi et al. 2019, sec. 4.1.2).

    u_t = diffusion u_xx + reaction (u - u^3),  u(x, 0) = x^2 cos(pi x),  periodic on [-1, 1]

The periodic initial value has a kink at x = 1: its Fourier series converges slowly there until diffusion
has smoothed it, which is why there are so many modes.
"""

from __future__ import annotations

import numpy as np

from wsapps_pde.references.fourier import line_fields, line_spectrum
from wsapps_pde.references.periodic_line import LineEquation, PeriodicLine, solve_line
from wsapps_pde.references.settings import non_negative, positive
from wsapps_pde.references.solution import ReferenceSolution

_NAME = "allen_cahn"


def allen_cahn(
    *,
    diffusion: float = 1e-4,
    reaction: float = 5.0,
    horizon: float = 1.0,
    points: int = 512,
    times: int = 101,
    modes: int = 4096,
    dt: float = 1e-3,
) -> ReferenceSolution:
    """u on ``points + 1`` x ``times`` nodes.

    Raises:
        UserError: a setting out of range.
    """
    equation = allen_cahn_equation(
        positive(_NAME, "diffusion", diffusion), non_negative(_NAME, "reaction", reaction)
    )
    return solve_line(
        _NAME,
        equation,
        points=points,
        times=times,
        horizon=horizon,
        modes=modes,
        dt=dt,
        description=f"Allen-Cahn, diffusion = {diffusion:g}, reaction = {reaction:g}",
    )


def allen_cahn_equation(diffusion: float, reaction: float) -> LineEquation:
    """The equation with its initial value; cubes are not dealiased, the spectrum is resolved instead."""

    def nonlinear(line: PeriodicLine):
        return lambda u: -reaction * line_spectrum(line_fields(u, line.modes) ** 3)

    return LineEquation(
        low=-1.0,
        high=1.0,
        symbol=lambda line: reaction - diffusion * line.wavenumbers**2,
        nonlinear=nonlinear,
        initial=lambda x: x**2 * np.cos(np.pi * x),
    )
