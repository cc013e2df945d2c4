"""Problems from YAML: what is read, what is refused and how, what is warned of; and the library's own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from heat_problem import HEAT

from tests.user_errors import one_line_error
from wsapps.config import default_config_dir, differences, from_yaml, to_yaml
from wsapps.config.yaml_files import read_yaml
from wsapps.errors import UserError
from wsapps_pde.language.functions import torch_functions
from wsapps_pde.language.python_term import PythonTerm
from wsapps_pde.language.symbols import derivative_of, normal_name
from wsapps_pde.problems.conditions import Condition, Periodic
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import ProblemConfig, load_problem
from wsapps_pde.space.drawing import PointSource

LIBRARY = sorted(path.stem for path in (default_config_dir("pde") / "problem").glob("*.yaml"))
QUIET = [
    "burgers", "burgers_inverse", "heat_1d", "helmholtz", "poisson_2d", "poisson_holes", "poisson_l_shape",
    "wave",
]  # fmt: skip


def written(folder: Path, text: str, *edits: tuple[str, str]) -> str:
    """A problem file with replacements in it, and its path."""
    for before, after in edits:
        assert before in text, before
        text = text.replace(before, after)
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return str(folder / "mine.yaml")


def read(path: str) -> Problem:
    """As the configuration does, without composing files, which takes most of the time."""
    return Problem.from_config(ProblemConfig(**read_yaml(Path(path)).data, folder=str(Path(path).parent)))


def heat(folder: Path, *edits: tuple[str, str]) -> Problem:
    return read(written(folder, HEAT, *edits))


# --- The library. ------------------------------------------------------------------------------------------


def exact_values(problem, term, points):
    """The values of all names of a term on ``(N, D)`` points: the exact solution, by nested autograd."""
    columns = torch.from_numpy(points).unbind(1)
    coordinates = dict(zip(problem.variables, columns, strict=True))
    for coordinate in coordinates.values():
        coordinate.requires_grad_()
    values = {**problem.true_parameters, **coordinates}
    functions = torch_functions(torch.float64)
    for name in term.names:
        found = derivative_of(name, problem.names.unknowns, problem.variables)
        if found is None:
            continue
        unknown, index = found
        value = problem.reference.exact[unknown].evaluate(values, functions) + 0 * columns[0]
        for variable, order in zip(problem.variables, index, strict=True):
            for _ in range(order):
                (value,) = torch.autograd.grad(
                    value.sum(), coordinates[variable], create_graph=True, materialize_grads=True
                )
        values[name] = value
    return values, functions


def size_of(problem, term, points, extra=()):
    values, functions = exact_values(problem, term, points)
    values.update(extra)
    return torch.as_tensor(term.evaluate(values, functions)).abs().max().item()


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_parses_and_its_exact_solutions_solve_it(name):
    problem = load_problem(name)
    assert problem.name == name
    if name in QUIET:
        assert problem.warnings == ()
    if problem.reference is None or set(problem.reference.exact) < set(problem.names.unknowns):
        return
    points = problem.domain.draw(200, PointSource("sobol", 0, "exact"))
    for residual in problem.residuals:
        assert size_of(problem, residual, points) < 1e-7
    for condition in problem.conditions:
        if isinstance(condition, Condition):
            places, normals = condition.location.draw(50, PointSource("sobol", 0, "places"))
            extra = {}
            if normals is not None:
                columns = torch.from_numpy(normals).unbind(1)
                extra = {normal_name(v): n for v, n in zip(problem.variables, columns, strict=True)}
            for side in (condition.left, condition.right):
                values, functions = exact_values(problem, side, places)
                extra[side.text] = side.evaluate({**values, **extra}, functions)
            gap = torch.as_tensor(extra[condition.left.text] - extra[condition.right.text])
            assert gap.abs().max().item() < 1e-7, condition


def test_the_measurements_of_the_library_are_of_the_solution():
    """Against Cole-Hopf by quadrature here: phi(x, t) is a Gaussian mean of exp(-cos(pi y) / (2 pi nu))."""
    problem = load_problem("burgers_inverse")
    assert problem.data is not None
    nu = problem.true_parameters["nu"]
    spread = np.linspace(-16, 16, 20_001)
    for (x, t), (u,) in zip(problem.data.points[:20], problem.data.values[:20], strict=True):
        y = x - spread * math.sqrt(2 * nu * t)
        weight = np.exp(-np.cos(math.pi * y) / (2 * math.pi * nu) - spread**2 / 2 - 25)
        assert u == pytest.approx(-np.sum(weight * np.sin(math.pi * y)) / np.sum(weight), abs=1e-6)


# --- What is read. -----------------------------------------------------------------------------------------


def test_a_problem_in_full(tmp_path):
    (tmp_path / "points.csv").write_text("x, t, u, u_x, more\n0.5, 0.25, 1, 2, 3\n0.75, 1, -1e-3, 0, 0\n")
    problem = heat(
        tmp_path,
        ("a: 0.1", "scale: 2*pi, a: 'scale/20', b: {initial: 1.5, min: 0, max: 2*pi}"),
        ("[u]", '[u, "k(x)"]'),
        ("u_t - a*u_xx", "u_t = a*k*u_xx + k_x*u_x - b"),
        ("boundary, u: 0", 'boundary, "u + 2*normal_derivative(u)": "exp(-t)", weight: 10'),
        ("name: heat", "name: heat\nsolve: [points=100, trainer.max_steps=3]\n"
                       "data: {file: points.csv, unknowns: [u, u_x], weight: 3}\n"
                       "reference: {exact: {u: 'b*x'}, parameters: {b: 2/3}}"),
    )  # fmt: skip
    assert problem.variables == ("x", "t")
    assert problem.names.unknowns == {"u": ("x", "t"), "k": ("x",)}
    assert problem.constants == {"scale": 2 * math.pi, "a": math.pi / 10}
    b = problem.trainable["b"]
    assert (b.value, b.minimum, b.maximum) == (1.5, 0, 2 * math.pi)
    assert problem.is_inverse
    assert problem.wanted("u") == {(0, 1), (2, 0), (1, 0)}
    assert problem.wanted("k") == {(0, 0), (1, 0)}
    assert problem.wanted("u", "conditions") == {(0, 0), (1, 0)}
    initial, robin = problem.conditions
    assert isinstance(initial, Condition)
    assert isinstance(robin, Condition)
    assert initial.left.single_name == "u"
    assert robin.uses_normals
    assert (robin.weight, initial.weight) == (10, 1)
    assert problem.data is not None
    np.testing.assert_array_equal(problem.data.points, [[0.5, 0.25], [0.75, 1]])
    np.testing.assert_array_equal(problem.data.values, [[1, 2], [-1e-3, 0]])
    assert problem.data.weight == 3
    assert problem.solve == ("points=100", "trainer.max_steps=3")
    assert problem.true_parameters["b"] == 2 / 3
    assert problem.folder == tmp_path


def test_single_values_stand_for_lists(tmp_path):
    problem = heat(tmp_path, ("[u]", "u"), ('["u_t - a*u_xx"]', "u_t = a*u_xx"))
    assert problem.residuals[0].text == "u_t = a*u_xx"
    assert len(problem.unknowns) == 1


def test_a_parameter_called_e_is_not_an_exponent(tmp_path):
    problem = heat(tmp_path, ("{a: 0.1}", "{a: 1e-3*pi, e: 2e-3*pi}"))
    assert problem.constants == {"a": 1e-3 * math.pi, "e": 2e-3 * math.pi}


def test_columns_that_are_not_asked_for_may_hold_anything(tmp_path):
    (tmp_path / "points.csv").write_text("station,x,t,u,comment\nA1,0.5,0.25,1,\nB2,0.75,1,-1e-3,wet\n")
    np.savez(
        tmp_path / "points.npz", x=[0.5, 0.75], t=[0.25, 1.0], u=[1.0, -1e-3], units=np.array(["K", "m", "s"])
    )
    for name in ("points.csv", "points.npz"):
        data = heat(tmp_path, ("name: heat", f"name: heat\ndata: {{file: {name}}}")).data
        assert data is not None
        np.testing.assert_array_equal(data.points, [[0.5, 0.25], [0.75, 1]])
        np.testing.assert_array_equal(data.values, [[1], [-1e-3]])
    (tmp_path / "points.csv").write_text("x,t,u\n0.5,0.25,1\n0.75,1,wet\n")
    one_line_error(
        lambda: heat(tmp_path, ("name: heat", "name: heat\ndata: {file: points.csv}")), "line 3", "'wet'"
    )


def test_several_equations_of_one_condition(tmp_path):
    problem = heat(tmp_path, ('u: "sin(pi*x)"', "u: sin(pi*x), u_t: 0, weight: 2"))
    first, second, _ = problem.conditions
    assert isinstance(first, Condition)
    assert isinstance(second, Condition)
    assert (first.left.text, second.left.text, second.weight) == ("u", "u_t", 2)
    assert first.location is second.location


@pytest.mark.parametrize("entry", ["periodic: x", "periodic: [x]", 'periodic: x, at: "x = 0 or x = 1"'])
def test_periodic(tmp_path, entry):
    problem = heat(tmp_path, ("at: boundary, u: 0", entry), ("sin(pi*x)", "sin(2*pi*x)"))
    assert problem.conditions[1] == Periodic("x", "condition 2")
    assert problem.warnings == ()


def test_the_command_line_sets_single_values(tmp_path):
    path = written(tmp_path, HEAT, ("a: 0.1", "a: 0.1, b: 1, c: {initial: 1}"))
    problem = load_problem(
        path,
        [
            "problem.parameters.a=2*pi", "problem.parameters.b=1e-3", "problem.parameters.c.initial=(1+pi)",
            "problem.domain.t=[0,2]", "problem.residuals=[u_t-a*u_xx-b*c]",
        ],
    )  # fmt: skip
    assert problem.constants == {"a": 2 * math.pi, "b": 1e-3}
    assert problem.trainable["c"].value == 1 + math.pi
    assert problem.domain.duration == (0, 2)
    assert problem.residuals[0].names == {"u_t", "a", "u_xx", "b", "c"}
    one_line_error(
        lambda: load_problem(path, ["problem.parameters.a=1/0"]),
        "command line: problem.parameters.a=1/0", "divides by zero",
    )  # fmt: skip


def test_data_is_found_beside_the_file_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "points.csv").write_text("x,t,u\n0,0,1\n")
    edit = ("name: heat", "name: heat\ndata: {file: points.csv}\nfolder: sub")
    path = written(tmp_path, HEAT, edit)
    monkeypatch.chdir(tmp_path.parent)
    problem = load_problem(f"{tmp_path.name}/mine.yaml")
    assert problem.folder == tmp_path / "sub"
    assert problem.data is not None
    assert problem.data.values == [[1]]
    assert load_problem(path).folder == tmp_path / "sub"


def test_a_configuration_survives_a_run_folder(tmp_path):
    """Written as YAML and read back it is the same problem, data and all, wherever it is read."""
    (tmp_path / "points.npz").write_bytes(b"")
    np.savez(tmp_path / "points.npz", x=[0.5], t=[0.5], u=[[2.0]])
    edits = [("name: heat", "name: heat\ndata: {file: points.npz}")]
    heat(tmp_path, *edits)
    config = ProblemConfig(
        name="heat", domain={"x": [0, 1], "t": [0, 1]}, unknowns=["u"], residuals=["u_t - u_xx"],
        conditions=[{"at": "boundary", "u": 0}], data={"file": "points.npz"}, folder=str(tmp_path),
    )  # fmt: skip
    again = from_yaml(ProblemConfig, to_yaml(config))
    assert differences(config, again) == []
    data = Problem.from_config(again).data
    assert data is not None
    np.testing.assert_array_equal(data.values, [[2]])


def test_a_residual_in_python(tmp_path):
    problem = heat(tmp_path)
    term = PythonTerm("own", frozenset({"u_t", "u_xx"}), lambda v, f: v["u_t"] - f["tanh"](v["u_xx"]))
    changed = replace(problem, residuals=(term,))
    assert changed.wanted("u") == {(0, 1), (2, 0)}


# --- What is refused. --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("u_t - a*u_xx", "u_t - v*u_xx"), ["residuals[0]: unknown symbol 'v'", "column 7"]),
        (("u_t - a*u_xx", "u_t - a*u_yy"), ["differentiates in 'y'", "(x, t)"]),
        (("u_t - a*u_xx", "a*x"), ["residuals[0]", "holds no unknown (u)"]),
        (("u_t - a*u_xx", "__import__(x)"), ["'__import__' cannot be called"]),
        (("u_t - a*u_xx", "u_t - u_xx*(1/(a - 0.1))"), ["residuals[0]: '1/(a - 0.1)'", "where a = 0.1"]),
        (("sin(pi*x)", "sqrt(-a)*x"), ["conditions[0].u: 'sqrt(-a)' in 'sqrt(-a)*x' has no finite value"]),
        (("u_t - a*u_xx", "u.real"), ["dot after a name"]),
        (("x: [0, 1]", "x: [1, 1]"), ["domain.x: ", "zero size"]),
        (("domain: {x: [0, 1], t: [0, 1]}", "domain: 3"), ["domain: the domain is written"]),
        (("[u]", "[u, u]"), ["unknowns[1]", "'u' is the name of a unknown"]),
        (("[u]", "[u, u_x]"), ["'u_x' reads as a derivative of the unknown 'u'"]),
        (("[u]", "[u, sin]"), ["'sin' has a meaning"]),
        (("[u]", "[u, normal]"), ["'normal' has a meaning"]),
        (("[u]", "[u, residual]"), ["'residual' would be written over one of the run's files"]),
        (("[u]", "[u, x]"), ["'x' is the name of a variable"]),
        (("[u]", "[u, a]"), ["'a' is the name of a parameter"]),
        (("[u]", "[u, k(x, t)]"), ["in quotes", "'k(x'"]),
        (("[u]", '[u, "k(y)"]'), ["'y' is no variable of the domain (x, t)"]),
        (("[u]", "[]"), ["at least one unknown"]),
        (("{a: 0.1}", "{a: 0.1, lambda: 1}"), ["'lambda' is a word of the Python language"]),
        (("{a: 0.1}", "{a: 0.1, x: 1}"), ["parameter 'x' is the name of a variable"]),
        (("{a: 0.1}", "{a: 0.1, u_x: 1}"), ["'u_x' reads as a derivative"]),
        (("{a: 0.1}", "{a: b, b: 1}"), ["parameters.a: 'b' of a: b comes later"]),
        (("at: boundary, u: 0", "periodic: x, weight: 10"), ["weight", "periodic", "nothing can weigh"]),
        (("at: boundary, u: 0", "at: boundary, weight: 2"), ["is no equation"]),
        (("[u]", "[NO]"), ["unknowns", "YAML reads", "False", "in quotes"]),
        (("[u]", "[u, alpha]"), ["unknowns", "alpha"]),
        (('"sin(pi*x)"', "where(x < 0.5, 1, 0)"), ["in quotes", "where(x < 0, 1, 2)"]),
        (('["u_t - a*u_xx"]', "[u_t - where(x < 0, 1, 2)]"), ["was never closed", "put in quotes"]),
        (("{a: 0.1}", "{b: {initial: 1}, a: 2*b}"), ["parameters.a: '2*b' of a: b is trained"]),
        (("{a: 0.1}", "{a: c}"), ["parameters.a: unknown symbol 'c'"]),
        (("{a: 0.1}", "{a: 1/0}"), ["divides by zero"]),
        (("{a: 0.1}", "{a: {initial: 1, min: 2}}"), ["initial = 1 is outside its bounds, min = 2"]),
        (("{a: 0.1}", "{a: {min: 2}}"), ["needs its start"]),
        (("{a: 0.1}", "{a: {initial: 1, mim: 0}}"), ["did you mean min"]),
        (("{a: 0.1}", "{a: {initial: 1, min: 2, max: 0}}"), ["min = 2 must be below max = 0"]),
        (("t = 0", "t = 5"), ["conditions[0].at: 't = 5' lies outside", "t in [0, 1]"]),
        (("u: 0", "v: 0"), ["conditions[1].v: unknown symbol 'v'"]),
        (("u: 0", "u: w"), ["conditions[1].u: unknown symbol 'w'"]),
        (("u: 0", "x: 0"), ["holds no unknown"]),
        (("u: 0", "weigth: 2, u: 0"), ["did you mean the key weight"]),
        (("u: 0", "weight: -2, u: 0"), ["weight must not be negative"]),
        ((", u: 0", ""), ["conditions[1]: is no equation"]),
        (("at: boundary, ", ""), ["says not where 'u' holds", "at: boundary"]),
        (("at: boundary", "att: boundary"), ["did you mean at, in place of 'att'"]),
        (("- {at: boundary, u: 0}", "- boundary"), ["a condition is written {key: value}"]),
        (("u: 0", "periodic: y"), ["'y' is no variable"]),
        (("at: boundary, u: 0", 'periodic: x, at: "t = 0"'), ["joins x = 0 and x = 1", "leave at out"]),
        (('t = 0", u:', 't = 0", normal_derivative(u):'), ["which is a time", "u_t"]),
        (("at: boundary, u", 'at: "x = 0.5", normal_derivative(u)'), ["no part of the boundary"]),
        (("name: heat", "name: heat\ndata: {file: no.csv}"), ["data: there is no data file", "no.csv"]),
        (("name: heat", "name: heat\ndata: {fil: no.csv}"), ["data", "did you mean file"]),
        (("name: heat", "name: heat\ndata: {file: no.csv, unknowns: [v]}"), ["data.unknowns[0]", "'v'"]),
        (("name: heat", "name: heat\nreference: {exact: {v: 0}}"), ["exact has no key 'v'", "keys: u"]),
        (("name: heat", "name: heat\nreference: {exact: {u: u}}"), ["exact.u: unknown symbol 'u'"]),
        (("name: heat", "name: heat\nreference: {exact: {u: 0}, file: a.npz}"), ["given twice"]),
        (("name: heat", "name: heat\nreference: {solvr: a}"), ["did you mean solver"]),
        (("name: heat", "name: heat\nsolve: [points]"), ["key=value", "'points'"]),
    ],
)  # fmt: skip
def test_bad_problems(tmp_path, edit, words):
    one_line_error(lambda: heat(tmp_path, edit), *words)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("u_t - a*u_xx", "u_t - v*u_xx"), ["mine.yaml line 6: problem.residuals[0]: unknown symbol 'v'"]),
        (('["u_t - a*u_xx"]', "\n  - u_t - u_xx\n  - u_q"), ["mine.yaml line 8: problem.residuals[1]: "]),
        (("x: [0, 1]", "x: [1, 1]"), ["mine.yaml line 3: problem.domain.x: ", "zero size"]),
        (("u: 0", "u: w"), ["mine.yaml line 9: problem.conditions[1].u: unknown symbol 'w'"]),
        (
            ("residuals:", "residual:"),
            ["line 6: unknown key problem.residual", "did you mean problem.residuals"],
        ),
    ],
)
def test_faults_are_told_with_file_and_line(tmp_path, edit, words):
    path = written(tmp_path, HEAT, edit)
    one_line_error(lambda: load_problem(path), *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,u\n0,1\n", ["no column 't'", "x, u"]),
        ("x,t,U\n0,0,1\n", ["no column 'u'"]),
        ("0,0,1\n0,1,1\n", ["first line names the columns"]),
        ("x,t,u\n", ["at least 1"]),
        ("x,t,u\n0,0\n", ["line 2", "3 columns are named and 2 given"]),
        ("x,t,u\n0,0,1\n0,0,one\n", ["line 3", "'one' is not a number"]),
        ("x,t,u\n0,0,1\n0,0,nan\n", ["column 'u'", "1 entries", "row 2"]),
        ("x,x,t,u\n", ["named twice"]),
    ],
)
def test_bad_data(tmp_path, text, words):
    (tmp_path / "points.csv").write_text(text)
    edit = ("name: heat", "name: heat\ndata: {file: points.csv}")
    one_line_error(lambda: heat(tmp_path, edit), "points.csv", *words)


def test_pickled_data_is_refused(tmp_path):
    np.savez(tmp_path / "points.npz", x=np.array([{}], dtype=object))
    edit = ("name: heat", "name: heat\ndata: {file: points.npz}")
    one_line_error(lambda: heat(tmp_path, edit), "points.npz cannot be read")


def test_complex_data_is_refused(tmp_path):
    np.savez(tmp_path / "points.npz", x=[0.5], t=[0.5], u=[2.0 + 1j])
    edit = ("name: heat", "name: heat\ndata: {file: points.npz}")
    one_line_error(lambda: heat(tmp_path, edit), "u must hold real numbers")


def test_expressions_may_have_lines(tmp_path):
    assert heat(tmp_path, ('["u_t - a*u_xx"]', "|\n  u_t\n  - a*u_xx")).warnings == ()
    edit = ('["u_t - a*u_xx"]', "|\n  u_t\n  \u2212 a*u_xx")
    one_line_error(lambda: heat(tmp_path, edit), "\u2212")


def test_a_normal_derivative_inside_an_l_shape(tmp_path):
    space = (
        "space: {difference: [{rectangle: {x: [-1, 1], y: [-1, 1]}}, {rectangle: {x: [0, 1], y: [0, 1]}}]}"
    )
    edits = [
        ("x: [0, 1]", space), ("u: 0", "normal_derivative(u): 0"), ("boundary", '"x = 0"'),
    ]  # fmt: skip
    one_line_error(lambda: heat(tmp_path, *edits), "a part runs inside the domain", "and boundary")
    edits[2] = ("boundary", '"x = 0 and boundary"')
    assert heat(tmp_path, *edits).conditions[1]


def test_an_unknown_problem_is_told_the_choices():
    one_line_error(lambda: load_problem("burger"), "did you mean burgers", "poisson_2d")


# --- What is warned of. ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], []),
        ([('  - {at: "t = 0", u: "sin(pi*x)"}\n', "")], ["no initial condition for u at t = 0"]),
        ([('"t = 0"', '"t = 0 and x < 0.5"')], ["no initial condition for u at t = 0 on 50 %"]),
        ([("u_t -", "u_tt -")], ["no initial condition for u_t at t = 0"]),
        ([("u_t -", "u_tt -"), ('u: "sin(pi*x)"', "u: sin(pi*x), u_t: 0")], []),
        ([("at: boundary", 'at: "x = 0"')], ["no condition for u at x = 1"]),
        ([("at: boundary", 'at: "boundary and (x < 0.5 or t > 0.5)"')], ["at x = 1 (as at"]),
        ([("u: 0", "normal_derivative(u): 0")], []),
        ([("  - {at: boundary, u: 0}\n", "  - {periodic: x}\n"), ("pi*x", "2*pi*x")], []),
        ([("a*u_xx", "a*u_xxxx")], ["2 conditions for u on the two faces of x", "order 4"]),
        ([("a*u_xx", "a*u_xxxx"), ("u: 0", "u: 0, u_xx: 0")], []),
        ([("u: 0", "u: 1")], ["contradict each other: u = 0 and 1 at x = 0, t = 0"]),
        ([("u: 0", "u: 0}\n  - {at: \"x = 1 and t > 0.5\", u: 2")], ["u = 0 and 2 at x = 1"]),
        ([("u: 0", "u: 0}\n  - {at: \"x = 1\", u: 1e-9")], []),
        ([("sin(pi*x)", "0"), ("u: 0", "u: 0}\n  - {at: \"x = 1\", u: 1e-9")], ["u = 0 and 1e-09 at x = 1"]),
        ([("u: 0", "normal_derivative(u): 0}\n  - {at: \"x = 1\", normal_derivative(u): 1")],
         ["contradict each other: normal_derivative(u) = 0 and 1 at x = 1"]),
        ([("u: 0", "normal_derivative(u): 0}\n  - {at: \"x = 1\", u: 0")], []),
        ([("  - {at: boundary, u: 0}\n", "  - {periodic: x}\n"), ("sin(pi*x)", "x")],
         ["contradicts condition 1", "u at x = 0 and 1 = 0 and 1"]),
        ([("name: heat", "name: heat\nreference: {exact: {u: sin(pi*x) + t}}")],
         ["contradicts the exact solution: u = 0 and"]),
        ([("name: heat", "name: heat\nreference: {exact: {u: sin(pi*x)*exp(-a*pi**2*t)}}")], []),
        ([("name: heat", "name: heat\nreference: {exact: {u: sin(pi*x)*exp(-a*pi**2*t) + 1}, "
           "up_to_constant: u}")], []),
        ([("domain: {x: [0, 1], t: [0, 1]}", "domain: {x: [0, 6]}"), ("u_t - a*u_xx", "u_xx + u"),
          ('"t = 0", u: "sin(pi*x)"', '"x = 0", u: 0, u_x: 1'), ("  - {at: boundary, u: 0}\n", "")], []),
        ([("domain: {x: [0, 1], t: [0, 1]}", "domain: {x: [0, 6]}"), ("u_t - a*u_xx", "u_xx + u"),
          ('"t = 0", u: "sin(pi*x)"', '"x = 0", u: 0'), ("  - {at: boundary, u: 0}\n", "")],
         ["no condition for u at x = 6"]),
        ([("{a: 0.1}", "{a: {initial: 0.1}}")], ["no data from which to find a"]),
        ([("{a: 0.1}", "{a: 1, b: {initial: 0.1}}")], ["no data from which to find b", "b is not used"]),
        ([("[u]", "[u, w]")], ["1 residual for 2 unknowns", "unknown w is not used"]),
        ([("[u]", '[u, "k(x)"]'), ("a*u_xx", "k*u_xx - k_x*u_x")], ["1 residual for 2 unknowns"]),
        ([("[u]", "[u, p]"), ('["', '["p_x + u", "')], ["no condition holds the unknown p"]),
    ],
)  # fmt: skip
def test_warnings(tmp_path, edits, expected):
    warnings = heat(tmp_path, *edits).warnings
    for words in expected:
        assert any(words in warning for warning in warnings), warnings
    if not expected:
        assert warnings == ()


def test_no_conditions_at_all(tmp_path):
    text = HEAT[: HEAT.index("conditions:")]
    (first, *_) = read(written(tmp_path, text)).warnings
    assert "no condition and no data" in first


def test_corners_of_a_lid_driven_cavity_are_named(tmp_path):
    text = """
domain: {x: [0, 1], y: [0, 1]}
unknowns: [u]
residuals: [u_xx + u_yy]
conditions:
  - {at: "y = 1", u: 1}
  - {at: "x = 0 or x = 1 or y = 0", u: 0}
"""
    (warning,) = read(written(tmp_path, text)).warnings
    assert "condition 1 (u = 1 at y = 1) and condition 2" in warning
    assert "y = 1" in warning.split(" at ")[-1]


def test_measured_unknowns_need_no_conditions_and_points_outside_are_counted(tmp_path):
    (tmp_path / "points.csv").write_text("x,t,u\n0.5,0.5,1\n3,0.5,1\n")
    text = HEAT[: HEAT.index("conditions:")] + "data: {file: points.csv}\n"
    (warning,) = read(written(tmp_path, text)).warnings
    assert "1 of 2 points of points.csv lie outside the domain, the first at (3, 0.5)" in warning


def test_a_shape_with_a_forgotten_hole(tmp_path):
    text = """
domain: {space: {difference: [{rectangle: {x: [-1, 1], y: [-1, 1]}}, {disc: {radius: 0.25}}]}}
unknowns: u
residuals: u_xx + u_yy
conditions: {at: "x = -1 or x = 1 or y = -1 or y = 1", u: 0}
"""
    (warning,) = read(written(tmp_path, text)).warnings
    assert "no condition for u on a part of the boundary" in warning


def test_a_hole_beside_the_domain(tmp_path):
    text = """
domain: {space: {difference: [{rectangle: {x: [-1, 1], y: [-1, 1]}}, {disc: {centre: [5, 5], radius: 0.25}}]}}
unknowns: u
residuals: u_xx + u_yy
conditions: {at: boundary, u: 0}
"""
    (warning,) = read(written(tmp_path, text)).warnings
    assert "has no part of the domain's boundary" in warning


def test_errors_can_be_caught_as_user_errors():
    with pytest.raises(UserError, match=r"domain: the domain has no variable"):
        ProblemConfig()
