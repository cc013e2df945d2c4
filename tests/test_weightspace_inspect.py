"""inspect and verify on small datasets of fields: figures by closed forms, pages, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_shards import (
    SMALL,
    nef_entries,
    random_arrays,
    random_fields,
    small_about,
    write_foreign,
    write_small,
)

from wsapps_weightspace import __main__ as console
from wsapps_weightspace import inspect, verify
from wsapps_weightspace.build_config import BuildConfig
from wsapps_weightspace.datasets import load_samples
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.shards import read_shard, shard_name, write_shard
from wsapps_weightspace.splits import SPLITS, make_splits, write_splits
from wsapps_weightspace.summary import class_counts, histogram, parameter_statistics, psnr_quantiles
from wsapps_weightspace.views import ViewsConfig, targets_of
from wsapps_weightspace.weights import Architecture, evaluate


@pytest.fixture(autouse=True)
def fresh_surroundings(monkeypatch, fresh_logging):
    """Each test's stderr is another one, and no data folder is set."""
    monkeypatch.delenv("WSAPPS_DATA", raising=False)


@pytest.fixture
def toys(tmp_path):
    """Twelve fields of toys in two shards, with splits."""
    folder = tmp_path / "toys"
    folder.mkdir()
    write_small(folder, 0, 8)
    write_small(folder, 8, 12)
    write_splits(folder, make_splits(torch.arange(12) >= 9, 0.25, fields=12))
    return folder


# Numbers


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=50), st.integers(1, 9))
def test_a_histogram_counts_every_finite_value_once(values, bins):
    bars = histogram(torch.tensor([*values, math.nan, math.inf]), bins)
    assert int(bars.counts.sum()) == len(values)
    assert len(bars.edges) == bins + 1
    assert float(bars.edges[0]) <= min(values)
    assert float(bars.edges[-1]) >= max(values)
    assert len(list(bars.lines())) == bins


def test_bars_are_as_long_as_their_counts():
    lines = list(histogram(torch.tensor([0.0] * 10 + [1.0] * 5 + [4.0]), 2).lines())
    assert [line.count("#") for line in lines] == [40, 3]  # 15 of 15, and 1 of 15 rounded up
    assert not list(histogram(torch.tensor([math.nan])).lines())


def test_quantiles_are_those_of_the_known_values():
    values = torch.tensor([5.0, 1.0, 3.0, 2.0, 4.0, math.nan, math.inf])
    assert psnr_quantiles(values) == {
        "mean": 3.0, "min": 1.0, "lower quartile": 2.0, "median": 3.0, "upper quartile": 4.0, "max": 5.0,
    }  # fmt: skip
    assert psnr_quantiles(torch.tensor([math.nan])) == {}


def test_counts_and_statistics_are_those_of_the_fields(toys):
    dataset = FieldDataset.open(toys)
    counts = class_counts(dataset)
    for label, row in enumerate(counts.tolist()):
        for split, count in zip(SPLITS, row, strict=True):
            assert count == int((dataset.split(split).labels == label).sum())
    statistics = {s.name: s for s in parameter_statistics(dataset)}
    assert list(statistics) == ["W 0", "b 0", "W 1", "b 1", "W 2", "b 2"]
    w = dataset.weights.weights[1].numpy().astype(np.float64)
    found = statistics["W 1"]
    expected = (w.mean(), w.std(), w.min(), w.max())
    assert (found.mean, found.std, found.least, found.most) == pytest.approx(expected)


# inspect


def test_splits_of_fewer_samples_are_refused(toys, capsys):
    write_splits(toys, make_splits(torch.arange(6) >= 4, 0.25, fields=12))
    assert inspect.main([f"dataset={toys}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "splits.json divides 6" in said


def test_inspect_tells_and_shows(toys, capsys):
    assert inspect.main([f"dataset={toys}", "per_class=3"]) == 0
    said = capsys.readouterr().out
    for words in ("12 fields of toys", "2-4-4-1 (omega 30, 20), 37 parameters", "12 samples", "3 test"):
        assert words in said
    assert "mean 25.50, min 20.00" in said
    told = json.loads((toys / "inspect" / "inspect.json").read_text())
    assert told["fields"] == 12
    assert sum(told["splits"].values()) == 12
    assert told["psnr"]["max"] == 31.0
    assert sum(sum(row.values()) for row in told["classes"].values()) == 12
    page = (toys / "inspect" / "index.html").read_text()
    for picture in ("fields.png", "psnr.png", "parameters.png"):
        assert (toys / "inspect" / picture).is_file()
        assert picture in page
    assert inspect.main([f"dataset={toys}"]) == 0  # again, over what is there


@pytest.mark.parametrize("sizes", [(1, 4, 4, 1), (3, 4, 1), (2, 4, 3), (2, 4, 2), (5, 4, 1)])
def test_fields_of_any_signal_are_inspected(tmp_path, sizes, capsys):
    about = small_about(Architecture(sizes), coordinates=None, grid=None)
    write_small(tmp_path, 0, 7, about)
    out = tmp_path / "page"
    assert inspect.main([f"dataset={tmp_path}", f"out={out}"]) == 0
    assert "7 fields" in capsys.readouterr().out
    assert (out / "fields.png").is_file() == (sizes[0] in (1, 3))


def test_fields_of_others_are_inspected(tmp_path, capsys):
    write_foreign(tmp_path / shard_name(0, 20), random_arrays(20), nef_entries())
    assert inspect.main([f"dataset={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert "from another program" in said
    assert "PSNR in dB" not in said
    assert (tmp_path / "inspect" / "fields.png").is_file()
    assert json.loads((tmp_path / "inspect" / "inspect.json").read_text())["psnr"] == {}


def test_inspect_leaves_damaged_shards_out_and_says_so(toys, capsys):
    damaged = toys / "nefs_8-12.hdf5"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    assert inspect.main([f"dataset={toys}"]) == 0
    said = capsys.readouterr()
    assert "8 fields of toys" in said.out
    assert "left out" in said.out
    assert "nefs_8-12.hdf5 is cut off" in said.err
    assert "nefs_8-12.hdf5 is cut off" in (toys / "inspect" / "index.html").read_text()
    assert inspect.main([f"dataset={toys}", "on_bad=refuse"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_inspect_refuses_what_is_no_dataset(tmp_path, toys, capsys):
    (tmp_path / "file").write_text("x")
    for wrong in (
        [f"dataset={tmp_path / 'none'}"],
        [f"dataset={tmp_path}"],
        [f"dataset={tmp_path / 'file'}"],
        [f"dataset={toys}", "per_class=0"],
        [f"dataset={toys}", f"out={tmp_path / 'file'}"],
        [],
    ):
        assert inspect.main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (toys / "inspect").exists()


def test_the_console_knows_both(capsys):
    for verb in ("inspect", "verify"):
        assert console.main([verb, "--help"]) == 0
        assert "dataset" in capsys.readouterr().out


# verify


def glyph_fields(folder):
    """A dataset of random fields of 8 glyphs, two views each, with their true PSNRs."""
    config = BuildConfig(dataset="glyphs", views=ViewsConfig(count=2), seed=3)
    config.data.glyphs.count = 8
    config.field.width = 4
    samples = load_samples("glyphs", config.data)
    numbering, about = config.numbering(samples), config.about(samples)
    for first in (0, 6, 12):
        last = min(first + 6, 16)
        numbers = numbering.numbers(first, last)
        weights = random_fields(last - first, about.architecture, seed=first)
        values = evaluate(weights, about.architecture, samples.coordinates)
        errors = values.double() - targets_of(samples, config.views, numbers, config.seed)
        psnr = 10 * torch.log10(samples.peak**2 / errors.square().mean(dim=(1, 2)))
        labels = samples.labels[numbers.sample]
        write_shard(
            folder, first, last, weights, labels, psnr, numbers.sample, about, numbers.init, numbers.view
        )
    write_splits(folder, make_splits(samples.test, fields=16))


@pytest.fixture
def glyphs(tmp_path):
    folder = tmp_path / "glyphs"
    folder.mkdir()
    glyph_fields(folder)
    return folder


def rewritten(path, **changes):
    """Write a shard again with some of its columns changed, and a checksum that is right."""
    s = replace(read_shard(path), **changes)
    columns = (s.labels, s.psnr, s.index, s.about, s.init_number, s.view)
    write_shard(path.parent, s.first, s.last, s.weights, *columns)


def test_verify_finds_a_whole_dataset_in_order(glyphs, capsys):
    assert verify.main([f"dataset={glyphs}", "compare=must", "tolerance=0.001"]) == 0
    said = capsys.readouterr()
    assert "3 shards with 16 fields" in said.out
    assert "compared with glyphs" in said.out
    assert said.out.endswith("all in order\n")
    assert not said.err


def test_verify_names_shards_that_are_damaged_or_missing(glyphs, capsys):
    damaged = glyphs / "nefs_6-12.hdf5"
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(data)
    (glyphs / "nefs_12-16.hdf5").unlink()
    assert verify.main([f"dataset={glyphs}"]) == 2
    said = capsys.readouterr()
    assert "1 shards with 6 fields" in said.out
    error = said.err.splitlines()[-1]
    assert error.startswith("error: ")
    for words in ("nefs_6-12.hdf5 is damaged", "6 to 15"):
        assert words in error
    assert "all in order" not in said.out


def test_verify_finds_fields_that_do_not_show_their_samples(glyphs, capsys):
    path = glyphs / "nefs_6-12.hdf5"
    shard = read_shard(path)
    psnr = shard.psnr.clone()
    psnr[2] += 0.2
    rewritten(path, psnr=psnr)
    assert verify.main([f"dataset={glyphs}"]) == 2
    assert "nefs_6-12.hdf5: 1 fields do not show" in capsys.readouterr().err
    assert verify.main([f"dataset={glyphs}", "tolerance=0.3"]) == 0
    flat = shard.flat.clone()
    flat[4] = 0
    rewritten(path, flat=flat, psnr=shard.psnr)
    assert verify.main([f"dataset={glyphs}"]) == 2
    assert "field 10 of sample 5" in capsys.readouterr().err
    rewritten(path, flat=shard.flat, labels=shard.labels.flip(0))
    assert verify.main([f"dataset={glyphs}"]) == 2
    assert "another label than their sample" in capsys.readouterr().err
    rewritten(path, labels=shard.labels, view=1 - shard.view)
    assert verify.main([f"dataset={glyphs}"]) == 2
    rewritten(path, view=shard.view, index=shard.index + 100)
    assert verify.main([f"dataset={glyphs}"]) == 2
    assert "glyphs has 8" in capsys.readouterr().err


def test_verify_finds_weights_that_are_not_finite(glyphs, capsys):
    path = glyphs / "nefs_0-6.hdf5"
    shard = read_shard(path)
    flat = shard.flat.clone()
    flat[5, 7] = math.inf
    rewritten(path, flat=flat)
    for compare in ("no", "must"):
        assert verify.main([f"dataset={glyphs}", f"compare={compare}"]) == 2
        assert "nefs_0-6.hdf5: 1 fields have weights that are not finite" in capsys.readouterr().err
    flat[5, 7] = 3e38  # finite itself, but not what it leads to
    flat[5, -4:] = 3e38
    rewritten(path, flat=flat)
    assert verify.main([f"dataset={glyphs}", "compare=no"]) == 2
    assert "values that are not finite" in capsys.readouterr().err


def test_verify_without_the_samples_renders_only(toys, tmp_path, capsys):
    assert verify.main([f"dataset={toys}"]) == 0
    said = capsys.readouterr()
    assert "not compared with the samples" in said.err
    assert "all in order" in said.out
    assert verify.main([f"dataset={toys}", "compare=must"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    write_foreign(tmp_path / shard_name(0, 3), random_arrays(), nef_entries())
    assert verify.main([f"dataset={tmp_path}"]) == 0
    assert "1 of them have no checksum" in capsys.readouterr().out


def test_verify_refuses_other_samples_than_were_fitted(glyphs, capsys):
    assert verify.main([f"dataset={glyphs}", "samples=nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    for path in glyphs.glob("*.hdf5"):
        about = read_shard(path).about
        assert about is not None
        settings = json.loads(json.dumps(about.config))
        settings["data"]["glyphs"]["seed"] = 1
        rewritten(path, about=replace(about, config=settings))
    assert verify.main([f"dataset={glyphs}"]) == 0
    assert "other samples than the fields were fitted to" in capsys.readouterr().err
    assert verify.main([f"dataset={glyphs}", "compare=must"]) == 2


def test_verify_refuses_what_is_no_dataset(tmp_path, capsys):
    for wrong in (
        [f"dataset={tmp_path / 'none'}"],
        [f"dataset={tmp_path}"],
        ["dataset=x", "tolerance=-1"],
        [],
    ):
        assert verify.main(wrong) == 2
        assert capsys.readouterr().err.count("\n") == 1
    write_small(tmp_path, 0, 3)
    write_small(tmp_path, 3, 6, small_about(Architecture(SMALL.sizes)))
    assert verify.main([f"dataset={tmp_path}", "compare=no"]) == 2
    assert "different architectures" in capsys.readouterr().err
