"""Time windows: what a problem is in each, that solutions go on exactly, and solving one after the other."""

from __future__ import annotations

import itertools
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_problems import HEAT, problem, small_field
from torch import Tensor

from tests import test_pde_solve
from tests.user_errors import one_line_error
from wsapps.config import default_config_dir, load_config
from wsapps_pde.config import SolveConfig, window_config
from wsapps_pde.learning import figures
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.outputs.solution_file import load_solution
from wsapps_pde.problems.conditions import Condition
from wsapps_pde.problems.measurements import Data
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.time_windows import continued_orders, time_windows
from wsapps_pde.solution.field import SolutionField
from wsapps_pde.solution.windowed import WindowedSolution
from wsapps_pde.space.drawing import PointSource

quick, small_outputs = test_pde_solve.quick, test_pde_solve.small_outputs
pytestmark = pytest.mark.usefixtures("fresh_logging")
no_pictures = test_pde_solve.no_pictures

WAVE: dict[str, Any] = {
    "domain": {"x": [-1, 1], "t": [0, 2]},
    "residuals": ["u_tt - u_xx"],
    "conditions": [
        {"at": "t = 0", "u": "sin(pi*x)", "u_t": "x*(1 - x**2)"},
        {"at": "x = -1", "u": 0},
        {"at": "x = 1", "u": "sin(t)**2"},
    ],
}
DISC = {"space": {"disc": {"centre": [1, 0], "radius": 2}}, "t": [0, 3]}

#: Problems, and what of them goes on: unknown -> orders.
CASES: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "first order": (HEAT, {"u": 1}),
    "second order": (WAVE, {"u": 2}),
    "periodic": (
        {
            "domain": {"x": [0, 1], "t": [0, 3]},
            "residuals": ["u_t + u*u_x + u_xxx"],
            "conditions": [{"periodic": "x"}, {"at": "t = 0", "u": "sin(2*pi*x)"}],
        },
        {"u": 1},
    ),
    "initial values in the loss": (
        {
            "domain": {"x": [-1, 1], "t": [0, 3]},
            "residuals": ["u_t - u_xx"],
            "conditions": [{"at": "t = 0", "u": "abs(x)"}, {"at": "boundary", "u": "cos(t)"}],
        },
        {"u": 1},
    ),
    "a shape": (
        {
            "domain": DISC,
            "residuals": ["u_t - u_xx - u_yy"],
            "conditions": [{"at": "t = 0", "u": "x*y"}, {"at": "boundary", "u": "x*y*(1 + t**2)"}],
        },
        {"u": 1},
    ),
    "a pressure": (
        {
            "domain": {"x": [0, 1], "y": [0, 1], "t": [0, 1]},
            "unknowns": ["u", "p"],
            "residuals": ["u_t + p_x", "u_x - p_yy"],
            "conditions": [{"at": "t = 0", "u": "x"}, {"at": "boundary", "p": "t*y"}],
        },
        {"u": 1, "p": 0},
    ),
}


def chain(of: Problem, count: int = 3, **settings: Any) -> list[SolutionField]:
    """Random float64 solutions of all windows, each going on from the one before."""
    torch.manual_seed(0)
    fields: list[SolutionField] = []
    for window in time_windows(of, count):
        before = fields[-1] if fields else None
        field = SolutionField(window, small_field, before=before, **settings).double()
        with torch.no_grad():
            for parameter in field.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
        fields.append(field)
    return fields


def at_time(of: Problem, time: float, count: int = 50) -> Tensor:
    points = of.domain.draw(count, PointSource("random", 1, "points"))
    points[:, -1] = time
    return torch.as_tensor(points)


# --- A problem in windows. --------------------------------------------------------------------------------


def test_windows_tile_the_time_and_the_start_is_the_first_ones():
    of = problem(**WAVE)
    windows = time_windows(of, 4)
    np.testing.assert_allclose([w.domain.duration for w in windows], [[k / 2, (k + 1) / 2] for k in range(4)])
    assert windows[0].domain.duration[0] == 0.0
    assert windows[-1].domain.duration[1] == 2.0
    texts = [[str(c) for c in window.conditions] for window in windows]
    assert texts[0] == [str(c) for c in of.conditions]
    assert all(each == texts[0][2:] for each in texts[1:])
    for window in windows:
        for condition in window.conditions:
            assert isinstance(condition, Condition)
            points, _ = condition.location.draw(30, PointSource("random", 0, "p"))
            assert window.domain.contains(points).all()
            assert condition.location.holds(points).all()
            assert condition.location.faces() is not None
    assert time_windows(of, 1) == [of]


def test_a_whole_boundary_stays_one_and_restrictions_in_time_fall_where_they_belong():
    of = problem(
        domain=DISC,
        residuals=["u_t - u_xx"],
        conditions=[
            {"at": "boundary", "u": 0},
            {"at": "boundary and t < 1", "u_x": 0},
            {"at": "x = 1 and t > 2.5", "u_y": 0},
        ],
    )
    windows = time_windows(of, 3)
    kept = [[c.label for c in window.conditions] for window in windows]
    assert kept == [["condition 1", "condition 2"], ["condition 1"], ["condition 1", "condition 3"]]
    for window in windows:
        whole = window.conditions[0]
        assert isinstance(whole, Condition)
        assert whole.location.is_whole_boundary()


def test_measurements_are_divided():
    of = problem(**HEAT)
    points = np.array([[0.1, 0.2], [0.2, 0.9], [0.3, 1.9], [0.4, 1.8]])
    data = Data(points, of.residuals, points[:, :1], 1.0, Path("points.csv"))  # type: ignore[arg-type]
    windows = time_windows(replace(of, data=data), 4)
    assert [None if w.data is None else len(w.data.points) for w in windows] == [1, 1, None, 2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domain": {"x": [0, 1]}, "residuals": ["u_xx"], "conditions": []}, ["no time t"]),
        (
            {"parameters": {"a": {"initial": 1}}, "residuals": ["u_t - a*u_xx"]},
            ["inverse problem", "windows.count=1"],
        ),
        (
            {"unknowns": ["u", "k(x)"], "residuals": ["u_t", "k_x - u"]},
            ["k does not depend on t"],
        ),
        ({"residuals": ["u_ttt - u_xx"]}, ["u has order 3"]),
        ({"conditions": [{"periodic": "t"}]}, ["joins the ends"]),
        ({"conditions": [{"at": "t = 0 or t = 2", "u": 0}]}, ["condition 1", "holds at t = 2"]),
        ({"conditions": [{"at": "t = 1 and x > 0.5", "u": 0}]}, ["condition 1", "holds at t = 1"]),
    ],
)
def test_what_cannot_be_divided_is_refused(changes, words):
    of = problem(**{**HEAT, **changes})
    one_line_error(lambda: time_windows(of, 2), "windows.count=2", *words)
    assert time_windows(of, 1) == [of]


def config(*settings: str) -> SolveConfig:
    return load_config(SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=settings)


def test_steps_and_seconds_are_shared():
    def shares(count: int, *limits: str, spent: float = 0.0) -> list[tuple[Any, Any]]:
        of = config(f"windows.count={count}", *limits)
        trainers = [window_config(of, number, spent * number).trainer for number in range(count)]
        return [(trainer.last_step, trainer.max_seconds) for trainer in trainers]

    steps = [step for step, _ in shares(3, "trainer.max_steps=17")]
    assert sum(steps) == 17
    assert max(steps) - min(steps) <= 1
    seconds = ("trainer.max_seconds=20",)
    assert shares(4, *seconds, spent=5.0) == [(None, 5.0)] * 4  # of what is left, an even share
    assert shares(4, *seconds, spent=2.0) == [(None, 5.0), (None, 6.0), (None, 8.0), (None, 14.0)]
    assert shares(4, *seconds, spent=99.0)[3] == (None, 2.0)
    assert sum(step for step, _ in shares(7, "trainer.default_steps=6000")) == 6000
    assert [step for step, _ in shares(4, "trainer.max_steps=9")] == [2, 2, 2, 3]  # fewer than windows
    few = ("windows.count=3", "trainer.max_steps=2")
    one_line_error(lambda: config(*few), "2 steps are too few for windows.count=3")


# --- Going on. --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_construction", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_window_goes_on_exactly_where_the_last_one_ended(case, by_construction):
    spec, orders = CASES[case]
    of = problem(**spec)
    fields = chain(of, by_construction=by_construction)
    dims = len(of.variables)
    assert {name: continued_orders(of, name) for name in orders} == orders
    for before, after in itertools.pairwise(fields):
        points = at_time(of, after.problem.domain.duration[0])
        for name, count in orders.items():
            for order in range(2):
                for axis in range(dims - 1):
                    index = tuple(order if v == dims - 1 else int(v == axis) for v in range(dims))
                    wanted = {name: frozenset([index, (*[0] * (dims - 1), order)])}
                    for old, new in zip(
                        before(points, wanted).values(), after(points, wanted).values(), strict=True
                    ):
                        same = torch.allclose(old, new, rtol=1e-12, atol=1e-12)
                        assert same == (order < count), (name, index)


@pytest.mark.parametrize("case", CASES)
def test_conditions_on_the_boundary_hold_in_every_window(case):
    of = problem(**CASES[case][0])
    fields = chain(of)
    whole = WindowedSolution(of, fields)
    checked = 0
    for condition in of.conditions:
        if isinstance(condition, Condition) and all(str(condition) in field.constructed for field in fields):
            points, _ = condition.location.draw(200, PointSource("random", 3, str(condition)))
            wanted = condition.right.on_arrays(dict(zip(of.variables, points.T, strict=True)), 200)
            name = str(condition.left.single_name)
            found = whole(torch.as_tensor(points), {name: frozenset([(0,) * len(of.variables)])})
            np.testing.assert_allclose(found[name].detach().numpy(), wanted, atol=1e-11)
            checked += 1
    assert checked == {"second order": 2, "periodic": 0}.get(case, 1)


@pytest.mark.parametrize("case", ["second order", "a shape", "a pressure"])
def test_derivatives_of_a_later_window_are_those_of_its_values(case):
    """Against central differences of fourth order."""
    of = problem(**CASES[case][0])
    field = chain(of)[-1]
    dims, step = len(of.variables), 1e-3
    zero = (0,) * dims
    points = torch.as_tensor(field.problem.domain.draw(7, PointSource("random", 2, "p")))
    twice = [tuple(2 * int(v == axis) for v in range(dims)) for axis in range(dims)]
    found = field(points, {"u": frozenset(twice)})
    for axis, variable in enumerate(of.variables):
        shift = step * torch.eye(dims, dtype=torch.float64)[axis]
        stencil = [field(points + k * shift, {"u": frozenset([zero])})["u"] for k in (-2, -1, 0, 1, 2)]
        weights = (-1, 16, -30, 16, -1)
        second = sum(w * s for w, s in zip(weights, stencil, strict=True)) / (12 * step**2)
        torch.testing.assert_close(found[f"u_{2 * variable}"], second, rtol=1e-6, atol=1e-6)


def test_the_whole_solution_is_at_each_time_that_of_its_window():
    of = problem(**WAVE)
    fields = chain(of, 4)
    whole = WindowedSolution(of, fields)
    points = torch.as_tensor(of.domain.draw(200, PointSource("random", 0, "p")))
    found = whole(points, {"u": frozenset([(0, 0), (1, 1)])})
    assert set(found) == {"u", "u_xt"}
    for number, field in enumerate(fields):
        mine = (points[:, 1] > number / 2) & (points[:, 1] <= (number + 1) / 2)
        assert bool(mine.any())
        alone = field(points[mine], {"u": frozenset([(0, 0), (1, 1)])})
        for name, values in alone.items():
            assert torch.equal(found[name][mine], values)
    assert whole(points[:0], {"u": frozenset([(0, 0)])})["u"].shape == (0,)
    outside = whole(torch.tensor([[0.5, -0.1], [0.5, 2.1]]).double(), {"u": frozenset([(0, 0)])})["u"]
    assert bool(outside.isfinite().all())


def test_estimated_errors_of_windows_add_up(monkeypatch):
    class Objective:
        def __init__(self, relative: float, size: float):
            self.snapshots = self.held_out = self.solution = self.problem = self
            self.unknowns, self.relative, self.size = problem(**HEAT).unknowns, relative, size

        def errors(self, solution, score):
            return {"u": self.relative}

        def sizes(self, solution):
            return {"u": self.size}

        def score(self, mean_squares):
            return 1.0

    def estimated(*windows: tuple[float, float]) -> float:
        objectives: Any = [Objective(*window) for window in windows]
        return figures.estimated_errors(objectives, [{}] * len(windows))["u"]

    assert estimated((0.1, 5.0)) == pytest.approx(0.1)
    assert estimated((0.1, 1.0), (0.1, 1.0)) == pytest.approx(np.hypot(0.1, 0.2) / np.sqrt(2))
    assert estimated((0.1, 3.0), (0.0, 4.0)) == pytest.approx(np.hypot(0.3, 0.3) / 5)
    assert np.isnan(estimated((np.nan, 1.0), (0.1, 1.0)))
    assert figures.residuals([{"a": 1.0, "b": 4.0}, {"a": 3.0}]) == pytest.approx({"a": 2**0.5, "b": 2.0})


# --- Solving. ---------------------------------------------------------------------------------------------

WINDOWS = [*test_pde_solve.MOVING, "windows.count=3", "by_construction=true", "trainer.max_steps=30"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        test_pde_solve.draw_nothing(patch)
        test_pde_solve.read_once(patch)
        code, out = test_pde_solve.run(folder, test_pde_solve.written(folder, test_pde_solve.HEAT), *WINDOWS)
    assert code == 0
    return out, test_pde_solve.left(out)


def test_a_windowed_run_leaves_one_solution(uninterrupted):
    out, left = uninterrupted
    assert left["steps"] == 30
    network = (2 * 8 + 8) + (8 * 8 + 8) + (8 + 1)
    assert left["parameters"] == 3 * network
    steps = [entry["step"] for entry in left["history"]]
    assert steps == sorted(steps)
    assert steps[-1] == 30
    seconds = [entry["seconds"] for entry in json.loads((out / "history.json").read_text())]
    assert seconds == sorted(seconds)
    assert sorted(path.name for path in (out / "windows").iterdir()) == ["1", "2", "3"]
    solution = load_solution(out / "solution")
    assert isinstance(solution.field, WindowedSolution)
    grid = np.load(out / "grid.npz")
    values = solution(*np.meshgrid(grid["x"], grid["t"], indexing="ij"))["u"]
    np.testing.assert_allclose(values, grid["u"], rtol=1e-12, atol=1e-14)
    for time in (1 / 3, 2 / 3):
        jump = solution(0.3, time + 1e-9)["u"] - solution(0.3, time)["u"]
        assert abs(jump) < 1e-7
    np.testing.assert_allclose(solution(grid["x"], 0)["u"], np.sin(np.pi * grid["x"]), atol=1e-12)
    np.testing.assert_allclose(solution([0, 1], [[0.5], [0.9]])["u"], 0, atol=1e-12)


#: Calls of the loss: about 2 x (3 steps of descent and 7 of the stage, 1 or 2 calls each) in a window.
@pytest.mark.parametrize("calls", [[4], [25], [30, 9], [50]], ids=str)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path, quick, uninterrupted, calls):
    problem_file = test_pde_solve.written(tmp_path, test_pde_solve.HEAT)
    for number in calls:
        with pytest.MonkeyPatch.context() as patch:
            test_pde_solve.at_call(patch, number, lambda: os.kill(os.getpid(), signal.SIGTERM))
            code, _ = test_pde_solve.run(tmp_path, problem_file, *WINDOWS)
        assert code == 143
    code, out = test_pde_solve.run(tmp_path, problem_file, *WINDOWS)
    assert code == 0
    assert test_pde_solve.left(out) == uninterrupted[1]


def test_windows_that_are_done_are_not_trained_again(tmp_path, quick, uninterrupted, monkeypatch):
    problem_file = test_pde_solve.written(tmp_path, test_pde_solve.HEAT)

    def die(*arguments: Any) -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_pde_solve.solve, "write_outputs", die)
        with pytest.raises(ZeroDivisionError):
            test_pde_solve.run(tmp_path, problem_file, *WINDOWS)
    monkeypatch.setattr(PDEObjective, "forward", die)
    code, out = test_pde_solve.run(tmp_path, problem_file, *WINDOWS)
    assert code == 0
    assert test_pde_solve.left(out) == uninterrupted[1]


def test_a_damaged_window_is_told(tmp_path, quick, capsys):
    problem_file = test_pde_solve.written(tmp_path, test_pde_solve.HEAT)
    settings = [*test_pde_solve.TINY, "windows.count=2", "trainer.max_steps=4"]
    out = tmp_path / "run"
    assert test_pde_solve.main([f"out={out}", problem_file, *settings]) == 0
    (out / "metrics.json").unlink()
    state = out / "windows" / "1" / "done.safetensors"
    data = state.read_bytes()
    state.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    capsys.readouterr()
    assert test_pde_solve.main([f"out={out}", problem_file, *settings]) == 2
    assert f"{out / 'windows' / '1'} is damaged; delete this folder" in capsys.readouterr().err


def test_windows_are_checked_before_there_is_a_run_folder(tmp_path, quick, capsys):
    problem_file = test_pde_solve.written(tmp_path, test_pde_solve.KINDS["inverse"][0])
    code, out = test_pde_solve.run(tmp_path, problem_file, "windows.count=2")
    assert code == 2
    assert "windows.count=2: inverse is an inverse problem" in capsys.readouterr().err
    assert not out.exists()
