"""wsapps_nerf.train with alpha=auto: short runs on some views, judged on the others."""

from __future__ import annotations

import json

import pytest
from synthetic_scene import TINY, write_ball_scene

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
