"""What ``describe`` prints, and how it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.test_pde_problem import read
from wsapps.console import usage
from wsapps_pde.__main__ import VERBS
from wsapps_pde.__main__ import main as console
from wsapps_pde.describe import describe, main
from wsapps_pde.problems.problem_file import load_problem
from wsapps_pde.solution.built_in import built_in

MINE = """
name: mine
domain: {space: {difference: [{rectangle: {x: [-1, 1], y: [-1, 1]}}, {disc: {radius: 0.25}}]}, t: [0, 2*pi]}
unknowns: [u, v, "k(x, y)"]
parameters: {nu: 1e-3, L: 2*nu, D: {initial: 1.0, min: 0, max: 9}}
residuals:
  - u_t + u*u_x + v*u_y = D*(u_xx + u_yy) + k_x*u_x
  - v_tt - L*v_xx - where(x < 0, 1, 0.5)
conditions:
  - {at: t = 0, u: sin(pi*x), v: 0}
  - {at: boundary, u + 2*normal_derivative(u): exp(-t), weight: 10}
  - {at: boundary, v: 0}
data: {file: points.csv, unknowns: [u, v_t], weight: 2}
reference: {solver: burgers_cole_hopf, nu: 2*nu, parameters: {D: 0.5}}
solve: [points=4000]
"""

EXPECTED = """\
inverse problem mine
domain
    x in [-1, 1]
    y in [-1, 1]
    t in [0, 6.28319], time
    rectangle x in [-1, 1], y in [-1, 1] without disc of radius 0.25 at (0, 0): measure 3.804
unknowns
    u(x, y, t)
    v(x, y, t)
    k(x, y)
parameters
    nu = 0.001
    L = 2*nu = 0.002
    D is to be found, from 1, at least 0, at most 9, true value 0.5
residuals, each driven to zero
    1. ∂u/∂t + u*∂u/∂x + v*∂u/∂y - (D*(∂²u/∂x² + ∂²u/∂y²) + ∂k/∂x*∂u/∂x)
       derivatives ∂k/∂x, ∂u/∂x, ∂u/∂y, ∂u/∂t, ∂²u/∂x², ∂²u/∂y²; order 2 in x, 2 in y, 1 in t
    2. ∂²v/∂t² - L*∂²v/∂x² - where(x < 0, 1, 0.5)
       derivatives ∂²v/∂x², ∂²v/∂t²; order 2 in x, 2 in t
conditions
    1. u = sin(pi*x) at t = 0
       1 part, area 3.804: the face t = 0; can be built into the solution
    1. v = 0 at t = 0
       1 part, area 3.804: the face t = 0; can be built into the solution
    2. u + 2*normal_derivative(u) = exp(-t) at boundary, weight 10
       5 parts, area 60.14: the whole boundary, with outward normals
    3. v = 0 at boundary
       5 parts, area 60.14: the whole boundary, with outward normals; can be built into the solution
data
    2 points with u, ∂v/∂t, from points.csv
    weight 2
reference
    solver burgers_cole_hopf with nu = 0.002
settings for solve
    points=4000
warnings
    only derivatives of k are asked for, so that any constant may be added; give a value at some place"""


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "points.csv").write_text("x,y,t,u,v_t\n0.5,0.5,1,1,2\n-0.5,0.5,1,1,2\n")
    (tmp_path / "mine.yaml").write_text(MINE)
    return tmp_path / "mine.yaml"


def test_a_problem_is_printed_as_it_was_understood(mine):
    assert describe(read(str(mine))) == EXPECTED


def test_ascii_for_terminals_that_know_no_more(mine):
    text = describe(read(str(mine)), unicode=False)
    assert text.isascii()
    assert "du/dt + u*du/dx" in text
    assert "d2v/dt2" in text


def test_what_can_be_built_in():
    def said(*problem: str) -> list[bool]:
        of = load_problem(problem[0], problem[1:])
        lines = describe(of).splitlines()
        assert sum("can be built in" in line for line in lines) == len(built_in(of))
        return [str(condition) in built_in(of) for condition in of.conditions]

    assert said("wave") == [True, True, True]
    inner = "problem.conditions=[{at:'x = 0.5',u:0},{at:'t = 0',u_t:0},{periodic:x}]"
    assert said("wave", inner) == [False, False, True]
    assert said("wave", "problem.conditions=[{at:'t = 0',u:'abs(x - 0.5)'},{at:boundary,u:0.5}]") == [
        False,
        True,
    ]
    assert said("poisson_holes") == [False, False]
    assert said("poisson_l_shape") == [True]


def test_the_command(mine, capsys):
    assert main([f"problem={mine}"]) == 0
    assert capsys.readouterr().out.startswith("inverse problem mine")
    assert console(["describe", "problem=burgers"]) == 0
    printed = capsys.readouterr().out
    assert "u = -sin(pi*x) at t = 0" in printed
    assert "warnings" not in printed
    assert main(["--help"]) == 0
    assert "problem.residuals=" in capsys.readouterr().out
    assert "describe" in usage("wsapps-pde", VERBS)


def test_warnings_are_printed(capsys):
    assert main(["problem=heat_1d", "problem.conditions=[{at:'t = 0',u:1},{at:'x = 0',u:0}]"]) == 0
    printed = capsys.readouterr().out
    assert "warnings\n" in printed
    assert "no condition for u at x = 1" in printed
    assert "contradict" in printed


def test_bad_input_ends_with_one_line_and_exit_code_2(mine):
    mine.write_text(MINE.replace("v_tt - L", "__import__(x) - L"))
    command = [sys.executable, "-m", "wsapps_pde.describe", "problem=mine.yaml"]
    done = subprocess.run(command, cwd=mine.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "error: mine.yaml line 8: problem.residuals[1]: '__import__' cannot be called"
    )
