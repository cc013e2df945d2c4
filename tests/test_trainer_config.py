"""When a run ends: max_steps, max_seconds, and the steps of a run that was given neither."""

from __future__ import annotations

import pytest

from wsapps.trainer import TrainerConfig


def test_default_steps_count_only_where_nothing_else_was_given():
    assert TrainerConfig(default_steps=40).max_steps == 40
    timed = TrainerConfig(default_steps=40, max_seconds=900.0)
    assert timed.max_steps is None
    assert timed.part_done(step=10_000, seconds=90.0) == pytest.approx(0.1)
    counted = TrainerConfig(default_steps=40, max_steps=7)
    assert counted.max_steps == 7
    assert counted.max_seconds is None


def test_the_nearer_limit_ends_a_run():
    both = TrainerConfig(max_steps=100, max_seconds=10.0)
    assert both.part_done(50, 1.0) == 0.5
    assert both.part_done(50, 9.0) == 0.9


@pytest.mark.parametrize("name", ["max_steps", "max_seconds", "default_steps"])
def test_limits_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be positive or null, got 0"):
        TrainerConfig(**{name: 0})


def test_a_run_without_any_limit_is_refused():
    with pytest.raises(ValueError, match="would never end"):
        TrainerConfig()
