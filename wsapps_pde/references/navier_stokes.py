"""Incompressible Navier-Stokes equations on the periodic square [0, 2 pi]^2, by vorticity.

    w_t + u w_x + v w_y = nu Lap w,  w = v_x - u_y,  u_x + v_y = 0
    the same flow in u, v, p: u_t + u u_x + v u_y + p_x = nu Lap u (and so for v), mean of p = 0

Initial flows:
    taylor_green: u = cos x sin y, v = -sin x cos y; it decays by exp(-2 nu t) and keeps its shape.
    shear_layers: u = tanh(k (y - pi/2)) below y = pi and tanh(k (3 pi/2 - y)) above it, v = 0.05 sin x,
        k = 15/pi (Bell, Colella & Glaz, J. Comput. Phys. 85, 1989).
    vortices: w = sin x sin y + cos 2x + cos(x - 2y), a smooth flow whose vortices interact.
"""

from __future__ import annotations

import numpy as np

from wsapps_pde.references.fourier import Spectrum
from wsapps_pde.references.periodic_square import PeriodicSquare, SquareSystem, solve_square
from wsapps_pde.references.settings import choice, non_negative
from wsapps_pde.references.solution import ReferenceSolution

_NAME = "navier_stokes_2d"


def _shear_layers(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    k = 15.0 / np.pi
    lower, upper = np.cosh(k * (y - np.pi / 2)) ** -2, np.cosh(k * (3 * np.pi / 2 - y)) ** -2
    return 0.05 * np.cos(x) - k * np.where(y <= np.pi, lower, -upper)


FLOWS = {
    "taylor_green": lambda x, y: -2.0 * np.cos(x) * np.cos(y),
    "shear_layers": _shear_layers,
    "vortices": lambda x, y: np.sin(x) * np.sin(y) + np.cos(2 * x) + np.cos(x - 2 * y),
}


def navier_stokes_2d(
    *,
    nu: float = 0.01,
    initial: str = "vortices",
    horizon: float = 2.0,
    points: int = 64,
    times: int = 21,
    modes: int = 128,
    dt: float = 1e-2,
) -> ReferenceSolution:
    """u, v, p and the vorticity w on ``points + 1`` x ``points + 1`` x ``times`` nodes.

    Raises:
        UserError: a setting out of range, an unknown initial flow.
    """
    flow = choice(_NAME, "initial", initial, FLOWS)
    return solve_square(
        _NAME,
        navier_stokes_system(non_negative(_NAME, "nu", nu), flow),
        points=points,
        times=times,
        horizon=horizon,
        modes=modes,
        dt=dt,
        description=f"Navier-Stokes, nu = {nu:g}, initial = {flow}",
    )


def navier_stokes_system(nu: float, flow: str) -> SquareSystem:
    """The vorticity equation with one of the initial flows (:data:`FLOWS`)."""

    def nonlinear(square: PeriodicSquare):
        k_x, k_y = square.wavenumbers
        cut, inverse = square.dealiased, _inverse_laplacian(square)

        def advection(state: Spectrum) -> Spectrum:
            w = cut * state[0]
            psi = inverse * w
            u, v, w_x, w_y = square.fields(
                np.stack([1j * k_y * psi, -1j * k_x * psi, 1j * k_x * w, 1j * k_y * w])
            )
            return -cut * square.spectrum(u * w_x + v * w_y)[None]

        return advection

    return SquareSystem(
        low=0.0,
        high=2.0 * np.pi,
        symbol=lambda square: nu * square.laplacian[None],
        nonlinear=nonlinear,
        initial=lambda x, y: FLOWS[flow](x, y)[None],
        unknowns=_unknowns,
    )


def _inverse_laplacian(square: PeriodicSquare) -> np.ndarray:
    """``(n, K)``: vorticity to stream function, Lap psi = -w, u = psi_y, v = -psi_x."""
    laplacian = square.laplacian
    laplacian[0, 0] = 1.0
    inverse = -1.0 / laplacian
    inverse[0, 0] = 0.0
    return inverse


def _unknowns(square: PeriodicSquare, state: Spectrum) -> dict[str, np.ndarray]:
    """u, v, p, w; p from the divergence of the momentum equation, Lap p = 2 (u_x v_y - u_y v_x)."""
    k_x, k_y = square.wavenumbers
    inverse = _inverse_laplacian(square)
    psi = inverse * state[0]
    u_hat, v_hat = 1j * k_y * psi, -1j * k_x * psi
    spectra = [u_hat, v_hat, 1j * k_x * u_hat, 1j * k_y * u_hat, 1j * k_x * v_hat, state[0]]
    u, v, u_x, u_y, v_x, w = square.fields(np.stack(spectra))
    p = square.fields(inverse * square.spectrum(2.0 * (u_x**2 + u_y * v_x)))
    return {"u": u, "v": v, "p": p, "w": w}
