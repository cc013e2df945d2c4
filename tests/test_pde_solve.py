"""solve from end to end on tiny problems: what it writes, continues and refuses."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from heat_problem import HEAT_AND_EXACT as HEAT
from safetensors.torch import load_file

from wsapps.config import default_config_dir, from_yaml, load_config
from wsapps.report import Figure
from wsapps_pde import solve
from wsapps_pde.config import SolveConfig
from wsapps_pde.learning import training
from wsapps_pde.learning.moving import MovingObjective
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.library import LibraryConfig, _solve_config
from wsapps_pde.outputs import evaluation, pictures, run_files
from wsapps_pde.outputs.solution_file import load_solution
from wsapps_pde.solve import main

TINY = [
    "method.width=8", "method.hidden_layers=1", "points.interior=64", "points.condition=16",
    "trainer.max_steps=16", "trainer.compile=false", "trainer.log_every=4", "trainer.num_threads=1",
]  # fmt: skip


EXACT = 'exact: {u: "exp(-a*pi**2*t)*sin(pi*x)"}'

#: A problem of each kind, and words that the command says.
KINDS: dict[str, tuple[str, list[str]]] = {
    "time": (HEAT, ["u: u = 0 at boundary holds by construction", "in the loss: residual"]),
    "ordinary": (
        """
name: pendulum
domain: {t: [0, 2]}
unknowns: [u]
residuals: ["u_tt + sin(u)"]
conditions: [{at: "t = 0", u: 1, u_t: 0}]
""",
        ["u_t = 0 at t = 0 holds by construction"],
    ),
    "plane": (
        """
name: plane
domain: {x: [0, 1], y: [0, 1]}
unknowns: [u]
residuals: ["u_xx + u_yy"]
conditions: [{at: "x = 0", u: y}, {at: "x = 1 or y = 0 or y = 1", normal_derivative(u): normal_y}]
reference: {exact: {u: y}}
""",
        [
            "u: u = y at x = 0 holds by construction",
            "in the loss: normal_derivative(u) = normal_y at x = 1 or",
        ],
    ),
    "solid": (
        """
name: solid
domain: {x: [0, 1], y: [0, 1], z: [0, 1]}
unknowns: [u]
residuals: ["u_xx + u_yy + u_zz"]
conditions: [{at: boundary, u: x*y*z}]
reference: {exact: {u: x*y*z}}
""",
        [],
    ),
    "shape": (
        """
name: shape
domain: {space: {difference: [{rectangle: {x: [-1, 1], y: [-1, 1]}}, {disc: {radius: 0.5}}]}, t: [0, 1]}
unknowns: [u]
residuals: ["u_t - u_xx - u_yy"]
conditions: [{at: "t = 0", u: 0}, {at: "boundary", u: t, weight: 2}]
""",
        [],
    ),
    "inverse": (
        """
name: inverse
domain: {x: [0, 1], t: [0, 1]}
unknowns: [u]
parameters: {a: {initial: 1.0, min: 0}}
residuals: ["u_t - a*u_xx"]
conditions: [{at: "t = 0", u: "sin(pi*x)"}, {at: boundary, u: 0}]
data: {file: points.csv, unknowns: [u]}
reference: {exact: {u: "exp(-a*pi**2*t)*sin(pi*x)"}, parameters: {a: 0.1}}
""",
        ["in the loss: data u", "parameter/a", "parameter_error/a"],
    ),
    "system": (
        """
name: system
domain: {x: [0, 1], t: [0, 1]}
unknowns: [u, v, "k(x)"]
residuals: ["u_t - v_x", "v_t - k*u_x", "k_x"]
conditions: [{periodic: x}, {at: "t = 0", u: "sin(2*pi*x)", v: 0}, {at: "x = 0", k: 1}]
""",
        ["2 networks", "in the loss: residual 3"],
    ),
}
POINTS = "x,t,u\n0.25,0.5,0.43\n0.5,0.5,0.61\n0.5,0.9,0.41\n"


@pytest.fixture(autouse=True, scope="module")
def small_outputs():
    """Videos have two frames, and grids few points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_FRAMES", 2)
        patch.setattr(evaluation, "_GRID", {1: (101,), 2: (24, 11), 3: (12, 10, 7)})
        patch.setattr(evaluation, "_STEADY", {1: (101,), 2: (21, 20), 3: (12, 11, 10)})
        yield


pytestmark = pytest.mark.usefixtures("fresh_logging")


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Pictures take more time than these runs."""

    def residual(folder: Path, *args: Any) -> Figure:
        iio.imwrite(folder / "residual.png", np.zeros((2, 2, 3), np.uint8))
        return Figure("residual.png", "nothing")

    patch.setattr(run_files, "write_pictures", lambda *args: [])
    patch.setattr(run_files, "write_residual", residual)


@pytest.fixture
def no_pictures(monkeypatch):
    draw_nothing(monkeypatch)


def read_once(patch: pytest.MonkeyPatch) -> None:
    """A problem file without settings of its own need not be read for them."""
    patch.setattr(solve, "with_own_settings", list)


@pytest.fixture
def quick(no_pictures, monkeypatch):
    read_once(monkeypatch)


def written(folder: Path, text: str, *edits: tuple[str, str]) -> str:
    for before, after in edits:
        assert before in text, before
        text = text.replace(before, after)
    (folder / "mine.yaml").write_text(text)
    (folder / "points.csv").write_text(POINTS)
    return f"problem={folder / 'mine.yaml'}"


def run(folder: Path, *arguments: str) -> tuple[int, Path]:
    out = folder / "run"
    return main([f"out={out}", *TINY, *arguments]), out


def metrics(out: Path) -> dict[str, Any]:
    return json.loads((out / "metrics.json").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_of_each_kind(kind, tmp_path, capsys):
    text, words = KINDS[kind]
    code, out = run(tmp_path, written(tmp_path, text))
    said = capsys.readouterr().err
    assert code == 0, said
    for word in words:
        assert word in said
    found = metrics(out)
    assert found["steps"] == 16
    solution = load_solution(out / "solution")
    of = solution.problem
    names = [unknown.name for unknown in of.unknowns]
    exact = of.reference.exact if of.reference else {}
    for name in names:
        assert f"estimated_error/{name}" in found
        assert (f"relative_l2/{name}" in found) == (name in exact)
        assert found.get(f"reference_error/{name}", 0.0) == 0.0
        assert (out / f"{name}.png").is_file()
        assert (out / f"{name}.mp4").is_file() == ("t" in of.variables and len(of.variables) > 1)
    assert found["residual/residual" if len(of.residuals) == 1 else "residual/residual 2"] > 0
    times = "t" in of.variables and len(of.variables) > 2
    assert (out / "vtk" / ("solution.pvd" if times else "solution.vtr")).is_file()
    page = (out / "index.html").read_text()
    assert f"Solution of {of.name}" in page
    for part in ("u.png", "Loss terms over time", "Errors", f"name: {of.name}"):
        assert part in page
    assert ("residual.png" in page) == (out / "residual.png").is_file() == (len(of.variables) > 1)

    grid = np.load(out / "grid.npz")
    assert set(grid.files) == {*of.variables, *names}
    axes = [grid[variable] for variable in of.variables]
    values = solution(*np.meshgrid(*axes, indexing="ij"))
    for name in names:
        known = np.isfinite(grid[name])
        assert known.any()
        assert known.all() == (of.domain.geometry is None)
        np.testing.assert_allclose(grid[name][known], values[name][known], rtol=1e-12, atol=1e-14)
    if exact:
        columns = [each.ravel() for each in np.meshgrid(*axes, indexing="ij")]
        known = {**of.true_parameters, **dict(zip(of.variables, columns, strict=True))}
        wanted = exact["u"].on_arrays(known, grid["u"].size)
        error = np.linalg.norm(grid["u"].ravel() - wanted) / np.linalg.norm(wanted)
        assert found["relative_l2/u"] == pytest.approx(error, rel=1e-9)
    if kind == "inverse":
        assert found["parameter/a"] == pytest.approx(solution.parameters["a"], rel=1e-12)
        assert found["parameter_error/a"] == pytest.approx(abs(found["parameter/a"] / 0.1 - 1), rel=1e-9)


def test_a_second_call(tmp_path, no_pictures, capsys):
    text = HEAT
    _, out = run(tmp_path, written(tmp_path, text))
    assert main([f"out={out}", *TINY, written(tmp_path, text)]) == 0
    assert "is finished; choose another out=" in capsys.readouterr().err
    assert main([f"out={out}", *TINY, written(tmp_path, text), "trainer.seed=1"]) == 2
    assert "trainer.seed: 0 in the run folder, 1 now" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_solution_improves_with_steps(tmp_path, quick, dtype):
    errors = []
    for steps in (1, 60):
        folder = tmp_path / str(steps)
        folder.mkdir()
        code, out = run(
            folder,
            written(folder, HEAT),
            f"trainer.max_steps={steps}",
            f"dtype={dtype}",
            "points.interior=256",
        )
        assert code == 0
        errors.append(metrics(out)["relative_l2/u"])
        assert {str(t.dtype) for t in load_file(out / "solution" / "solution.safetensors").values()} == {
            f"torch.{dtype}"
        }
    assert errors[1] < 0.1 * errors[0]


# --- Stages, settings, references. ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "stages"),
    [
        (["stages.descent=0"], {"quasi_newton"}),
        (["stages.descent=1"], {"checkpoint"}),
        (["stages.method=none"], {"checkpoint"}),
        (["stages.method=lbfgs", "trainer.max_seconds=60"], {"checkpoint", "quasi_newton"}),
        (["trainer.max_steps=1", "stages.method=bfgs"], {"checkpoint"}),
        (["trainer.max_steps=null", "trainer.default_steps=9"], {"checkpoint", "quasi_newton"}),
    ],
)
def test_how_a_run_is_divided(tmp_path, quick, settings, stages):
    code, out = run(tmp_path, written(tmp_path, HEAT), *settings)
    assert code == 0
    assert {name for name in ("checkpoint", "quasi_newton") if (out / name).is_dir()} == stages
    wanted = 1 if "trainer.max_steps=1" in settings else 9 if "trainer.default_steps=9" in settings else 16
    assert metrics(out)["steps"] == wanted
    steps = [entry["step"] for entry in json.loads((out / "history.json").read_text())]
    assert steps == sorted(steps)


@pytest.mark.parametrize(
    ("own", "given", "alpha", "auto"),
    [
        ("alpha=auto", [], 1.0, "auto"),
        ("method.alpha=auto", [], 1.0, "auto"),
        ("method.alpha=auto", ["method.alpha=2"], 2.0, None),
        ("method.alpha=2", ["method.alpha=auto"], 2.0, "auto"),
        ("method.alpha=2", [], 2.0, None),
    ],
)
def test_the_command_line_has_the_last_word_about_alpha(tmp_path, own, given, alpha, auto):
    problem = written(tmp_path, HEAT + f'\nsolve: ["{own}"]\n')
    arguments = solve.with_own_settings([problem, *given])
    config = load_config(SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=arguments)
    assert config.alpha == auto
    assert auto == "auto" or config.method.alpha == alpha
    library = LibraryConfig(out=str(tmp_path), settings=given)
    assert _solve_config(problem.removeprefix("problem="), library).alpha == auto


def test_an_unknown_that_is_zero_has_an_absolute_error(tmp_path, quick):
    edits = [
        ("unknowns: [u]", "unknowns: [u, v]"), ('["u_t', '["v_x + v", "u_t'), ("exact: {", "exact: {v: 0, "),
    ]  # fmt: skip
    code, out = run(tmp_path, written(tmp_path, HEAT, *edits))
    assert code == 0
    found = metrics(out)
    assert found["relative_l2/v"] is None
    assert 0 < found["rms_error/v"] < math.inf
    assert "v not defined (it is 0; root mean square" in (out / "index.html").read_text()


def test_fields_by_nested_autograd_are_solved_for_without_compiling(tmp_path, quick, capsys):
    (tmp_path / "wire.yaml").write_text("name: wire\nwidth: 6\nhidden_layers: 1\n")
    method = [f"method={tmp_path / 'wire.yaml'}", "trainer.compile=true", "stages.method=none"]
    code, out = run(tmp_path, written(tmp_path, HEAT), *method)
    assert code == 0
    assert "the loss is not compiled" in capsys.readouterr().err
    assert math.isfinite(metrics(out)["estimated_error/u"] or 0)


def test_a_problems_own_settings_come_before_the_command_lines(tmp_path, no_pictures, capsys):
    own = '\nsolve: ["trainer.max_steps=3", "method.width=5", "stages.method=none"]\n'
    problem = written(tmp_path, HEAT + own)
    out = tmp_path / "run"
    few = [each for each in TINY if not each.startswith(("method.width", "trainer.max_steps"))]
    assert main([f"out={out}", problem, *few, "method.width=7"]) == 0
    config = (out / "config.yaml").read_text()
    assert "width: 7" in config
    assert "max_steps: 3" in config
    assert metrics(out)["steps"] == 3
    capsys.readouterr()
    assert main([problem, "--help"]) == 0
    said = capsys.readouterr().out
    for key in ("stages.descent", "points.interior", "balance.kind", "trainer.max_seconds", "problem"):
        assert key in said
    assert main([written(tmp_path, HEAT + '\nsolve: ["method.widht=5"]\n'), f"out={tmp_path / 'no'}"]) == 2
    assert "method.widht" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_references_from_files(tmp_path, capsys):
    x, t = np.linspace(0, 1, 9), np.linspace(0, 1, 5)
    u = np.exp(-0.1 * np.pi**2 * t) * np.sin(np.pi * x)[:, None]
    np.savez(tmp_path / "grid.npz", x=x, t=t, u=u)
    for name in ("grid.npz", "points.csv"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        problem = written(folder, HEAT, (EXACT, f"file: {name}"))
        (folder / name).write_bytes((tmp_path / name).read_bytes() if name == "grid.npz" else POINTS.encode())
        code, out = run(folder, problem)
        assert code == 0, capsys.readouterr().err
        found, grid = metrics(out), np.load(out / "grid.npz")
        assert "relative_l2/u" in found
        assert "reference_error/u" not in found  # the file states none
        assert name in (out / "index.html").read_text()
        if name == "grid.npz":
            assert grid["u"].shape == (9, 5)
            error = np.linalg.norm(grid["u"] - u) / np.linalg.norm(u)
            assert found["relative_l2/u"] == pytest.approx(error, rel=1e-9)
        else:
            assert grid["points"].shape == (3, 2)
            values = load_solution(out / "solution")(*grid["points"].T)["u"]
            np.testing.assert_allclose(grid["u"], values, rtol=1e-12)


def test_micro_batches_change_nothing_but_rounding(tmp_path, quick):
    tensors = []
    for parts in (1, 3):
        folder = tmp_path / str(parts)
        folder.mkdir()
        problem = written(folder, KINDS["inverse"][0])
        settings = [f"trainer.accumulate={parts}", "by_construction=false", "trainer.max_steps=12"]
        code, out = run(folder, problem, *settings, "stages.descent=0.5")
        assert code == 0
        tensors.append(load_file(out / "solution" / "solution.safetensors"))
    for name, value in tensors[0].items():
        torch.testing.assert_close(tensors[1][name], value, rtol=1e-7, atol=1e-9)


def test_compiling_counts_as_training_and_takes_nothing_from_descents_part(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(training, "_compiled", lambda *arguments: 100.0)
    code, out = run(tmp_path, written(tmp_path, HEAT), "trainer.compile=true")
    assert code == 0
    assert metrics(out)["train_seconds"] > 100
    assert all(entry["seconds"] > 100 for entry in json.loads((out / "history.json").read_text()))
    config = from_yaml(SolveConfig, (out / "config.yaml").read_text(), "config.yaml")
    config.trainer.max_seconds = 60.0
    assert training._after(config, 20.0).trainer.max_seconds == 40.0
    assert training._after(config, 500.0).trainer.max_seconds == pytest.approx(6.0)
    assert not training._after(config, 20.0).trainer.compile


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
@pytest.mark.parametrize("descent", [0.0, 0.5])
def test_a_compiled_run_finds_the_same(tmp_path, quick, descent):
    errors = []
    for compiled in ("false", "true"):
        folder = tmp_path / compiled
        folder.mkdir()
        settings = [f"trainer.compile={compiled}", f"stages.descent={descent}", "trainer.max_steps=12"]
        code, out = run(folder, written(folder, HEAT), *settings)
        assert code == 0
        errors.append(metrics(out)["relative_l2/u"])
    torch.compiler.reset()
    assert errors[1] == pytest.approx(errors[0], rel=1e-4)


# --- Continuing. ------------------------------------------------------------------------------------------

#: With everything that has a state: conditions in the loss, data, moving points, attention, micro-batches.
MOVING = [
    "by_construction=false", "trainer.max_steps=24", "stages.descent=0.5", "trainer.accumulate=2",
    "points.every=5", "balance.every=3", "stages.refresh_every=4", "weights.attention=0.1",
    "trainer.log_every=3",
]  # fmt: skip


#: A checkpoint after each step.
ALWAYS = "trainer.checkpoint_seconds=0"


def at_call(monkeypatch, number: int, action) -> None:
    """Do something when the loss is evaluated for that many-th time."""
    calls, forward = [0], PDEObjective.forward

    def counted(self, batch):
        calls[0] += 1
        if calls[0] == number:
            action()
        return forward(self, batch)

    monkeypatch.setattr(PDEObjective, "forward", counted)


def left(out: Path) -> dict[str, Any]:
    """What a run leaves that does not depend on the time it took."""
    found = {name: value for name, value in metrics(out).items() if "seconds" not in name}
    history = json.loads((out / "history.json").read_text())
    entries = [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]
    return {**found, "history": entries, "solution": (out / "solution" / "solution.safetensors").read_bytes()}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        draw_nothing(patch)
        read_once(patch)
        code, out = run(folder, written(folder, KINDS["inverse"][0]), *MOVING)
    assert code == 0
    found = left(out)
    assert found["steps"] == 24
    assert [entry["step"] for entry in found["history"] if "loss" in entry] == [3, 6, 9, 12, 15, 18, 21, 24]
    return found


#: Evaluations of the loss: 2 in each of 12 steps of descent, then 2 at least in each step of the stage.
@pytest.mark.parametrize("calls", [[9], [24], [25], [3, 30], [40, 12]], ids=str)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path, quick, uninterrupted, calls, capsys):
    problem = written(tmp_path, KINDS["inverse"][0])
    for number in calls:
        with pytest.MonkeyPatch.context() as patch:
            at_call(patch, number, lambda: os.kill(os.getpid(), signal.SIGTERM))
            code, out = run(tmp_path, problem, *MOVING)
        assert code == 143
        assert not (out / "metrics.json").exists()
        assert "SIGTERM" in capsys.readouterr().err
    code, out = run(tmp_path, problem, *MOVING)
    assert code == 0
    assert left(out) == uninterrupted


def test_a_run_is_not_continued_on_other_measurements(tmp_path, quick, capsys):
    problem = written(tmp_path, KINDS["inverse"][0])
    with pytest.MonkeyPatch.context() as patch:
        at_call(patch, 14, lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert run(tmp_path, problem, *MOVING)[0] == 143
    points = tmp_path / "points.csv"
    for changed in (POINTS.replace("0.61", "0.6"), POINTS + "0.1,0.9,0.2\n"):
        points.write_text(changed)
        capsys.readouterr()
        assert run(tmp_path, problem, *MOVING)[0] == 2
        assert "holds a run on other points: 3 measurements" in capsys.readouterr().err
    points.write_text(POINTS)
    assert run(tmp_path, problem, *MOVING)[0] == 0


@pytest.mark.parametrize("call", [14, 33])
def test_a_run_that_died_ends_as_an_uninterrupted_one(tmp_path, quick, uninterrupted, call):
    problem = written(tmp_path, KINDS["inverse"][0])

    def die() -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        at_call(patch, call, die)
        with pytest.raises(ZeroDivisionError):
            run(tmp_path, problem, *MOVING, ALWAYS)
    code, out = run(tmp_path, problem, *MOVING, ALWAYS)
    assert code == 0
    assert left(out) == uninterrupted


def test_a_run_that_died_after_training_is_not_trained_again(tmp_path, quick, uninterrupted):
    problem = written(tmp_path, KINDS["inverse"][0])

    def die(*arguments: Any) -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solve, "write_outputs", die)
        with pytest.raises(ZeroDivisionError):
            run(tmp_path, problem, *MOVING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PDEObjective, "forward", die)
        code, out = run(tmp_path, problem, *MOVING)
    assert code == 0
    assert left(out) == uninterrupted


def test_the_comparison_can_fail(tmp_path, quick, uninterrupted):
    code, out = run(tmp_path, written(tmp_path, KINDS["inverse"][0]), *MOVING, "trainer.seed=1")
    assert code == 0
    assert left(out)["solution"] != uninterrupted["solution"]


def spoil_from(monkeypatch, call: int, term: str) -> None:
    """The residuals of one term become NaN from a call of them on."""
    residuals, calls = PDEObjective.residuals, [0]

    def spoiled(self, site, batch):
        found = residuals(self, site, batch)
        calls[0] += site.name == "interior"
        names = [each.name for each in site.terms]
        return [
            value * float("nan") if name == term and calls[0] >= call else value
            for name, value in zip(names, found, strict=True)
        ]

    monkeypatch.setattr(PDEObjective, "residuals", spoiled)


@pytest.mark.parametrize("term", ["residual", "u = 0 at boundary"])
def test_nan_in_the_loss_is_told_with_term_and_step_and_the_last_good_state_is_kept(
    tmp_path, quick, uninterrupted, capsys, term
):
    problem = written(tmp_path, KINDS["inverse"][0])
    with pytest.MonkeyPatch.context() as patch:
        spoil_from(patch, 25, term)
        code, out = run(tmp_path, problem, *MOVING, ALWAYS)
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    found = re.search(
        r"error: step (\d+): .*became NaN or infinite; the last good state, of step (\d+),", said
    )
    assert found, said
    assert term in said
    assert int(found[1]) == int(found[2])  # steps count from 0
    assert not (out / "metrics.json").exists()
    code, out = run(tmp_path, problem, *MOVING, ALWAYS)
    assert code == 0
    assert left(out) == uninterrupted


def test_nan_where_the_stage_takes_new_points(tmp_path, quick, uninterrupted, capsys):
    problem = written(tmp_path, KINDS["inverse"][0])
    refresh = MovingObjective.refresh
    with pytest.MonkeyPatch.context() as patch:

        def spoiled(self, number, first=False):
            refresh(self, number, first)
            if number == 1:
                spoil_from(patch, 0, "data u")

        patch.setattr(MovingObjective, "refresh", spoiled)
        code, out = run(tmp_path, problem, *MOVING, ALWAYS)
    said = capsys.readouterr().err.splitlines()[-1]
    assert code == 2
    assert "data u" in said
    assert "NaN or infinite on batch 1; the last good state, of step" in said
    code, out = run(tmp_path, problem, *MOVING, ALWAYS)
    assert code == 0
    assert left(out) == uninterrupted


# --- What is refused. -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edits", "settings", "words"),
    [
        ([("u_t - a*u_xx", "u_t + log(-1 - u**2)")], [], ["residual: NaN or infinite at 64 of 64 points"]),
        ([('u: "sin(pi*x)"', 'u: "log(x - 1)"')], [], ["u = log(x - 1) at t = 0: NaN", "16 of 16 points"]),
        ([("exact: {u: ", "exact: {w: ")], [], ["reference", "w"]),
        ([(EXACT, "file: other.npz")], [], ["other.npz", "u has shape (3, 4)"]),
        ([(EXACT, "file: none.npz")], [], ["none.npz", "no such file"]),
        (
            [(EXACT, "solver: poisson_l_shape")], [],
            ["poisson_l_shape has the variables x, y, and the problem x, t"],
        ),
        ([(EXACT, "solver: nothing")], [], ["unknown reference solver 'nothing'"]),
        (
            [("{a: 0.1}", "{a: {initial: 0.1}}")], [],
            ["reference.exact.u: the value of a, which is trained, is not known"],
        ),
        ([], ["method.width=0"], ["width"]),
        ([], ["method=nothing"], ["nothing", "choices"]),
        ([], ["stages.descent=2"], ["stages", "descent", "[0, 1]", "2"]),
        ([], ["stages.refresh_every=-1"], ["refresh_every"]),
        ([], ["points.interior=0"], ["interior must be at least 1"]),
        ([], ["balance.kind=all"], ["balance.kind"]),
        ([], ["dtype=float16"], ["dtype"]),
        ([], ["trainer.mixed_precision=bf16"], ["trainer.mixed_precision=bf16", "choose no"]),
        ([], ["trainer.max_steps=0"], ["max_steps"]),
        ([], ["points.interor=3"], ["points.interor", "interior"]),
        ([("name: heat", "name: heat\nsolves: []")], [], ["solves"]),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_no_run_folder(tmp_path, quick, capsys, edits, settings, words):
    np.savez(tmp_path / "other.npz", x=np.linspace(0, 1, 9), t=np.linspace(0, 1, 5), u=np.zeros((3, 4)))
    code, out = run(tmp_path, written(tmp_path, HEAT, *edits), *settings)
    said = capsys.readouterr().err.strip().splitlines()
    assert code == 2
    assert sum(line.startswith("error: ") for line in said) == 1
    assert said[-1].startswith("error: ")
    for word in words:
        assert word in said[-1]
    assert not out.exists()


def test_a_reference_with_other_unknowns_is_refused(tmp_path, capsys):
    text = HEAT.replace("[u]", "[w]").replace("u_t - a*u_xx", "w_t - a*w_xx").replace("u:", "w:")
    exact = 'exact: {w: "exp(-a*pi**2*t)*sin(pi*x)"}'
    code, out = run(tmp_path, written(tmp_path, text, (exact, "solver: burgers_cole_hopf")))
    assert code == 2
    said = capsys.readouterr().err
    assert "burgers_cole_hopf gives u, and the unknowns of the problem are w" in said
    assert not out.exists()


def test_a_reference_of_another_domain(tmp_path, capsys, quick):
    for low, code in ((-1.0, 0), (1.5, 2)):
        folder = tmp_path / str(low)
        folder.mkdir()
        x, t = np.linspace(low, low + 1.5, 7), np.linspace(0, 1, 5)
        np.savez(folder / "other.npz", x=x, t=t, u=np.ones((7, 5)))
        found, _ = run(folder, written(folder, HEAT, (EXACT, "file: other.npz")))
        assert found == code
        said = capsys.readouterr().err
        if code == 0:
            assert "warning: 20 of 35 points of the reference lie outside the domain" in said
        else:
            assert "u is known nowhere in the problem's domain" in said


def test_warnings_of_the_problem_are_told(tmp_path, capsys, quick):
    text = HEAT.replace('  - {at: "t = 0", u: "sin(pi*x)"}\n', "").replace("reference:", "#")
    assert run(tmp_path, written(tmp_path, text))[0] == 0
    assert "warning: no initial condition for u at t = 0" in capsys.readouterr().err


def test_one_thread_and_the_global_state_are_left_usable(tmp_path, quick):
    assert run(tmp_path, written(tmp_path, HEAT))[0] == 0
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32
