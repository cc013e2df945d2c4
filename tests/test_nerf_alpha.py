"""wsapps_nerf.train with alpha=auto: short runs on some views, judged on the others."""

from __future__ import annotations

import json

import pytest
from capture_files import write_transforms_ball
from synthetic_scene import TINY, write_ball_scene

from wsapps.alpha import Curve, short_runs
from wsapps.finite import Diverged
from wsapps_nerf import choose_alpha, train
from wsapps_nerf.choose_alpha import with_alpha

AUTO = [
    *TINY, "alpha=auto", "trainer.max_steps=96", "auto_alpha.part=1", "auto_alpha.candidates=[1,1.5]",
    "outputs.turntable_frames=0",
]  # fmt: skip


pytestmark = pytest.mark.usefixtures("fresh_logging")


@pytest.fixture
def ball(tmp_path):
    folder = write_ball_scene(tmp_path / "ball")
    return ["scene=lego", f"data.root={folder}", f"out={tmp_path / 'run'}", *AUTO]


def test_alpha_is_chosen_once_on_views_that_no_trial_is_trained_on(ball, tmp_path, capsys, monkeypatch):
    seen: list[set[int]] = []
    make = choose_alpha._trial

    def watched(config, scene):
        trial = make(config, scene)
        views: set[int] = set()
        seen.append(views)

        def batch(*where):
            drawn = trial.batch(*where)
            views.update(drawn["view"].tolist())
            return drawn

        return choose_alpha.Trial(trial.objective, batch, trial.score, trial.trainer)

    monkeypatch.setattr(choose_alpha, "_trial", watched)
    assert train.main(ball) == 0
    assert seen == [{1, 2, 3, 4}] * 2  # of five views the first is held out
    record = json.loads((tmp_path / "run" / "alpha.json").read_text())
    assert [curve["alpha"] for curve in record["curves"]] == [1.0, 1.5]
    assert all(curve["steps"][-1] == 24 for curve in record["curves"])  # a quarter of the run each
    last = {curve["alpha"]: curve["held_out"][-1] for curve in record["curves"]}
    assert last[record["alpha"]] >= last[1.0]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["alpha"] == record["alpha"]

    (tmp_path / "run" / "metrics.json").unlink()
    monkeypatch.setattr(choose_alpha, "choose_alpha", lambda *a: pytest.fail("chosen again"))
    capsys.readouterr()
    assert train.main(ball) == 0
    assert "was chosen before" in capsys.readouterr().err


def test_a_run_that_diverges_begins_anew_with_the_next_smaller_alpha(ball, tmp_path, capsys, monkeypatch):
    once, tried = train._train, []

    def diverging(config, prepared, scene, run):
        tried.append(config.method.alpha)
        if config.method.alpha > 1:
            raise Diverged("step 3: loss became NaN or infinite")
        once(config, prepared, scene, run)

    def chosen(config, scene, run):
        verdicts = [{"alpha": alpha} for alpha in (1.0, 1.5)]
        (tmp_path / "run" / "alpha.json").write_text(json.dumps({"alpha": 1.5, "verdicts": verdicts}))
        return with_alpha(config, 1.5)

    monkeypatch.setattr(train, "_train", diverging)
    monkeypatch.setattr(train, "chosen", chosen)
    assert train.main([*ball, "trainer.max_steps=4"]) == 0
    assert "starts anew with alpha = 1 in place of 1.5" in capsys.readouterr().err
    assert tried == [1.5, 1.0]


def test_a_method_without_alpha_is_refused(ball, tmp_path, capsys):
    assert train.main([*ball, "method=relu_pe"]) == 2
    assert "method=relu_pe does not have" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_where_memory_holds_some_pictures_only_alpha_stays_one(tmp_path, capsys):
    folder = write_transforms_ball(tmp_path / "ball", size=16, count=18)
    memory = (2 * 12 * 256 + 2 * 256 * 4 + 100) / 2**30  # two pictures and what decoding others takes
    arguments = ["scene=transforms", f"data.root={folder}", f"out={tmp_path / 'run'}", *AUTO]
    assert train.main([*arguments, f"data.memory_gib={memory}", "trainer.max_steps=4"]) == 0
    assert "data.memory_gib holds 2 of" in capsys.readouterr().err
    record = json.loads((tmp_path / "run" / "alpha.json").read_text())
    assert (record["alpha"], record["curves"]) == (1.0, [])


def test_nothing_of_the_held_out_view_is_given_away(ball, tmp_path, monkeypatch):
    def faster_and_a_little_worse(alpha, *_):
        return Curve(alpha, [0, 24], [0.0, 10 * alpha], [10.0, 10.0 if alpha == 1 else 9.9], averaged=1)

    monkeypatch.setattr(short_runs, "_curve", faster_and_a_little_worse)
    assert train.main([*ball, "trainer.max_steps=96"]) == 0
    assert json.loads((tmp_path / "run" / "alpha.json").read_text())["alpha"] == 1.0
