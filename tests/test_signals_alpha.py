"""fit with alpha=auto from end to end: what it says, leaves, keeps, refuses, and does after a divergence."""

from __future__ import annotations

import json

import imageio.v3 as iio
import numpy as np
import pytest
import torch

import wsapps
from wsapps.fields import SinusoidalField
from wsapps.finite import Diverged
from wsapps.tiling import TiledField
from wsapps_signals import choose_alpha, fit, steps_in_time
from wsapps_signals.config import fit_config
from wsapps_signals.fit import load_signal, make_problem
from wsapps_signals.steps_in_time import steps_in

# Trials of so small a run cost most of it.
TINY = [
    "method.width=16",
    "method.omega_0=5",
    "method.omega_hidden=5",
    "trainer.max_steps=6",
    "auto_alpha.candidates=[1,1.5,2]",
    "auto_alpha.part=1",
]


@pytest.fixture(autouse=True)
def fresh_surroundings(monkeypatch, fresh_logging):
    monkeypatch.setattr(choose_alpha, "POINTS", 16)


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[0:32, 0:40]
    iio.imwrite(tmp_path / "waves.png", (127 + 60 * np.sin(0.3 * y) + 60 * np.sin(0.2 * x)).astype(np.uint8))
    return tmp_path / "waves.png"


@pytest.fixture
def rough_picture(tmp_path):
    walks = np.random.default_rng(0).standard_normal((32, 40)).cumsum(axis=1)
    values = 127 + 60 * np.sin(0.3 * np.arange(32))[:, None] + 12 * walks
    iio.imwrite(tmp_path / "rough.png", values.clip(0, 255).astype(np.uint8))
    return tmp_path / "rough.png"


def test_a_run_chooses_once_and_leaves_what_it_chose(rough_picture, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    arguments = [f"path={rough_picture}", f"out={out}", *TINY, "method.alpha=auto"]
    assert fit.main(arguments) == 0
    said = capsys.readouterr().err
    record = json.loads((out / "alpha.json").read_text())
    assert [verdict["alpha"] for verdict in record["verdicts"]] == [1, 1.5, 2]
    assert f"alpha=auto chose {record['alpha']:g}" in said
    assert "of what is between them" in said
    assert (out / "alpha.png").is_file()
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["alpha"] == record["alpha"]
    assert wsapps.load_field(out / "field").alpha == record["alpha"]
    (out / "metrics.json").unlink()
    monkeypatch.setattr(choose_alpha, "choose_alpha", lambda *a: pytest.fail("chosen again"))
    assert fit.main(arguments) == 0
    again = json.loads((out / "metrics.json").read_text())
    assert again["psnr"] == metrics["psnr"]
    assert "was chosen before" in capsys.readouterr().err


def test_without_its_record_a_trained_state_is_not_continued_with_another_alpha(picture, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = [f"path={picture}", f"out={out}", *TINY, "alpha=auto"]
    assert fit.main(arguments) == 0
    for name in ("metrics.json", "alpha.json"):
        (out / name).unlink()
    capsys.readouterr()
    assert fit.main(arguments) == 2
    assert "checkpoint was trained with an alpha that" in capsys.readouterr().err
    assert not (out / "alpha.json").exists()


def test_of_sparse_samples_the_output_is_trained(picture, tmp_path, capsys):
    """By a run that goes on as well, which does not choose again."""
    out = tmp_path / "run"
    arguments = [f"path={picture}", f"out={out}", *TINY, "method.omega_0=300", "method.omega_hidden=300"]
    assert fit.main(arguments) == 0
    (out / "metrics.json").unlink()
    assert fit.main(arguments) == 0
    said = capsys.readouterr().err
    assert said.count("too sparse for alpha 1") == 2
    assert "is solved for in every step" not in said
    assert (
        fit.main([*arguments[:1], f"out={tmp_path / 'other'}", *arguments[2:], "projection.enabled=true"])
        == 0
    )
    assert "is solved for in every step" in capsys.readouterr().err


def test_what_has_no_alpha_is_refused_before_there_is_a_folder(picture, tmp_path, capsys):
    out = tmp_path / "run"
    assert fit.main([f"path={picture}", f"out={out}", "alpha=auto", "method=wire"]) == 2
    assert "alpha=auto chooses method.alpha, which method=wire does not have" in capsys.readouterr().err
    assert not out.exists()


def test_after_a_divergence_the_next_smaller_alpha_begins_anew(picture, tmp_path, capsys, monkeypatch):
    out, once, tried = tmp_path / "run", fit._fit, []
    out.mkdir()
    verdicts = [{"alpha": alpha} for alpha in (1.0, 1.5, 2.0)]

    def diverging(problem, run):
        tried.append(problem.config.method.alpha)
        if len(tried) == 1:
            (run.folder.checkpoints / "step_2").mkdir(parents=True)
        if problem.config.method.alpha > 1.5:
            raise Diverged("step 3: loss became NaN or infinite")
        return once(problem, run)

    def chosen(config, signal, mask, field, run):
        (out / "alpha.json").write_text(json.dumps({"alpha": 2.0, "verdicts": verdicts}))
        return choose_alpha.with_alpha(config, 2.0)

    monkeypatch.setattr(fit, "_fit", diverging)
    monkeypatch.setattr(fit, "chosen", chosen)
    assert fit.main([f"path={picture}", f"out={out}", *TINY, "alpha=auto"]) == 0
    assert "step 3: loss became NaN or infinite; alpha=auto starts anew with alpha = 1.5 in place of 2" in (
        capsys.readouterr().err
    )
    assert tried == [2.0, 1.5]
    record = json.loads((out / "alpha.json").read_text())
    assert (record["alpha"], record["diverged"]) == (1.5, [2.0])
    assert json.loads((out / "metrics.json").read_text())["steps"] == 6


def test_alpha_is_chosen_for_the_matched_width(picture, tmp_path, monkeypatch):
    seen = []

    def chosen(config, signal, mask, field, run):
        seen.append(config.method.width)
        return choose_alpha.with_alpha(config, 1.5)

    monkeypatch.setattr(fit, "chosen", chosen)
    out = tmp_path / "run"
    assert fit.main([f"path={picture}", f"out={out}", *TINY, "alpha=auto", "match_width=21"]) == 0
    assert seen == [wsapps.load_field(out / "field").output.in_features] != [fit_config(TINY).method.width]


def test_where_alpha_one_diverges_the_run_ends(picture, tmp_path, capsys):
    arguments = [f"path={picture}", f"out={tmp_path / 'run'}", *TINY, "alpha=auto"]
    assert fit.main([*arguments, "trainer.optimizer.lr=1e30", "auto_alpha.candidates=[1.5]"]) == 2
    said = capsys.readouterr().err
    assert "became NaN or infinite" in said
    assert "Traceback" not in said


def problem_of(picture, *settings):
    config = fit_config([f"path={picture}", *TINY, "alpha=auto", *settings])
    return make_problem(config, load_signal(config))


def test_the_cost_is_a_part_of_the_run_or_alpha_stays_one(rough_picture):
    picture = rough_picture
    problem = problem_of(picture, "auto_alpha.part=0.1", "trainer.max_steps=1000")
    parts = problem.config, problem.signal, problem.mask, problem.field
    choice, cost = choose_alpha.choose_alpha(*parts)
    assert len(choice.verdicts) == 3
    assert 0 < cost <= 0.1
    some = problem_of(picture, "auto_alpha.part=0.1", "trainer.max_steps=50")
    choice, cost = choose_alpha.choose_alpha(some.config, some.signal, some.mask, some.field)
    assert len(choice.verdicts) == 2
    assert 0 < cost <= 0.1
    alone = problem_of(picture, "auto_alpha.part=0.1", "trainer.max_steps=12")
    choice, cost = choose_alpha.choose_alpha(alone.config, alone.signal, alone.mask, alone.field)
    assert (choice.alpha, len(choice.verdicts)) == (1.0, 1)
    assert 0 < choice.chosen.explained < 1  # looked at, so that it is known whether it memorises
    assert "would cost more than 0.1" in choice.chosen.fate
    short = problem_of(picture, "auto_alpha.part=0.1", "trainer.max_steps=2")
    choice, cost = choose_alpha.choose_alpha(short.config, short.signal, short.mask, short.field)
    assert (choice.alpha, cost, len(choice.verdicts)) == (1.0, 0.0, 1)


def test_tiles_and_time_limits_are_taken_into_account(picture):
    problem = problem_of(picture, "tiles=[2,2]", "trainer.max_steps=null", "trainer.max_seconds=60")
    choice, cost = choose_alpha.choose_alpha(problem.config, problem.signal, problem.mask, problem.field)
    assert [verdict.fate for verdict in choice.verdicts] == ["chosen", "would lose too much between samples"]
    whole = problem_of(picture, "tiles=[1,1]")
    looks = choose_alpha.choose_alpha(whole.config, whole.signal, whole.mask, whole.field)[0].verdicts
    assert looks[1].held_out > choice.verdicts[1].held_out + 5  # twice as dense along each axis
    assert 0 < cost < 1
    assert steps_in(1e-9, problem.field, problem.signal.coordinates, 100) == 1
    before = [parameter.clone() for parameter in problem.field.parameters()]
    assert steps_in(60.0, problem.field, problem.signal.coordinates, 100) > 1
    assert all(torch.equal(a, b) for a, b in zip(before, problem.field.parameters(), strict=True))


def test_tiles_are_timed_tile_by_tile(monkeypatch):
    axis = torch.linspace(-1, 1, 64)
    coordinates = torch.cartesian_prod(axis, axis)
    field = TiledField([SinusoidalField(2, 1, 4, 1) for _ in range(64)], [8, 8], [-1, -1], [1, 1])
    seen = []
    monkeypatch.setattr(steps_in_time, "_step", lambda _, points: seen.append(points))
    steps_in(1.0, field, coordinates, 640)
    assert len(seen[0]) == 640
    assert field.tile_of(seen[0]).bincount().tolist() == [64] * 10
    steps_in(1.0, field.ensemble, coordinates, 640)
    assert len(field.tile_of(seen[-1]).unique()) > 30  # of one field they are from everywhere
