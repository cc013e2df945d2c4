"""Spectral solvers and Cole-Hopf: convergence orders, closed forms, conservation laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import trapezoid

from tests.user_errors import one_line_error
from wsapps_pde.references import SOLVERS, relative_l2
from wsapps_pde.references.burgers import cole_hopf
from wsapps_pde.references.etdrk4 import etdrk4
from wsapps_pde.references.fourier import line_spectrum
from wsapps_pde.references.gray_scott import gray_scott_system
from wsapps_pde.references.kdv import kdv_equation
from wsapps_pde.references.navier_stokes import FLOWS, navier_stokes_system
from wsapps_pde.references.periodic_line import LineEquation, PeriodicLine, advection, evolve
from wsapps_pde.references.periodic_square import PeriodicSquare
from wsapps_pde.references.periodic_square import evolve as evolve_square

# --- ETDRK4 ---

RATES = np.array([-200.0, -1.0, 1e-9, 0.7, 2.0 + 5.0j, -30.0j])


def logistic(time: float, start: float) -> np.ndarray:
    """u' = rate u - u^2, each rate by itself."""
    return RATES * start * np.exp(RATES * time) / (RATES + start * np.expm1(RATES * time))


def test_fourth_order_with_stiff_slow_and_oscillating_modes():
    errors = []
    for dt in (0.1, 0.05, 0.025, 0.0125):
        found = etdrk4(RATES, lambda u: -(u**2), np.full(6, 0.3), [0.0, 0.5], dt)[-1]
        errors.append(np.abs(found - logistic(0.5, 0.3)).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders[1:] - 4).max() < 0.4


def test_linear_part_is_exact_whatever_the_step():
    found = etdrk4(RATES, np.zeros_like, np.ones(6), [0.0, 0.3, 2.0], 5.0)
    assert np.abs(found - np.exp(np.outer([0.0, 0.3, 2.0], RATES))).max() < 1e-12 * math.exp(4.0)


def test_without_linear_part_it_is_the_classical_runge_kutta_method():
    h, u = 0.2, 0.5
    k_1 = u**2
    k_2 = (u + h / 2 * k_1) ** 2
    k_3 = (u + h / 2 * k_2) ** 2
    k_4 = (u + h * k_3) ** 2
    expected = u + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)
    assert etdrk4([0.0], lambda v: v**2, [u], [1.0, 1.0 + h], h)[-1] == pytest.approx([expected], rel=1e-13)


def test_times_need_not_be_equally_spaced():
    some = etdrk4(RATES, lambda u: -(u**2), np.full(6, 0.3), [0.0, 0.1, 0.15, 0.5], 1e-3)
    assert np.abs(some[2] - logistic(0.15, 0.3)).max() < 1e-9
    assert np.abs(some[3] - logistic(0.5, 0.3)).max() < 1e-9


def test_bad_times_and_a_solution_that_ends():
    for times, dt in (([0.0, 0.0], 0.1), ([1.0, 0.0], 0.1), ([], 0.1), ([0.0, 1.0], 0.0)):
        with pytest.raises(ValueError, match="ascending"):
            etdrk4([0.0], np.zeros_like, [1.0], times, dt)
    one_line_error(lambda: etdrk4([0.0], lambda u: u**2, [1.0], [0.0, 3.0], 0.01), "t = 3", "smaller dt")


def test_products_have_no_aliases():
    """cos(10 x)^2 has the wavenumber 20, which 32 nodes see as 12: that must not come back."""
    line = PeriodicLine(0.0, 2.0 * math.pi, 32)
    assert np.abs(advection(line)(line_spectrum(np.cos(10 * line.nodes)))).max() < 1e-12
    low = advection(line, speed=3.0)(line_spectrum(np.cos(4 * line.nodes)))
    assert low == pytest.approx(
        line_spectrum(12.0 * np.cos(4 * line.nodes) * np.sin(4 * line.nodes)), abs=1e-11
    )


# --- Burgers ---


@pytest.mark.parametrize("nu", [0.01 / math.pi, 0.1 / math.pi, 1.0])
def test_cole_hopf_solves_burgers_equation(nu):
    """The residual, by central differences of fourth order, away from the shock's formation."""
    rng = np.random.default_rng(0)
    x, t = rng.uniform(0.1, 0.9, 40), rng.uniform(0.1, 0.9, 40)
    h = 2e-3

    def difference(at):
        return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)

    u = cole_hopf(x, t, nu)
    u_t = difference(lambda step: cole_hopf(x, t + step, nu))
    u_x = difference(lambda step: cole_hopf(x + step, t, nu))
    beside = cole_hopf(x + h, t, nu) + cole_hopf(x - h, t, nu)
    further = cole_hopf(x + 2 * h, t, nu) + cole_hopf(x - 2 * h, t, nu)
    u_xx = (16 * beside - further - 30 * u) / (12 * h**2)
    assert np.abs(u_t + u * u_x - nu * u_xx).max() < 1e-6


def test_cole_hopf_agrees_with_a_spectral_solution():
    nu, times = 0.05, np.array([0.0, 0.3, 1.0])
    equation = LineEquation(
        -1.0, 1.0, lambda line: -nu * line.wavenumbers**2, advection, lambda x: -np.sin(math.pi * x)
    )
    spectral = evolve(equation, 128, times, 300)
    nodes = PeriodicLine(-1.0, 1.0, 128).nodes
    assert np.abs(cole_hopf(nodes[:, None], times, nu) - spectral).max() < 1e-9


def test_cole_hopf_keeps_its_symmetries_and_its_limits():
    x = np.linspace(-1.0, 1.0, 41)
    for nu in (1e-5, 1e-3, 10.0):
        u = cole_hopf(x, 0.7, nu)
        assert np.isfinite(u).all()
        assert np.abs(u + u[::-1]).max() < 1e-11  # exponents of 1 / (2 pi nu) are rounded
        assert np.abs(u).max() <= 1.0
    assert cole_hopf(x, 0.0, 0.01) == pytest.approx(-np.sin(math.pi * x), abs=1e-15)
    # Without a shock yet, u keeps its value along the characteristic x - sin(pi x) t as nu goes to 0.
    start = np.linspace(-0.9, 0.9, 19)
    found = cole_hopf(start - np.sin(math.pi * start) * 0.1, 0.1, 1e-7)
    assert np.abs(found + np.sin(math.pi * start)).max() < 1e-5
    with pytest.raises(ValueError, match="nu"):
        cole_hopf(0.0, 1.0, 0.0)


def test_burgers_grid_is_the_published_one():
    solution = SOLVERS["burgers_cole_hopf"](nu=0.05)
    assert solution.shape == (256, 100)
    assert solution.axes["t"][-1] == 0.99
    assert not solution.values["u"][[0, -1]].any()


# --- Korteweg-de Vries ---


def soliton(x: np.ndarray, t: float, c: float = 2.0) -> np.ndarray:
    """u_t + u u_x + u_xxx = 0 (Zabusky & Kruskal 1965)."""
    return 3.0 * c / np.cosh(0.5 * math.sqrt(c) * (x - c * t)) ** 2


def test_kdv_soliton_travels_unchanged_with_spectral_accuracy():
    equation = kdv_equation(1.0, 1.0, -20.0, 20.0, lambda x: soliton(x, 0.0))
    errors = []
    for modes in (64, 96, 128, 192):
        u = evolve(equation, modes, np.array([0.0, 1.0]), 600)[:, -1]
        nodes = PeriodicLine(-20.0, 20.0, modes).nodes
        errors.append(relative_l2(u, soliton(nodes, 1.0)))
    assert errors[-1] < 1e-8
    # Geometric, not algebraic: each third more modes gains more than the one before.
    assert errors[0] / errors[1] > 20
    assert errors[1] / errors[2] > 20


def test_kdv_conserves_mass_momentum_and_energy():
    delta, modes = 0.05, 256
    equation = kdv_equation(delta, 1.0, -1.0, 1.0, lambda x: np.cos(math.pi * x))
    u = evolve(equation, modes, np.linspace(0.0, 1.0, 6), 400)
    line = PeriodicLine(-1.0, 1.0, modes)
    u_x = np.fft.irfft(1j * line.wavenumbers[:, None] * np.fft.rfft(u, axis=0), modes, axis=0)
    mass, momentum = u.mean(axis=0), (u**2).mean(axis=0)
    energy = (u**3 / 6 - delta**2 * u_x**2 / 2).mean(axis=0)
    assert np.abs(mass).max() < 1e-14
    assert np.abs(momentum - 0.5).max() < 1e-8
    assert np.ptp(energy) < 1e-8


# --- Allen-Cahn, Kuramoto-Sivashinsky ---


def test_allen_cahn_stays_even_and_bounded_and_loses_energy():
    solution = SOLVERS["allen_cahn"](diffusion=1e-3, points=128, modes=512, times=21, dt=1e-2)
    x, u = solution.axes["x"], solution.values["u"]
    assert u[:, 0] == pytest.approx(x**2 * np.cos(math.pi * x), abs=1e-14)
    assert np.abs(u - u[::-1]).max() < 1e-10
    assert np.abs(u).max() <= 1.0 + 1e-9
    assert np.array_equal(u[0], u[-1])
    u_x = np.gradient(u, x, axis=0)
    energy = trapezoid(5e-4 * u_x**2 + 1.25 * (1 - u**2) ** 2, x, axis=0)
    assert (np.diff(energy) < 0).all()


def test_kuramoto_sivashinsky_conserves_the_mean_and_grows_as_its_symbol_says():
    solution = SOLVERS["kuramoto_sivashinsky"](points=64, modes=128, times=5, horizon=0.1, dt=1e-3)
    assert np.abs(solution.values["u"][:-1].mean(axis=0)).max() < 1e-13
    linear = SOLVERS["kuramoto_sivashinsky"](alpha=0.0, points=64, modes=128, times=3, horizon=0.1, dt=0.1)
    x, t = linear.axes["x"][:, None], linear.axes["t"]
    rate = {k: 100 / 16**2 * k**2 - 100 / 16**4 * k**4 for k in (1, 2)}
    exact = np.exp(rate[1] * t) * np.cos(x) + 0.5 * np.exp(rate[2] * t) * np.sin(2 * x)
    assert np.abs(linear.values["u"] - exact).max() < 1e-12


# --- two dimensions ---


def test_gray_scott_without_reaction_is_linear_decay():
    system = gray_scott_system((0.2, 0.1), 3.0, 5.0, 0.0, 30.0)
    times = np.array([0.0, 0.05])
    found = evolve_square(system, 32, times, 1)
    square = PeriodicSquare(-1.0, 1.0, 32)
    for name, diffusion, loss in (("u", 0.2, 3.0), ("v", 0.1, 5.0)):
        start, end = (found[name][..., index] - (name == "u") for index in (0, 1))
        decayed = square.fields(np.exp((diffusion * square.laplacian - loss) * 0.05) * square.spectrum(start))
        assert np.abs(end - decayed).max() < 1e-13


def test_gray_scott_reaction_turns_u_into_v():
    """With equal diffusion and no feed or kill, u + v follows the heat equation, and its mean stays."""
    system = gray_scott_system((0.1, 0.1), 0.0, 0.0, 500.0, 10.0)
    found = evolve_square(system, 32, np.array([0.0, 0.02]), 20)
    square, total = PeriodicSquare(-1.0, 1.0, 32), found["u"] + found["v"]
    heat = square.fields(np.exp(0.1 * 0.02 * square.laplacian) * square.spectrum(total[..., 0]))
    assert np.abs(total[..., 1] - heat).max() < 1e-12
    assert np.abs(found["v"][..., 1] - found["v"][..., 0]).max() > 1e-2


def test_taylor_green_vortex_decays_exactly():
    nu = 0.1
    solution = SOLVERS["navier_stokes_2d"](
        nu=nu, initial="taylor_green", points=16, modes=16, times=3, horizon=1.0, dt=0.1
    )
    x, y, t = np.meshgrid(*solution.axes.values(), indexing="ij")
    decay = np.exp(-2 * nu * t)
    exact = {
        "u": np.cos(x) * np.sin(y) * decay,
        "v": -np.sin(x) * np.cos(y) * decay,
        "p": -0.25 * (np.cos(2 * x) + np.cos(2 * y)) * decay**2,
        "w": -2.0 * np.cos(x) * np.cos(y) * decay,
    }
    for name, values in exact.items():
        assert np.abs(solution.values[name] - values).max() < 1e-13


def test_velocity_and_pressure_solve_the_momentum_equations():
    nu, h = 0.05, 1e-3
    system = navier_stokes_system(nu, "vortices")
    found = evolve_square(system, 32, np.array([0.0, 0.2 - h, 0.2, 0.2 + h]), 10)
    square = PeriodicSquare(0.0, 2.0 * math.pi, 32)
    k_x, k_y = square.wavenumbers

    def at_middle(values, symbol=1.0):
        return square.fields(symbol * square.spectrum(values[..., 2]))

    u, v = at_middle(found["u"]), at_middle(found["v"])
    for name, symbol in (("u", 1j * k_x), ("v", 1j * k_y)):
        field = found[name]
        advected = u * at_middle(field, 1j * k_x) + v * at_middle(field, 1j * k_y)
        force = at_middle(found["p"], symbol) - nu * at_middle(field, square.laplacian)
        residual = (field[..., 3] - field[..., 1]) / (2 * h) + advected + force
        assert np.abs(residual).max() < 1e-5 * np.abs(advected).max()
    assert np.abs(at_middle(found["u"], 1j * k_x) + at_middle(found["v"], 1j * k_y)).max() < 1e-12


@pytest.mark.parametrize("flow", FLOWS)
def test_without_viscosity_energy_and_enstrophy_stay(flow):
    found = evolve_square(navier_stokes_system(0.0, flow), 48, np.array([0.0, 0.5]), 50)
    energy = (found["u"] ** 2 + found["v"] ** 2).mean(axis=(0, 1))
    assert energy[1] == pytest.approx(energy[0], rel=1e-7)
    if flow != "shear_layers":  # whose spectrum reaches beyond what dealiasing keeps
        enstrophy = (found["w"] ** 2).mean(axis=(0, 1))
        assert enstrophy[1] == pytest.approx(enstrophy[0], rel=1e-7)
