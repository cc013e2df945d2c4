"""The Gray-Scott equations of pattern formation (Pearson, Science 261, 1993), in jaxpi's scaling.

    u_t = diffusion_u Lap u + feed (1 - u) - rate u v^2
    v_t = diffusion_v Lap v - kill v + rate u v^2
    u(x, y, 0) = 1 - exp(-sharpness ((x + 0.05)^2 + (y + 0.02)^2))
    v(x, y, 0) =     exp(-sharpness ((x - 0.05)^2 + (y - 0.02)^2))
    periodic on [-1, 1]^2

The defaults are those of jaxpi and of PirateNets (2402.00326). PINNacle's problem is diffusion_u = 1e-5,
diffusion_v = 5e-6, feed = 0.04, kill = 0.1, rate = 1, sharpness = 80, horizon = 200.
"""

from __future__ import annotations

import numpy as np

from wsapps_pde.references.fourier import Spectrum
from wsapps_pde.references.periodic_square import PeriodicSquare, SquareSystem, solve_square
from wsapps_pde.references.settings import non_negative, positive
from wsapps_pde.references.solution import ReferenceSolution

_NAME = "gray_scott"


def gray_scott(
    *,
    diffusion_u: float = 0.2,
    diffusion_v: float = 0.1,
    feed: float = 40.0,
    kill: float = 100.0,
    rate: float = 1000.0,
    sharpness: float = 10.0,
    horizon: float = 2.0,
    points: int = 64,
    times: int = 41,
    modes: int = 128,
    dt: float = 5e-4,
) -> ReferenceSolution:
    """u and v on ``points + 1`` x ``points + 1`` x ``times`` nodes.

    Raises:
        UserError: a setting out of range.
    """
    system = gray_scott_system(
        (positive(_NAME, "diffusion_u", diffusion_u), positive(_NAME, "diffusion_v", diffusion_v)),
        non_negative(_NAME, "feed", feed),
        non_negative(_NAME, "kill", kill),
        non_negative(_NAME, "rate", rate),
        positive(_NAME, "sharpness", sharpness),
    )
    return solve_square(
        _NAME,
        system,
        points=points,
        times=times,
        horizon=horizon,
        modes=modes,
        dt=dt,
        description=f"Gray-Scott, diffusion = {diffusion_u:g}, {diffusion_v:g}, feed = {feed:g}, "
        f"kill = {kill:g}, rate = {rate:g}",
    )


def gray_scott_system(
    diffusion: tuple[float, float], feed: float, kill: float, rate: float, sharpness: float
) -> SquareSystem:
    """The system for 1 - u and v, which makes all but the reaction ``rate u v^2`` linear."""

    def symbol(square: PeriodicSquare) -> np.ndarray:
        laplacian = square.laplacian
        return np.stack([diffusion[0] * laplacian - feed, diffusion[1] * laplacian - kill])

    def nonlinear(square: PeriodicSquare):
        def reaction(state: Spectrum) -> Spectrum:
            missing, v = square.fields(state)
            both = square.spectrum(rate * (1.0 - missing) * v**2)
            return np.stack([both, both])

        return reaction

    def initial(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        missing = np.exp(-sharpness * ((x + 0.05) ** 2 + (y + 0.02) ** 2))
        return np.stack([missing, np.exp(-sharpness * ((x - 0.05) ** 2 + (y - 0.02) ** 2))])

    def unknowns(square: PeriodicSquare, state: Spectrum) -> dict[str, np.ndarray]:
        missing, v = square.fields(state)
        return {"u": 1.0 - missing, "v": v}

    return SquareSystem(-1.0, 1.0, symbol, nonlinear, initial, unknowns)
