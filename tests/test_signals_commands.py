"""fit, resample and compare from end to end on tiny signals: what they write, refuse, and continue."""

from __future__ import annotations

import csv
import json
import re

import imageio.v3 as iio
import numpy as np
import pytest
import torch
import yaml

import wsapps
from wsapps.errors import UserError
from wsapps.fields import FIELDS, parameter_count
from wsapps.metrics import psnr
from wsapps_signals import __main__ as console
from wsapps_signals import compare, fit, resample
from wsapps_signals.config import fit_config
from wsapps_signals.holdout import training_mask

TINY = ["method.width=16", "trainer.max_steps=6", "trainer.log_every=2"]


@pytest.fixture(autouse=True)
def fresh_surroundings(monkeypatch, fresh_logging):
    """Each test's stderr is another one, and no data folder is set."""
    monkeypatch.delenv("WSAPPS_DATA", raising=False)


@pytest.fixture
def picture(tmp_path):
    y, x = np.mgrid[0:16, 0:20]
    rgb = np.stack([10 * y, 12 * x, 255 - 10 * y], axis=-1).astype(np.uint8)
    iio.imwrite(tmp_path / "a picture.png", rgb)
    return tmp_path / "a picture.png"


def test_a_photograph_with_no_other_option(picture, tmp_path, capsys):
    out = tmp_path / "run"
    assert fit.main([f"path={picture}", f"out={out}", *TINY]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["steps"] == 6
    assert metrics["bits_per_point"] == pytest.approx(8 * metrics["field_bytes"] / 320)
    for name in ("index.html", "config.yaml", "log.txt", "history.json", "preview.png"):
        assert (out / name).is_file(), name
    field = wsapps.load_field(out / "field")
    points = torch.rand(7, 2) * 2 - 1
    assert field(points).shape == (7, 3)
    said = capsys.readouterr().err
    assert fit.main([f"path={picture}", f"out={out}", *TINY]) == 0
    assert "is finished (psnr" in capsys.readouterr().err
    assert fit.main([f"path={picture}", f"out={out}", *TINY, "trainer.seed=1"]) == 2
    assert "trainer.seed: 0 in the run folder, 1 now" in capsys.readouterr().err
    assert "16x20" in said or "320 points" in said


def test_a_large_picture_in_tiles(picture, tmp_path, capsys):
    out = tmp_path / "run"
    tiles = ["tiles=[2,3]", "points.per_step=64", "trainer.accumulate=2"]
    assert fit.main([f"path={picture}", f"out={out}", *TINY, *tiles]) == 0
    field = wsapps.load_field(out / "field")
    assert field.tiles == (2, 3)
    metrics = json.loads((out / "metrics.json").read_text())
    one = FIELDS["sinusoidal"].from_config(2, 3, FIELDS["sinusoidal"].Config(width=16))
    assert metrics["parameters"] == 6 * parameter_count(one)
    assert resample.main([f"out={out}", "size=[32,40]"]) == 0
    capsys.readouterr()
    for wrong in ("tiles=[2]", "tiles=[0,3]", "tiles=[99999,99999]", "tiles=[]"):
        assert fit.main([f"path={picture}", f"out={tmp_path / 'no'}", *TINY, wrong]) == 2
        assert "tiles: expected 2 positive numbers" in capsys.readouterr().err


def test_a_large_signal_gets_the_settings_of_its_kind_and_what_is_given_counts(picture, tmp_path, capsys):
    large = [f"path={picture}", "large.above=300", "tile_points=64", "trainer.max_steps=1", "method.width=16"]
    assert fit.main([*large, f"out={tmp_path / 'run'}", "trainer.optimizer.lr=1e-5"]) == 0
    assert "a picture has 320 points: method.hidden_layers=2" in capsys.readouterr().err
    run = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (run["method"]["width"], run["method"]["hidden_layers"], run["method"]["alpha"]) == (16, 2, 1.5)
    assert (run["trainer"]["optimizer"]["lr"], run["trainer"]["optimizer"]["schedule"]) == (1e-5, "cosine")
    assert wsapps.load_field(tmp_path / "run" / "field").tiles == (2, 2)
    assert fit.main([*large, f"out={tmp_path / 'run'}", "trainer.optimizer.lr=1e-5"]) == 0  # and is finished
    assert fit.main([*large, f"out={tmp_path / 'siren'}", "method=siren", "tiles=[1,2]"]) == 0
    run = yaml.safe_load((tmp_path / "siren" / "config.yaml").read_text())
    assert (run["method"]["alpha"], run["method"]["hidden_layers"]) == (1, 3)
    assert wsapps.load_field(tmp_path / "siren" / "field").tiles == (1, 2)


def test_a_fit_improves_with_steps(picture, tmp_path):
    scores = []
    for steps in (1, 150):
        out = tmp_path / str(steps)
        arguments = [f"path={picture}", f"out={out}", "method.width=32", f"trainer.max_steps={steps}"]
        assert fit.main([*arguments, "trainer.optimizer.lr=1e-3", "projection.enabled=true"]) == 0
        scores.append(json.loads((out / "metrics.json").read_text())["psnr"])
    assert scores[1] > scores[0] + 10


@pytest.mark.parametrize("holdout", ["every_other", "random", "downsample"])
def test_held_out_samples_are_scored_apart(picture, tmp_path, holdout):
    out = tmp_path / "run"
    assert fit.main([f"path={picture}", f"out={out}", f"holdout={holdout}", *TINY]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    config = fit_config([f"path={picture}", f"holdout={holdout}", *TINY])
    signal, field = fit.load_signal(config), wsapps.load_field(out / "field")
    mask = training_mask(holdout, len(signal.values), signal.grid, config.trainer.seed)
    assert 0.2 < float(mask.float().mean()) < 0.8
    for name, part in (("train_psnr", mask), ("test_psnr", ~mask)):
        with torch.no_grad():
            expected = psnr(field(signal.coordinates[part]), signal.values[part])
        assert metrics[name] == pytest.approx(expected, abs=0.01)


def test_a_killed_fit_continues_to_the_same_field(picture, tmp_path):
    arguments = [f"path={picture}", "method.width=16", "trainer.optimizer.schedule=constant"]
    assert fit.main([*arguments, f"out={tmp_path / 'whole'}", "trainer.max_steps=12"]) == 0
    half = tmp_path / "half"
    assert fit.main([*arguments, f"out={half}", "trainer.max_steps=6"]) == 0
    config = (half / "config.yaml").read_text().replace("max_steps: 6", "max_steps: 12")
    (half / "config.yaml").write_text(config)
    (half / "metrics.json").unlink()
    assert fit.main([*arguments, f"out={half}", "trainer.max_steps=12"]) == 0
    fields = [wsapps.load_field(tmp_path / name / "field") for name in ("whole", "half")]
    for one, two in zip(*(field.parameters() for field in fields), strict=True):
        assert torch.equal(one, two)


def test_resampling_to_another_size(picture, tmp_path, capsys):
    out = tmp_path / "run"
    assert fit.main([f"path={picture}", f"out={out}", *TINY]) == 0
    assert resample.main([f"out={out}", "size=[9,31]"]) == 0
    (file,) = (out / "resampled").iterdir()
    assert iio.imread(file).shape == (9, 31, 3)
    assert str(file) in capsys.readouterr().out
    assert resample.main([f"out={out}", "size=[9]"]) == 2
    assert resample.main([f"out={tmp_path / 'nowhere'}", "size=[9,31]"]) == 2
    assert capsys.readouterr().err.count("error:") == 2


@pytest.mark.parametrize("kind", ["image", "audio", "occupancy", "sphere", "video"])
@pytest.mark.slow
def test_embedded_samples_need_no_path(kind, tmp_path):
    out = tmp_path / "run"
    small = {
        "image": ["signal.max_side=32"],
        "audio": ["signal.max_points=2000"],
        "occupancy": ["signal.points=2000", "signal.grid=24"],
        "sphere": ["signal.max_points=600"],
        "video": ["signal.max_frames=4", "signal.max_side=16"],
    }
    assert fit.main([f"signal={kind}", f"out={out}", *TINY, *small[kind]]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert np.isfinite(metrics["iou" if kind == "occupancy" else "psnr"])
    assert (out / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["signal=imgae"], "image"),
        (["method=sirne"], "siren"),
        (["path=missing.png"], "missing.png"),
        (["method.alpha=0"], "alpha"),
        (["match_width=2", "method=ffn"], "match_width"),
        (["match_width=0"], "match_width=0"),
        (["points.per_step=0"], "per_step"),
        (["holdout=half"], "holdout"),
        (["signal=sphere", "tile_points=100"], "give tiles="),
    ],
)
def test_bad_arguments_are_one_line(arguments, words, tmp_path, capsys):
    assert fit.main([*arguments, f"out={tmp_path / 'run'}", "trainer.max_steps=1"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run" / "metrics.json").exists()


@pytest.fixture
def comparison(picture, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text("name: mine\nsignals:\n  first: [signal=image, 'path=a picture.png']\n")
    protocol = tmp_path / "protocol.yaml"
    protocol.write_text(
        "name: tiny\nsettings: [trainer.max_steps=4, match_width=40, projection.enabled=false]\n"
        "learning_rates: [1e-4, 1e-2]\n"
    )
    return [
        f"out={tmp_path / 'compared'}",
        f"suite={suite}",
        f"protocol={protocol}",
        f"data.root={tmp_path}",
        "methods=[siren,relu_pe,weight_scaling]",
        "more_seeds={siren: 2}",
    ]


@pytest.mark.slow
def test_a_comparison_is_complete_and_its_cells_are_not_repeated(comparison, tmp_path, monkeypatch, capfd):
    assert compare.main(comparison) == 0
    out = tmp_path / "compared"
    said = "".join(capfd.readouterr())
    assert re.findall(r"cell \d+ of \d+", said) == [f"cell {number} of 7" for number in range(1, 8)]
    rows = list(csv.DictReader((out / "cells.csv").open()))
    # Two rates for each method's first seed; another seed at the better rate for one method.
    assert len(rows) == 3 * 2 + 1
    assert {row["learning_rate"] for row in rows} == {"0.0001", "0.01"}
    assert "lr" not in rows[0]
    table = (out / "table.md").read_text()
    siren = [
        float(row["psnr"]) for row in rows if row["method"] == "siren" and row["learning_rate"] == "0.01"
    ]
    assert f"{np.mean(siren):.2f} ± {np.std(siren, ddof=1):.2f}" in table
    assert "Learning rates chosen" in table
    assert r"\begin{tabular}" in (out / "table.tex").read_text()
    counts = [float(row["parameters"]) for row in rows]
    assert max(counts) <= 1.06 * min(counts)  # each within 3 % of the same number
    page = (out / "index.html").read_text()
    assert "weight_scaling" in page
    assert (out / "sheet_first.png").is_file()
    assert iio.imread(out / "curves.png").std() > 0

    def never(*arguments, **settings):
        raise AssertionError("a finished cell is fitted again")

    (out / "metrics.json").unlink()
    monkeypatch.setattr(compare, "fit_signal", never)
    assert compare.main(comparison) == 0
    assert list(csv.DictReader((out / "cells.csv").open())) == rows


def test_a_suite_without_its_files_ends_before_anything_is_fitted(comparison, tmp_path, capsys):
    arguments = [text for text in comparison if not text.startswith("data.root")]
    assert compare.main(arguments) == 2
    assert "needs data.root= or WSAPPS_DATA" in capsys.readouterr().err
    assert compare.main([*comparison, 'settings=["trainer.maxsteps=3"]']) == 2
    assert "max_steps" in capsys.readouterr().err
    assert not (tmp_path / "compared").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("methods=[siren,siren]", "must differ"),
        ("more_seeds={sirne: 2}", "sirne"),
        ("suite.signals={../a: [signal=image]}", "../a"),
        ("suite.signals={a/b: [signal=image]}", "a/b"),
    ],
)
def test_a_comparison_that_could_not_be_written_ends_at_once(tmp_path, monkeypatch, capsys, setting, words):
    monkeypatch.chdir(tmp_path)
    assert compare.main([setting]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_setting_of_the_cells_gives_the_threads(comparison, monkeypatch):
    asked: list[int] = []
    monkeypatch.setattr(compare, "prepare_cpu", asked.append)
    monkeypatch.setattr(compare, "_check", _stop)
    assert compare.main([*comparison, 'settings=["trainer.num_threads=3"]']) == 2
    assert asked == [3]


def _stop(config):
    raise UserError("enough")


def test_console_script(capsys):
    assert console.main(["--help"]) == 0
    assert "compare" in capsys.readouterr().out
    assert console.main(["fti"]) == 2
    assert "did you mean 'fit'?" in capsys.readouterr().err
