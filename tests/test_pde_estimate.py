"""The error that is stated without a reference: how a solution moved while its residual fell."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_problems import problem

from wsapps_pde.learning.estimate import Snapshots
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.stated_reference import Reference


class Decaying:
    """Solutions u = u* + error times a shape that is as large as u*, of two unknowns."""

    def __init__(self) -> None:
        self.problem: Problem = problem(domain={"x": [0, 1], "t": [0, 1]}, unknowns=["u", "v"])
        self.errors = {"u": 1.0, "v": 1.0}
        self.shift = 0.0  # of u

    def __call__(self, points, wanted):
        x, t = points.unbind(-1)
        exact = {"u": torch.sin(3 * x) + t + self.shift, "v": 10 * torch.cos(x * t)}
        shapes = {"u": torch.cos(5 * x + t), "v": torch.sin(20 * x) * t}
        assert set(wanted) == {"u", "v"}
        found = {}
        for name, value in exact.items():
            shape = shapes[name] * value.norm() / shapes[name].norm()
            found[name] = value + self.errors[name] * shape
        return found


def after(scores: list[float], u: float = 1.0, v: float = 1.0) -> tuple[Snapshots, Decaying]:
    """Snapshots noted at these scores, the errors being their roots times u and v."""
    solution = Decaying()
    snapshots = Snapshots(solution, 0, torch.float64)  # type: ignore[arg-type]
    for score in scores:
        solution.errors = {"u": u * math.sqrt(score), "v": v * math.sqrt(score)}
        snapshots.note(solution, score)  # type: ignore[arg-type]
    return snapshots, solution


@pytest.mark.parametrize("factor", [0.3, 0.1, 0.01])
def test_errors_that_fall_with_the_residual_are_found(factor):
    scores = [1e-2 * factor**n for n in range(5)]
    snapshots, solution = after(scores, u=0.1, v=0.3)
    found = snapshots.errors(solution, scores[-1])  # type: ignore[arg-type]
    assert found == pytest.approx(solution.errors, rel=0.02)


@pytest.mark.parametrize("free", [(), ("u",)])
def test_a_constant_that_nothing_determines_is_no_error(free):
    scores = [1e-2 * 0.1**n for n in range(5)]
    snapshots, solution = after(scores, u=0.1, v=0.3)
    solution.problem = replace(solution.problem, reference=Reference({}, up_to_constant=free))
    at_rest = snapshots.errors(solution, scores[-1])  # type: ignore[arg-type]
    solution.shift = 0.5
    drifted = snapshots.errors(solution, scores[-1])  # type: ignore[arg-type]
    assert drifted["v"] == at_rest["v"]
    # Of the shifted values the size is another one, too.
    assert (drifted["u"] < 2 * at_rest["u"]) is bool(free)


def test_without_a_fall_there_is_no_estimate():
    for scores in ([], [1.0], [1.0, 0.4, 0.2, 0.07]):
        snapshots, solution = after(scores)
        found = snapshots.errors(solution, scores[-1] if scores else 1.0)  # type: ignore[arg-type]
        assert all(math.isnan(value) for value in found.values())
    snapshots, solution = after([1.0, 0.05])
    assert snapshots.errors(solution, 0.05)["u"] > 0  # type: ignore[arg-type]
    for bad in (float("nan"), float("inf"), 2.0):
        assert math.isnan(snapshots.errors(solution, bad)["u"])  # type: ignore[arg-type]


def test_an_error_that_the_residual_does_not_see_is_not_in_the_estimate():
    snapshots, solution = after([1e-2, 1e-4])
    true = {name: error + 0.5 for name, error in solution.errors.items()}
    solution.errors = {name: error + 0.5 for name, error in solution.errors.items()}
    found = snapshots.errors(solution, 1e-4)  # type: ignore[arg-type]
    assert found["u"] < true["u"]


def test_a_snapshot_is_taken_where_the_score_has_halved():
    snapshots, _ = after([1.0, 0.7, 0.5, 0.3, 0.26, 0.2, 5.0, float("nan"), 0.01])
    kept = snapshots.scores[snapshots.scores.isfinite()].tolist()
    assert kept == [1.0, 0.5, 0.2, 0.01]
    many, _ = after([0.5**n for n in range(100)])
    assert bool(many.scores.isfinite().all())  # full, and no error


def test_an_exact_solution_has_no_error():
    snapshots, solution = after([1.0, 0.0])
    assert snapshots.errors(solution, 0.0) == {"u": 0.0, "v": 0.0}  # type: ignore[arg-type]


def test_snapshots_survive_a_checkpoint():
    snapshots, solution = after([1.0, 0.3, 0.01])
    other, _ = after([4.0])
    other.load_state_dict(snapshots.state_dict())
    assert other.errors(solution, 0.01) == snapshots.errors(solution, 0.01)  # type: ignore[arg-type]
    assert other.errors(solution, 0.01)["v"] == pytest.approx(0.1, rel=0.05)  # type: ignore[arg-type]
