"""Shards of fields: exact, checked to the last byte, readable elsewhere, and safe to read from elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import struct

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_shards import (
    NEF,
    SMALL,
    nef_entries,
    random_arrays,
    random_fields,
    siren,
    small_about,
    write_foreign,
    write_small,
)
from test_atomic import file_size_limit
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps.export import load_field
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.field_file import load_field_file
from wsapps_weightspace.layout import foreign_omega, param_config, parse_param_config, write_nef_json
from wsapps_weightspace.sealed_file import check_sealed
from wsapps_weightspace.shards import (
    finished_ranges,
    read_shard,
    shard_name,
    shard_paths,
    shard_range,
    write_shard,
)
from wsapps_weightspace.splits import SPLITS, Splits, make_splits, read_splits, usual_splits, write_splits
from wsapps_weightspace.weights import Architecture, evaluate, from_flat

POINTS = torch.linspace(-1, 1, 14).reshape(7, 2)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


# Ours


@given(
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=5).map(tuple),
    omegas=st.tuples(st.floats(0.5, 100), st.floats(0.5, 100)),
    count=st.integers(1, 4),
    first=st.integers(0, 10**6),
    seed=st.integers(0, 99),
)
@FEW
def test_what_is_written_is_read(tmp_path, sizes, omegas, count, first, seed):
    architecture = Architecture(sizes, *omegas)
    weights = random_fields(count, architecture, seed)
    numbers = torch.arange(count)
    about = small_about(architecture, coordinates=None, seed=seed, classes=("é", "b"))
    path = write_shard(
        tmp_path,
        first,
        first + count,
        weights,
        numbers % 2,
        numbers * 1.5,
        numbers + 7,
        about,
        numbers,
        -numbers,
    )
    shard = read_shard(path)
    assert (shard.first, shard.last, len(shard)) == (first, first + count, count)
    assert shard.architecture == architecture
    assert torch.equal(shard.flat, weights.flat())
    assert all(torch.equal(a, b) for a, b in zip(shard.weights.weights, weights.weights, strict=True))
    assert shard.labels.tolist() == (numbers % 2).tolist()
    assert shard.psnr.tolist() == (numbers * 1.5).tolist()
    assert shard.index.tolist() == (numbers + 7).tolist()
    assert (shard.init_number.tolist(), shard.view.tolist()) == (numbers.tolist(), (-numbers).tolist())
    assert shard.about is not None
    assert shard.about.same_as(about)
    path.unlink()


def test_equal_fields_give_equal_bytes(tmp_path):
    (tmp_path / "again").mkdir()
    first, again = write_small(tmp_path, 0, 3), write_small(tmp_path / "again", 0, 3)
    assert first.read_bytes() == again.read_bytes()
    about = small_about()
    read = read_shard(first).about
    assert read is not None
    assert read.coordinates is not None
    assert torch.equal(read.coordinates, about.coordinates)
    assert read.config == about.config


def test_sizes_that_do_not_match_are_refused_before_anything_is_written(tmp_path):
    fields, about, numbers = random_fields(3), small_about(), torch.arange(3)
    for weights, labels, psnr in (
        (fields[:2], numbers, numbers),
        (fields, numbers[:2], numbers),
        (fields, numbers, numbers[:, None]),
        (random_fields(3, Architecture((2, 3, 4, 1))), numbers, numbers),
    ):
        with pytest.raises(ValueError):
            write_shard(tmp_path, 0, 3, weights, labels, psnr, numbers, about)
    assert not os.listdir(tmp_path)


@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
@FEW
def test_any_changed_byte_is_found(tmp_path, place, change):
    path = write_small(tmp_path, 0, 3)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= change
    path.write_bytes(data)
    one_line_error(lambda: read_shard(path), path)
    assert finished_ranges(tmp_path) == []


@given(part=st.floats(0, 1, exclude_max=True), extra=st.binary(max_size=9))
@FEW
def test_any_other_length_is_found(tmp_path, part, extra):
    path = write_small(tmp_path, 0, 3)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))] if not extra else data + extra)
    one_line_error(lambda: read_shard(path), path)


def test_blocks_of_zeros_are_found(tmp_path):
    # What some file systems leave after a power cut.
    path = write_small(tmp_path, 0, 3)
    data = path.read_bytes()
    for start in range(0, len(data), 512):
        block = data[start : start + 512]
        if any(block):
            path.write_bytes(data[:start] + bytes(len(block)) + data[start + 512 :])
            one_line_error(lambda: read_shard(path), path)
    path.write_bytes(bytes(len(data)))
    one_line_error(lambda: read_shard(path), path, "is empty")


def test_a_valid_checksum_of_something_else_is_no_shard(tmp_path):
    # Sealed by hand: what the checksum covers is checked as if it came from elsewhere.
    path = write_small(tmp_path, 0, 3)
    body = path.read_bytes()[512:]

    def seal(body: bytes, version: int = 1) -> None:
        digest = hashlib.sha256(body).hexdigest()
        header = f"wsapps-nefs {version} bytes:{512 + len(body)} sha256:{digest}\n".encode()
        path.write_bytes(header.ljust(512, b"\0") + body)

    seal(body)
    assert len(read_shard(path)) == 3
    seal(b"no HDF5 at all")
    one_line_error(lambda: read_shard(path), path, "no shard")
    seal(body, version=2)
    one_line_error(lambda: read_shard(path), path, "version 2")
    seal(body.replace(b'"omega_0": 30.0', b'"omega_0": -3.0'))
    one_line_error(lambda: read_shard(path), path, "about")
    seal(body.replace(b'"sizes": [2, 4, 4, 1]', b'"sizes": [2, 4, 5, 1]'))
    one_line_error(lambda: read_shard(path), path, "neurons")


def test_a_renamed_shard_is_refused(tmp_path):
    path = write_small(tmp_path, 0, 3)
    path.rename(tmp_path / shard_name(3, 6))
    one_line_error(lambda: read_shard(tmp_path / shard_name(3, 6)), "renamed")
    (tmp_path / shard_name(3, 6)).rename(tmp_path / "fields.hdf5")
    one_line_error(lambda: read_shard(tmp_path / "fields.hdf5"), "nefs_<first>-<last>.hdf5")
    one_line_error(lambda: read_shard(tmp_path / shard_name(0, 9)), "no such file")


def test_finished_ranges_are_those_of_intact_shards(tmp_path):
    assert finished_ranges(tmp_path / "none") == []
    for first, last in ((8, 12), (0, 4), (4, 8), (100, 104)):
        write_small(tmp_path, first, last)
    (tmp_path / ".nefs_12-16.0123abcd.tmp.hdf5").write_bytes(b"what a killed process left")
    (tmp_path / "nefs_16-20.hdf5").write_bytes(b"")
    (tmp_path / "nefs_020-24.hdf5").write_bytes((tmp_path / "nefs_0-4.hdf5").read_bytes())
    (tmp_path / "notes.txt").write_text("x")
    damaged = tmp_path / "nefs_4-8.hdf5"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert finished_ranges(tmp_path) == [(0, 4), (8, 12), (100, 104)]
    assert [shard_range(path.name) for path in shard_paths(tmp_path)] == [
        (0, 4), (4, 8), (8, 12), (16, 20), (100, 104),
    ]  # fmt: skip


@given(first=st.integers(0, 10**17), count=st.integers(1, 10**17))
def test_names_are_read_back(first, count):
    assert shard_range(shard_name(first, first + count)) == (first, first + count)


@given(st.text(alphabet="nefs_-.hdf5019 ٣²", max_size=24))
def test_only_our_names_are_names(name):
    found = shard_range(name)
    assert found is None or shard_name(*found) == name


def test_a_full_disk_leaves_the_old_shard(tmp_path):
    path = write_small(tmp_path, 0, 3)
    before = path.read_bytes()

    def write() -> None:
        with file_size_limit(1000):
            write_small(tmp_path, 0, 3, small_about(seed=1))

    one_line_error(write, "cannot write", path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


# The layout of others


def test_ours_are_read_as_fit_a_nef_and_neural_field_arena_do(tmp_path):
    weights = random_fields(3)
    path = write_small(tmp_path, 0, 3, weights=weights)
    assert [int(part) for part in path.stem.split("_")[1].split("-")] == [0, 3]
    with h5py.File(path, "r") as file:
        entries = json.loads(file["param_config"][0].decode("utf-8"))
        params, labels = file["params"][:], file["labels"][:]
    assert [tuple(entry) for entry in entries] == [(name, shape) for name, shape in nef_entries()]
    assert params.dtype == np.float32
    assert labels.tolist() == [0, 1, 2]
    arrays, start = {"labels": labels}, 0
    for name, shape in entries:
        size = int(np.prod(shape))
        arrays[name] = params[:, start : start + size].reshape(-1, *shape)
        start += size
    assert start == params.shape[1]
    one_omega = Architecture(SMALL.sizes, 20.0, 20.0)
    ours = evaluate(weights.to(torch.float64), one_omega, POINTS.double())
    for field in range(3):
        np.testing.assert_allclose(
            siren(arrays, field, POINTS.double().numpy(), 20.0), ours[field], atol=1e-9
        )


@given(order=st.permutations(nef_entries()), dtype=st.sampled_from(["<f4", ">f4", "<f8", "<f2"]))
@FEW
def test_theirs_load_whatever_the_order_of_their_rows(tmp_path, order, dtype):
    arrays = random_arrays(dtype=dtype)
    path = tmp_path / shard_name(10, 13)
    write_foreign(path, arrays, order)
    shard = read_shard(path)
    assert shard.architecture == Architecture(SMALL.sizes, 8.0, 8.0)
    assert shard.flat.dtype == torch.float32
    assert shard.labels.tolist() == [0, 1, 0]
    assert shard.index.tolist() == [10, 11, 12]
    assert shard.about is None
    assert shard.psnr.isnan().all()
    values = evaluate(shard.weights.to(torch.float64), shard.architecture, POINTS.double())
    for field in range(3):
        expected = siren(arrays, field, POINTS.double().numpy(), 8.0)
        np.testing.assert_allclose(values[field], expected, atol=1e-4)


def test_theirs_may_be_repacked_with_gzip_and_a_fixed_text(tmp_path):
    arrays, path = random_arrays(), tmp_path / shard_name(0, 3)
    write_foreign(path, arrays, nef_entries())
    plain = read_shard(path)
    with h5py.File(path, "r+") as file:
        params = file["params"][:]
        del file["params"], file["param_config"]
        file.create_dataset("params", data=params, compression="gzip", shuffle=True, fletcher32=True)
        file.create_dataset("param_config", data=json.dumps(nef_entries()).encode())
    assert torch.equal(read_shard(path).flat, plain.flat)


def test_nef_json_says_what_fit_a_nef_needs_to_load_ours(tmp_path):
    assert not write_nef_json(tmp_path, SMALL)  # two omegas
    assert not write_nef_json(tmp_path, Architecture((2, 4, 5, 1), 8.0, 8.0))
    assert write_nef_json(tmp_path, Architecture(SMALL.sizes, 8.0, 8.0))
    assert json.loads((tmp_path / "nef.json").read_text()) == NEF
    assert foreign_omega(tmp_path) == 8.0


@given(sizes=st.lists(st.integers(1, 9), min_size=3, max_size=6).map(tuple))
def test_a_layout_is_read_back_and_gives_the_same_rows(sizes):
    architecture = Architecture(sizes)
    layout = parse_param_config(param_config(architecture), "here")
    assert (layout.sizes, layout.parameters) == (sizes, architecture.parameters)
    rows = torch.arange(2.0 * architecture.parameters).reshape(2, -1)
    assert torch.equal(layout.weights(rows).flat(), rows)
    assert all(
        torch.equal(a, b)
        for a, b in zip(layout.weights(rows).weights, from_flat(rows, architecture).weights, strict=True)
    )


NOT_SINE = [
    ("Dense_0.bias", "Dense_0.kernel", "Dense_1.bias", "Dense_1.kernel"),  # fit-a-nef's ReLU network
    ("net.0.linear.bias", "net.0.linear.weight", "output_linear.bias", "output_linear.kernel"),
    ("filters_0.bias", "filters_0.kernel", "output_linear.bias", "output_linear.kernel"),
]


@pytest.mark.parametrize("names", NOT_SINE)
def test_networks_of_unknown_layout_are_refused(names):
    entries = list(zip(names, ([4], [2, 4], [1], [4, 1]), strict=True))
    one_line_error(lambda: parse_param_config(json.dumps(entries), "there"), "there", names[0], "sine")


BAD_CONFIGS = [
    "",
    "{",
    "null",
    "[]",
    "[1]",
    '["ab", "cd"]',
    "[" * 100_000,
    json.dumps([["output_linear.bias", [1]]]),
    json.dumps(nef_entries()[:-1]),
    json.dumps(nef_entries()[2:]),
    json.dumps([*nef_entries(), nef_entries()[0]]),
    json.dumps([(name, [0 for _ in shape]) for name, shape in nef_entries()]),
    json.dumps([(name, [-size for size in shape]) for name, shape in nef_entries()]),
    json.dumps([(name, [10**30 for _ in shape]) for name, shape in nef_entries()]),
    json.dumps([(name, [float(size) for size in shape]) for name, shape in nef_entries()]),
    json.dumps([(name, [True for _ in shape]) for name, shape in nef_entries()]),
    json.dumps([(name, shape[::-1]) for name, shape in nef_entries((2, 4, 3, 1))]),
    json.dumps([(name, [*shape, 1]) for name, shape in nef_entries()]),
    json.dumps([(f"kernel_net_{n}.linear.bias", [1]) for n in range(1000)]),
]


@pytest.mark.parametrize("text", BAD_CONFIGS, ids=range(len(BAD_CONFIGS)))
def test_damaged_param_configs_are_one_line(text):
    message = one_line_error(lambda: parse_param_config(text, "there"), "there")
    assert len(message) < 400


# Hostile files


def foreign(tmp_path, change) -> str:
    """The line with which a foreign shard is refused after a change to it."""
    path = tmp_path / shard_name(0, 3)
    write_foreign(path, random_arrays(), nef_entries())
    read_shard(path)
    with h5py.File(path, "r+") as file:
        change(file)
    return one_line_error(lambda: read_shard(path), path)


def replaced(name, make):
    def change(file):
        del file[name]
        make(file, name)

    return change


def virtual(file, name):
    layout = h5py.VirtualLayout(shape=(3, SMALL.parameters), dtype="f4")
    layout[:] = h5py.VirtualSource("elsewhere.hdf5", "params", shape=(3, SMALL.parameters))
    file.create_virtual_dataset(name, layout)


def external(file, name):
    place = [("/etc/hostname", 0, 12 * SMALL.parameters)]
    file.create_dataset(name, (3, SMALL.parameters), "f4", external=place)


def objects(file, name):
    data = file.create_dataset(name, (3, SMALL.parameters), dtype=h5py.vlen_dtype(np.uint8))
    data[0, 0] = np.frombuffer(pickle.dumps({"a": 1}), np.uint8)


def compressed(file, name):
    file.create_dataset(name, data=np.zeros((3, SMALL.parameters), "f4"), compression="lzf")


HOSTILE = {
    "a soft link": (replaced("params", lambda f, n: f.__setitem__(n, h5py.SoftLink("/labels"))), "link"),
    "an external link": (
        replaced("params", lambda f, n: f.__setitem__(n, h5py.ExternalLink("x.hdf5", "/params"))),
        "link",
    ),
    "a virtual dataset": (replaced("params", virtual), "other files"),
    "external storage": (replaced("params", external), "other files"),
    "objects": (replaced("params", objects), "holds object"),
    "opaque bytes": (
        replaced("params", lambda f, n: f.create_dataset(n, data=np.zeros((3, 37), "V4"))),
        "holds |V4",
    ),
    "text for numbers": (
        replaced("params", lambda f, n: f.create_dataset(n, data=np.full((3, 37), b"1.0"))),
        "holds |S3",
    ),
    "references": (
        replaced("labels", lambda f, n: f.create_dataset(n, (3,), dtype=h5py.ref_dtype)),
        "holds object",
    ),
    "complex numbers": (
        replaced("params", lambda f, n: f.create_dataset(n, data=np.zeros((3, 37), "c8"))),
        "holds complex64",
    ),
    "a group": (replaced("params", lambda f, n: f.create_group(n)), "not a dataset"),
    "nothing": (replaced("params", lambda f, n: f.create_dataset(n, data=h5py.Empty("f4"))), "shape None"),
    "no labels": (replaced("labels", lambda f, n: None), "has no labels"),
    "fewer labels": (replaced("labels", lambda f, n: f.create_dataset(n, data=[0, 1])), "shape (2,)"),
    "labels that are no integers": (
        replaced("labels", lambda f, n: f.create_dataset(n, data=[0.5, 1, 2])),
        "expected integers",
    ),
    "other parameters": (
        replaced("params", lambda f, n: f.create_dataset(n, data=np.zeros((3, 36), "f4"))),
        "shape (3, 36)",
    ),
    "numbers that are not stored": (
        replaced("params", lambda f, n: f.create_dataset(n, (3, 37), "f4", chunks=(1, 37))),
        "claims 444 bytes",
    ),
    "another filter": (replaced("params", compressed), "lzf"),
    "a number for the text": (
        replaced("param_config", lambda f, n: f.create_dataset(n, data=[1.0])),
        "one text",
    ),
    "two texts": (replaced("param_config", lambda f, n: f.create_dataset(n, data=[b"a", b"b"])), "one text"),
    "a long text": (
        replaced("param_config", lambda f, n: f.create_dataset(n, data=[b" " * (1 << 21)])),
        "at most",
    ),
    "a text in chunks": (
        replaced(
            "param_config",
            lambda f, n: f.create_dataset(n, data=["x"], dtype=h5py.string_dtype(), chunks=(1,)),
        ),
        "not stored as h5py does",
    ),
    "a text that is not UTF-8": (
        replaced("param_config", lambda f, n: f.create_dataset(n, data=[b"\xff\xfe"])),
        "UTF-8",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_shards_are_refused(tmp_path, name):
    change, words = HOSTILE[name]
    assert words in foreign(tmp_path, change)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_sizes_are_checked_before_anything_is_allocated(tmp_path, compression):
    # The name, the text and the dataset agree on 2 PB; only the bytes are missing.
    sizes = (2, 1 << 20, 1 << 20, 1)
    entries = nef_entries(sizes)
    count, parameters = 512, Architecture(sizes).parameters
    path = tmp_path / shard_name(0, count)
    (tmp_path / "nef.json").write_text(json.dumps(NEF))
    with h5py.File(path, "w") as file:
        shape = (count, parameters)
        params = file.create_dataset("params", shape, "f4", chunks=(1, 1 << 16), compression=compression)
        params[0, : 1 << 16] = 0
        file.create_dataset("param_config", data=[json.dumps(entries).encode()])
        file.create_dataset("labels", data=np.zeros(count, int))
    one_line_error(lambda: read_shard(path), path, f"claims {4 * count * parameters} bytes")


def reference_of(path) -> tuple[int, int]:
    """Where the file keeps the reference to its text of variable length, and where the heap is."""
    with h5py.File(path, "r") as file:
        offset = file["param_config"].id.get_offset()
    _, heap, _ = struct.unpack_from("<IQI", path.read_bytes(), offset)
    return offset, heap


@pytest.mark.parametrize(
    ("from_heap", "offset", "data"),
    [
        (False, 0, b"\xff\xff\xff\x7f"),  # a text of 2 GB
        (False, 4, b"\xff" * 8),  # a heap beyond the end
        (False, 4, b"\x08" + bytes(7)),  # a heap where none is
        (False, 12, b"\x63\0\0\0"),  # an object that is not there
        (True, 4, b"\x09"),  # another version
        (True, 8, b"\xff" * 8),  # a heap of 2^64 bytes
        (True, 8, bytes(8)),  # a heap smaller than its head
        (True, 24, b"\xff" * 8),  # an object of 2^64 bytes
        (True, 24, bytes(8)),  # an empty object
    ],
)
def test_texts_of_variable_length_are_bounded(tmp_path, from_heap, offset, data):
    path = tmp_path / shard_name(0, 3)
    write_foreign(path, random_arrays(), nef_entries())
    place = reference_of(path)[from_heap] + offset
    content = bytearray(path.read_bytes())
    content[place : place + len(data)] = data
    path.write_bytes(content)
    one_line_error(lambda: read_shard(path), path)


@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=6
    )
)
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_damaged_foreign_shards_are_one_line_or_fields(tmp_path, changes):
    # They have no checksum: a changed number cannot be found, anything else must be.
    path, whole = tmp_path / shard_name(0, 3), tmp_path / "whole"
    if not whole.exists():
        write_foreign(whole, random_arrays(), nef_entries())
    data = bytearray(whole.read_bytes())
    for place, change in changes:
        data[int(place * len(data))] ^= change
    path.write_bytes(data)
    with contextlib.suppress(UserError):
        shard = read_shard(path)
        assert shard.flat.shape == (3, shard.architecture.parameters)
        assert shard.labels.shape == (3,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no name or omega_0"),
        ("[]", "no name or omega_0"),
        ('{"name": "SIREN"}', "no name or omega_0"),
        ('{"name": "MLP", "params": {"omega_0": 1}}', "'MLP'"),
        ('{"name": "SIREN", "params": {"omega_0": -1}}', "positive"),
        ('{"name": "SIREN", "params": {"omega_0": NaN}}', "positive"),
        ('{"name": "SIREN", "params": {"omega_0": 1e999}}', "positive"),
        ('{"name": "SIREN", "params": {"omega_0": true}}', "positive"),
        ('{"name": "SIREN", "params": {"omega_0": "8"}}', "positive"),
        ("[" * 100_000, "no name or omega_0"),
        (None, "is not known"),
    ],
)
def test_the_omega_of_others_is_asked_for(tmp_path, text, words):
    write_foreign(tmp_path / shard_name(0, 3), random_arrays(), nef_entries())
    if text is None:
        (tmp_path / "nef.json").unlink()
    else:
        (tmp_path / "nef.json").write_text(text)
    one_line_error(lambda: read_shard(tmp_path / shard_name(0, 3)), words, "nef.json")


# Datasets


def test_a_dataset_is_its_shards_in_order(tmp_path):
    for first, last in ((8, 12), (0, 4), (4, 8)):
        write_small(tmp_path, first, last)
    write_splits(tmp_path, make_splits(torch.arange(12) >= 9, 0.25, fields=12))
    dataset = FieldDataset.open(tmp_path)
    assert len(dataset) == 12
    assert dataset.index.tolist() == list(range(12))
    assert dataset.labels.tolist() == [i % 3 for i in range(12)]
    assert dataset.classes == ("ant", "bee", "cat")
    assert dataset.rows("test").tolist() == [9, 10, 11]
    parts = [dataset.split(split) for split in SPLITS]
    assert sorted(int(i) for part in parts for i in part.index) == list(range(12))
    for part in parts:
        assert torch.equal(part.psnr, 20.0 + part.index)
        assert torch.equal(part.flat, dataset.flat[part.index])


def test_a_field_is_a_module_and_a_file(tmp_path):
    write_small(tmp_path, 0, 4)
    dataset = FieldDataset.open(tmp_path)
    state = torch.random.get_rng_state()
    field = dataset.field(2)
    assert torch.equal(torch.random.get_rng_state(), state)
    points = POINTS.double()  # float32 products of other shapes, summed in another order, differ
    expected = evaluate(dataset.weights.to(torch.float64), dataset.architecture, points)[2]
    torch.testing.assert_close(field.double()(points), expected)
    dataset.save_field(2, tmp_path / "field")
    torch.testing.assert_close(load_field(tmp_path / "field").double()(points), expected)
    read = load_field_file(tmp_path / "field")
    assert read.architecture == dataset.architecture
    assert torch.equal(read.weights.flat(), dataset.flat[2:3])
    assert (read.about["class"], read.about["psnr"], read.about["grid"]) == ("cat", 22.0, [3, 5])
    with pytest.raises(IndexError):
        dataset.field(4)


def test_fields_of_different_widths_have_no_file(tmp_path):
    write_small(tmp_path, 0, 2, small_about(Architecture((2, 4, 5, 1))))
    one_line_error(lambda: FieldDataset.open(tmp_path).field(0), "different widths")


def test_damaged_shards_are_named_and_refused_or_left_out(tmp_path):
    paths = [write_small(tmp_path, first, first + 3) for first in (0, 3, 6)]
    paths[1].write_bytes(paths[1].read_bytes()[:900])
    one_line_error(lambda: FieldDataset.open(tmp_path), paths[1])
    dataset = FieldDataset.open(tmp_path, on_bad="skip")
    assert dataset.index.tolist() == [0, 1, 2, 6, 7, 8]
    assert len(dataset.skipped) == 1
    assert paths[1].name in dataset.skipped[0]
    for path in paths:
        path.write_bytes(b"")
    one_line_error(lambda: FieldDataset.open(tmp_path, on_bad="skip"), "all 3 shards")


def test_missing_shards_are_said(tmp_path):
    one_line_error(lambda: FieldDataset.open(tmp_path), "holds no shards")
    one_line_error(lambda: FieldDataset.open(tmp_path / "none"), "no such file or folder")
    for first in (3, 9):
        write_small(tmp_path, first, first + 3)
    one_line_error(lambda: FieldDataset.open(tmp_path), "lacks the fields 0 to 2, 6 to 8")
    write_splits(tmp_path, make_splits(torch.zeros(20, dtype=torch.bool), fields=20))
    one_line_error(lambda: FieldDataset.open(tmp_path), "6 to 8, 12 to 19")
    assert len(FieldDataset.open(tmp_path, on_bad="skip")) == 6


OTHER_SETTINGS = {
    "architecture": (lambda: small_about(Architecture((2, 4, 4, 1))), "different architectures"),
    "size": (lambda: small_about(Architecture((2, 4, 5, 1))), "different architectures, 2-4-4-1"),
    "seed": (lambda: small_about(seed=1), "different settings (seed: 0 and 1)"),
    "classes": (lambda: small_about(classes=("a", "b", "c")), "different settings (classes"),
    "config": (lambda: small_about(config={"seed": 0, "fitting": {"steps": 11}}), "settings (fitting"),
    "places": (lambda: small_about(coordinates=torch.zeros(15, 2)), "settings (their coordinates)"),
    "none": (lambda: small_about(coordinates=None), "settings (their coordinates)"),
}


@pytest.mark.parametrize("name", OTHER_SETTINGS)
@pytest.mark.parametrize("on_bad", ["refuse", "skip"])
def test_shards_that_do_not_belong_together_are_refused(tmp_path, name, on_bad):
    other, words = OTHER_SETTINGS[name]
    write_small(tmp_path, 0, 3)
    write_small(tmp_path, 3, 6, other())
    one_line_error(lambda: FieldDataset.open(tmp_path, on_bad), words, "nefs_0-3.hdf5", "nefs_3-6.hdf5")


def test_shards_of_two_programs_or_with_the_same_fields_are_refused(tmp_path):
    same = Architecture(SMALL.sizes, 8.0, 8.0)
    write_small(tmp_path, 0, 3, small_about(same))
    write_foreign(tmp_path / shard_name(3, 6), random_arrays(), nef_entries())
    one_line_error(lambda: FieldDataset.open(tmp_path), "one is of another program")
    (tmp_path / shard_name(3, 6)).unlink()
    write_small(tmp_path, 2, 6, small_about(same))
    one_line_error(lambda: FieldDataset.open(tmp_path), "hold the same fields")


def test_fields_that_are_not_finite_are_refused_or_left_out(tmp_path):
    weights = random_fields(3)
    weights.biases[1][1, 0] = float("nan")
    write_small(tmp_path, 0, 3, weights=weights)
    one_line_error(lambda: FieldDataset.open(tmp_path), "1 of 3 fields", "sample 1")
    dataset = FieldDataset.open(tmp_path, on_bad="skip")
    assert dataset.index.tolist() == [0, 2]
    assert "not finite" in dataset.skipped[0]


@pytest.mark.parametrize("labels", [[0, 1, 3], [0, -1, 2]])
def test_labels_without_a_class_are_refused(tmp_path, labels):
    write_small(tmp_path, 0, 3, labels=torch.tensor(labels))
    one_line_error(lambda: FieldDataset.open(tmp_path), "3 classes")


def test_a_dataset_of_fit_a_nef_opens_with_the_usual_splits(tmp_path):
    for first in (0, 30):
        write_foreign(tmp_path / shard_name(first, first + 30), random_arrays(30, seed=first), nef_entries())
    dataset = FieldDataset.open(tmp_path)
    assert dataset.classes == ("0", "1")
    assert [len(dataset.rows(split)) for split in SPLITS] == [48, 6, 6]


# Splits


@given(
    test=st.lists(st.booleans(), min_size=1, max_size=60),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 9),
)
@FEW
def test_splits_divide_the_samples_and_are_read_back(tmp_path, test, fraction, seed):
    marks = torch.tensor(test)
    splits = make_splits(marks, fraction, seed, fields=99)
    assert torch.equal(splits.of_sample == SPLITS.index("test"), marks)
    others = int((~marks).sum())
    val = int((splits.of_sample == SPLITS.index("val")).sum())
    assert abs(val - fraction * others) <= 1
    write_splits(tmp_path, splits)
    read = read_splits(tmp_path)
    assert read is not None
    assert torch.equal(read.of_sample, splits.of_sample)
    assert read.fields == 99
    assert torch.equal(make_splits(marks, fraction, seed).of_sample, splits.of_sample)


def test_all_fields_of_a_sample_are_in_one_split():
    splits = usual_splits(50)
    index = torch.arange(50).repeat_interleave(4)
    for split in SPLITS:
        rows = splits.rows(split, index)
        assert len(rows) == 4 * len(index[rows].unique())
    assert torch.equal(usual_splits(50).of_sample, splits.of_sample)
    other = make_splits(torch.zeros(50, dtype=torch.bool), 0.5, seed=1)
    assert not torch.equal(other.of_sample, make_splits(torch.zeros(50, dtype=torch.bool), 0.5).of_sample)
    one_line_error(lambda: splits.rows("val", torch.tensor([50])), "samples 50 to 50", "divides 50")
    with pytest.raises(ValueError):
        splits.rows("validation", index)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"format": "x"},
        {"version": 2},
        {"samples": 5},
        {"samples": 3},
        {"samples": -1},
        {"samples": 10**15},
        {"fields": "4"},
        {"train": [[0, 2]]},
        {"train": [[0, 5]]},
        {"train": [[0, 4], [3, 4]]},
        {"train": 3},
        {"train": [0]},
        {"train": [[0, "4"]]},
        {"val": None},
    ],
)
def test_damaged_splits_are_one_line(tmp_path, change):
    write_splits(tmp_path, Splits(torch.zeros(4, dtype=torch.int8), 4))
    told = json.loads((tmp_path / "splits.json").read_text())
    (tmp_path / "splits.json").write_text(json.dumps(told | change))
    one_line_error(lambda: read_splits(tmp_path), "splits.json")
    (tmp_path / "splits.json").write_text("[" * 99_999)
    one_line_error(lambda: read_splits(tmp_path), "splits.json")


def test_a_checksum_tells_ours_from_theirs(tmp_path):
    assert check_sealed(write_small(tmp_path, 0, 3))
    write_foreign(tmp_path / shard_name(3, 6), random_arrays(), nef_entries())
    assert not check_sealed(tmp_path / shard_name(3, 6))
