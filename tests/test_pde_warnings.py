"""Problems that are read and yet hardly what was meant: each is warned of, or refused, by name."""

from __future__ import annotations

import pytest
from heat_problem import HEAT_AND_EXACT as HEAT
from user_errors import one_line_error

from wsapps_pde.outputs.solver_settings import told_solver
from wsapps_pde.problems.problem_file import load_problem

STEP = """
domain: {space: {union: [{rectangle: {x: [0, 1], y: [0.5, 1]}}, {rectangle: {x: [1, 4], y: [0, 1]}}]}}
unknowns: [u]
residuals: ["u_xx + u_yy - 1"]
conditions:
  - {at: "boundary and x < 1", u: 0}
  - {at: "boundary and x > 1", u: 0}
  - {at: "x = 1", u: 0}
"""


def read(tmp_path, text, *edits):
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "mine.yaml").write_text(text)
    return load_problem(str(tmp_path / "mine.yaml"))


def test_an_exact_solution_of_another_equation_is_warned_of(tmp_path):
    assert read(tmp_path, HEAT).warnings == ()
    (warning,) = read(tmp_path, HEAT, ("exp(-a*pi", "exp(-0.11*pi")).warnings
    assert "the exact solution does not solve residual (u_t - a*u_xx), which is" in warning
    # One of two residuals, and what is not stated is not asked for.
    pair = (
        ("[u]", "[u, v]"), ('"u_t - a*u_xx"', '"u_t - a*u_xx", "u_x - 2*v", "v_t - u*v"'),
        ('sin(pi*x)"}}', 'sin(pi*x)", v: "exp(-a*pi**2*t)*pi*cos(pi*x)"}}'),
    )  # fmt: skip
    warnings = [w for w in read(tmp_path, HEAT, *pair).warnings if "exact" in w]
    assert [w.split(", which")[0].split("solve ")[1] for w in warnings] == [
        "residual 2 (u_x - 2*v)",
        "residual 3 (v_t - u*v)",
    ]
    alone = [w for w in read(tmp_path, HEAT, *pair[:2]).warnings if "exact" in w]
    assert alone == []


def test_a_wall_that_runs_on_inside_the_domain_is_warned_of(tmp_path):
    (warning,) = [w for w in read(tmp_path, STEP).warnings if "inside the domain" in w]
    assert "condition 3 (u = 0 at x = 1) is asked for on the boundary and, 0.5 of 1, inside" in warning
    assert "add 'and boundary'" in warning
    assert not [
        w for w in read(tmp_path, STEP, ('"x = 1"', '"x = 1 and boundary"')).warnings if "inside" in w
    ]


def test_plus_minus_is_no_pair_of_places(tmp_path):
    one_line_error(lambda: read(tmp_path, HEAT, ("at: boundary", 'at: "x = +-1"')), "+- reads as minus")


def test_an_equation_for_a_key_is_shown_how_it_is_written(tmp_path):
    one_line_error(
        lambda: read(tmp_path, HEAT, ("at: boundary, u: 0", 'at: boundary, "u = 0"')), "write u: 0"
    )


def test_coordinates_are_in_the_order_in_which_they_are_declared(tmp_path):
    text = "domain: {r: [0, 1], t: [0, 2], z: [0, 1]}\nunknowns: [u]\nresiduals: [u_rr + u_zz + u_t]\n"
    assert read(tmp_path, text).variables == ("r", "z", "t")
    assert read(tmp_path, HEAT, ("{x: [0, 1], t: [0, 1]}", "{t: [0, 1], x: [0, 1]}")).variables == (
        "x",
        "t",
    )


def test_columns_that_are_not_separated_by_commas(tmp_path):
    (tmp_path / "points.csv").write_text("x,t,u\n0.5;0.5;1\n")
    edit = ("reference:", "data: {file: points.csv}\nreference:")
    one_line_error(lambda: read(tmp_path, HEAT, edit), "line 2", "separated by commas")


def test_a_solver_is_told_with_what_it_takes(tmp_path):
    """A viscosity under another name is not the solver's, which is seen from what it takes."""
    solver = ('{exact: {u: "exp(-a*pi**2*t)*sin(pi*x)"}}', "{solver: burgers_cole_hopf}")
    assert told_solver(read(tmp_path, HEAT, solver), "burgers_cole_hopf") == (
        "solver burgers_cole_hopf, by its own nu = 0.0031831"
    )
    named = read(tmp_path, HEAT, solver, ("{a: 0.1}", "{a: 0.1, nu: 0.5}"))
    assert told_solver(named, "burgers_cole_hopf") == "solver burgers_cole_hopf with nu = 0.5"
    one_line_error(lambda: told_solver(named, "burgers"), "unknown reference solver", "burgers_cole_hopf")


def test_of_a_key_that_is_missing_the_file_is_named(tmp_path):
    one_line_error(lambda: read(tmp_path, HEAT, ("unknowns: [u]\n", "")), "mine.yaml: problem.unknowns")


@pytest.mark.parametrize(
    "conditions",
    [
        '[{at: "x = 0", u: 0}, {at: "x = 0", "u - 1": 0}, {at: "x = 1", u: 0}]',
        '[{at: "x = 0", u: 3}, {at: boundary, "2*u": 4}]',
        '[{at: "x = 0", "u**2": 4}, {at: boundary, u: "1 + x"}]',
    ],
)
def test_a_value_that_breaks_another_condition(tmp_path, conditions):
    text = f"domain: {{x: [0, 1]}}\nunknowns: [u]\nresiduals: [u_xx]\nconditions: {conditions}\n"
    (warning,) = read(tmp_path, text).warnings
    assert "contradict each other" in warning
    assert warning.endswith("at x = 0")


def test_other_conditions_on_what_has_the_right_value(tmp_path):
    text = "domain: {x: [0, 1]}\nunknowns: [u]\nresiduals: [u_xx]\n"
    text += 'conditions: [{at: "x = 0", u: 2}, {at: boundary, "2*u": 4}, {at: "x = 0", "u*u_x": 4}]\n'
    assert read(tmp_path, text).warnings == ()


def test_what_only_has_derivatives_lacks_a_level(tmp_path):
    text = "domain: {x: [0, 1]}\nunknowns: [u]\nresiduals: [u_xx - cos(pi*x)]\n"
    text += "conditions: [{at: boundary, normal_derivative(u): 0}]\n"
    (warning,) = read(tmp_path, text).warnings
    assert "any constant may be added" in warning
    assert read(tmp_path, text, ("u_xx -", "u_xx + u -")).warnings == ()
    free = ("conditions", 'reference: {exact: {u: "-cos(pi*x)/pi**2"}, up_to_constant: u}\nconditions')
    assert read(tmp_path, text, free).warnings == ()


def test_what_is_known_at_the_end_of_the_time_may_be_open_at_its_start(tmp_path):
    end = ('{at: "t = 0", u: "sin(pi*x)"}', '{at: "t = 1", u: "sin(pi*x)*exp(-a*pi**2)"}')
    assert read(tmp_path, HEAT, end).warnings == ()
    text = "domain: {t: [0, 1]}\nunknowns: [q]\nresiduals: [q_tt + q]\n"
    both = 'conditions: [{at: "t = 0", q: 0}, {at: "t = 1", q: 1}]\n'
    assert read(tmp_path, text + both).warnings == ()
    (warning,) = read(tmp_path, text + both, (', {at: "t = 1", q: 1}', "")).warnings
    assert "no initial condition for q_t" in warning


def test_two_conditions_at_the_start_are_no_condition_at_the_end(tmp_path):
    text = "domain: {t: [0, 1]}\nunknowns: [q]\nresiduals: [q_tt + q]\n"
    text += 'conditions: [{at: "t = 0", q: 1}, {at: "t = 0", "2*q": 2}]\n'
    (warning,) = read(tmp_path, text).warnings
    assert "no initial condition for q_t" in warning
