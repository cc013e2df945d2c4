"""When a run ends: max_steps, max_seconds, and the steps of a run that was given neither."""

from __future__ import annotations

import math

import pytest

from wsapps.config import default_config_dir, load_config
from wsapps.trainer import TrainerConfig
from wsapps_nerf.config import TrainConfig
from wsapps_signals.config import FitConfig


def test_default_steps_count_only_where_nothing_else_was_given():
    assert TrainerConfig(default_steps=40).last_step == 40
    timed = TrainerConfig(default_steps=40, max_seconds=900.0)
    assert timed.last_step is None
    assert timed.part_done(step=10_000, seconds=90.0) == pytest.approx(0.1)
    counted = TrainerConfig(default_steps=40, max_steps=7)
    assert counted.last_step == 7
    assert counted.part_done(7, 1e9) == 1.0


@pytest.mark.parametrize("application", ["nerf", "signals"])
def test_the_applications_own_files_do_not_cut_a_timed_run_short(application):
    """Their dataclasses have default_steps too, and a default must not become somebody's wish."""
    kinds = {"nerf": (TrainConfig, "train"), "signals": (FitConfig, "fit")}
    cls, name = kinds[application]
    config_dir = default_config_dir(application)
    timed = load_config(cls, name, config_dir=config_dir, overrides=["trainer.max_seconds=900"])
    assert timed.trainer.last_step is None
    assert timed.trainer.max_seconds == 900
    plain = load_config(cls, name, config_dir=config_dir)
    assert plain.trainer.last_step == plain.trainer.default_steps > 0
    counted = load_config(cls, name, config_dir=config_dir, overrides=["trainer.max_steps=7"])
    assert (counted.trainer.last_step, counted.trainer.max_seconds) == (7, None)


def test_the_nearer_limit_ends_a_run():
    both = TrainerConfig(max_steps=100, max_seconds=10.0)
    assert both.part_done(50, 1.0) == 0.5
    assert both.part_done(50, 9.0) == 0.9


@pytest.mark.parametrize("name", ["max_steps", "max_seconds", "default_steps"])
def test_limits_are_positive(name):
    for wrong in (0, math.inf):  # null is what has no end
        with pytest.raises(ValueError, match=f"{name} must be positive and finite, or null, got {wrong}"):
            TrainerConfig(**{name: wrong})


def test_a_run_without_any_limit_is_refused():
    with pytest.raises(ValueError, match="would never end"):
        TrainerConfig()
