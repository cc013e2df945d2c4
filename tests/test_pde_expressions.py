"""The problem language: it computes what Python computes, and refuses everything else in one line."""

from __future__ import annotations

import ast
import builtins
import math
import operator

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.user_errors import one_line_error
from wsapps.errors import UserError
from wsapps.jets import FUNCTIONS as JET_FUNCTIONS
from wsapps.jets import Jet, JetSpace
from wsapps_pde.language.constant_parts import check_constant_parts
from wsapps_pde.language.expressions import Expression, Names, derivative_of
from wsapps_pde.language.functions import MATH_FUNCTIONS, NUMPY_FUNCTIONS, torch_functions
from wsapps_pde.language.normal_form import alternatives
from wsapps_pde.language.notation import derivative, mathematical, plain
from wsapps_pde.language.python_term import PythonTerm
from wsapps_pde.language.symbols import FUNCTIONS, PLACES

NAMES = Names(("x", "t"), {"u": ("x", "t"), "k": ("x",), "T2": ("x", "t")}, ("nu",), ("x",), PLACES)
VALUES = {"x": 0.7, "t": -1.3, "nu": 0.25, "u": 2.0}

OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
}
COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}


def parse(text, names=NAMES):
    return Expression.parse(text, names)


# --- A tree is a text and what Python makes of it. ---------------------------------------------------------

leaves = st.one_of(
    st.sampled_from(["x", "t", "nu", "u"]).map(lambda name: (name, VALUES[name])),
    st.just(("pi", math.pi)),
    st.floats(0, 50).map(lambda value: (repr(value), value)),
    st.integers(0, 9).map(lambda value: (str(value), float(value))),
)


class NoValue(Exception):
    """Python has no finite real value either."""


def compute(function, *args):
    try:
        value = function(*args)
    except (ArithmeticError, ValueError) as error:
        raise NoValue from error
    if isinstance(value, complex) or not math.isfinite(value):
        raise NoValue
    return value


def lazily(function, *parts):
    return lambda: compute(function, *(part() for part in parts))


def binary(left, op, right):
    return f"({left[0]}) {op} ({right[0]})", lazily(OPERATORS[op], left[1], right[1])


def call(name, argument):
    return f"{name}({argument[0]})", lazily(MATH_FUNCTIONS[name], argument[1])


def negated(part):
    return f"-({part[0]})", lazily(operator.neg, part[1])


def choice(left, op, right, yes, no):
    def value():
        a, b, c, d = left[1](), right[1](), yes[1](), no[1]()  # both branches are computed
        return c if COMPARISONS[op](a, b) else d

    return f"where({left[0]} {op} {right[0]}, {yes[0]}, {no[0]})", value


trees = st.recursive(
    leaves.map(lambda leaf: (leaf[0], lambda: leaf[1])),
    lambda part: st.one_of(
        st.builds(binary, part, st.sampled_from(list(OPERATORS)), part),
        st.builds(call, st.sampled_from(FUNCTIONS), part),
        st.builds(negated, part),
        st.builds(choice, part, st.sampled_from(list(COMPARISONS)), part, part, part),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(trees)
def test_an_expression_is_pythons_own_arithmetic(tree):
    text, expected = tree
    assume(len(text) <= 2000)
    try:
        wanted = expected()
    except NoValue:
        with pytest.raises(UserError):
            parse(text).value(VALUES)
        return
    expression = parse(text)
    assert expression.value(VALUES) == wanted
    assert parse(plain(expression.steps)).value(VALUES) == wanted, "written back it means something else"


@pytest.mark.parametrize("text", ["-x**2", "2**-x", "x - t - nu", "x/t/nu", "x**2**nu", "1 - -x", "+x*-t"])
def test_precedence_is_pythons(text):
    expected = builtins.eval(text, {"__builtins__": {}}, VALUES)  # texts of this file alone
    assert parse(text).value(VALUES) == expected
    assert parse(plain(parse(text).steps)).value(VALUES) == expected


@pytest.mark.parametrize("text", ["where(x < (-x)**0.7, 1, 2)", "where(x < 9, 1, (-x)**0.7)", "(-x)**0.7"])
def test_a_power_that_python_makes_complex_has_no_value(text):
    one_line_error(lambda: parse(text).value(VALUES), "no finite real value")


@pytest.mark.parametrize(
    "text", ["log(where(pi < pi, x, 0))", "1/where(pi <= pi, 0, x)", "where(pi < 3, x, 0)**-0.5"]
)
def test_a_number_that_is_chosen_by_numbers_is_no_constant(text):
    """Its value is infinite, as that of an array is, and no error."""
    x = torch.tensor([0.5, 2.0], dtype=torch.float64)
    by_torch = parse(text).evaluate({"x": x}, torch_functions(torch.float64))
    assert by_torch == parse(text).on_arrays({"x": x.numpy()}, 2)[0]
    assert math.isinf(by_torch)


@settings(max_examples=60, deadline=None)
@given(trees, st.integers(0, 2**32 - 1))
def test_tensors_arrays_and_floats_agree(tree, seed):
    text, _ = tree
    assume(len(text) <= 2000)
    try:
        expression = parse(text)
        check_constant_parts(expression, {"nu": 0.25})
    except UserError:  # its constants have no value
        assume(False)
        return
    arrays = {name: np.random.default_rng(seed).uniform(0.2, 2, 5) for name in ("x", "t", "u")} | {"nu": 0.25}
    tensors = {n: torch.from_numpy(v) if n != "nu" else v for n, v in arrays.items()}
    by_numpy = expression.on_arrays(arrays, 5)
    by_torch = expression.evaluate(tensors, torch_functions(torch.float64))
    by_torch = np.broadcast_to(np.asarray(by_torch, np.float64), (5,))
    np.testing.assert_allclose(by_torch, by_numpy, rtol=1e-9, atol=1e-9, equal_nan=True)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text("xut_0123456789.+-*/()<>=!, sincowhredbyp:[]'\"", max_size=60))
@example("__import__('os').system('true')")
@example("().__class__.__bases__[0].__subclasses__()")
@example("(lambda: 0)()")
@example("[x for x in (1,)]")
@example("{x: 1}")
@example("f'{x}'")
@example("x\x00")
@example("9**9**9**9")
@example("1" * 1999)
@example("(" * 900 + "x" + ")" * 900)
@example("-" * 1999 + "x")
@example("x<" * 900 + "x")
@example("0x1for x")
def test_any_text_parses_or_is_refused_in_one_line(text):
    for read in (Expression.parse, Expression.parse_condition, Expression.parse_residual):
        message = "residuals[0]: "
        try:
            assert isinstance(read(text, NAMES, "residuals[0]").names, frozenset)
        except UserError as error:
            message = str(error)
        assert message.startswith("residuals[0]: ")
        assert "\n" not in message


def test_nothing_is_ever_run(monkeypatch):
    """Neither calling nor compiling is needed: only Python's parser is."""
    real, used = builtins.compile, []

    def only_parse(source, filename, mode, flags=0, *rest, **more):
        used.append("parse" if flags & ast.PyCF_ONLY_AST else "compile")
        return real(source, filename, mode, flags, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "compile", only_parse)
        for name in ("eval", "exec", "open", "print"):
            patched.setattr(builtins, name, lambda *args, name=name: used.append(name))
        value = parse("sin(x)**2").value(VALUES)
        for text in (
            "__import__('os')",
            "open(x)",
            "eval(x)",
            "exec(x)",
            "print(x)",
            "x.real",
            "u.__class__",
        ):
            with pytest.raises(UserError):
                parse(text)
    assert value == math.sin(0.7) ** 2
    assert set(used) == {"parse"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("u + v", ["unknown symbol 'v'", "known here: x, t, u", "column 5"]),
        ("1 + Pi", ["did you mean pi", "column 5"]),
        ("nu2*x", ["did you mean nu"]),
        ("ut - x", ["did you mean u_t"]),
        ("u_y + u", ["'u_y' differentiates in 'y'", "no variable", "(x, t)"]),
        ("k_t", ["k depends on x alone"]),
        ("u_xxxxxxxxx", ["order 9", "at most 8"]),
        ("x^2", ["'^'", "**", "column 2"]),
        ("x² + 1", ["'²'", "**2"]),
        ("x − t", ["'−'", "minus"]),
        ("2x + 1", ["product is written with *", "column 2"]),
        ("2(x)", ["product is written with *"]),
        ("np.sin(x)", ["dot after a name", "sin(x)"]),
        ("x.real", ["dot after a name"]),
        ("__import__('os')", ['"\'" is not part of the language']),
        ("__import__(x)", ["'__import__' cannot be called", "functions are sin"]),
        ("ln(x)", ["write log"]),
        ("sinn(x)", ["did you mean sin"]),
        ("u[0]", ["'['", "u_x"]),
        ("lambda: 0", ["':'"]),
        ("(y := x)", ["':'"]),
        ("(x for x in t)", ["not part of the language"]),
        ("x if x > 0 else t", ["where(condition, a, b)"]),
        ("x // 2", ["+ - * / **"]),
        ("x % 2", ["'%'"]),
        ("x, t", ["commas"]),
        ("sin", ["sin is a function"]),
        ("sin(x, t)", ["takes 1 argument"]),
        ("where(x < 0, 1)", ["takes 3 arguments"]),
        ("where(x, 1, 2)", ["needs a condition"]),
        ("1 + (x < 0)", ["needs a number"]),
        ("x < 0", ["is a condition", "where"]),
        ("(x + 1", ["never closed", "column 1"]),
        ("x +", ["cannot be read"]),
        ("x ) + ( 1", ["unmatched", "column 3"]),
        ("", ["is empty"]),
        ("1/0", ["divides by zero"]),
        ("x + 1/(2 - 2)", ["divides by zero"]),
        ("9**9**9", ["too large"]),
        ("exp(1000)", ["too large"]),
        ("1e999", ["too large"]),
        ("1" * 1000, ["too large"]),
        ("log(-1)", ["no real value"]),
        ("(-1)**0.5", ["no real value"]),
        ("1j", ["not a real number"]),
        ("True", ["not a real number"]),
        ("x" * 2001, ["2001 characters", "at most 2000"]),
        ("(" * 500 + "x" + ")" * 500, ["cannot be read"]),
        ("normal_derivative(x)", ["normal_derivative takes one unknown"]),
        ("x != 1", ["comparisons < <= > >= ="]),
        (True, ["true or false"]),
        (None, ["nothing"]),
        ([1], ["a list"]),
        (math.nan, ["finite"]),
        (math.inf, ["finite"]),
    ],
)
def test_what_is_wrong_is_said_with_the_place(text, words):
    one_line_error(lambda: Expression.parse(text, NAMES, "residuals[0]"), "residuals[0]: ", *words)


def test_a_long_text_is_shown_around_the_fault():
    text = "x + " * 100 + "v" + " + x" * 100
    message = one_line_error(lambda: parse(text), "'v'", "column 401", "...")
    assert len(message) < 300


def test_numbers_of_yaml_are_expressions():
    assert Expression.parse(0, NAMES).constant == 0.0
    assert Expression.parse(-2.5e-3, NAMES).constant == -2.5e-3
    assert Expression.parse("0.01/pi", NAMES).constant == 0.01 / math.pi


def test_constant_parameters_without_a_value():
    quotient = parse("1/nu")
    one_line_error(lambda: quotient.value({"nu": 0.0}, "L"), "L: ", "'1/nu' divides by zero")
    one_line_error(lambda: parse("exp(nu)").value({"nu": 1e9}), "too large")
    one_line_error(lambda: parse("sqrt(nu)").value({"nu": -1.0}), "no finite real value")
    one_line_error(lambda: parse("nu**0.5").value({"nu": -1.0}), "no finite real value")


def test_derivatives_by_name():
    variables = ("x", "y", "t")
    assert derivative_of("u_xxt", {"u"}, variables) == ("u", (2, 0, 1))
    assert derivative_of("u_txx", {"u"}, variables) == ("u", (2, 0, 1))
    assert derivative_of("u", {"u"}, variables) == ("u", (0, 0, 0))
    assert derivative_of("rho_1_y", {"rho_1"}, variables) == ("rho_1", (0, 1, 0))
    for name in ("u_", "u_z", "v_x", "x", "ux", "u_x_t"):
        assert derivative_of(name, {"u"}, variables) is None


def test_needed_derivatives_are_exactly_those_that_occur():
    residual = parse("T2_t + u*k_x - nu*(u_xt + u_tx) + 0.5*u_tx")
    assert residual.derivatives(NAMES.unknowns, NAMES.variables) == {
        ("T2", (0, 1)), ("u", (0, 0)), ("k", (1, 0)), ("u", (1, 1)),
    }  # fmt: skip
    assert residual.names == {"T2_t", "u", "k_x", "nu", "u_xt"}


def test_equal_parts_are_computed_once():
    calls = []
    functions = {**MATH_FUNCTIONS, "sin": lambda value: calls.append(value) or math.sin(value)}
    value = parse("sin(x + t)**2 + sin(x+t)*sin( x + t )").evaluate(VALUES, functions)
    assert value == pytest.approx(2 * math.sin(-0.6) ** 2)
    assert len(calls) == 1


def test_an_equation_is_the_difference_of_its_sides():
    equation = Expression.parse_residual("u_t + u*u_x = nu*u_xx", NAMES)
    difference = Expression.parse_residual("u_t + u*u_x - nu*u_xx", NAMES)
    assert equation.steps == difference.steps
    one_line_error(lambda: Expression.parse_residual("u = x = t", NAMES), "condition")


def test_normal_derivative_is_the_sum_over_space():
    names = Names(("x", "y", "t"), {"u": ("x", "y", "t"), "k": ("x",)}, (), ("x", "y"))
    robin = Expression.parse("u + 2*normal_derivative(u)", names)
    values = {"u": 1.0, "u_x": 2.0, "u_y": 3.0, "normal_x": 0.6, "normal_y": -0.8}
    assert robin.value(values) == pytest.approx(1 + 2 * (0.6 * 2 - 0.8 * 3))
    assert Expression.parse("normal_derivative(k)", names).names == {"normal_x", "k_x"}
    assert Expression.parse("normal_derivative(u_x)", names).names == {
        "normal_x", "u_xx", "normal_y", "u_xy",
    }  # fmt: skip
    one_line_error(lambda: Expression.parse("normal_derivative(u)", Names(("x",), {"u": ("x",)})), "boundary")


def test_where_keeps_double_precision():
    x = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    value = parse("where(x < 0, 0.1, 0.3)").evaluate({"x": x}, torch_functions(torch.float64))
    assert value.dtype == torch.float64
    assert value.tolist() == [0.1, 0.3]


def test_residuals_on_jets_are_those_on_tensors():
    """d/dx of u*sin(pi x) + where(...) by Taylor arithmetic and by autograd."""
    expression = parse("u*sin(pi*x) + nu*where(x < 0.5 and not t > 0, exp(t), tanh(u)**2)/(1 + x**2)")
    points = torch.rand(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    points.requires_grad_()
    x, t = points.unbind(1)
    plain_value = expression.evaluate(
        {"x": x, "t": t, "u": x * t**2, "nu": 0.25}, torch_functions(torch.float64)
    )
    (slope,) = torch.autograd.grad(plain_value.sum(), points)
    x, t = Jet.coordinates(JetSpace.of(2, [(1, 0), (0, 1)]), points.detach())
    jet = expression.evaluate({"x": x, "t": t, "u": x * t**2, "nu": 0.25}, JET_FUNCTIONS)
    torch.testing.assert_close(jet.value, plain_value.detach())
    torch.testing.assert_close(torch.stack([jet.derivative((1, 0)), jet.derivative((0, 1))], dim=1), slope)


def test_compiled_evaluation_is_one_graph_and_has_gradients():
    expression = parse("u*sin(pi*x) + nu*where(x < 0.5 and not t > 0, exp(t), tanh(u)**2)")
    functions = torch_functions(torch.float64)

    def evaluate(x, t, u):
        return expression.evaluate({"x": x, "t": t, "u": u, "nu": 0.25}, functions)

    inputs = [torch.linspace(-1, 0.9, 6, dtype=torch.float64, requires_grad=True) * f for f in (1, -0.5, 2)]
    compiled = torch.compile(evaluate, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), evaluate(*inputs), rtol=0, atol=0)
    assert torch.autograd.gradcheck(evaluate, inputs)


# --- Conditions. -------------------------------------------------------------------------------------------

facts = st.sampled_from(["x < 0.5", "t >= -1", "0 < x <= 1", "x*t > 0.1", "boundary"])
conditions = st.recursive(
    facts,
    lambda part: st.one_of(
        st.builds("({}) and ({})".format, part, part),
        st.builds("({}) or ({})".format, part, part),
        part.map("not ({})".format),
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(conditions, st.booleans())
def test_alternatives_mean_the_same(text, boundary):
    condition = Expression.parse_condition(text, NAMES)
    try:
        lists = alternatives(condition)
    except UserError:
        return  # more alternatives than anybody writes
    x, t = (axis.ravel() for axis in np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9)))
    values = {"x": x, "t": t, "boundary": np.full(81, boundary), "interior": np.full(81, not boundary)}

    def holds(fact):
        return np.broadcast_to(fact.evaluate(values, NUMPY_FUNCTIONS), (81,))

    together = np.any([np.all([holds(fact) for fact in each], axis=0) for each in lists], axis=0)
    np.testing.assert_array_equal(together, holds(condition))


def test_conditions_that_cannot_be():
    def read(text):
        return alternatives(Expression.parse_condition(text, NAMES))

    assert [[fact.text for fact in each] for each in read("x = -1 or 1 = x and not t > 0")] == [
        ["x = -1"],
        ["1 = x", "t <= 0"],
    ]
    one_line_error(lambda: read("not x = 0"), "'not' before an equality")
    one_line_error(lambda: read("x"), "no condition")
    one_line_error(lambda: read(" and ".join(["(x < 0 or t < 0 or x > 1)"] * 5)), "64 alternatives")


# --- Writing. ----------------------------------------------------------------------------------------------


def test_mathematical_notation():
    assert derivative("u", (2, 1), ("x", "t")) == "∂³u/∂x²∂t"
    assert derivative("u", (2, 1), ("x", "t"), unicode=False) == "d3u/dx2dt"
    assert derivative("u", (0, 0), ("x", "t")) == "u"
    burgers = parse("u_t + u*u_x - nu*u_xx")
    assert mathematical(burgers.steps, NAMES) == "∂u/∂t + u*∂u/∂x - nu*∂²u/∂x²"
    assert mathematical(burgers.steps, NAMES, unicode=False) == "du/dt + u*du/dx - nu*d2u/dx2"


def test_a_python_term_reads_as_an_expression():
    term = PythonTerm("own", frozenset({"u_x", "x"}), lambda values, f: f["sin"](values["x"]) * values["u_x"])
    assert term.derivatives(NAMES.unknowns, NAMES.variables) == {("u", (1, 0))}
    assert term.evaluate({"x": 0.5, "u_x": 2.0, "more": 1}, MATH_FUNCTIONS) == 2 * math.sin(0.5)
