"""A reference is that of the problem: settings by its parameters' names, and warnings where it is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from small_problems import problem

from tests.user_errors import one_line_error
from wsapps_pde.outputs import evaluation
from wsapps_pde.outputs.evaluation import grid_axes, make_reference
from wsapps_pde.outputs.reference_checks import mismatches
from wsapps_pde.problems.problem import Problem
from wsapps_pde.references.solution import ReferenceSolution, grid_points


def burgers(nu=0.05, start="-sin(pi*x)", end=0.99, **reference) -> Problem:
    return problem(
        domain={"x": [-1, 1], "t": [0, end]},
        parameters={"nu": nu},
        residuals=["u_t + u*u_x - nu*u_xx"],
        conditions=[{"at": "t = 0", "u": start}, {"at": "boundary", "u": 0}],
        reference={"solver": "burgers_cole_hopf", **reference},
    )


def heat_reference(of: Problem, amplitude: float = 1.0, last: float = 1.0) -> ReferenceSolution:
    axes = {name: axis * (last if name == "t" else 1.0) for name, axis in grid_axes(of).items()}
    x, t = grid_points(axes).T
    values = amplitude * np.exp(-0.1 * math.pi**2 * t) * np.sin(math.pi * x)
    return ReferenceSolution(axes, None, {"u": values.reshape(256, 101)}, {}, "made here")


HEAT = {
    "domain": {"x": [0, 1], "t": [0, 1]},
    "residuals": ["u_t - 0.1*u_xx"],
    "conditions": [{"at": "t = 0", "u": "sin(pi*x)"}, {"at": "boundary", "u": 0}],
}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (burgers(), {"nu": 0.05}),
        (burgers(nu={"initial": 0.02}, parameters={"nu": 0.03}), {"nu": 0.03}),
    ],
)
def test_a_solver_takes_the_parameters_of_its_settings_names(of, expected, monkeypatch):
    asked = {}

    def solve(name, settings):
        asked.update(settings)
        return heat_reference(of)

    monkeypatch.setattr(evaluation, "solve_reference", solve)
    make_reference(of)
    assert asked == pytest.approx(expected)


def test_what_the_reference_says_comes_first(monkeypatch):
    of = problem(
        **HEAT | {"residuals": ["u_t - diffusion*u_xx"]},
        parameters={"diffusion": 0.1, "times": 7},
        reference={"solver": "allen_cahn", "diffusion": "3*diffusion"},
    )
    asked = {}
    monkeypatch.setattr(
        evaluation, "solve_reference", lambda name, settings: asked.update(settings) or heat_reference(of)
    )
    make_reference(of)
    assert asked == pytest.approx({"diffusion": 0.3})  # and times is that of the solver's grid


def test_a_trained_parameter_is_asked_for_its_true_value():
    one_line_error(
        lambda: burgers(nu={"initial": 0.02}, **{"nu_": "nu"}), "nu is trained; give its true value here"
    )


def test_the_right_reference_is_not_warned_of():
    of = problem(**HEAT)
    assert mismatches(of, heat_reference(of)) == []


def test_another_initial_condition_and_half_of_the_time_are_told():
    of = problem(**HEAT)
    (line,) = mismatches(of, heat_reference(of, amplitude=1.5))
    assert "made here" in line
    assert "u = sin(pi*x) at t = 0 is missed by" in line
    (line,) = mismatches(of, heat_reference(of, last=0.5))
    assert "known from t = 0 to 0.5, and the domain reaches from 0 to 1" in line


def test_grids_of_five_variables_are_no_larger_than_the_others():
    box = {variable: [0, 1] for variable in "xyzvw"}
    axes = grid_axes(problem(domain=box, residuals=["u_xx + u_yy"]))
    assert math.prod(len(axis) for axis in axes.values()) <= 400_000
    assert min(len(axis) for axis in axes.values()) >= 4


def test_an_unknown_without_a_constant_may_not_be_a_mapping():
    one_line_error(
        lambda: problem(**HEAT, reference={"exact": {"u": 0}, "up_to_constant": [["u"]]}), "is no unknown"
    )
