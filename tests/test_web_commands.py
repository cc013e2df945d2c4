"""``python -m wsapps_signals.web`` for every kind of signal: the page opens and shows the fitted field."""

from __future__ import annotations

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from browser import Browser
from test_signal_sphere import write_nc4

import wsapps
from wsapps_signals import fit, web

TINY = ["method.width=12", "method.hidden_layers=1", "trainer.max_steps=3", "trainer.num_threads=1"]
SMALL = {
    "image": ["signal.max_side=24"],
    "audio": ["signal.seconds=0.2"],
    "occupancy": ["signal.points=500", "signal.grid=8"],
    "sphere": ["signal.max_points=200"],
    "video": ["signal.max_side=16", "signal.max_frames=3"],
}


@pytest.fixture(scope="module")
def chromium():
    with Browser() as browser:
        yield browser


pytestmark = pytest.mark.usefixtures("fresh_logging")


def fitted(kind, out, *settings):
    assert fit.main([f"signal={kind}", f"out={out}", *TINY, *SMALL[kind], *settings]) == 0
    return out


# A place in each viewer's own terms, and the coordinates that it stands for.
PLACES = {
    "image": ("11.5, 11.5", [0.0, 0.0]),
    "audio": ("0", [-100.0]),
    "occupancy": ("0.1, 0.2, 0.3", [0.1, 0.2, 0.3]),
    "sphere": ("0, 90", [0.0, 1.0, 0.0]),
    "video": ("7.5, 7.5", [-1.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("kind", PLACES)
def test_a_fit_becomes_a_page(chromium, tmp_path, capsys, kind):
    run = fitted(kind, tmp_path / "run")
    if kind == "occupancy":  # three steps make no solid
        lift_output(run)
    capsys.readouterr()
    assert web.main([f"run={run}", f"out={tmp_path / 'page.html'}", "title=My own"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'page.html'}: ")
    chromium.open(tmp_path / "page.html", 40, 30)
    chromium.run("wsapps.frame.finish()")
    assert chromium.complaints == []
    assert chromium.run("document.getElementById('failure').hidden")
    assert chromium.run("document.title") == "My own"
    assert "My own" in chromium.run("document.getElementById('card').textContent")
    place, point = PLACES[kind]
    values = chromium.run(f"[...wsapps.at({place})]")
    with torch.no_grad():
        expected = wsapps.load_field(run / "field")(torch.tensor([point]))[0]
    np.testing.assert_allclose(values, expected.tolist(), atol=2e-4)


def lift_output(run):
    """Raise a field's values, so that some are above one half."""
    from wsapps.config import from_yaml
    from wsapps.export import save_field
    from wsapps_signals.config import FitConfig

    field = wsapps.load_field(run / "field")
    with torch.no_grad():
        values = field(torch.rand(500, 3) * 2 - 1)
        field.output.bias += 0.5 - values.median()
    config = from_yaml(FitConfig, (run / "config.yaml").read_text())
    save_field(run / "field", field, config.method)


def test_by_default_the_page_lies_in_the_run_folder_and_data_may_have_moved(tmp_path, capsys):
    picture = tmp_path / "picture.png"
    iio.imwrite(picture, np.random.default_rng(0).integers(0, 255, (14, 17, 3), np.uint8))
    run = fitted("image", tmp_path / "run", f"path={picture}")
    picture.rename(tmp_path / "moved.png")
    assert web.main([f"run={run}"]) == 2
    assert "picture.png" in capsys.readouterr().err
    assert web.main([f"run={run}", f"path={tmp_path / 'moved.png'}"]) == 0
    text = (run / "field.html").read_text()
    assert "17 × 14 pixels" in text
    assert "sinusoidal, 2 × 12<" in text, "so short a run keeps alpha 1"
    assert "moved" in text


def test_a_page_tells_the_width_and_alpha_that_a_field_has(tmp_path):
    run = fitted("image", tmp_path / "run", "match_width=20", "method.hidden_layers=2", "method.alpha=2.5")
    assert web.main([f"run={run}"]) == 0
    width = wsapps.load_field(run / "field").output.in_features
    assert width != 12
    assert f"sinusoidal, 3 × {width}, alpha 2.5" in (run / "field.html").read_text()


def test_a_page_of_a_part_of_the_globe_says_which(tmp_path):
    europe = write_nc4(
        tmp_path / "a.nc", latitudes=np.arange(60, 30, -5.0), longitudes=np.arange(-10, 30, 5.0)
    )
    run = fitted("sphere", tmp_path / "run", f"path={europe}")
    assert web.main([f"run={run}"]) == 0
    assert "from 35° to 60° N, -10° to 25° E" in (run / "field.html").read_text()
    whole = fitted("sphere", tmp_path / "whole")
    assert web.main([f"run={whole}"]) == 0
    assert "known only" not in (whole / "field.html").read_text()


@pytest.mark.parametrize("wrong", [["run=nowhere"], ["run=nowhere", "out=page.png"], []])
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    assert web.main(wrong) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_unfinished_runs_and_other_methods_are_refused(tmp_path, capsys):
    run = fitted("image", tmp_path / "run", "method=wire")
    capsys.readouterr()
    assert web.main([f"run={run}"]) == 2
    assert "cannot evaluate a WireField" in capsys.readouterr().err
    (run / "metrics.json").unlink()
    assert web.main([f"run={run}"]) == 2
    assert "is not finished" in capsys.readouterr().err
