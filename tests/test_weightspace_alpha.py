"""alpha=auto of a build: the choice follows the rule, costs its part, stays, and fields start from it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from user_errors import one_line_error

from wsapps.alpha import choose
from wsapps.config import default_config_dir, load_config
from wsapps_weightspace import build, choose_alpha
from wsapps_weightspace.build_config import BuildAlphaConfig, BuildConfig
from wsapps_weightspace.datasets import load_samples
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.initial import bounds
from wsapps_weightspace.shards import shard_paths

TINY = ["data.glyphs.count=64", "field.width=8", "fitting.steps=6", "fitting.engine=eager", "num_threads=1"]
FEW = BuildAlphaConfig(candidates=[1.0, 2.0], part=0.5)
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("fresh_logging")


def test_a_tolerance_is_not_negative():
    with pytest.raises(ValueError, match="tolerance"):
        BuildAlphaConfig(tolerance=-0.1)


def settings(*more: str) -> BuildConfig:
    config_dir = default_config_dir("weightspace")
    config = load_config(BuildConfig, "build", config_dir=config_dir, overrides=[*TINY, *more])
    return replace(config, auto_alpha=FEW)


def test_the_choice_is_the_rule_on_what_was_measured_and_costs_its_part():
    config = settings()
    samples = load_samples(config.dataset, config.data)
    choice, curves, fields = choose_alpha.choose_alpha(config, samples, CPU)
    assert [curve.alpha for curve in curves] == [1.0, 2.0]
    assert repr(choice) == repr(choose(curves, FEW.tolerance))
    assert fields == 8  # twice 2 alphas times 8 fields are half of 64
    assert all(curve.steps[-1] == 6 for curve in curves)
    again, _, _ = choose_alpha.choose_alpha(config, samples, CPU)
    assert repr(again) == repr(choice)


def test_an_alpha_that_is_nearly_one_is_not_faster():
    config = replace(
        settings("fitting.steps=30"), auto_alpha=replace(FEW, candidates=[1.0, 1.0001], tolerance=5.0)
    )
    choice, _, _ = choose_alpha.choose_alpha(config, load_samples(config.dataset, config.data), CPU)
    assert [verdict.speed_up for verdict in choice.verdicts] == pytest.approx([1.0, 1.0], abs=0.02)
    assert choice.alpha == 1.0


def test_with_a_target_the_alpha_that_has_it_sooner_is_chosen():
    """Its fits have fewer steps in all, and end as little above the target as those of alpha = 1."""
    config = settings(
        "fitting.steps=80", "fitting.target_psnr=8", "field.omega_0=10", "field.omega_hidden=10"
    )
    config = replace(config, auto_alpha=replace(FEW, candidates=[0.5, 1.01], part=0.99, tolerance=20.0))
    choice, curves, _ = choose_alpha.choose_alpha(config, load_samples(config.dataset, config.data), CPU)
    assert curves[0].steps[-1] < curves[1].steps[-1]
    assert choice.alpha == 0.5


def test_a_build_of_few_fields_keeps_alpha_one():
    config = replace(settings(), auto_alpha=replace(FEW, part=0.1))
    choice, curves, fields = choose_alpha.choose_alpha(config, load_samples(config.dataset, config.data), CPU)
    assert (choice.alpha, curves, fields) == (1.0, [], 0)


def test_fits_that_diverge_at_alpha_one_say_so():
    config = settings("fitting.lr=1e30")
    samples = load_samples(config.dataset, config.data)
    one_line_error(lambda: choose_alpha.choose_alpha(config, samples, CPU), "alpha = 1", "fitting.lr")


def test_a_build_starts_from_the_alpha_that_was_chosen_and_does_not_choose_again(tmp_path, monkeypatch):
    out, tried = tmp_path / "fields", []
    once = choose_alpha.choose_alpha

    def counted(*arguments):
        tried.append(1)
        choice, curves, fields = once(*arguments)
        return replace(choice, alpha=2.0), curves, fields

    monkeypatch.setattr(choose_alpha, "choose_alpha", counted)
    auto = [
        *TINY,
        "fitting.lr=1e-12",
        "init.alpha=auto",
        "auto_alpha.candidates=[1,2]",
        "auto_alpha.part=0.5",
    ]
    assert build.main([*auto, f"out={out}"]) == 0
    assert json.loads((out / "alpha.json").read_text())["alpha"] == 2
    assert (out / "alpha.png").is_file()
    dataset = FieldDataset.open(out)
    config = settings("init.alpha=2")
    largest = dataset.select(torch.arange(8)).weights.flat().abs().amax(dim=0)
    limit = bounds(dataset.architecture, config.init)
    assert bool((largest <= limit + 1e-6).all())
    assert float((largest / limit.clamp_min(1e-9))[limit > 0].max()) > 0.9  # of alpha = 1 it would be 0.5
    before = [path.read_bytes() for path in shard_paths(out)]
    (out / "metrics.json").unlink()
    shard_paths(out)[0].unlink()
    assert build.main([*auto, f"out={out}"]) == 0
    assert tried == [1]
    assert [path.read_bytes() for path in shard_paths(out)] == before
