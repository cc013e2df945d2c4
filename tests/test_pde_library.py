"""The library command: many problems, one table; resumable."""

from __future__ import annotations

import json

import pytest

from wsapps.errors import UserError
from wsapps.finite import Diverged
from wsapps_pde import library

TINY = 'settings=["method.width=6","points.interior=32","trainer.max_steps=4","trainer.compile=false"]'


def run(out, *arguments: str) -> int:
    return library.main([f"out={out}", TINY, *arguments])


def test_a_table_of_problems_that_is_not_made_twice(tmp_path, capsys):
    chosen = "problems=[poisson_2d,burgers_inverse]"
    assert run(tmp_path / "lib", chosen) == 0
    lines = (tmp_path / "lib" / "table.md").read_text().splitlines()
    assert lines[0].startswith("| problem | unknown | relative L2 | reference's own | estimated |")
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["poisson_2d", "burgers_inverse"]
    metrics = json.loads((tmp_path / "lib" / "problems" / "poisson_2d" / "metrics.json").read_text())
    assert f"| {metrics['relative_l2/u']:.1e} | exact |" in lines[2]
    assert "poisson_2d/u.png" in (tmp_path / "lib" / "index.html").read_text()
    # One cell is lost: it alone is made again.
    (tmp_path / "lib" / "metrics.json").unlink()
    (tmp_path / "lib" / "problems" / "poisson_2d" / "metrics.json").unlink()
    before = (tmp_path / "lib" / "problems" / "burgers_inverse" / "metrics.json").stat().st_mtime_ns
    assert run(tmp_path / "lib", chosen) == 0
    assert (tmp_path / "lib" / "problems" / "burgers_inverse" / "metrics.json").stat().st_mtime_ns == before
    again = json.loads((tmp_path / "lib" / "problems" / "poisson_2d" / "metrics.json").read_text())
    assert again["relative_l2/u"] == metrics["relative_l2/u"]
    capsys.readouterr()


def test_a_problem_that_diverges_has_its_row(tmp_path, monkeypatch, capsys):
    def diverging(*_):
        raise Diverged("step 3: residual became NaN")

    monkeypatch.setattr(library, "solve_problem", diverging)
    assert run(tmp_path / "lib", "problems=[poisson_2d]") == 0
    assert "| poisson_2d |  | diverged |" in (tmp_path / "lib" / "table.md").read_text()
    assert "residual became NaN" in capsys.readouterr().err


def test_a_setting_of_the_problems_gives_the_threads(tmp_path, monkeypatch, capsys):
    asked: list[int] = []

    def stop():
        raise UserError("enough")

    monkeypatch.setattr(library, "prepare_cpu", asked.append)
    monkeypatch.setattr(library, "make_accelerator", stop)
    out = f"out={tmp_path}"
    assert library.main([out, "problems=[poisson_2d]", 'settings=["trainer.num_threads=3"]']) == 2
    assert asked == [3]
    capsys.readouterr()


def test_all_shipped_problems_are_the_default():
    assert {"burgers", "lid_driven_cavity", "kdv", "poisson_holes"} <= set(library.shipped_problems())


@pytest.mark.parametrize("wrong", ["problems=[nonsense]", "problems=[no/such.yaml]"])
def test_an_unknown_problem_is_one_line(tmp_path, capsys, wrong):
    assert run(tmp_path / "lib", wrong) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "lib").exists()
