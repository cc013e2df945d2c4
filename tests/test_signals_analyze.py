"""analyze from end to end on a tiny picture, and its parts on trajectories that are known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure as Canvas
from user_errors import one_line_error

from wsapps.analysis import field_spectrum
from wsapps.config import default_config_dir, load_config
from wsapps.fields import SinusoidalField
from wsapps_signals import analyze
from wsapps_signals.analysis import harmonics, trade, trajectory
from wsapps_signals.analysis.config import AnalyzeConfig
from wsapps_signals.analysis.curvature import _condition
from wsapps_signals.analysis.finding import Finding, kept
from wsapps_signals.analysis.scaling import Scaling, all_scalings, scalings
from wsapps_signals.analysis.subject import Subject
from wsapps_signals.analysis.trajectory import Trajectory
from wsapps_signals.kinds.all_kinds import SIGNALS

TINY = [
    "method.width=8", "method.hidden_layers=1", "factors=[2]", "seeds=1", "kernel_every=2",
    "kernel_points=12", "hessian_points=10", "hessian_steps=4", "trainer.max_steps=5", "signal.max_side=12",
]  # fmt: skip
PARTS = (
    "propagation", "series", "spectra", "gradients", "hessian",
    "learning_curves", "pareto", "selection", "kernel",
)  # fmt: skip


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[0:12, 0:12]
    iio.imwrite(
        tmp_path / "a picture.png", np.stack([20 * y, 20 * x, 200 - 10 * y], axis=-1).astype(np.uint8)
    )
    return tmp_path / "a picture.png"


def subject(*settings: str, path: Path | None = None) -> Subject:
    config = load_config(
        AnalyzeConfig, "analyze", config_dir=default_config_dir("signals"), overrides=[*TINY, *settings]
    )
    return Subject.of(config, SIGNALS["image"].from_config(config.signal, path))


@pytest.mark.parametrize("size", [(12, 3), (3, 3)])
def test_a_narrow_picture_has_its_spectrum_along_the_longer_side_or_none(tmp_path, size):
    picture = np.random.default_rng(0).integers(0, 255, (*size, 1), dtype=np.uint8)
    iio.imwrite(tmp_path / "strip.png", picture[:, :, 0])
    strip = subject("signal.grey=true", path=tmp_path / "strip.png")
    found = harmonics._signal_spectrum(strip)
    assert (found is None) == (max(size) < 4)
    assert harmonics.spectra(strip)[0].text


def test_an_analysis_leaves_figures_numbers_and_a_page_and_is_not_repeated(picture, tmp_path, monkeypatch):
    out = tmp_path / "run"
    arguments = [f"path={picture}", f"out={out}", *TINY]
    assert analyze.main(arguments) == 0
    for name in PARTS:
        assert iio.imread(out / f"{name}.png").std() > 0, name
        assert json.loads((out / f"{name}.json").read_text())["text"], name
    page = (out / "index.html").read_text()
    assert "a picture" in page
    assert all(f"{name}.png" in page for name in PARTS)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["acceleration/siren"] == pytest.approx(1.0)
    assert metrics["steps"] == 3 * 5  # SIREN, an alpha, a gain
    assert metrics["chosen/weights"] in (1.0, 2.0)
    assert not list(out.glob("fields/*/checkpoint"))

    # Without its page, and one of its parts: what was trained is read, the part is drawn again.
    (out / "metrics.json").unlink()
    (out / "pareto.png").unlink()
    monkeypatch.setattr(trajectory, "Trainer", lambda *a, **k: pytest.fail("a field is trained again"))
    monkeypatch.setattr(analyze.depth, "propagation", lambda s: pytest.fail("a part is made again"))
    assert analyze.main(arguments) == 0
    again = json.loads((out / "metrics.json").read_text())
    times = ("wall_seconds", "train_seconds")
    assert {k: v for k, v in again.items() if k not in times} == {
        k: v for k, v in metrics.items() if k not in times
    }
    assert (out / "pareto.png").is_file()
    assert analyze.main(arguments) == 0  # and is finished


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["factors=[]"], "factors"),
        (["factors=[0]"], "factors"),
        (["factors=[0.5,1]"], "factors"),
        (["seeds=0"], "seeds"),
        (["trainer.max_seconds=5"], "max_seconds cannot be given"),
        (["path=missing.png"], "missing.png"),
        (["method=wire"], "method"),
        (["method=xavier"], "method=xavier"),
        (["method.width=0"], "width"),
    ],
)
def test_bad_arguments_are_one_line_and_leave_nothing(arguments, words, tmp_path, capsys):
    assert analyze.main([*TINY, *arguments, f"out={tmp_path / 'run'}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "run").exists()


def test_sizes_are_those_of_the_kind_and_what_is_given_counts():
    def config(*given: str) -> AnalyzeConfig:
        folder = default_config_dir("signals")
        return analyze.sized(load_config(AnalyzeConfig, "analyze", config_dir=folder, overrides=given), given)

    assert config().signal.grey
    assert config("signal.max_side=20").signal.max_side == 20
    assert config("signal=audio").signal.max_points == 4096
    assert config("signal=audio", "signal.max_points=99").signal.max_points == 99


def test_fields_of_one_seed_differ_by_their_scaling_alone():
    here = subject()
    siren, scaled, frequency = (
        here.field(Scaling(kind, factor), 0)
        for kind, factor in (("weights", 1.0), ("weights", 2.0), ("frequency", 2.0))
    )
    first, hidden = ([f.layers[i].linear.weight for f in (siren, scaled, frequency)] for i in (0, 1))
    assert (first[1] == 2 * first[0]).all()
    assert (first[2] == 2 * first[0]).all()
    assert (hidden[1] == 2 * hidden[0]).all()
    assert (hidden[2] == hidden[0]).all()
    assert (siren.output.weight == scaled.output.weight).all()


def test_scalings_have_siren_once():
    assert [s.name for s in all_scalings([3, 2])] == [
        "siren", "weights_2", "weights_3", "frequency_2", "frequency_3",
    ]  # fmt: skip
    assert [s.factor for s in scalings([1.0, 2.0], "frequency")] == [1.0, 2.0]


def test_an_interrupted_field_continues_to_the_same_trajectory(tmp_path):
    from wsapps.accelerator import make_accelerator

    scaling = Scaling("weights", 2.0)
    whole = trajectory.follow(tmp_path / "whole", subject(), scaling, 0, make_accelerator())
    assert [entry["step"] for entry in whole.training] == [1, 2, 3, 4, 5]
    assert [look["step"] for look in whole.looks] == [0, 2, 4, 5]
    assert all("kernel/condition" in look for look in whole.looks)
    # Three steps, killed before its file is written, and on.
    folder = tmp_path / "parts"
    trajectory.follow(folder, subject("trainer.max_steps=4"), scaling, 0, make_accelerator())
    assert (
        trajectory.follow(folder, subject(), scaling, 0, make_accelerator()) != whole
    )  # it is kept as it is
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trajectory, "write_json", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trajectory.follow(
                tmp_path / "killed", subject("trainer.max_steps=3"), scaling, 0, make_accelerator()
            )
    continued = trajectory.follow(tmp_path / "killed", subject(), scaling, 0, make_accelerator())
    assert [entry["psnr"] for entry in continued.training][-2:] == pytest.approx(
        [entry["psnr"] for entry in whole.training][-2:]
    )


def known(kind: str, factor: float, rate: float, held_out: float, seed: int = 0, diverged: bool = False):
    """Fitted scores that rise by ``rate`` in each of ten steps, then stay."""
    training = [{"step": float(s), "psnr": rate * min(s, 10)} for s in range(1, 13)]
    looks = [{"step": 0.0, "test_psnr": 0.0}, {"step": 12.0, "test_psnr": held_out}]
    return Trajectory(Scaling(kind, factor), seed, training, looks, 1.0, diverged)  # type: ignore[arg-type]


FIELDS = [
    known("weights", 1.0, 1.0, 20.0),
    known("weights", 2.0, 2.0, 20.0),
    known("weights", 3.0, 5.0, 10.0),
    known("frequency", 2.0, 1.25, 19.0),
    known("frequency", 3.0, 0.5, 21.0),
]


def test_accelerations_and_dominance_are_counted():
    found = {(t.kind, t.factor): t for kind in trade.KINDS for t in trade.trades(FIELDS, kind)}
    assert found["weights", 1.0].acceleration == pytest.approx(1.0)
    assert found["weights", 2.0].acceleration == pytest.approx(2.0)
    assert found["weights", 3.0].acceleration == pytest.approx(5.0)
    assert found["frequency", 3.0].acceleration == 0.0  # never at SIREN's score
    finding, _ = trade.pareto(FIELDS)
    # Gain 2 is slower and worse than alpha 2; gain 3 is the best on held-out samples.
    assert finding.metrics["pareto/dominated_gains"] == 1
    assert finding.metrics["pareto/dominated_alphas"] == 0
    assert not found["weights", 2.0].dominates(found["weights", 2.0])


def test_the_rule_on_the_grid():
    finding, _ = trade.selection(FIELDS, tolerance=0.5)
    assert finding.metrics["chosen/weights"] == 2.0
    assert finding.metrics["chosen/frequency"] == 1.0
    assert trade.selection(FIELDS, tolerance=15.0)[0].metrics["chosen/weights"] == 3.0


def test_deviations_are_over_seeds_and_divergence_is_no_score():
    seeds = [known("weights", 1.0, 1.0, h, seed) for seed, h in ((0, 20.0), (1, 22.0))]
    (siren,) = trade.trades(seeds, "weights")
    assert (siren.test_psnr, siren.test_psnr_deviation) == (21.0, pytest.approx(math.sqrt(2)))
    broken = [*FIELDS, known("weights", 4.0, 9.0, 30.0, diverged=True)]
    finding, _ = trade.selection(broken, tolerance=0.5)
    assert finding.metrics["chosen/weights"] == 2.0
    assert trade.trades(broken, "weights")[-1].acceleration == 0.0


def test_held_out_scores_of_a_curve_are_linear_between_looks():
    curve = known("weights", 2.0, 1.0, 24.0).curve()
    assert curve.held_out == pytest.approx([2.0 * step for step in range(1, 13)])


def test_a_part_is_made_once(tmp_path):
    calls = []

    def make():
        calls.append(1)
        return Finding("part", "A part", "says so", {"x": math.nan}), Canvas()

    first, second = kept(tmp_path, "part", make), kept(tmp_path, "part", make)
    assert len(calls) == 1
    assert (second.name, second.text) == (first.name, first.text)
    assert math.isnan(second.metrics["x"])
    (tmp_path / "part.json").write_text("{}")
    one_line_error(lambda: kept(tmp_path, "part", make), "part.json", "delete it")


def test_a_spectrum_is_made_with_lines_fine_enough_for_it(monkeypatch):
    """At alpha 4 a field of one coordinate reaches beyond what 4,096 points tell apart."""
    asked = []

    def watched(field, in_features, *, points, **settings):
        asked.append(points)
        return field_spectrum(field, in_features, points=points, **settings)

    monkeypatch.setattr(harmonics, "field_spectrum", watched)
    coordinates = torch.linspace(-1, 1, 50)[:, None]
    subject = SimpleNamespace(
        signal=SimpleNamespace(coordinates=coordinates),
        field=lambda scaling, seed: SinusoidalField(1, 1, 64, 3, alpha=scaling.factor),
    )
    low = harmonics._mean_spectrum(subject, Scaling("weights", 1.0))
    assert set(asked) == {4096}
    high = harmonics._mean_spectrum(subject, Scaling("weights", 5.0))
    assert max(asked) > 4096
    assert high.centroid > 3 * low.centroid


def test_a_condition_number_that_rounding_sets_is_a_bound():
    assert _condition({"kernel/condition": 8e12, "kernel/rank": 434.0, "kernel/rows": 512.0}).startswith(
        "at least 8e+12"
    )
    assert _condition({"kernel/condition": 30.0, "kernel/rank": 512.0, "kernel/rows": 512.0}) == "30"
