"""Steady problems and heat: manufactured solutions, orders of convergence, published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.user_errors import one_line_error
from wsapps_pde.references import SOLVERS, relative_l2
from wsapps_pde.references.box_operator import BoxOperator
from wsapps_pde.references.cavity_pressure import cavity_pressure
from wsapps_pde.references.harmonic import HarmonicFunction, Region
from wsapps_pde.references.lid_driven_cavity import LIDS, CavityGrid
from wsapps_pde.references.varying_coefficient import conductivity, solve_heat, solve_poisson

L_SHAPE = Region((-1 - 1j, 1 - 1j, 1 + 0j, 0j, 1j, -1 + 1j))
HOLED = Region((0j, 2 + 0j, 2 + 1j, 1j), ((0.5 + 0.5j, 0.2), (1.3 + 0.4j, 0.25)))


def inner_points(region: Region, count: int = 400) -> np.ndarray:
    corners = np.array(region.corners)
    rng = np.random.default_rng(0)
    z = rng.uniform(corners.real.min(), corners.real.max(), count) + 1j * rng.uniform(
        corners.imag.min(), corners.imag.max(), count
    )
    return z[region.contains(z)]


# --- Laplace's equation ---


def corner_singularity(z):
    """r^(2/3) sin(2 theta / 3), theta from the side that leaves the corner upwards."""
    return np.abs(z) ** (2 / 3) * np.sin(2 / 3 * (np.angle(z / 1j) % (2 * math.pi)))


@pytest.mark.parametrize(
    ("region", "exact"),
    [
        (L_SHAPE, lambda z: (z**5).real),
        (L_SHAPE, lambda z: np.log(np.abs(z - 1.2 - 1.2j))),
        (L_SHAPE, corner_singularity),
        (HOLED, lambda z: np.log(np.abs(z - 0.5 - 0.5j)) + (0.1 / (z - 1.3 - 0.4j)).imag),
        (HOLED, lambda z: (np.exp(3 * z)).real),
    ],
)
def test_harmonic_functions_are_found_within_their_bound(region, exact):
    found = HarmonicFunction(region, exact, per_corner=40, degree=40, per_disc=16)
    z = inner_points(region)
    error = np.abs(found(z) - exact(z)).max()
    assert error <= found.bound * 1.001
    assert found.bound < 1e-6 * np.abs(exact(z)).max()


def test_more_poles_resolve_the_corner_faster_than_any_power():
    bounds = [
        HarmonicFunction(L_SHAPE, corner_singularity, per_corner=n, degree=16).bound for n in (8, 16, 32, 64)
    ]
    factors = np.array(bounds[:-1]) / bounds[1:]
    assert (np.diff(factors) > 0).all()
    assert bounds[-1] < 1e-7


def test_regions_know_their_points():
    z = np.array([0.5 - 0.5j, -0.5 + 0.5j, 0.5 + 0.5j, 0.0 + 0.7j, 0j, 1.01 - 0.5j, -1 - 1j])
    assert L_SHAPE.contains(z).tolist() == [True, True, False, True, True, False, True]
    z = np.array([0.5 + 0.5j, 0.7 + 0.5j, 0.69 + 0.5j, 1.0 + 0.5j, 2.0 + 0.3j])
    assert HOLED.contains(z).tolist() == [False, True, False, True, True]
    assert not L_SHAPE.contains(L_SHAPE.poles(10)).any()


def five_point_l_shape(cells: int) -> np.ndarray:
    """-Lap u = 1 by the plainest finite differences, ``(cells + 1, cells + 1)`` on [-1, 1]^2."""
    box = BoxOperator((-1.0, -1.0), (1.0, 1.0), (cells, cells), lambda x, y: np.ones_like(x * y))
    x, y = box.axes
    inside = ~((x[:, None] >= 0) & (y >= 0))
    inside[[0, -1]] = inside[:, [0, -1]] = False
    rows = np.flatnonzero(inside[1:-1, 1:-1])
    free = np.flatnonzero(inside)
    u = np.zeros(inside.size)
    u[free] = np.linalg.solve(box.matrix()[rows][:, free].toarray(), np.ones(len(free)))
    return u.reshape(inside.shape)


def test_l_shape_agrees_with_finite_differences_as_they_converge():
    u = SOLVERS["poisson_l_shape"](points=32).values["u"]
    assert np.abs(u - u.T)[np.isfinite(u)].max() < 1e-9
    assert np.isnan(u[17:, 17:]).all()
    assert np.isfinite(u[:17]).all()
    errors = [
        relative_l2(five_point_l_shape(cells), u[:: 32 // cells, :: 32 // cells]) for cells in (8, 16, 32)
    ]
    assert errors[-1] < 0.01
    # The corner's r^(2/3) leaves the order 4/3 (Strang & Fix, sec. 8.1).
    assert abs(math.log2(errors[1] / errors[2]) - 4 / 3) < 0.3


def test_holes_keep_symmetry_maximum_principle_and_linearity():
    solve = SOLVERS["poisson_holes"]
    u = solve(points=20).values["u"]
    inside = np.isfinite(u)
    for other in (u.T, u[::-1], u[:, ::-1]):
        assert np.array_equal(np.isfinite(other), inside)
        assert np.abs(u - other)[inside].max() < 1e-11
    assert np.nanmin(u) > -1e-12
    assert np.nanmax(u) < 1 + 1e-12
    with_source = solve(points=20, source=1.0, outer=0.0).values["u"]
    both = solve(points=20, source=3.0, outer=2.0, inner=-1.0).values["u"]
    assert np.abs(both - (3 * u - 1 + 3 * with_source))[inside].max() < 1e-10


def test_box_without_holes_is_the_known_double_sine_series():
    solution = SOLVERS["poisson_holes"](
        box={"x": [0, 1], "y": [0, 1]}, discs=[], source=1.0, outer=0.0, points=4
    )
    odd = np.arange(1, 400, 2) * math.pi
    sines = np.sin(odd / 2) / odd
    series = 16 * (np.outer(sines, sines) / (odd[:, None] ** 2 + odd**2)).sum()
    assert solution.values["u"][2, 2] == pytest.approx(series, rel=1e-5)
    assert solution.errors["u"] < 1e-9


def test_bad_geometry_is_told():
    solve = SOLVERS["poisson_holes"]
    disc = {"centre": [0.0, 0.0], "radius": 0.1}
    one_line_error(lambda: solve(discs=[disc, disc]), "discs[0]", "discs[1]", "overlap")
    one_line_error(lambda: solve(discs=[{"centre": [0.45, 0.0], "radius": 0.1}]), "not inside the box")
    one_line_error(lambda: solve(discs=[{"center": [0.0, 0.0], "radius": 0.1}]), "centre")
    one_line_error(lambda: solve(discs=[{"centre": [0.0], "radius": 0.1}]), "list of 2 numbers")
    one_line_error(lambda: solve(discs=3), "list")
    one_line_error(lambda: solve(box={"x": [0, 1]}), "box")
    one_line_error(lambda: solve(box={"x": [1, 0], "y": [0, 1]}), "low < high")
    near = {"centre": [0.3, 0.0], "radius": 0.19999}
    one_line_error(lambda: solve(discs=[near]), "too narrow")


# --- a conductivity that varies ---


def manufactured(contrast: float):
    """u = sin(pi x) sin(2 pi y), and -div(k grad u) by the chain rule."""
    k = conductivity(contrast)

    def source(x, y):
        pi = math.pi
        u, u_x = np.sin(pi * x) * np.sin(2 * pi * y), pi * np.cos(pi * x) * np.sin(2 * pi * y)
        u_y = 2 * pi * np.sin(pi * x) * np.cos(2 * pi * y)
        log_x = contrast * pi * np.cos(pi * x) * np.cos(2 * pi * y)
        log_y = -2 * contrast * pi * np.sin(pi * x) * np.sin(2 * pi * y)
        return -k(x, y) * (-5 * pi**2 * u + log_x * u_x + log_y * u_y)

    return k, source


def unit_square(cells: int) -> np.ndarray:
    axis = np.linspace(0.0, 1.0, cells + 1)
    return np.sin(math.pi * axis)[:, None] * np.sin(2 * math.pi * axis)


def test_poisson_with_a_coefficient_is_of_second_order():
    k, source = manufactured(0.8)
    errors = [relative_l2(solve_poisson(k, source, cells), unit_square(cells)) for cells in (8, 16, 32, 64)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - 2).max() < 0.1


def test_heat_is_of_second_order_in_the_cell_and_the_step():
    """u = cos(3 t) sin(pi x) sin(2 pi y): the source is u_t and what Poisson's would be."""
    k, steady = manufactured(0.8)
    times = np.array([0.0, 0.25, 0.5])

    def source(x, y, t):
        shape = np.sin(math.pi * x) * np.sin(2 * math.pi * y)
        return -3 * math.sin(3 * t) * shape + math.cos(3 * t) * steady(x, y)

    errors = []
    for cells, steps in ((8, 4), (16, 8), (32, 16)):
        u = solve_heat(k, source, lambda x, y: source(x, y, 0) * 0 + unit(x, y), cells, times, steps)
        errors.append(relative_l2(u, unit_square(cells)[..., None] * np.cos(3 * times)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders - 2).max() < 0.1


def unit(x, y):
    return np.sin(math.pi * x) * np.sin(2 * math.pi * y)


def test_heat_decays_as_the_discrete_eigenvalue_says():
    """On the grid sin(pi x) sin(2 pi y) is an eigenvector, and a step of Crank-Nicolson a known factor."""
    cells, step = 12, 0.01
    eigenvalue = sum(4 * cells**2 * math.sin(m * math.pi / (2 * cells)) ** 2 for m in (1, 2))
    u = solve_heat(
        lambda x, y: 1.0 + 0 * x * y, lambda x, y, t: 0.0 * x * y, unit, cells, np.array([0.0, 5 * step]), 5
    )
    factor = (1 - step * eigenvalue / 2) / (1 + step * eigenvalue / 2)
    assert u[..., 1] == pytest.approx(factor**5 * unit_square(cells), abs=1e-14)


def test_flux_form_is_symmetric_and_positive():
    box = BoxOperator((0.0, -1.0), (2.0, 1.0), (6, 9), conductivity(1.0))
    matrix = box.matrix()[:, box.interior].toarray()
    assert np.abs(matrix - matrix.T).max() < 1e-11
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_extrapolated_solutions_are_of_fourth_order():
    fine = SOLVERS["poisson_2d_varying"](cells=128).values["u"]
    errors = []
    for cells in (8, 16, 32):
        solution = SOLVERS["poisson_2d_varying"](cells=cells)
        errors.append(relative_l2(solution.values["u"], fine[:: 128 // cells, :: 128 // cells]))
        assert 0.3 < solution.errors["u"] / errors[-1] < 3
    assert abs(math.log2(errors[1] / errors[2]) - 4) < 0.3


# --- Helmholtz ---


def test_helmholtz_solves_its_equation():
    k, amplitude, width = 7.0, 50.0, 0.15
    solution = SOLVERS["helmholtz_2d"](k=k, amplitude=amplitude, width=width, points=128, modes=256)
    x, u = solution.axes["x"], solution.values["u"]
    h = x[1] - x[0]

    def second(v):  # central differences of fourth order along the first axis
        return (16 * (v[3:-1] + v[1:-3]) - v[4:] - v[:-4] - 30 * v[2:-2]) / (12 * h**2)

    laplacian = second(u)[:, 2:-2] + second(u.T).T[2:-2]
    source = amplitude * np.exp(-((x[:, None] - 0.3) ** 2 + (x + 0.2) ** 2) / (2 * width**2))
    residual = laplacian + k**2 * u[2:-2, 2:-2] - source[2:-2, 2:-2]
    assert np.abs(residual).max() < 1e-3 * amplitude
    assert np.abs(u[[0, -1]]).max() == np.abs(u[:, [0, -1]]).max() == 0
    assert solution.errors["u"] < 1e-6


def test_helmholtz_without_k_is_poissons_equation():
    """Two solvers of two methods on the square and on its image in the unit square."""
    solution = SOLVERS["helmholtz_2d"](k=0.0, amplitude=1.0, width=0.2, points=64, modes=128)

    def source(x, y):
        return -4 * np.exp(-((2 * x - 1.3) ** 2 + (2 * y - 0.8) ** 2) / (2 * 0.2**2))

    other = solve_poisson(lambda x, y: np.ones_like(x * y), source, 64)
    assert relative_l2(other, solution.values["u"]) < 2e-3


def test_helmholtz_at_an_eigenvalue_is_refused():
    eigenvalue = 0.5 * math.pi * math.sqrt(5.0)
    one_line_error(lambda: SOLVERS["helmholtz_2d"](k=eigenvalue), "eigenvalue", "another k")


# --- the cavity ---

#: u on x = 1/2 (Ghia, Ghia & Shin, J. Comput. Phys. 48, 1982, table I): y, and u for Re 100, 400 and 1000.
GHIA_Y = [0.9766, 0.9531, 0.8516, 0.7344, 0.5, 0.2813, 0.1719, 0.0547]
GHIA_U = {
    100: [0.84123, 0.68717, 0.23151, 0.00332, -0.20581, -0.15662, -0.10150, -0.03717],
    400: [0.75837, 0.55892, 0.29093, 0.16256, -0.11477, -0.32726, -0.24299, -0.08186],
    1000: [0.65928, 0.46604, 0.33304, 0.18719, -0.06080, -0.27805, -0.38289, -0.18109],
}
#: The same for Re 1000 by a spectral method (Botella & Peyret, Computers & Fluids 27, 1998, table 9).
BOTELLA_U = [0.6644227, 0.4723329, 0.3372212, 0.1886747, -0.0620561, -0.2803696, -0.3885691, -0.1812881]


@pytest.mark.parametrize(("reynolds", "tolerance"), [(100, 5e-3), (400, 5e-3), (1000, 1e-2)])
def test_cavity_agrees_with_published_centre_lines(reynolds, tolerance):
    """Ghia's own figures are that far from later ones: at Re 1000 from Botella's by 0.006."""
    solution = SOLVERS["lid_driven_cavity"](reynolds=float(reynolds), cells=40, points=50)
    u = solution.interpolated([[0.5, y] for y in GHIA_Y])["u"]
    assert np.abs(u - GHIA_U[reynolds]).max() < tolerance
    if reynolds == 1000:
        assert np.abs(u - BOTELLA_U).max() < 2e-3


def test_slow_flow_is_symmetric_and_divergence_free():
    solution = SOLVERS["lid_driven_cavity"](reynolds=1e-6, lid="quartic", cells=32, points=64)
    u, v, psi = (solution.values[name] for name in ("u", "v", "psi"))
    assert np.abs(u - u[::-1]).max() < 1e-6
    assert np.abs(v + v[::-1]).max() < 1e-6
    h = 1 / 64
    assert np.abs((psi[:, 2:] - psi[:, :-2]) / (2 * h) - u[:, 1:-1])[1:-1].max() < 5e-3
    assert np.abs((psi[2:] - psi[:-2]) / (2 * h) + v[1:-1])[:, 1:-1].max() < 5e-3
    assert solution.values["p"][0, 0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("lid", LIDS)
def test_walls_hold_and_the_corner_pressure_is_left_out(lid):
    solution = SOLVERS["lid_driven_cavity"](lid=lid, cells=32, points=10)
    u, v, p = (solution.values[name] for name in ("u", "v", "p"))
    assert np.array_equal(u[:, -1], LIDS[lid](solution.axes["x"]))
    assert not v[:, [0, -1]].any()
    assert not u[[0, -1], :-1].any()
    assert np.isnan(p).sum() == 2
    assert np.isnan(p[[0, -1], -1]).all()


def test_cavity_is_of_second_order():
    """psi at the centre of the square, a node of all grids, for a smooth lid."""
    centre = []
    for cells in (12, 24, 48, 96):
        grid = CavityGrid.on_grid(cells, LIDS["quartic"])
        centre.append(grid.newton(grid.stokes(), 50.0)[cells // 2 - 1, cells // 2 - 1])
    steps = np.diff(centre)
    assert abs(math.log2(steps[1] / steps[2]) - 2) < 0.3


def test_pressure_of_known_flows():
    """Taylor-Green's vortex without viscosity to second order; a channel's flow, driven by its friction."""
    errors = []
    for cells in (16, 32):
        s = np.linspace(0.0, 1.0, cells + 1)
        nodes = s - 0.5 * np.sin(2 * math.pi * s) / (2 * math.pi)
        x, y = np.meshgrid(nodes, nodes, indexing="ij")
        u, v = (
            np.sin(math.pi * x) * np.cos(math.pi * y),
            -np.cos(math.pi * x) * np.sin(math.pi * y),
        )
        w = 2 * math.pi * np.sin(math.pi * x) * np.sin(math.pi * y)
        exact = 0.25 * (np.cos(2 * math.pi * x) + np.cos(2 * math.pi * y)) - 0.5
        errors.append(np.abs(cavity_pressure(nodes, u, v, w, 1e12) - exact).max())
    assert abs(math.log2(errors[0] / errors[1]) - 2) < 0.3
    u, w = y * (1 - y), 2 * y - 1
    found = cavity_pressure(nodes, u, np.zeros_like(u), w, 4.0)
    assert np.abs(found + 2 * x / 4.0).max() < 2e-3


def test_a_flow_that_newton_does_not_find_is_told():
    one_line_error(lambda: SOLVERS["lid_driven_cavity"](reynolds=1e9, cells=32), "Newton", "smaller reynolds")
