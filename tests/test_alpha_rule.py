"""The rule, and trials in turn, on learning curves that are known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from user_errors import one_line_error

from wsapps.alpha import (
    AutoAlphaConfig,
    Curve,
    choose,
    choose_predicted,
    prediction,
    read_record,
    told,
    try_in_turn,
    untried,
    write_record,
)
from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.prediction import LEAST_EXPECTED, LEAST_SOLVED, lost_and_won
from wsapps.alpha.texture import NORMAL, Texture, evenness_of

STEPS = 64


def line(alpha: float, rate: float, held_out: float, steps: int = STEPS) -> Curve:
    """Fitted scores rise by ``rate`` a step, held-out ones up to ``held_out``; the last three are equal."""
    curve = Curve(alpha)
    for step in range(steps + 1):
        curve.add(step, rate * min(step, steps - 2), held_out * min(step, steps - 2) / (steps - 2))
    return curve


def test_steps_to_a_target_are_interpolated():
    curve = Curve(1.0, [0, 10, 20], [1.0, 3.0, 11.0], [0, 0, 0])
    assert curve.steps_to(3.0) == 10
    assert curve.steps_to(5.0) == pytest.approx(12.5)
    assert curve.steps_to(0.5) == 0
    assert math.isinf(curve.steps_to(12.0))
    assert Curve(1.0, [0, 4], [-math.inf, 5.0], [0, 0]).steps_to(1.0) == 4


def test_the_fastest_within_the_tolerance_is_chosen():
    curves = [line(1, 1, 30), line(1.5, 2, 31), line(2, 4, 29.6), line(3, 8, 12)]
    choice = choose(curves, tolerance=0.5)
    assert (choice.alpha, choice.target, choice.floor) == (2, STEPS - 2, 29.5)
    assert choice.chosen.speed_up == pytest.approx(4)
    assert {v.alpha: v.fate for v in choice.verdicts} == {
        1: "not faster",
        1.5: "not faster",
        2: "chosen",
        3: "held-out score too low",
    }
    assert choose(curves, tolerance=0.3).alpha == 1.5
    assert choose(curves, tolerance=20).alpha == 3


def test_of_nearly_equal_speeds_the_smaller_alpha_is_taken():
    assert choose([line(1, 1, 30), line(2, 2.0, 30), line(3, 2.05, 30)], 0.5).alpha == 2


def test_scores_at_the_end_are_means_of_three_looks():
    curve = Curve(1.0, [0, 1, 2, 3], [9.0, 1.0, 2.0, 6.0], [0.0, 3.0, 3.0, 0.0])
    assert (curve.last_fitted, curve.last_held_out) == (3.0, 2.0)
    assert Curve(1.0, [0], [4.0], [5.0]).last_fitted == 4.0


def test_nothing_better_leaves_alpha_at_one():
    choice = choose([line(1, 1, 30), line(2, 0.5, 30), line(3, 2, 10)], 0.5)
    assert (choice.alpha, choice.chosen.speed_up) == (1, 1)
    assert choice.verdicts[1].speed_up == 0  # never at the target


def test_what_diverged_is_not_chosen():
    broken = line(3, 9, 30)
    broken.fitted[5:] = [math.nan] * len(broken.fitted[5:])
    choice = choose([line(1, 1, 30), broken], 0.5)
    assert choice.alpha == 1
    assert [v.fate for v in choice.verdicts] == ["chosen", "diverged"]
    assert "explain" not in told(choice)[1]  # a trial, and not a prediction


def test_a_run_that_ends_at_its_target_is_the_faster_one():
    """Where runs have a target of their own, the faster alpha has fewer steps in all."""
    assert choose([line(1, 1, 30), line(2, 2, 30, steps=STEPS // 2 + 1)], 0.5).alpha == 2


def test_fields_without_an_error_are_judged_by_their_steps():
    perfect = Curve(2.0, [0, 10, 20], [1.0, math.inf, math.inf], [30.0] * 3)
    reference = Curve(1.0, [0, 10, 20, 30, 40], [1.0, 2.0, *[math.inf] * 3], [30.0] * 5)
    choice = choose([reference, perfect], 0.5)
    assert (choice.alpha, choice.chosen.speed_up) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("curves", "tolerance"),
    [
        ([line(2, 1, 1)], 0.5),
        ([line(1, 1, 1), line(1, 2, 1)], 0.5),
        ([line(1, 1, 1)], -1.0),
        ([line(1, math.nan, 1)], 0.5),
    ],
)
def test_what_cannot_be_judged(curves, tolerance):
    with pytest.raises(ValueError, match=r"alpha|tolerance|needed"):
        choose(curves, tolerance)


def test_in_turn_from_one_upwards_until_one_fails():
    tried = []

    def trial(alpha: float) -> Curve:
        tried.append(alpha)
        return line(alpha, alpha, 30 if alpha < 2 else 20)

    curves = try_in_turn(trial, [3, 2, 0.5, 1.5], 0.5)
    assert tried == [1, 1.5, 2]
    assert choose(curves, 0.5).alpha == 1.5
    tried.clear()
    try_in_turn(trial, [1.5, 2], 0.5, may_go_on=lambda count: count < 2)
    assert tried == [1, 1.5]


def test_in_turn_ends_where_alpha_one_diverges():
    assert len(try_in_turn(lambda alpha: line(alpha, math.nan, 1), [1.5, 2], 0.5)) == 1


def look(
    left_open: float, left_out: float = 1.0, spread: float = 0.0, unlearned: float = 0.0
) -> Interpolation:
    """At samples that leave as much open everywhere, or more here than there."""
    unexplained = left_open**2 + spread**2
    return Interpolation(1 - unexplained, left_open, unexplained, left_out, unlearned)


ONE = look(0.01)


def expected(seen: Interpolation, one: Interpolation, evenness: float) -> float:
    """Of a signal that is rough."""
    return prediction.expected(seen, one, Texture(evenness))


def test_of_predictions_the_largest_alpha_that_loses_little_is_taken():
    looks = {1.0: ONE, 1.5: look(0.1, spread=0.04), 2.0: look(0.3, spread=0.1), 2.5: look(0.9)}
    choice = choose_predicted(looks, Texture(0.6))
    assert expected(looks[1.5], ONE, 0.6) > LEAST_EXPECTED > expected(looks[2.0], ONE, 0.6)
    assert (choice.alpha, choice.floor, choice.memorises) == (1.5, LEAST_EXPECTED, False)
    assert not untried("so small a run").memorises
    said = told(choice)
    assert "samples explain 19.0% of what is between them and miss each other by 100.00%" in said[-2]
    assert said[-2].endswith(": would lose too much between samples")
    assert f"expected there: {expected(looks[1.5], ONE, 0.6):+.2f} dB against alpha 1: chosen" in said[1]
    assert said[-1] == "alpha=1.5 is chosen (expected between samples: at least -0.5 dB against alpha 1)"


def test_less_is_expected_the_more_is_open_and_the_fewer_samples_make_the_error():
    some = look(0.1, spread=0.04)
    assert expected(some, ONE, 0.5) > expected(look(0.2, spread=0.04), ONE, 0.5)
    assert expected(some, ONE, 0.5) > expected(look(0.1, spread=0.02), ONE, 0.5)
    assert expected(some, ONE, 0.5) > expected(some, ONE, 0.2)
    looks = {1.0: ONE, 1.5: some}
    assert choose_predicted(looks, Texture(0.6)).alpha == 1.5
    assert choose_predicted(looks, Texture(0.2)).alpha == 1.0


def test_more_is_expected_where_alpha_one_does_not_learn_all():
    smooth, some = look(0.001, unlearned=0.4), look(0.1)
    assert expected(some, smooth, 0.5) > expected(some, ONE, 0.5)
    assert expected(look(0.1, unlearned=0.4), smooth, 0.5) == expected(some, ONE, 0.5)  # nor does this one
    assert expected(look(0.1, unlearned=0.5), smooth, 0.5) == expected(some, ONE, 0.5)
    assert choose_predicted({1.0: ONE, 1.5: some}, Texture(0.5)).alpha == 1.0
    assert choose_predicted({1.0: smooth, 1.5: some}, Texture(0.5)).alpha == 1.5


def test_nothing_is_won_on_a_smooth_signal():
    one, larger = look(0.001, 1e-3, unlearned=0.4), look(0.1, 2e-3, spread=0.1)
    assert lost_and_won(larger, one, Texture(0.6)) == (-0.1, 0.0, 0.0)
    assert lost_and_won(look(0.1, spread=0.1), one, Texture(0.6)) == (-0.1, 0.0, 0.0)
    rough = look(0.001, 7e-2, unlearned=0.4), look(0.1, 7e-2, spread=0.1)
    assert expected(rough[1], rough[0], 0.6) > 0


def test_the_better_neighbours_guess_the_more_is_lost_by_what_is_made_up():
    """Fractal pictures and maps, half of them held out: what alpha 1.25 loses, mean of two seeds."""
    for missed, left_open, lost in (
        (0.06, 0.24, 8.0),
        (0.10, 0.24, 5.5),
        (0.19, 0.23, 1.45),
        (0.033, 0.18, 10),
    ):
        looks = look(0.03, missed**2), look(left_open, missed**2, spread=0.1)
        assert expected(looks[1], looks[0], 0.66) == pytest.approx(-lost, abs=1.2)
    one, larger = replace(look(0.03, 0.01), values_unlearned=0.1), look(0.24, 0.01, spread=0.1)
    assert expected(larger, one, 0.66) == expected(look(0.24, spread=0.1), look(0.03), 0.66)  # 1 is as bad
    rough = look(0.03, 0.4**2), look(0.24, 0.4**2, spread=0.1)
    assert expected(rough[1], rough[0], 0.66) == pytest.approx(-10.7 * 0.24 + 30.4 * 0.1 * 0.66)


def test_of_two_values_alpha_stays_one():
    looks = {1.0: look(0.001), 1.25: look(0.002)}
    assert choose_predicted(looks, Texture(0.6)).alpha == 1.25
    choice = choose_predicted(looks, Texture(0.6, two_valued=True))
    assert (choice.alpha, choice.memorises) == (1.0, False)
    assert "two kinds" in choice.verdicts[1].fate


def test_nothing_is_won_on_noise_and_alpha_must_not_guess_much_worse():
    noise = Texture(0.6, growth=1.0)
    one, larger = look(0.001, 0.1, unlearned=0.4), look(0.03, 0.15)
    assert expected(larger, one, 0.6) > 0
    assert prediction.expected(larger, one, noise) == expected(look(0.03), ONE, 0.6)
    worse, dip = look(0.03, 0.25), look(0.03, 0.15)
    looks = {1.0: one, 1.25: larger, 1.5: worse, 1.75: dip}
    assert choose_predicted(looks, Texture(0.6)).alpha == 1.75
    choice = choose_predicted(looks, noise)
    assert choice.alpha == 1.25  # not beyond the first that guesses worse
    assert [v.fate for v in choice.verdicts] == ["smaller", "chosen", *["rougher than the signal"] * 2]
    assert choose_predicted({1.0: one, 1.25: look(0.03, 0.17)}, noise).alpha == 1.0
    assert choose_predicted(looks, Texture(0.6, growth=0.6)).alpha == 1.75  # waves of two spacings
    assert choose_predicted({1.0: look(0.001, 1e-3), 1.25: look(0.01, 1.7e-3)}).alpha == 1.25


def test_where_neighbours_say_all_no_larger_alpha_is_needed():
    looks = {1.0: look(0.0, 1e-6), 1.25: look(0.001, 1e-9), 1.5: look(0.002, 0.0)}
    choice = choose_predicted(looks)
    assert choice.alpha == 1.25
    assert choice.verdicts[2].fate == "not needed: neighbours say all of the signal"


def test_evenness_is_that_of_normal_errors_or_less():
    normal = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
    assert evenness_of(normal) == pytest.approx(NORMAL, abs=0.01)
    assert evenness_of(normal * torch.tensor([1.0, 1e-3])) == pytest.approx(NORMAL, abs=0.01)
    assert evenness_of(normal.sign()) == NORMAL  # no more even than that, so that no look is worth a gain
    assert expected(look(1.0), ONE, NORMAL) < LEAST_EXPECTED
    few = torch.full((1000, 1), 0.01)
    few[:10] = 1.0
    assert evenness_of(few) == pytest.approx(0.1, rel=0.02)
    assert evenness_of(torch.zeros(5, 3)) == NORMAL
    assert evenness_of(torch.cat([normal[:, :1], torch.zeros(100_000, 1)], dim=1)) > 0.66


def test_predictions_of_a_smooth_signal_take_a_small_alpha():
    def looks(*errors: float) -> dict[float, Interpolation]:
        return {1 + 0.5 * index: look(0.0, error) for index, error in enumerate(errors)}

    assert choose_predicted(looks(1.9e-4, 1e-4, 2.1e-4)).alpha == 1.5
    # The best of all does not count where it would memorise.
    assert choose_predicted({**looks(1.9e-4, 1e-4, 2.1e-4), 3.0: look(0.9, 1e-6)}).alpha == 1.5
    assert choose_predicted(looks(1e-4, 2.1e-4)).alpha == 1.0
    # Where the best is bad the guesses say nothing.
    assert choose_predicted(looks(1.9e-2, 1e-2, 2.1e-2)).alpha == 2.0
    assert choose_predicted(looks(1e-7, 9e-9, 1e-12)).alpha == 1.5
    assert "rougher than the signal" in told(choose_predicted(looks(1e-4, 2.1e-4)))[1]


def test_what_memorises_is_told_by_alpha_one():
    dense = {1.0: Interpolation(LEAST_SOLVED, 0.05, 0.005, 1.0, 0.0), 1.5: look(0.03)}
    choice = choose_predicted(dense)
    assert (choice.alpha, choice.memorises) == (1.5, False)
    sparse = {1.0: Interpolation(LEAST_SOLVED - 1e-6, 0.05, 0.005, 1.0, 0.0), 1.5: look(0.03)}
    choice = choose_predicted(sparse)
    assert (choice.alpha, choice.memorises) == (1.0, True)  # no larger one, whatever is expected of it


def test_a_record_is_kept(tmp_path):
    assert read_record(tmp_path) is None
    curves = [line(1, 1, 30), line(2, 4, 30), line(3, 8, 5)]
    choice = choose(curves, 0.5)
    write_record(tmp_path, choice, curves, {"seconds": 1.5})
    record = read_record(tmp_path)
    assert record is not None
    assert (record["alpha"], record["seconds"]) == (2, 1.5)
    assert [verdict["alpha"] for verdict in record["verdicts"]] == [1, 2, 3]
    assert record["curves"][2]["held_out"][-1] == 5
    assert (tmp_path / "alpha.png").stat().st_size > 1000
    lines = told(choice)
    assert len(lines) == 4
    assert "4.00 times as fast" in lines[1]
    assert "alpha=2 is chosen" in lines[-1]


def test_a_record_has_all_that_a_score_was_expected_by(tmp_path):
    looks = {1.0: look(0.01, spread=0.004), 1.5: look(0.1, spread=0.04), 2.0: look(0.3, spread=0.1)}
    choice = choose_predicted(looks, Texture(0.6, 1.0))
    write_record(tmp_path, choice, [])
    record: Any = read_record(tmp_path)
    assert all(verdict["values_unlearned"] == 0.0 for verdict in record["verdicts"])
    assert record["texture"] == {"evenness": 0.6, "growth": 1.0, "two_valued": False}
    for verdict in record["verdicts"][1:]:  # of noise nothing is won
        assert verdict["held_out"] == pytest.approx(-10.7 * verdict["left_open"])
    write_record(tmp_path, choose_predicted(looks, Texture(0.6, 3.0)), [])
    record = read_record(tmp_path)
    one, *others = record["verdicts"]
    for verdict in others:
        spread, learned = verdict["spread"] * 0.6, one["unlearned"] - verdict["unlearned"]
        wanted = -10.7 * verdict["left_open"] + 30.4 * spread + 2.3 * learned
        assert verdict["held_out"] == pytest.approx(wanted)
    assert "noise" in told(choice)[-1]


def test_a_record_of_predictions_has_a_picture(tmp_path):
    write_record(tmp_path, choose_predicted({1.0: look(0.01), 2.0: look(0.03)}), [])
    assert read_record(tmp_path)["alpha"] == 2  # type: ignore[index]
    assert (tmp_path / "alpha.png").stat().st_size > 1000


def test_a_record_without_trials(tmp_path):
    choice = untried("so small a run")
    write_record(tmp_path, choice, [])
    assert read_record(tmp_path)["alpha"] == 1  # type: ignore[index]
    assert told(choice) == ["alpha 1: chosen without trials: so small a run"]
    assert not (tmp_path / "alpha.png").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"alpha": null}',
        '{"alpha": "x"}',
        '{"alpha": -1}',
        '{"alpha": 2}',
        '{"alpha": 2, "verdicts": [1]}',
    ],
)
def test_a_damaged_record_is_said_to_be(tmp_path, text):
    (tmp_path / "alpha.json").write_text(text)
    one_line_error(lambda: read_record(tmp_path), "alpha.json", "delete it")


@pytest.mark.parametrize(
    "settings",
    [{"candidates": []}, {"candidates": [0.0]}, {"part": 0.0}, {"part": 1.5}],
)
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        AutoAlphaConfig(**settings)


def test_records_hold_no_nan(tmp_path):
    broken = line(2, 3, 30)
    broken.fitted[-1] = math.nan
    curves = [line(1, 1, 30), broken]
    write_record(tmp_path, choose(curves, 0.5), curves)
    json.loads((tmp_path / "alpha.json").read_text(), parse_constant=lambda name: pytest.fail(name))
