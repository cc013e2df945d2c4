"""Exported fields come back equal, and damaged ones are refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from wsapps import load_field
from wsapps.errors import UserError
from wsapps.export import field_description, save_field
from wsapps.fields import FIELDS
from wsapps.tiling import TiledField


@pytest.fixture
def exported(tmp_path):
    config = FIELDS["sinusoidal"].Config(width=8, alpha=1.7)
    field = FIELDS["sinusoidal"].from_config(2, 3, config)
    size = save_field(tmp_path / "field", field, config, {"scale": [0.5, 2.0]})
    return tmp_path / "field", field, size


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_comes_back_bit_for_bit(name, tmp_path):
    kind = FIELDS[name]
    config = replace(kind.Config(), width=12)
    field = kind.from_config(2, 3, config)
    save_field(tmp_path, field, config)
    loaded = load_field(tmp_path)
    points = torch.rand(17, 2) * 2 - 1
    assert type(loaded) is kind
    assert not loaded.training
    assert torch.equal(loaded(points), field(points))


def tiled(folder):
    config = FIELDS["sinusoidal"].Config(width=4)
    fields = [FIELDS["sinusoidal"].from_config(2, 3, config) for _ in range(6)]
    field = TiledField(fields, (3, 2), (-1, 0), (1, 2.5))
    save_field(folder, field, config)
    return field


def test_a_grid_of_fields_comes_back_bit_for_bit(tmp_path):
    field, points = tiled(tmp_path), torch.rand(50, 2) * 2 - 1
    loaded = load_field(tmp_path)
    assert isinstance(loaded, TiledField)
    assert torch.equal(loaded(points), field(points))


@pytest.mark.parametrize(
    "change",
    [{"tiles": [3]}, {"tiles": [3, 3]}, {"tiles": [10**9, 10**9]}, {"tiles": [-3, -2]}, {"low": ["a", 0]},
     {"high": None}, {"high": [-1, 0]}, {"tiles": [3.0, 2.0]}],
)  # fmt: skip
def test_a_tiling_that_makes_no_sense(tmp_path, change):
    tiled(tmp_path)
    description = json.loads((tmp_path / "field.json").read_text())
    description["tiling"].update(change)
    (tmp_path / "field.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match=r"field\.json: |does not match|field\.safetensors"):
        load_field(tmp_path)


def test_size_and_description(exported):
    folder, field, size = exported
    files = [folder / "field.json", folder / "field.safetensors"]
    assert size == sum(file.stat().st_size for file in files)
    description = field_description(folder)
    assert description["about"] == {"scale": [0.5, 2.0]}
    assert description["config"]["alpha"] == 1.7
    assert size > 4 * sum(parameter.numel() for parameter in field.parameters())


def test_loading_leaves_the_global_generator_where_tests_expect_it(exported):
    """A field is drawn before its values are copied in; two loads are equal all the same."""
    folder, _, _ = exported
    first, second = load_field(folder), load_field(folder)
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("missing", ["field.json", "field.safetensors"])
def test_a_missing_file(exported, missing):
    folder, _, _ = exported
    (folder / missing).unlink()
    with pytest.raises(UserError, match=rf"holds no exported field: {missing} is missing"):
        load_field(folder)


def test_a_truncated_file(exported):
    folder, _, _ = exported
    data = (folder / "field.safetensors").read_bytes()
    (folder / "field.safetensors").write_bytes(data[:-10])
    with pytest.raises(UserError, match="is damaged"):
        load_field(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "does not describe a field of wsapps"),
        ({"version": 99}, "has version 99"),
        ({"field": "unheard"}, "no field is named 'unheard'"),
        ({"config": {"name": "sinusoidal", "widht": 3}}, "unknown key widht"),
        ({"config": None}, "configuration"),
        ({"in_features": None}, "field.json"),
        ({"in_features": 5}, "another architecture"),
    ],
)
def test_a_changed_description(exported, change, message):
    folder, _, _ = exported
    description = json.loads((folder / "field.json").read_text()) | change
    (folder / "field.json").write_text(json.dumps(description))
    with pytest.raises(UserError, match=message) as error:
        load_field(folder)
    assert "\n" not in str(error.value)


def test_no_json(exported):
    folder, _, _ = exported
    (folder / "field.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        load_field(folder)
