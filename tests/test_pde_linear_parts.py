"""Linear parts of residuals: the same residuals and gradients from fewer streams."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import yaml

from wsapps.config import default_config_dir, load_config
from wsapps_pde.config import SolveConfig, make_objective
from wsapps_pde.language.functions import TORCH_FUNCTIONS
from wsapps_pde.problems.linear_parts import split_residuals
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import load_problem


def parts_of(problem: Problem) -> list[dict[str, dict]]:
    return [{part.unknown: dict(part.operator) for part in split.parts} for split in split_residuals(problem)]


def write(folder, **keys) -> Problem:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "domain": {"x": [0, 1], "t": [0, 1]}, **keys}))
    return load_problem(str(path))


@pytest.mark.parametrize(
    ("residual", "expected"),
    [
        ("u_t + u*u_x - 0.5*u_xx", {"u": {(0, 1): 1.0, (2, 0): -0.5}}),
        ("2*(u_tt - u_xx) + sin(u) + x*u_t", {"u": {(0, 2): 2.0, (2, 0): -2.0}}),
        ("u_t - k*u_xx", {"u": {(0, 1): 1.0, (2, 0): -0.25}}),
        ("u_t - free*u_xx", {}),  # one term alone saves nothing
        ("u_t*u_xx", {}),
        ("x*u_t - t*u_xx", {}),
        ("u_x + u_xx + u*u_x", {}),  # u_xx alone
        ("u_t - where(x > 0.999, 2, 1)*u_xx", {}),
        ("abs(u_t - u_xx)", {}),
        ("exp(u_t - u_xx)", {}),
        # What is constant nearly everywhere, or small, is not constant.
        ("u_t + u_xx + exp(-1000*(x - 0.5)**2)*u_xx", {}),
        ("u_t - tiny*(1 + 3*u)*u_xx - 3*tiny*u_x**2", {}),
        ("u_t - tiny*u_xx/k + u**2", {"u": {(0, 1): 1.0, (2, 0): -4e-14}}),
    ],
)
def test_what_is_linear_with_constant_coefficients(tmp_path, residual, expected):
    problem = write(
        tmp_path,
        unknowns=["u"],
        parameters={"k": 0.25, "tiny": 1e-14, "free": {"initial": 1.0}},
        residuals=[residual],
        conditions=[{"at": "t = 0", "u": 0}],
    )
    (found,) = parts_of(problem)
    assert {name: pytest.approx(part, abs=0) for name, part in expected.items()} == found


def test_derivatives_that_two_residuals_use_stay(tmp_path):
    problem = write(
        tmp_path, unknowns=["u", "v"], residuals=["u_t - u_x + v", "v_tt + v_xx - u_t"],
        conditions=[{"at": "t = 0", "u": 0, "v": 0}],
    )  # fmt: skip
    assert parts_of(problem) == [{}, {"v": {(0, 2): 1.0, (2, 0): 1.0}}]


@pytest.mark.parametrize(
    "name", ["burgers", "kovasznay", "taylor_green", "gray_scott", "kuramoto_sivashinsky"]
)
def test_residuals_are_those_of_the_whole_terms(name):
    """Also through lifts and factors, in values and in gradients by the parameters."""
    overrides = [f"problem={name}", "method.width=6", "points.interior=12", "points.condition=4"]
    config = load_config(SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=overrides)
    objective = make_objective(config, Problem.from_config(config.problem))
    site, points, problem = objective.sites[0], objective.points[0], objective.solution.problem
    assert site.parts
    found = objective.residuals(site, points.batch(0, 1))
    wanted = {unknown.name: problem.wanted(unknown.name) for unknown in problem.unknowns}
    unknowns = objective.solution(points.coordinates, wanted)
    variables = dict(zip(problem.variables, points.coordinates.unbind(-1), strict=True))
    values = {**problem.constants, **variables, **unknowns}
    whole = [residual.evaluate(values, TORCH_FUNCTIONS) for residual in problem.residuals]
    parameters = [p for network in objective.solution.networks for p in network.parameters()]
    for one, other in zip(found, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-9)
        gradients = [
            torch.autograd.grad(
                r.square().sum(), parameters, retain_graph=True, materialize_grads=True, allow_unused=True
            )
            for r in (one, other)
        ]
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9 * float(b.abs().max()) + 1e-12)


def test_a_field_without_closed_forms_gives_its_linear_parts_by_autograd():
    overrides = ["problem=burgers", "method.width=6", "points.interior=12"]
    config = load_config(SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=overrides)
    objective = make_objective(config, Problem.from_config(config.problem))
    site, points = objective.sites[0], objective.points[0]
    (expected,) = objective.residuals(site, points.batch(0, 1))
    network = objective.solution.networks[0]
    network.field.register_forward_hook(
        lambda module, inputs, output: None
    )  # a module with hooks has no rule
    (found,) = objective.residuals(site, points.batch(0, 1))
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-10)


def test_terms_in_python_stay_whole():
    problem = load_problem("burgers")
    from wsapps_pde.language.python_term import PythonTerm

    term = PythonTerm("heat", frozenset({"u_t", "u_xx"}), lambda v, f: v["u_t"] - v["u_xx"])
    assert parts_of(dataclasses.replace(problem, residuals=(term,))) == [{}]
