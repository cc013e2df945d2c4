"""The unknowns and their loss: derivatives, exact solutions, means, micro-batches, trainable parameters."""

from __future__ import annotations

import itertools
import math
import shutil
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_problems import FILES, HEAT, LIBRARY, objective, problem, shipped, small_field, solution
from torch import Tensor

from tests.user_errors import one_line_error
from wsapps import jets
from wsapps.derivatives import autograd_derivatives
from wsapps.fields import SincField, TanhField, WireField
from wsapps.jets import Jet, JetSpace, has_jet
from wsapps_pde.language.functions import torch_functions
from wsapps_pde.language.symbols import derivative_name
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.learning.sites import known_values
from wsapps_pde.problems.parameters import Parameter
from wsapps_pde.problems.problem import Problem
from wsapps_pde.solution.bounded_parameters import BoundedParameters
from wsapps_pde.solution.field import SolutionField
from wsapps_pde.space.drawing import PointSource

EXACT = [path.stem for path in FILES if "exact:" in path.read_text(encoding="utf-8")]
FUNCTIONS = torch_functions(torch.float64)


def points_in(of: Problem, count: int = 12) -> Tensor:
    return torch.as_tensor(of.domain.draw(count, PointSource("random", 0, "test")))


def composed(field: SolutionField, name: str, x_ND: Tensor) -> Tensor:
    """An unknown's value, put together from what it is said to be made of."""
    network = next(network for network in field.networks if name in network.unknowns)
    of, inputs = field.problem, []
    for variable, periodic in zip(network.variables, network.periodic, strict=True):
        column = of.variables.index(variable)
        low, high = of.domain.bounds[column]
        z = 2 * (x_ND[:, column] - low) / (high - low) - 1
        inputs += [torch.cos(math.pi * z), torch.sin(math.pi * z)] if periodic else [z]
    value = network.field(torch.stack(inputs, dim=-1))[:, network.unknowns.index(name)]
    if construction := field.constructions.get(name):
        known = dict(zip(of.variables, x_ND.unbind(-1), strict=True))
        value = construction.lift(known, FUNCTIONS) + construction.factor(known, FUNCTIONS) * value
    return value


#: What makes a solution more than a network.
MADE_OF: dict[str, dict[str, Any]] = {
    "scaling": {"domain": {"x": [-3, 1], "y": [10, 10.5]}},
    "conditions": HEAT,
    "a periodic variable": {
        "domain": {"x": [-1, 3], "t": [0, 2]},
        "conditions": [{"periodic": "x"}, {"at": "t = 0", "u": "cos(pi*x)"}],
    },
    "fewer variables": {
        "domain": {"x": [0, 1], "y": [0, 2], "t": [0, 1]},
        "unknowns": ["u", "k(x, y)", "v", "a(t)"],
        "conditions": [{"at": "boundary", "k": "x", "v": "t"}],
    },
    "a disc": {
        "domain": {"space": {"disc": {"radius": 2}}},
        "conditions": [{"at": "boundary", "u": "x*y"}],
    },
}


@pytest.mark.parametrize(
    ("of", "make"),
    [
        *((of, small_field) for of in MADE_OF),
        ("conditions", lambda i, o: WireField(i, o, width=6, hidden_layers=1, omega=2.0, scale=0.5)),
        ("a periodic variable", lambda i, o: SincField(i, o, width=6, hidden_layers=1, omega=0.7)),
        ("conditions", lambda i, o: TanhField(i, o, width=6, hidden_layers=1)),
    ],
    ids=[*MADE_OF, "wire", "sinc", "tanh"],
)
def test_all_derivatives_are_those_of_nested_autograd(of, make):
    of = problem(**MADE_OF[of])
    field = solution(of, make=make)
    indices = [index for index in itertools.product(range(4), repeat=len(of.variables)) if sum(index) <= 3]
    wanted = {
        unknown.name: frozenset(
            index
            for index in indices
            if all(v in unknown.variables for v, n in zip(of.variables, index, strict=True) if n)
        )
        for unknown in of.unknowns
    }
    points = points_in(of)
    found = field(points, wanted)
    assert all(network.field is not None for network in field.networks)
    for unknown in of.unknowns:
        name = unknown.name
        reference = autograd_derivatives(
            lambda x, name=name: composed(field, name, x)[:, None], points, sorted(wanted[name])
        )
        for index in wanted[name]:
            value = found[derivative_name(name, index, of.variables)]
            assert value.shape == (len(points),)
            scale = float(reference[index].detach().abs().max())
            torch.testing.assert_close(
                value, reference[index][:, 0], rtol=1e-10, atol=1e-10 * max(1.0, scale)
            )


def test_which_of_these_fields_are_differentiated_in_closed_form():
    assert has_jet(small_field(2, 1))
    assert has_jet(TanhField(2, 1, width=6, hidden_layers=1))
    assert not has_jet(WireField(2, 1, width=6, hidden_layers=1))
    assert not has_jet(SincField(2, 1, width=6, hidden_layers=1))


@pytest.mark.parametrize("make", [small_field, lambda i, o: SincField(i, o, width=6)], ids=["sine", "sinc"])
def test_a_periodic_unknown_is_so_with_its_derivatives(make):
    of = problem(
        domain={"x": [-1, 3], "t": [0, 2]},
        conditions=[{"periodic": "x"}, {"at": "t = 0", "u": "cos(pi*x)"}],
    )
    field = solution(of, make=make)
    lower = points_in(of)
    upper = lower.clone()
    lower[:, 0], upper[:, 0] = -1.0, 3.0
    wanted = {"u": frozenset((n, m) for n in range(4) for m in range(2))}
    found, other = field(lower, wanted), field(upper, wanted)
    for name in found:
        torch.testing.assert_close(found[name], other[name], rtol=1e-9, atol=1e-9)
    assert float((found["u"][0] - found["u"][1]).abs().detach()) > 1e-3


# --- Residuals. -------------------------------------------------------------------------------------------


def exact_values(of: Problem, x_ND: Tensor, site: Any) -> dict[str, Tensor]:
    """What a solution's forward gives, from the exact expressions of the problem's reference."""
    assert of.reference is not None
    found = {}
    for name, expression in of.reference.exact.items():
        parts = [part for part in site.parts if part.unknown == name]
        indices = [*site.wanted.get(name, ()), *(index for part in parts for index in part.operator)]
        space = JetSpace.of(len(of.variables), [*indices, (0,) * len(of.variables)])
        coordinates = dict(zip(of.variables, Jet.coordinates(space, x_ND), strict=True))
        jet = expression.evaluate({**of.true_parameters, **coordinates}, jets.FUNCTIONS)
        assert isinstance(jet, Jet)
        for index in site.wanted.get(name, ()):
            found[derivative_name(name, index, of.variables)] = jet.derivative(index)
        for part in parts:
            terms = [value * jet.derivative(index) for index, value in part.operator.items()]
            found[part.name] = torch.stack(terms).sum(dim=0)
    return found


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_solution_of_every_shipped_problem_leaves_no_residual(name, monkeypatch):
    of = shipped(name)
    assert of.reference is not None
    assert set(of.reference.exact) == {unknown.name for unknown in of.unknowns}
    loss = objective(of, points=200, by_construction=False)
    monkeypatch.setattr(loss.solution, "constants", lambda: of.true_parameters)
    for site, points in zip(loss.sites, loss.points, strict=True):
        monkeypatch.setattr(
            SolutionField, "forward", lambda self, x, wanted, *rest, site=site: exact_values(of, x, site)
        )
        for term, residual in zip(site.terms, loss.residuals(site, points.batch(0, 1)), strict=True):
            tolerance = 1e-5 if site.name == "data" else 1e-9  # the file has so many digits
            assert float(residual.abs().max()) < tolerance, term.name


#: Residuals of which parts are linear, or only seem so.
MIXED: dict[str, dict[str, Any]] = {
    "nonlinear in the highest": {"residuals": ["u_t - u_xx*u_xx + u_xt"]},
    "varying": {"residuals": ["u_t - x*u_xx + 3*u_tt"]},
    "compared": {"residuals": ["u_t - where(x < 0.5, u_xx, 2*u_xx) + abs(u_tt)"]},
    "trained": {"residuals": ["u_t - nu*u_xx - u_tt"], "parameters": {"nu": {"initial": 1.0}}},
    "scaled": {"residuals": ["u_tt/a - a*u_xx"], "parameters": {"a": 3.0}},
    "two": {"residuals": ["u_t - v_xx - 2*u_xx", "u_x + v_t - v_tt"], "unknowns": ["u", "v"]},
    "shared": {"residuals": ["u_t - u_xx", "u_xx*v - v_t"], "unknowns": ["u", "v"]},
    "fewer variables": {"residuals": ["u_t - u_xx + k_xx", "k_x + u"], "unknowns": ["u", "k(x)"]},
}


@pytest.mark.parametrize("name", [*LIBRARY, *MIXED])
def test_splitting_off_linear_parts_changes_no_residual(name):
    of = problem(domain={"x": [0, 1], "t": [0, 2]}, **MIXED[name]) if name in MIXED else shipped(name)
    loss = objective(of)
    site, points = loss.sites[0], loss.points[0]
    found = loss.residuals(site, points.batch(0, 1))
    wanted = {unknown.name: of.wanted(unknown.name) for unknown in of.unknowns}
    values = {
        **loss.solution.constants(),
        **known_values(of, points.coordinates, {}),
        **loss.solution(points.coordinates, wanted),
    }
    for residual, whole in zip(found, of.residuals, strict=True):
        direct = whole.evaluate(values, FUNCTIONS)
        scale = float(direct.detach().abs().max())
        torch.testing.assert_close(residual, direct, rtol=1e-10, atol=1e-12 * max(1.0, scale))


def test_the_loss_is_the_weighted_sum_of_mean_squares():
    of = problem(
        domain={"x": [0, 1], "t": [0, 1]},
        residuals=["u_t - u_xx + 3"],
        conditions=[
            {"at": "t = 0", "u": "x", "weight": 7},
            {"at": "x = 1", "u + 2*normal_derivative(u)": "t"},
        ],
    )
    loss = objective(of, by_construction=False)
    loss.balance.copy_(torch.tensor([2.0, 3.0, 5.0]))
    loss.points[0].weights.copy_(torch.linspace(0, 1, 40))
    field, (inside, start, end) = loss.solution, [points.coordinates for points in loss.points]
    assert [len(points) for points in loss.points] == [40, 20, 20]
    assert loss.term_names == (
        "residual", "u = x at t = 0", "u + 2*normal_derivative(u) = t at x = 1",
    )  # fmt: skip
    found = field(inside, {"u": frozenset([(0, 1), (2, 0)])})
    first = (torch.linspace(0, 1, 40) * (found["u_t"] - found["u_xx"] + 3) ** 2).mean()
    second = (field(start, {"u": frozenset([(0, 0)])})["u"] - start[:, 0]).square().mean()
    found = field(end, {"u": frozenset([(0, 0), (1, 0)])})
    third = (found["u"] + 2 * found["u_x"] - end[:, 1]).square().mean()
    totals = loss(loss.batch(0, 1))
    torch.testing.assert_close(totals["loss_sum"], 2 * first + 21 * second + 5 * third, rtol=1e-12, atol=0)
    assert float(totals["count"]) == 1.0
    shown = loss.metrics({name: float(value) for name, value in totals.items()})
    assert list(shown.values()) == pytest.approx([float(first), float(second), float(third)], rel=1e-12)
    size = (2 * (found_residual(field, inside) ** 2)).sqrt()
    torch.testing.assert_close(loss.interior_residual(), size.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(loss.interior_residual(inside), size.detach(), rtol=1e-12, atol=0)


def found_residual(field: SolutionField, points: Tensor) -> Tensor:
    found = field(points, {"u": frozenset([(0, 1), (2, 0)])})
    return found["u_t"] - found["u_xx"] + 3


def gradient(loss: PDEObjective, parts: int) -> dict[str, Tensor]:
    """Of the sum over micro-batches divided by the sum of their counts."""
    loss.zero_grad()
    totals = [loss(loss.batch(part, parts)) for part in range(parts)]
    count = sum(each["count"] for each in totals)
    (sum(each["loss_sum"] for each in totals) / count).backward()
    return {name: p.grad.clone() for name, p in loss.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("parts", [2, 3, 30, 64])
@pytest.mark.parametrize("name", ["heat_1d", "burgers_inverse", "kovasznay", "diffusion_inverse"])
def test_micro_batches_add_up_to_the_whole_gradient(name, parts):
    """heat_1d has nothing but a residual in its loss; with 30 and 64 parts some sites have no point left."""
    loss = objective(shipped(name))
    whole = gradient(loss, 1)
    assert whole
    found = gradient(loss, parts)
    assert found.keys() == whole.keys()
    for key, value in whole.items():
        assert float((found[key] - value).abs().max()) <= 1e-12 * float(value.abs().max()), key


def test_what_was_prepared_for_points_is_what_they_would_get():
    loss = objective(problem(**HEAT))
    site, points = loss.sites[0], loss.points[0]
    assert any(name.startswith("prepared ") for name in points.batch(0, 1))
    bare = {"coordinates": points.coordinates}
    torch.testing.assert_close(
        loss.residuals(site, points.batch(0, 1))[0], loss.residuals(site, bare)[0], rtol=1e-13, atol=1e-13
    )


def test_float32_throughout():
    torch.manual_seed(0)
    of = shipped("burgers_inverse")
    loss = PDEObjective(SolutionField(of, small_field), {None: 16}, 0, torch.float32)
    assert {tensor.dtype for tensor in loss.state_dict().values()} == {torch.float32}
    totals = loss(loss.batch(0, 2))
    assert {value.dtype for value in totals.values()} == {torch.float32}
    totals["loss_sum"].backward()
    double = PDEObjective(SolutionField(of, small_field), {None: 16}, 0, torch.float64)
    double.load_state_dict(loss.state_dict())
    exact = double(double.batch(0, 2))["loss_sum"]
    assert float(totals["loss_sum"]) == pytest.approx(float(exact), rel=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_the_compiled_loss_is_the_same():
    loss = objective(shipped("burgers_inverse"))
    eager = gradient(loss, 2)
    loss.compile_()
    compiled = gradient(loss, 2)
    for key, value in eager.items():
        assert float((compiled[key] - value).abs().max()) <= 1e-9 * float(value.abs().max()), key


# --- Names, and what is refused. --------------------------------------------------------------------------


def test_terms_of_one_name_are_told_apart():
    of = problem(
        domain={"x": [0, 1]},
        residuals=["u_x", "u_xx"],
        conditions=[{"at": "x = 0", "u_x": 1, "weight": 2}, {"at": "x = 0", "u_x": 1, "weight": 3}],
    )
    assert objective(of).term_names == (
        "residual 1", "residual 2", "u_x = 1 at x = 0", "condition 2 (u_x = 1 at x = 0)",
    )  # fmt: skip


def test_a_parameter_may_be_called_as_a_figure_of_the_log_is():
    of = problem(
        domain={"x": [0, 1]}, parameters={"loss": {"initial": 2.5}}, residuals=["u_x - loss"], conditions=[]
    )
    assert objective(of).metrics({"residual": 1.0}) == {"residual": 1.0, "parameter/loss": 2.5}


def test_nothing_to_minimise_is_refused():
    of = problem(domain={"x": [0, 1]}, residuals=[], conditions=[{"at": "x = 0", "u": 1}])
    one_line_error(lambda: objective(of), "nothing is left to be minimised", "by_construction=false")
    assert objective(of, by_construction=False).term_names == ("u = 1 at x = 0",)


@pytest.mark.parametrize(
    ("residual", "condition", "words"),
    [
        ("u_t + log(-1 - u**2)", "x", ["residual", "at 40 of 40 points", "x = ", "t = "]),
        ("u_t + where(x < 0.25, sqrt(x - 1), 1)", "x", ["residual", "at 10 of 40 points"]),
        ("u_t", "log(x - 0.5)", ["u_x = log(x - 0.5) at t = 0", "at 10 of 20 points"]),
    ],
)
def test_a_loss_without_a_value_is_refused_with_the_term_and_a_point(residual, condition, words):
    of = problem(
        domain={"x": [0, 1], "t": [0, 1]},
        residuals=[residual],
        conditions=[{"at": "t = 0", "u_x": condition}],
    )
    one_line_error(objective(of).check_defined, "NaN or infinite", *words)
    objective(problem(**HEAT)).check_defined()


# --- Trainable parameters. --------------------------------------------------------------------------------


@given(
    st.floats(-1e3, 1e3),
    st.one_of(st.none(), st.floats(1e-6, 1e3)),
    st.one_of(st.none(), st.floats(1e-6, 1e3)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_parameter_starts_where_it_is_asked_to(start, below, above):
    low = None if below is None else start - below
    high = None if above is None else start + above
    if start in (low, high):  # lost in rounding
        return
    parameters = BoundedParameters({"k": Parameter(start, True, low, high)})
    value = parameters.values()["k"]
    scale = max(abs(start), *(abs(bound) for bound in (low, high) if bound is not None), 1e-6)
    assert float(value) == pytest.approx(start, rel=1e-9, abs=1e-12 * scale)
    value.backward()
    assert float(parameters.free["k"].grad) != 0


@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (0.0, None), (None, 5.0), (-1.0, 5.0)], ids=["free", "min", "max", "both"]
)
def test_a_parameter_stays_inside_its_bounds(low, high):
    parameters = BoundedParameters({"k": Parameter(0.5, True, low, high)})
    values = []
    for free in torch.linspace(-50, 50, 201, dtype=torch.float64):
        with torch.no_grad():
            parameters.free["k"].copy_(free)
        values.append(float(parameters.values()["k"]))
    if low is not None:
        assert min(values) == pytest.approx(low, abs=1e-9)
        assert min(values) >= low
    if high is not None:
        assert max(values) == pytest.approx(high, abs=1e-9)
        assert max(values) <= high
    differences = [b - a for a, b in itertools.pairwise(values)]
    assert all(d >= 0 for d in differences) or all(d <= 0 for d in differences)


@pytest.mark.parametrize(("low", "high"), [(1.0, None), (None, 1.0), (1.0, 3.0), (-1.0, 1.0)])
def test_a_parameter_that_starts_on_a_bound_can_leave_it(low, high):
    parameters = BoundedParameters({"k": Parameter(1.0, True, low, high)})
    value = parameters.values()["k"]
    assert 1e-4 < abs(float(value) - 1.0) < 1e-2
    value.backward()
    assert abs(float(parameters.free["k"].grad)) > 1e-4


def test_the_parameters_of_a_problem_are_trained_with_its_loss():
    loss = objective(shipped("burgers_inverse"))
    assert float(loss.solution.constants()["nu"]) == pytest.approx(0.1, rel=1e-12)
    found = gradient(loss, 1)
    assert float(found["solution.parameters_.free.nu"].abs()) > 0


def test_parameters_may_have_any_name():
    """Also those of a dictionary's and a module's methods."""
    names = ("half", "values", "to", "k", "type", "keys")
    found = BoundedParameters({name: Parameter(0.5, True, 0.0, 1.0) for name in names}).values()
    assert list(found) == list(names)
    assert all(float(value) == pytest.approx(0.5) for value in found.values())


def test_a_term_that_a_constant_switches_off_is_refused_by_name():
    spec = {"conditions": [{"at": "x = 1", "where(on > 0, u, 0)": 0}], "parameters": {"on": 0}}
    of = problem(domain={"x": [0, 1]}, residuals=["u_xx - 1"], **spec)
    one_line_error(lambda: objective(of).check_defined(), "does not depend on the solution")


@pytest.mark.parametrize("term", ["where(u > 9, sqrt(u - 9), 0)", "where(x > 0.5, (x - 0.5)**k, 0)"])
def test_a_term_without_derivatives_is_refused_by_name(term):
    of = problem(
        domain={"x": [0, 1]}, residuals=[f"u_xx - {term}"], parameters={"k": {"initial": 1.5}}
    )  # fmt: skip
    one_line_error(lambda: objective(of).check_defined(), "residual", "derivatives", "where")
