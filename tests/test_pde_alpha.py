"""solve with alpha=auto: trials in turn, what they leave, and what follows a divergence."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from fake_time import FakeTime
from heat_problem import HEAT_AND_EXACT as HEAT

import wsapps.trainer
from wsapps.accelerator import make_accelerator
from wsapps.alpha import Curve, short_runs
from wsapps.config import default_config_dir, load_config
from wsapps.finite import Diverged
from wsapps.optimizer import learning_rate
from wsapps_pde import choose_alpha, solve
from wsapps_pde.config import SolveConfig
from wsapps_pde.problems.problem import Problem

TINY = [
    "method.width=8", "method.hidden_layers=1", "points.interior=64", "points.condition=16",
    "trainer.max_steps=96", "trainer.compile=false", "trainer.log_every=4", "trainer.num_threads=1",
    "stages.descent=0.1", "auto_alpha.part=1", "auto_alpha.candidates=[1,1.5,2]", "alpha=auto",
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("fresh_logging")


@pytest.fixture
def heat(tmp_path):
    (tmp_path / "heat.yaml").write_text(HEAT)
    return [f"problem={tmp_path / 'heat.yaml'}", f"out={tmp_path / 'run'}", *TINY]


def test_larger_alphas_are_tried_until_one_is_worse_and_a_run_chooses_once(
    heat, tmp_path, capsys, monkeypatch
):
    assert solve.main(heat) == 0
    out = tmp_path / "run"
    record = json.loads((out / "alpha.json").read_text())
    curves = record["curves"]
    assert [curve["alpha"] for curve in curves] == [1.0, 1.5, 2.0][: len(curves)]
    assert len(curves) >= 2
    assert all(curve["steps"][-1] == 24 for curve in curves)  # a quarter of the run each
    last = {curve["alpha"]: curve["held_out"][-1] for curve in curves}
    assert last[record["alpha"]] >= last[1.0]
    assert (out / "alpha.png").is_file()
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["alpha"] == record["alpha"]
    assert metrics["steps"] == 96
    (out / "metrics.json").unlink()
    monkeypatch.setattr(choose_alpha, "choose_alpha", lambda *a: pytest.fail("chosen again"))
    capsys.readouterr()
    assert solve.main(heat) == 0
    assert "was chosen before" in capsys.readouterr().err


def choice_of(heat, *settings):
    config = load_config(
        SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=[*heat, *settings]
    )
    accelerator = make_accelerator()
    run = SimpleNamespace(accelerator=accelerator, forget=accelerator.free_memory)
    return choose_alpha.choose_alpha(config, Problem.from_config(config.problem), run)  # type: ignore[arg-type]


def test_a_short_run_keeps_alpha_one(heat):
    choice, curves = choice_of(heat, "auto_alpha.part=0.1", "trainer.max_steps=8")
    assert (choice.alpha, curves) == (1.0, [])
    assert "chosen without trials" in choice.chosen.fate


def test_trials_within_a_time_have_equally_many_steps(heat, monkeypatch):
    FakeTime(monkeypatch, a_reading=0.01).instead_of("wsapps.alpha.short_runs.time")
    _, curves = choice_of(heat, "trainer.max_steps=null", "trainer.max_seconds=4", "auto_alpha.part=1")
    assert len(curves) >= 2
    assert len({curve.steps[-1] for curve in curves}) == 1
    assert 20 <= curves[0].steps[-1] <= 100  # in one second, with a reading or more of the clock a step


def test_where_the_first_trial_had_too_little_time_there_is_no_other(heat, monkeypatch):
    made = []

    def short(alpha, *_):
        made.append(alpha)
        return Curve(alpha, [12], [1.0], [1.0])

    monkeypatch.setattr(short_runs, "_curve", short)
    choice, curves = choice_of(heat, "trainer.max_steps=null", "trainer.max_seconds=4", "auto_alpha.part=1")
    assert (made, choice.alpha, curves) == ([1.0], 1.0, [])
    assert "alpha 1 had 12 steps only, of 20" in choice.chosen.fate


def test_looks_that_take_long_end_the_trials(heat, monkeypatch):
    made, clock = [], FakeTime(monkeypatch)
    clock.instead_of("wsapps.alpha.short_runs.time")

    def slow(alpha, *_):
        made.append(alpha)
        clock.now += 0.5
        return Curve(alpha, [0, 30], [0.0, alpha**4], [1.0, 1.0], averaged=1)

    monkeypatch.setattr(short_runs, "_curve", slow)
    limits = "trainer.max_steps=null", "auto_alpha.candidates=[1,1.25,1.5,1.75]"
    choice, _ = choice_of(heat, *limits, "trainer.max_seconds=12", "auto_alpha.part=0.1")
    assert (made, choice.alpha) == ([1.0, 1.25], 1.25)
    made.clear()
    choice, curves = choice_of(heat, *limits, "trainer.max_seconds=6", "auto_alpha.part=0.1")
    assert (made, choice.alpha, curves) == ([1.0], 1.0, [])
    assert "another trial would cost more than 0.1 of the run" in choice.chosen.fate


def test_a_trial_has_the_rates_of_the_run_that_it_begins(heat, monkeypatch):
    rates = []

    def noted(optimizer, config, step, progress):
        rates.append(learning_rate(config, step, progress))

    monkeypatch.setattr(wsapps.trainer, "set_rates", noted)
    settings = "trainer.max_steps=400", "stages.descent=0.5", "auto_alpha.part=0.4"
    _, curves = choice_of(heat, *settings)
    assert curves[0].steps[-1] == 40
    whole = load_config(
        SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=[*heat, *settings]
    ).trainer.optimizer
    assert rates[:40] == [learning_rate(whole, step, step / 200) for step in range(40)]


def test_a_trial_follows_the_descent_that_the_run_begins_with(heat, monkeypatch):
    made = []

    def noted(alpha, trial, run, steps, seconds):
        last_times = trial.objective.solution.problem.domain.duration
        made.append((trial.trainer.last_step, steps, last_times))
        return Curve(alpha, [0, steps], [0.0, 1.0], [1.0, 1.0], averaged=1)

    monkeypatch.setattr(short_runs, "_curve", noted)
    settings = "stages.descent=0.25", "trainer.max_steps=400", "auto_alpha.part=0.4"
    choice_of(heat, *settings)
    assert made[0] == (100, 40, (0.0, 1.0))
    made.clear()
    choice_of(heat, *settings, "windows.count=4")
    assert made[0] == (25, 40, (0.0, 0.25))
    made.clear()
    few = "stages.descent=null", "trainer.max_steps=null", "trainer.default_steps=3000", "auto_alpha.part=0.1"
    choice_of(
        heat, *few, "points.interior=512"
    )  # the stage is Levenberg-Marquardt's: half of 200 large steps are of descent
    assert made[0][:2] == (100, 75)


def test_nothing_of_the_residual_is_given_away(heat, monkeypatch):
    def faster_and_a_little_worse(alpha, *_):
        return Curve(alpha, [0, 24], [0.0, 10 * alpha], [10.0, 10.0 if alpha == 1 else 9.9], averaged=1)

    monkeypatch.setattr(short_runs, "_curve", faster_and_a_little_worse)
    assert choice_of(heat)[0].alpha == 1.0


def test_a_method_without_alpha_is_refused(heat, tmp_path, capsys):
    assert solve.main([*heat, "method=tanh"]) == 2
    assert "method=tanh does not have" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_after_a_divergence_the_next_smaller_alpha_begins_anew(heat, tmp_path, capsys, monkeypatch):
    out, once, tried = tmp_path / "run", solve._solve, []
    out.mkdir()

    def diverging(config, prepared, run):
        tried.append(config.method.alpha)
        if config.method.alpha > 1:
            (out / "quasi_newton").mkdir()
            raise Diverged("step 3: loss became NaN or infinite")
        assert not (out / "quasi_newton").exists()
        return once(config, prepared, run)

    def chosen(config, problem, run):
        verdicts = [{"alpha": alpha} for alpha in (1.0, 1.5)]
        (out / "alpha.json").write_text(json.dumps({"alpha": 1.5, "verdicts": verdicts}))
        return choose_alpha.with_alpha(config, 1.5)

    monkeypatch.setattr(solve, "_solve", diverging)
    monkeypatch.setattr(solve, "chosen", chosen)
    assert solve.main(heat) == 0
    assert "starts anew with alpha = 1 in place of 1.5" in capsys.readouterr().err
    assert tried == [1.5, 1.0]
