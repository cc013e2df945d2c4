"""Reference solutions: the container, interpolation, settings, and every solver's statement of its error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.user_errors import one_line_error
from wsapps_pde.references import SOLVERS, ReferenceSolution, relative_l2
from wsapps_pde.references.extension import extended
from wsapps_pde.references.refinement import extrapolated, refined_spectral
from wsapps_pde.references.solvers import chosen_solver

#: Settings that take a fraction of a second, and what makes each of them finer.
SMALL = {
    "burgers_cole_hopf": ({"points": 32, "times": 8, "nu": 0.02}, {}),
    "allen_cahn": (
        {"points": 32, "times": 5, "modes": 256, "dt": 0.02, "diffusion": 0.01},
        {"modes": 1024, "dt": 0.0025},
    ),
    "kdv": (
        {"points": 32, "times": 5, "modes": 128, "dt": 2e-3, "delta": 0.1},
        {"modes": 256, "dt": 2.5e-4},
    ),
    "kuramoto_sivashinsky": (
        {"points": 32, "times": 5, "modes": 128, "dt": 1e-3, "horizon": 0.2},
        {"modes": 256, "dt": 1.25e-4},
    ),
    "gray_scott": (
        {"points": 16, "times": 3, "modes": 48, "dt": 2e-3, "horizon": 0.05},
        {"modes": 96, "dt": 2.5e-4},
    ),
    "navier_stokes_2d": (
        {"points": 16, "times": 3, "modes": 32, "dt": 0.1, "horizon": 0.5},
        {"modes": 64, "dt": 0.0125},
    ),
    "poisson_l_shape": ({"points": 16}, {}),
    "poisson_holes": ({"points": 16, "source": 2.0}, {}),
    "poisson_2d_varying": ({"cells": 16}, {"cells": 64}),
    "heat_varying_coefficient": (
        {"cells": 16, "waves_y": 2, "times": 4, "horizon": 0.5},
        {"cells": 32, "steps": 32},
    ),
    "helmholtz_2d": ({"points": 16, "modes": 64, "width": 0.15}, {"modes": 256}),
    "lid_driven_cavity": ({"points": 16, "cells": 32, "lid": "quartic"}, {"cells": 64}),
}


def test_every_solver_is_tested_here():
    assert set(SMALL) == set(SOLVERS)


@pytest.mark.parametrize("name", SOLVERS)
def test_solution_is_whole_and_its_error_holds(name):
    """Against a much finer solution the error is not above twice what was stated."""
    coarse_settings, finer = SMALL[name]
    solution = SOLVERS[name](**coarse_settings)
    assert solution.axes is not None
    assert list(solution.axes) in (["x", "t"], ["x", "y"], ["x", "y", "t"])
    assert set(solution.errors) == set(solution.values)
    assert all(0 <= error < 0.05 for error in solution.errors.values())
    assert "\n" not in solution.description
    assert all(np.isfinite(values).any() for values in solution.values.values())
    if not finer:
        assert max(solution.errors.values()) < 1e-8  # these have no resolution to choose
        return
    better = SOLVERS[name](**(coarse_settings | finer))
    if name == "heat_varying_coefficient" or name == "poisson_2d_varying":
        stride = (len(better.axes["x"]) - 1) // (len(solution.axes["x"]) - 1)
        better_values = {key: values[::stride, ::stride] for key, values in better.values.items()}
    else:
        better_values = better.values
    for unknown, values in solution.values.items():
        true = relative_l2(values, better_values[unknown])
        assert true <= 2 * solution.errors[unknown] + 1e-13, unknown


@pytest.mark.parametrize("name", SOLVERS)
def test_bad_settings_are_told(name):
    solver = SOLVERS[name]
    one_line_error(lambda: chosen_solver(name, {"pionts": 3}), name, "pionts", "it takes")
    known = set(chosen_solver(name)[1])
    for key in known - {"lid", "initial", "box", "discs", "centre"}:
        for wrong in (math.nan, math.inf, "ten", True, None, [1.0]):
            one_line_error(lambda key=key, wrong=wrong: solver(**{key: wrong}), name, key)
    must_be_positive = {"nu", "horizon", "dt", "gamma", "reynolds", "width", "sharpness", "diffusion"}
    for key in known & (must_be_positive | {"points", "times", "modes", "cells", "steps"}):
        one_line_error(lambda key=key: solver(**{key: -0.5}), name, key, -0.5)


def test_unknown_names_come_with_the_nearest():
    one_line_error(lambda: chosen_solver("burgers_cole_hop"), "did you mean burgers_cole_hopf?")
    one_line_error(lambda: chosen_solver("kdv", {"horizn": 1.0}), "horizn", "did you mean horizon?")
    one_line_error(lambda: SOLVERS["lid_driven_cavity"](lid="parabolc"), "did you mean parabolic?")
    one_line_error(lambda: SOLVERS["navier_stokes_2d"](initial=3), "initial", "taylor_green")
    one_line_error(lambda: SOLVERS["kdv"](modes=100, points=64), "modes", "multiple of 64")


def test_defaults_are_filled_in():
    _, complete = chosen_solver("kdv", {"delta": 0.1})
    assert complete["delta"] == 0.1
    assert complete["horizon"] == 1.0


# --- the container ---


def grid_of(function, *axes: np.ndarray) -> ReferenceSolution:
    names = "xyzt"[: len(axes)]
    values = function(*np.meshgrid(*axes, indexing="ij"))
    return ReferenceSolution(dict(zip(names, axes, strict=True)), None, {"u": values}, {}, "test")


def test_shapes_are_checked():
    axis = np.linspace(0.0, 1.0, 5)
    with pytest.raises(ValueError, match="shape"):
        ReferenceSolution({"x": axis}, None, {"u": np.zeros(4)}, {}, "")
    with pytest.raises(ValueError, match="axes or points"):
        ReferenceSolution(None, None, {}, {}, "")
    with pytest.raises(ValueError, match=r"\(M, 1\)"):
        ReferenceSolution({"x": axis}, None, {"u": axis}, {}, "").interpolated(np.zeros(3))


def test_coordinates_are_in_the_order_of_the_values():
    solution = grid_of(lambda x, y: 10 * x + y, np.array([0.0, 1.0, 2.0]), np.array([0.0, 3.0]))
    points = solution.coordinates()
    assert np.array_equal(10 * points[:, 0] + points[:, 1], solution.values["u"].ravel())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), dims=st.integers(1, 3))
def test_interpolation_is_exact_on_cubics(seed, dims):
    rng = np.random.default_rng(seed)
    axes = [np.sort(rng.choice(np.linspace(-1, 2, 40), 7, replace=False)) for _ in range(dims)]
    coefficients = rng.normal(size=(4,) * dims)

    def cubic(*variables):
        total = 0.0
        for powers in np.ndindex(coefficients.shape):
            term = coefficients[powers]
            for variable, power in zip(variables, powers, strict=True):
                term = term * variable**power
            total = total + term
        return total

    solution = grid_of(cubic, *axes)
    points = np.stack([rng.uniform(axis[0], axis[-1], 20) for axis in axes], axis=1)
    expected = cubic(*points.T)
    found = solution.interpolated(points)["u"]
    assert np.abs(found - expected).max() < 1e-9 * (1 + np.abs(solution.values["u"]).max())


def test_interpolation_is_of_fourth_order_and_its_stated_error_is_that_of_half_the_nodes():
    def smooth(x, y):
        return np.sin(3 * x) * np.exp(y)

    points = np.random.default_rng(0).uniform(0, 1, (500, 2))
    errors, stated = [], []
    for count in (9, 17, 33):
        axis = np.linspace(0.0, 1.0, count)
        solution = grid_of(smooth, axis, axis)
        errors.append(relative_l2(solution.interpolated(points)["u"], smooth(*points.T)))
        stated.append(solution.interpolation_errors()["u"])
    assert errors[1] / errors[2] > 12
    assert 0.2 < stated[2] / errors[1] < 5


def test_points_outside_are_nan_and_those_that_rounding_put_there_are_not():
    axis = np.linspace(0.0, 1.0, 6)
    solution = grid_of(lambda x: x**2, axis)
    found = solution.interpolated([[-0.1], [1.0 + 1e-13], [1.1], [-1e-13], [math.nan]])["u"]
    assert np.isnan(found[[0, 2, 4]]).all()
    assert found[[1, 3]] == pytest.approx([1.0, 0.0], abs=1e-10)


def test_short_axes_take_a_lower_degree():
    solution = grid_of(lambda x, y: x + y**2, np.array([0.0, 1.0]), np.array([0.0, 1.0, 3.0]))
    assert solution.interpolated([[0.25, 2.0]])["u"] == pytest.approx([4.25])


def test_holes_are_bridged_only_near_their_edge():
    axis = np.linspace(-1.0, 1.0, 41)

    def field(x, y):
        return np.sin(x + 2 * y)

    hole = grid_of(lambda x, y: np.where(np.hypot(x, y) < 0.5, np.nan, field(x, y)), axis, axis)
    angle = np.linspace(0, 2 * np.pi, 50)
    on_edge = 0.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outside = 1.3 * on_edge
    assert np.abs(hole.interpolated(on_edge)["u"] - field(*on_edge.T)).max() < 2e-4
    assert np.abs(hole.interpolated(outside)["u"] - field(*outside.T)).max() < 2e-5
    assert np.isnan(hole.interpolated([[0.0, 0.0], [0.1, -0.2]])["u"]).all()


def test_extension_continues_quadratics_exactly_also_over_time():
    x, y, t = np.meshgrid(np.arange(12.0), np.arange(10.0), np.arange(3.0), indexing="ij")
    whole = x**2 - 2 * x * y + y + t * (3 - y**2)
    holed = whole.copy()
    holed[4:8, 3:, :] = np.nan
    assert np.abs(extended(holed) - whole).max() < 1e-6 * np.abs(whole).max()
    assert np.array_equal(extended(holed)[:4], whole[:4])
    with pytest.raises(ValueError, match="no value"):
        extended(np.full(3, np.nan))


def test_scattered_points_are_joined_linearly():
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (200, 2))
    solution = ReferenceSolution(None, points, {"u": points @ [2.0, -1.0] + 1}, {}, "")
    inside = 0.5 * rng.uniform(-1, 1, (20, 2))
    assert solution.interpolated(inside)["u"] == pytest.approx(inside @ [2.0, -1.0] + 1)
    assert np.isnan(solution.interpolated([[3.0, 0.0]])["u"]).all()
    line = ReferenceSolution(None, np.array([[1.0], [0.0]]), {"u": np.array([2.0, 0.0])}, {}, "")
    assert line.interpolated([[0.25]])["u"] == pytest.approx([0.5])
    flat = ReferenceSolution(None, np.zeros((5, 2)), {"u": np.zeros(5)}, {}, "")
    assert np.isnan(flat.interpolated([[0.0, 0.0]])["u"]).all()


def test_relative_l2():
    a = np.array([3.0, 4.0, np.nan])
    assert relative_l2(np.array([3.0, 4.5, 1.0]), a) == pytest.approx(0.1)
    assert relative_l2(np.zeros(3), np.zeros(3)) == 0.0
    assert relative_l2(np.ones(3), np.zeros(3)) == math.inf
    assert math.isnan(relative_l2(np.full(3, np.nan), a))
    with pytest.raises(ValueError, match="shapes"):
        relative_l2(np.zeros(2), a)


# --- estimates, where the truth is known ---


def test_richardson_removes_the_leading_error_and_tells_what_is_left():
    x = np.linspace(0.0, 1.0, 17)

    def scheme(cells):
        h, nodes = 1.0 / cells, np.linspace(0.0, 1.0, cells + 1)
        return {"u": np.exp(nodes) + h**2 * np.cos(nodes) + 2 * h**4 * np.sin(3 * nodes)}

    values, before = extrapolated(scheme, 16, dims=1)
    true = relative_l2(values["u"], np.exp(x))
    assert 0.8 < relative_l2(before["u"], values["u"][::2]) / 15 / true < 1.25


def test_spectral_estimate_of_the_step_is_the_true_error():
    exact = np.exp(np.linspace(0.0, 1.0, 20))
    _, errors = refined_spectral(lambda modes, steps: {"u": exact * (1 + (0.1 / steps) ** 4)}, 64, 4)
    assert errors["u"] == pytest.approx((0.1 / 4) ** 4, rel=0.01)
