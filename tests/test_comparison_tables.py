"""Tables of a comparison from made-up outcomes: means, deviations, best entries, best rates, equal time."""

from __future__ import annotations

import csv
import io
import math
import statistics

import pytest

from wsapps.fields import SinusoidalConfig
from wsapps_signals.comparison.cells import Cell, Outcome, at_best_rates, best_rate
from wsapps_signals.comparison.tables import cells_csv, equal_time_table, rate_table, score_table
from wsapps_signals.config import FitConfig


def outcome(method, score, *, signal="kodak", seed=0, rate=None, seconds=10.0, name="psnr", curve=()):
    metrics = {"diverged": 1} if score is None else {name: score, "train_seconds": seconds, "steps": 150}
    if name == "iou" and score is not None:
        metrics["iou_samples"] = score / 2
    return Outcome(
        Cell(signal, method, seed, rate, FitConfig(method=SinusoidalConfig())), metrics, list(curve), []
    )


def cells_of(markdown):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]


def test_means_and_deviations_over_seeds_and_the_best_stands_out():
    scores = [30.0, 31.0, 35.0]
    outcomes = [outcome("siren", score, seed=seed) for seed, score in enumerate(scores)]
    outcomes += [outcome("weight_scaling", 40.0), outcome("xavier", None)]
    table = score_table(outcomes)
    rows = cells_of(table.markdown())
    assert rows[0] == ["method", "kodak (PSNR, dB)"]
    assert rows[2] == ["siren", f"{statistics.fmean(scores):.2f} ± {statistics.stdev(scores):.2f}"]
    assert rows[3] == ["weight_scaling", "**40.00**"]
    assert rows[4] == ["xavier", "diverged"]
    assert r"\textbf{40.00}" in table.latex()
    assert r"weight\_scaling" in table.latex()
    assert r"32.00 $\pm$ 2.65" in table.latex()


def test_shapes_have_two_columns():
    outcomes = [outcome("siren", 0.98, signal="lucy", name="iou"), outcome("siren", 30.0)]
    rows = cells_of(score_table(outcomes).markdown())
    assert rows[0] == ["method", "lucy (IoU, grid)", "lucy (IoU, samples)", "kodak (PSNR, dB)"]
    assert rows[2] == ["siren", "**0.9800**", "**0.4900**", "**30.00**"]


def test_each_method_is_shown_at_its_best_rate():
    outcomes = [
        outcome("siren", 20.0, rate=1e-4),
        outcome("siren", 25.0, rate=1e-3),
        outcome("siren", None, rate=1e-2),
        outcome("siren", 27.0, rate=1e-3, seed=1),
        outcome("wire", 22.0, rate=1e-4),
        outcome("wire", 21.0, rate=1e-3),
    ]
    assert best_rate(outcomes, "kodak", "siren") == 1e-3
    assert [o.score for o in at_best_rates(outcomes)] == [25.0, 27.0, 22.0]
    rows = cells_of(rate_table(outcomes).markdown())
    assert rows[0] == ["method", "kodak"]
    assert [row[1] for row in rows[2:]] == ["0.001", "0.0001"]  # none is the better one


def test_a_field_that_diverges_last_does_not_change_the_columns():
    outcomes = [
        outcome("siren", 0.98, signal="lucy", name="iou"),
        outcome("xavier", None, signal="lucy"),
    ]
    rows = cells_of(score_table(outcomes).markdown())
    assert rows[0] == ["method", "lucy (IoU, grid)", "lucy (IoU, samples)"]
    assert rows[3] == ["xavier", "diverged", "diverged"]


def test_without_rates_there_is_no_table_of_them():
    assert rate_table([outcome("siren", 20.0)]) is None


def test_equal_time_is_that_of_the_fastest_method():
    fast = [(50, 1.0, 20.0), (100, 2.0, 30.0)]
    slow = [(50, 1.9, 35.0), (100, 4.0, 60.0)]
    outcomes = [
        outcome("siren", 30.0, seconds=2.0, curve=fast),
        outcome("wire", 60.0, seconds=4.0, curve=slow),
    ]
    rows = cells_of(equal_time_table(outcomes).markdown())
    assert rows[2:] == [["siren", "30.00"], ["wire", "**35.00**"]]


def test_at_equal_time_a_field_may_not_have_been_looked_at_yet():
    outcomes = [
        outcome("siren", 30.0, seconds=2.0, curve=[(50, 1.0, 20.0), (100, 2.0, 30.0)]),
        outcome("wire", 60.0, seconds=9.0, curve=[(50, 4.5, 35.0)]),
        outcome("xavier", None),
    ]
    rows = cells_of(equal_time_table(outcomes).markdown())
    assert [row[1] for row in rows[2:]] == ["**30.00**", "-", "diverged"]


def test_every_cell_is_a_line_of_the_csv():
    outcomes = [outcome("siren", 30.5), outcome("wire", None, seed=2)]
    first, second = csv.DictReader(io.StringIO(cells_csv(outcomes)))
    assert float(first["psnr"]) == 30.5
    assert (second["seed"], second["psnr"], second["diverged"]) == ("2", "", "1")


@pytest.mark.parametrize("score", [math.inf])
def test_an_exact_fit_is_said_in_words(score):
    assert cells_of(score_table([outcome("siren", score)]).markdown())[2] == ["siren", "exact"]
