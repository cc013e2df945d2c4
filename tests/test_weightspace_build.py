"""Building datasets of fields: what a build leaves, that it can be stopped, and where fields start."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from launch_ranks import launch
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps.fields import SinusoidalField
from wsapps.grid import regular_grid
from wsapps_weightspace import __main__ as console
from wsapps_weightspace import build
from wsapps_weightspace.build_config import BuildConfig, FieldConfig, config_of, samples_checksum
from wsapps_weightspace.datasets import DataConfig, load_samples
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.initial import InitialConfig, bounds, initial_weights
from wsapps_weightspace.numbering import Numbering, Numbers
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.shards import read_shard, shard_paths
from wsapps_weightspace.sources.glyphs import GlyphsConfig
from wsapps_weightspace.views import ViewsConfig, check_views, targets_of
from wsapps_weightspace.weights import Architecture, evaluate

TINY = ["data.glyphs.count=11", "field.width=16", "fitting.steps=5", "shard=4", "num_threads=1"]
ARCHITECTURE = Architecture((2, 16, 16, 1), 30.0, 20.0)


@pytest.fixture(autouse=True)
def fresh_surroundings(monkeypatch, fresh_logging):
    """Each test's stderr is another one, and no data folder is set."""
    monkeypatch.delenv("WSAPPS_DATA", raising=False)


def shards_of(folder):
    return {path.name: path.read_bytes() for path in shard_paths(folder)}


def built(folder, *arguments):
    assert build.main([*TINY, *arguments, f"out={folder}"]) == 0
    return shards_of(folder)


# ---- builds


def test_a_build_from_no_data_at_all(tmp_path, capsys):
    out = tmp_path / "fields"
    assert list(built(out)) == ["nefs_0-4.hdf5", "nefs_4-8.hdf5", "nefs_8-11.hdf5"]
    written = "config.yaml log.txt metrics.json splits.json nef.json index.html fields.png"
    for name in written.split():
        assert (out / name).is_file(), name
    metrics = json.loads((out / "metrics.json").read_text())
    dataset = FieldDataset.open(out)
    assert metrics["fit/fields"] == len(dataset) == 11
    assert metrics["fit/psnr"] == pytest.approx(float(dataset.psnr.mean()))
    assert metrics["fit/steps_per_field"] == 5
    assert metrics["fit/fields_per_second"] > 0
    assert dataset.labels.tolist() == [n % 10 for n in range(11)]
    assert dataset.index.tolist() == list(range(11))
    assert int(dataset.splits.rows("test", dataset.index).numel()) == 2
    assert int(dataset.splits.rows("val", dataset.index).numel()) == 1
    capsys.readouterr()
    assert build.main([*TINY, f"out={out}"]) == 0
    assert "is finished" in capsys.readouterr().err
    assert build.main([*TINY, f"out={out}", "seed=1"]) == 2
    assert "seed: 0 in the run folder, 1 now" in capsys.readouterr().err


def test_the_fields_show_their_samples(tmp_path):
    built(tmp_path / "a", "fitting.steps=60", "fitting.lr=5e-3")
    dataset = FieldDataset.open(tmp_path / "a")
    assert dataset.about is not None
    config = config_of(dataset.about)
    samples = load_samples(config.dataset, config.data)
    errors = (
        evaluate(dataset.weights, dataset.architecture, samples.coordinates) - samples.targets(dataset.index)
    ).square()
    psnr = 10 * torch.log10(4 / errors.mean(dim=(1, 2)))
    assert torch.allclose(psnr, dataset.psnr, atol=1e-3)
    assert float(psnr.mean()) > 14  # one grey level for each picture gives 8


def test_the_shards_know_how_they_were_made(tmp_path):
    built(tmp_path / "a", "init=random", "init.alpha=1.5")
    shard = read_shard(shard_paths(tmp_path / "a")[0])
    assert shard.about is not None
    config = config_of(shard.about)
    assert (config.init.kind, config.init.alpha, config.shard) == ("random", 1.5, 4)
    assert config.fitting.engine != "auto"
    samples = load_samples(config.dataset, config.data)
    assert shard.about.config["samples_sha256"] == samples_checksum(samples)
    assert config.about(samples).same_as(shard.about)


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_a_build_that_was_stopped_between_shards_goes_on(tmp_path, monkeypatch, engine):
    settings = [f"fitting.engine={engine}", "fitting.chunk=4", "init=random"]
    whole = built(tmp_path / "whole", *settings)
    write, left = build.write_shard, [2]

    def stop(*arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(*arguments)

    monkeypatch.setattr(build, "write_shard", stop)
    assert build.main([*TINY, *settings, f"out={tmp_path / 'half'}"]) == 130
    assert len(shards_of(tmp_path / "half")) == 2
    assert not (tmp_path / "half" / "metrics.json").exists()
    monkeypatch.setattr(build, "write_shard", write)
    assert built(tmp_path / "half", *settings) == whole
    metrics = json.loads((tmp_path / "half" / "metrics.json").read_text())
    assert metrics["fit/steps_per_field"] == 5


def test_sigterm_stops_within_a_shard(tmp_path, monkeypatch, capsys):
    whole = built(tmp_path / "whole")
    finish = build.BuildProgress.finish

    def finish_and_kill(progress, shard, fitted):
        finish(progress, shard, fitted)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(build.BuildProgress, "finish", finish_and_kill)
    assert build.main([*TINY, f"out={tmp_path / 'a'}"]) == 143
    assert "SIGTERM" in capsys.readouterr().err
    assert list(shards_of(tmp_path / "a")) == ["nefs_0-4.hdf5"]
    monkeypatch.setattr(build.BuildProgress, "finish", finish)
    assert built(tmp_path / "a") == whole


def test_a_damaged_shard_is_fitted_again(tmp_path):
    whole = built(tmp_path / "a")
    (tmp_path / "a" / "metrics.json").unlink()
    (tmp_path / "a" / "nefs_4-8.hdf5").write_bytes(whole["nefs_4-8.hdf5"][:-7])
    assert built(tmp_path / "a") == whole


def test_a_damaged_record_of_times_is_said(tmp_path, capsys):
    built(tmp_path / "a")
    (tmp_path / "a" / "metrics.json").unlink()
    (tmp_path / "a" / "fitting_rank0.json").write_text('{"nefs_0-4.hdf5": 3}')
    assert build.main([*TINY, f"out={tmp_path / 'a'}"]) == 2
    assert "fitting_rank0.json is damaged" in capsys.readouterr().err


def test_a_shard_that_cannot_be_written(tmp_path, monkeypatch, capsys):
    def full(*arguments):
        raise UserError("cannot write it: the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(build, "write_shard", full)
        assert build.main([*TINY, f"out={tmp_path / 'a'}"]) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert not shards_of(tmp_path / "a")
    built(tmp_path / "a")


def test_other_samples_under_the_same_name_are_not_mixed_in(tmp_path, capsys):
    path = tmp_path / "set.npz"
    pictures = np.arange(8 * 9, dtype=np.uint8).reshape(8, 3, 3)
    np.savez(path, x=pictures, y=np.arange(8))
    settings = [*TINY, f"dataset={path}", f"out={tmp_path / 'a'}"]
    assert build.main(settings) == 0
    (tmp_path / "a" / "metrics.json").unlink()
    (tmp_path / "a" / "nefs_4-8.hdf5").unlink()
    np.savez(path, x=pictures + 1, y=np.arange(8))
    assert build.main(settings) == 2
    assert "other samples" in capsys.readouterr().err
    assert list(shards_of(tmp_path / "a")) == ["nefs_0-4.hdf5"]


def test_fields_do_not_depend_on_the_size_of_shards(tmp_path):
    built(tmp_path / "a", "init=random", "init.per_sample=2", "views.count=2")
    built(tmp_path / "b", "init=random", "init.per_sample=2", "views.count=2", "shard=7")
    one, two = (FieldDataset.open(tmp_path / name) for name in "ab")
    assert len(one) == 44
    assert torch.equal(one.flat, two.flat)
    assert torch.equal(one.psnr, two.psnr)
    assert one.index.tolist() == [n // 4 for n in range(44)]
    assert one.init_number[:4].tolist() == [0, 0, 1, 1]
    assert one.view[:4].tolist() == [0, 1, 0, 1]


def test_clouds_have_points_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        np.save(tmp_path / "set" / name / "0.npy", rng.normal(size=(20, 3)))
    settings = [f"dataset={tmp_path / 'set'}", "data.shapes.points=100", "field.omega_0=5"]
    built(tmp_path / "out", *settings)
    dataset = FieldDataset.open(tmp_path / "out")
    assert dataset.architecture.sizes == (3, 16, 16, 1)
    assert dataset.classes == ("a", "b")
    assert not (tmp_path / "out" / "fields.png").exists()


@pytest.mark.slow
def test_two_ranks_build_what_one_does(tmp_path):
    whole = built(tmp_path / "one", "init=random")
    out = tmp_path / "two"
    launch("-m", "wsapps_weightspace.build", *TINY, "init=random", f"out={out}")
    assert shards_of(out) == whole
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["fit/steps_per_field"] == 5
    assert len(list(out.glob("fitting_rank*.json"))) == 2


@pytest.mark.slow
def test_a_killed_build_goes_on(tmp_path):
    arguments = [*TINY, "data.glyphs.count=60", "fitting.steps=300"]
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "wsapps_weightspace.build", *arguments, f"out={out}"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list(out.glob("nefs_*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    found = shards_of(out)
    assert 0 < len(found) < 15
    assert build.main([*arguments, f"out={out}"]) == 0
    assert build.main([*arguments, f"out={tmp_path / 'whole'}"]) == 0
    assert shards_of(out) == shards_of(tmp_path / "whole")
    assert found.items() <= shards_of(out).items()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dataset=mnist5k"], "did you mean mnist_5k"),
        (["field.width=0"], "width"),
        (["field.omega_0=-1"], "omegas"),
        (["init=rnadom"], "random"),
        (["init.alpha=0"], "alpha"),
        (["fitting.steps=0"], "steps"),
        (["fitting.engine=fast"], "engine"),
        (["shard=0"], "shard"),
        (["val_fraction=1"], "val_fraction"),
        (["views.shift=-1"], "shift"),
        (["init.per_sample=400000000"], "fields are asked for"),
    ],
)
def test_bad_settings_leave_no_folder(tmp_path, capsys, arguments, words):
    out = tmp_path / "no"
    assert build.main([*TINY, *arguments, f"out={out}"]) == 2
    line = capsys.readouterr().err
    assert words in line
    assert line.count("\n") == 1
    assert not out.exists()


def test_a_field_that_diverges_is_said(tmp_path, capsys):
    assert build.main([*TINY, "fitting.lr=1e30", f"out={tmp_path / 'a'}"]) == 2
    assert "diverged, the first of them fits sample 0" in capsys.readouterr().err


def test_help_and_verbs(capsys):
    assert build.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for key in ("fitting.target_psnr", "init.per_sample", "views.rotation", "data.images.side"):
        assert key in shown
    assert console.main(["--help"]) == 0
    assert "build" in capsys.readouterr().out
    assert console.main(["biuld"]) == 2
    assert "did you mean 'build'" in capsys.readouterr().err


# ---- numbers of fields


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))
def test_every_sample_init_and_view_has_one_number(samples, inits, views):
    numbering = Numbering(samples, inits, views)
    rows = numbering.numbers(0, numbering.fields).rows()
    assert len(set(rows)) == len(rows) == samples * inits * views
    assert rows == sorted(rows)
    assert max(rows) == (samples - 1, inits - 1, views - 1)
    middle = numbering.fields // 2
    assert numbering.numbers(middle, numbering.fields).rows() == rows[middle:]


# ---- where fields start


def start(numbers, seed=0, architecture=ARCHITECTURE, **settings):
    return initial_weights(architecture, InitialConfig(**settings), numbers, seed)


FOUR = DataConfig(glyphs=GlyphsConfig(count=4))
ALL = Numbering(3, 2, 2).numbers(0, 12)


def test_shared_fields_start_alike():
    rows = start(ALL, kind="shared").flat()
    assert torch.equal(rows[ALL.init == 0], rows[:1].expand(6, -1))
    assert torch.equal(rows[ALL.init == 1], rows[2:3].expand(6, -1))
    assert not torch.equal(rows[0], rows[2])


def test_random_fields_start_apart_and_by_their_own_numbers():
    rows = start(ALL, kind="random").flat()
    assert len({tuple(row.tolist()) for row in rows}) == 12
    apart = start(Numbers(ALL.sample[5:6], ALL.init[5:6], ALL.view[5:6]), kind="random").flat()
    assert torch.equal(apart[0], rows[5])
    assert not torch.equal(start(ALL, seed=1, kind="random").flat(), rows)


def test_alpha_scales_the_weights_of_all_layers_but_the_last():
    one, three = (start(ALL, alpha=alpha, bias="phase") for alpha in (1.0, 3.0))
    for layer in range(3):
        factor = 1.0 if layer == 2 else 3.0
        assert torch.allclose(three.weights[layer], factor * one.weights[layer])
        assert torch.equal(three.biases[layer], one.biases[layer])


def test_weights_fill_the_ranges_of_the_cores_field():
    """Uniform in the bounds of SinusoidalField's rule: the second moments of both agree."""
    wide = Architecture((2, 64, 64, 3), 30.0, 12.0)
    ours = start(Numbering(40).numbers(0, 40), architecture=wide, kind="random", alpha=2.5, bias="pytorch")
    torch.manual_seed(0)
    core = [SinusoidalField(2, 3, 64, 1, 30.0, 12.0, alpha=2.5) for _ in range(40)]
    matrices = [
        torch.stack([field.state_dict()[name] for field in core]) for name, _ in core[0].named_parameters()
    ]
    theirs = [part for pair in zip(matrices[::2], matrices[1::2], strict=True) for part in pair]
    mine = [part for pair in ours for part in pair]
    for a, b in zip(mine, theirs, strict=True):
        assert a.numel() == b.numel()
        assert float(a.square().mean()) == pytest.approx(float(b.square().mean()), rel=0.1)


@pytest.mark.parametrize("bias", ["zero", "pytorch", "phase"])
def test_biases_by_their_rule(bias):
    fields = start(ALL, kind="random", bias=bias)
    expected = {
        "zero": (0, 0, 0),
        "pytorch": (1 / math.sqrt(2), 0.25, 0.25),
        "phase": (math.pi / 30, math.pi / 20, 0),
    }[bias]
    for b, bound in zip(fields.biases, expected, strict=True):
        assert float(b.abs().max()) <= bound
        assert float(b.abs().max()) >= 0.8 * bound * (b.numel() > 12)


def test_bounds_are_in_the_order_of_flat_rows():
    fields = start(ALL, kind="random", alpha=2.0, bias="phase")
    bounds_P = bounds(ARCHITECTURE, InitialConfig(alpha=2.0, bias="phase"))
    assert bool((fields.flat().abs() <= bounds_P).all())
    assert bounds_P[16:48].tolist() == [1.0] * 32  # alpha / 2 inputs


# ---- views


def pictures(values_HW):
    height, width = values_HW.shape
    return LabelledSamples(
        name="pictures",
        coordinates=regular_grid((height, width)),
        values=values_HW.reshape(1, -1, 1).float(),
        labels=torch.zeros(1, dtype=torch.int64),
        classes=("a",),
        test=torch.zeros(1, dtype=torch.bool),
        grid=(height, width),
    )


def view(samples, config, number, seed=0):
    numbers = Numbers(torch.tensor([0]), torch.tensor([0]), torch.tensor([number]))
    return targets_of(samples, config, numbers, seed)[0, :, 0].reshape(samples.grid)


@pytest.mark.parametrize("seed", range(4))
def test_a_shifted_view_of_ramps_is_a_constant_away(seed):
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(31.0), indexing="ij")
    config = ViewsConfig(count=3, shift=2.0, rotation=0.0)
    for ramp, other in ((x, y), (y, x)):
        moved = view(pictures(ramp), config, 1, seed) - ramp
        inside = moved[3:-3, 3:-3]
        assert float(inside.max() - inside.min()) < 1e-3
        assert float(inside.abs().max()) <= 2.0 + 1e-3
        assert not torch.equal(view(pictures(other), config, 1, seed), view(pictures(other), config, 2, seed))


def test_a_turned_view_of_a_round_picture_is_that_picture():
    """Also where the picture is no square: turning is done in pixels."""
    y, x = torch.meshgrid(torch.arange(24.0) - 11.5, torch.arange(40.0) - 19.5, indexing="ij")
    ring = torch.exp(-((torch.hypot(x, y) - 6) ** 2) / 8)
    turned = view(pictures(ring), ViewsConfig(count=2, shift=0.0, rotation=90.0), 1)
    assert float((turned - ring).abs().max()) < 0.05
    ramp = view(pictures(x), ViewsConfig(count=2, shift=0.0, rotation=90.0), 1)[8:16, 16:24]
    across, down = ramp[0, 1] - ramp[0, 0], ramp[1, 0] - ramp[0, 0]
    assert float(across**2 + down**2) == pytest.approx(1.0, abs=1e-3)
    assert abs(float(down)) > 0.01


def test_the_first_view_is_the_sample_and_views_are_of_the_sample_alone():
    samples = load_samples("glyphs", FOUR)
    config = ViewsConfig(count=3)
    numbers = Numbering(4, 2, 3).numbers(0, 24)
    targets = targets_of(samples, config, numbers, seed=0)
    assert torch.equal(targets[numbers.view == 0], samples.targets(numbers.sample[numbers.view == 0]))
    assert torch.equal(targets[(numbers.init == 0)], targets[(numbers.init == 1)])
    assert torch.allclose(targets_of(samples, config, Numbering(4, 2, 3).numbers(7, 9), 0), targets[7:9])
    assert not torch.equal(targets[1], targets[2])


def test_only_pictures_have_views():
    samples = LabelledSamples(
        "clouds", torch.zeros(2, 3), torch.zeros(1, 2, 1), torch.zeros(1, dtype=torch.int64), ("a",),
        torch.zeros(1, dtype=torch.bool),
    )  # fmt: skip
    check_views(ViewsConfig(), samples)
    one_line_error(lambda: check_views(ViewsConfig(count=2), samples), "views.count=2", "only pictures")


def test_the_field_is_the_architecture_of_the_samples():
    assert FieldConfig(width=8, hidden_layers=2, omega_0=9.0).architecture(3, 2) == Architecture(
        (3, 8, 8, 8, 2), 9.0, 30.0
    )
    assert BuildConfig().numbering(load_samples("glyphs", FOUR)).fields == 4
