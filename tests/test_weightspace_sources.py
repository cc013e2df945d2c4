"""Readers of labelled data: what comes in comes out, and what is broken is refused in one line."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import math
import sys
import types
import urllib.error

import imageio.v3 as iio
import numpy as np
import pytest
import soundfile
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps_weightspace.datasets import DataConfig, load_samples
from wsapps_weightspace.sources import named_sets
from wsapps_weightspace.sources.audio_clips import AudioConfig
from wsapps_weightspace.sources.glyphs import GlyphsConfig
from wsapps_weightspace.sources.idx import read_idx
from wsapps_weightspace.sources.image_folder import ImagesConfig
from wsapps_weightspace.sources.labelled import chosen, drawn_test
from wsapps_weightspace.sources.shapes import ShapesConfig

CONFIG = DataConfig()
PICTURES = np.arange(6 * 3 * 5, dtype=np.uint8).reshape(6, 3, 5)
LABELS = np.array([3, 0, 3, 7, 0, 0], np.uint8)


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    """Neither a data folder nor the user's cache."""
    monkeypatch.delenv("WSAPPS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def idx_bytes(array):
    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    head = bytes([0, 0, codes[array.dtype.str[1:]], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(folder, split="train", pictures=PICTURES, labels=LABELS):
    folder.mkdir(exist_ok=True)
    (folder / f"{split}-images-idx3-ubyte").write_bytes(idx_bytes(pictures))
    (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return folder


# ---- IDX


@settings(max_examples=40, deadline=None)
@given(
    arrays(st.sampled_from(["u1", "i1", "<i2", "<i4", "<f4", "<f8"]), array_shapes(max_dims=4, max_side=4)),
    st.booleans(),
)
def test_idx_round_trip(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path), array)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda data: b"\0\0\x08" + data), st.booleans())
def test_no_bytes_break_the_idx_reader(tmp_path_factory, data, zipped):
    path = tmp_path_factory.mktemp("idx") / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(data) if zipped else data)
    array = None
    with contextlib.suppress(UserError):
        array = read_idx(path)
    assert array is None or idx_bytes(array) == data


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (idx_bytes(PICTURES)[:-1], "too short"),
        (idx_bytes(PICTURES) + b"0", "too long"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "bytes"),
        (b"\0\0\x08\x03\0\0", "cut short"),
        (b"hello, world", "no IDX"),
        (b"", "empty"),
        (gzip.compress(idx_bytes(PICTURES), mtime=0)[:-9], "no IDX"),
    ],
    ids=["short", "long", "huge", "no sizes", "text", "empty", "gzip"],
)
def test_broken_idx_is_refused(tmp_path, content, word):
    (tmp_path / "file").write_bytes(content)
    one_line_error(lambda: read_idx(tmp_path / "file"), word)


def test_cut_gzip_is_refused(tmp_path):
    (tmp_path / "file.gz").write_bytes(gzip.compress(idx_bytes(PICTURES))[:-9])
    one_line_error(lambda: read_idx(tmp_path / "file.gz"), "get the whole file")


def test_a_folder_of_idx_files_with_a_test_split(tmp_path):
    write_idx(tmp_path / "set")
    write_idx(tmp_path / "set", "t10k", PICTURES[:2] + 1, LABELS[:2])
    samples = load_samples(str(tmp_path / "set"), CONFIG)
    assert samples.name == "set"
    assert samples.classes == ("0", "3", "7")
    assert samples.grid == (3, 5)
    # Sorted by name: t10k before train.
    assert samples.labels.tolist() == [1, 0, 1, 0, 1, 2, 0, 0]
    assert samples.test.tolist() == [True] * 2 + [False] * 6
    assert torch.equal(samples.values[2:, :, 0], torch.from_numpy(PICTURES.reshape(6, 15)))
    # Bytes are mapped to [-1, 1], and points are (y, x) row by row.
    assert torch.allclose(samples.targets(slice(2, 4)), samples.values[2:4].float() / 127.5 - 1)
    assert samples.coordinates[[0, 4, 5]].tolist() == [[-1, -1], [-1, 1], [0, -1]]


def test_one_file_of_idx_pictures_finds_its_labels(tmp_path):
    folder = write_idx(tmp_path / "set")
    samples = load_samples(str(folder / "train-images-idx3-ubyte"), DataConfig(test_fraction=0.5))
    assert len(samples) == 6
    assert int(samples.test.sum()) == 3


@pytest.mark.parametrize("both", [True, False])
def test_files_that_are_there_gzipped_too_are_read_once(tmp_path, both):
    folder = write_idx(tmp_path / "set")
    write_idx(folder, "t10k", PICTURES[:2] + 1, LABELS[:2])
    for path in list(folder.glob("*ubyte")):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        if not both:
            path.unlink()
    samples = load_samples(str(folder), CONFIG)
    assert samples.test.tolist() == [True] * 2 + [False] * 6
    assert samples.labels.tolist() == [1, 0, 1, 0, 1, 2, 0, 0]


def test_several_datasets_in_a_folder_are_not_mixed(tmp_path):
    for split in ("emnist-letters-train", "emnist-letters-test", "emnist-digits-train"):
        write_idx(tmp_path / "raw", split)
    one_line_error(
        lambda: load_samples(str(tmp_path / "raw"), CONFIG),
        "emnist-digits-train-images-idx3-ubyte and emnist-letters-train-images-idx3-ubyte",
    )
    samples = load_samples(str(tmp_path / "raw" / "emnist-digits-train-images-idx3-ubyte"), CONFIG)
    assert len(samples) == 6


def test_labels_of_another_number_are_refused(tmp_path):
    write_idx(tmp_path / "set", labels=LABELS[:4])
    one_line_error(lambda: load_samples(str(tmp_path / "set"), CONFIG), "6 pictures", "4 labels")


def test_labels_that_are_missing(tmp_path):
    folder = write_idx(tmp_path / "set")
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    one_line_error(lambda: load_samples(str(folder), CONFIG), "train-labels-idx1-ubyte[.gz]")


def test_pictures_of_two_sizes_are_refused(tmp_path):
    write_idx(tmp_path / "set")
    write_idx(tmp_path / "set", "t10k", PICTURES[:, :2])
    one_line_error(lambda: load_samples(str(tmp_path / "set"), CONFIG), "(3, 5)", "(2, 5)")


# ---- CSV


def csv_file(path, rows):
    text = "\n".join(",".join(str(value) for value in row) for row in rows) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


@pytest.mark.parametrize("name", ["five.csv", "five.csv.gz"])
def test_csv_with_the_label_last(tmp_path, name):
    rows = [[0, 10, 20, 255, 7], [1, 2, 3, 4, 5]]
    samples = load_samples(csv_file(tmp_path / name, rows), CONFIG)
    assert samples.name == "five"
    assert samples.values.dtype == torch.uint8
    assert samples.values[..., 0].tolist() == [row[:4] for row in rows]
    assert [samples.classes[label] for label in samples.labels] == ["7", "5"]


def test_csv_with_names_and_fractions(tmp_path):
    rows = [["label", "p0", "p1", "p2", "p3"], [2, 0.0, 0.25, 0.5, 1.0], [0, 1, 1, 1, 1]]
    samples = load_samples(csv_file(tmp_path / "a.csv", rows), CONFIG)
    assert samples.targets(slice(0, 1)).flatten().tolist() == [-1, -0.5, 0, 1]
    assert samples.classes == ("0", "2")


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([[1, 2, 3, 4, 5, 0]], "no square"),
        ([[1, 2, 3, 4, 0], [1, 2, 3, 0]], "at row 2; every line needs"),
        ([[1, 2, 3, 4, 0.5]], "whole numbers"),
        ([[1, 2, 3, 4, "nan"]], "whole numbers"),
        ([[1, 2, 3, "x", 0]], "every line"),
        ([[1, 2, 3, 300, 0]], "got 1 to 300"),
        ([[-1, 2, 3, 3, 0]], "got -1 to 3"),
        ([["a", "b"]], "no lines"),
    ],
)
def test_broken_csv_is_refused(tmp_path, rows, word):
    path = csv_file(tmp_path / "a.csv", rows)
    one_line_error(lambda: load_samples(path, CONFIG), word)


# ---- npz


def test_npz_as_keras_writes_it(tmp_path):
    np.savez(tmp_path / "k.npz", x_train=PICTURES, y_train=LABELS, x_test=PICTURES[:2], y_test=LABELS[:2])
    samples = load_samples(str(tmp_path / "k.npz"), CONFIG)
    assert samples.test.tolist() == [False] * 6 + [True] * 2
    assert torch.equal(samples.values[:6, :, 0], torch.from_numpy(PICTURES.reshape(6, 15)))


def test_npz_in_colour_with_names_of_classes(tmp_path):
    colour = np.repeat(PICTURES[..., None], 3, axis=-1) / np.float32(255)
    np.savez_compressed(tmp_path / "c.npz", images=colour, labels=np.array(["b", "a", "b", "c", "a", "a"]))
    samples = load_samples(str(tmp_path / "c.npz"), CONFIG)
    assert samples.classes == ("a", "b", "c")
    assert samples.values.shape == (6, 15, 3)
    assert torch.allclose(samples.targets(slice(None))[..., 1], samples.values[..., 0])
    assert float(samples.values.min()) == -1


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"x": PICTURES, "y": LABELS[:5]}, "do not match"),
        ({"x": PICTURES}, "no y"),
        ({"a": PICTURES}, "looked for as x"),
        ({"x": PICTURES.astype(object), "y": LABELS}, "never unpickled"),
        ({"x": PICTURES, "y": LABELS.astype(np.float32)}, "whole numbers or names"),
        ({"x": PICTURES[0], "y": LABELS[:3]}, "do not match"),
        ({"x": PICTURES * np.float32(np.nan), "y": LABELS}, "got nan"),
        ({"x": PICTURES[:0], "y": LABELS[:0]}, "must be (N, H, W)"),
    ],
)
def test_npz_that_is_refused(tmp_path, content, word):
    np.savez(tmp_path / "a.npz", **content)
    one_line_error(lambda: load_samples(str(tmp_path / "a.npz"), CONFIG), word)


def test_npz_that_is_broken(tmp_path):
    whole = io.BytesIO()
    np.savez(whole, x=PICTURES, y=LABELS)
    (tmp_path / "a.npz").write_bytes(whole.getvalue()[:-30])
    one_line_error(lambda: load_samples(str(tmp_path / "a.npz"), CONFIG), "cannot be read")


# ---- folders


def picture(path, value, shape=(6, 8, 3)):
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, np.full(shape, value, np.uint8))


def test_a_folder_of_pictures(tmp_path):
    for n, name in enumerate(["cat/0.png", "cat/1.png", "dog/0.png"]):
        picture(tmp_path / "pets" / name, 10 * n)
    (tmp_path / "pets" / "cat" / ".hidden").write_text("x")
    (tmp_path / "pets" / "notes.txt").write_text("x")
    samples = load_samples(str(tmp_path / "pets"), CONFIG)
    assert samples.classes == ("cat", "dog")
    assert samples.labels.tolist() == [0, 0, 1]
    assert samples.values[:, 0, 0].tolist() == [0, 10, 20]
    assert samples.grid == (6, 8)
    assert samples.values.shape == (3, 48, 3)


def test_train_and_test_folders_and_colour_beside_grey(tmp_path):
    picture(tmp_path / "train" / "a" / "0.png", 1, (4, 4))
    picture(tmp_path / "test" / "a" / "0.png", 2)
    config = DataConfig(images=ImagesConfig(side=4))
    samples = load_samples(str(tmp_path), config)
    assert samples.test.tolist() == [False, True]
    assert samples.values.shape == (2, 16, 3)
    grey = load_samples(str(tmp_path), DataConfig(images=ImagesConfig(side=2, grey=True)))
    assert grey.values.shape == (2, 4, 1)
    assert grey.values[:, 0, 0].tolist() == [1, 2]


def test_pictures_of_several_sizes_need_a_side(tmp_path):
    picture(tmp_path / "a" / "0.png", 1)
    picture(tmp_path / "a" / "1.png", 1, (5, 5, 3))
    one_line_error(lambda: load_samples(str(tmp_path), CONFIG), "5 x 5", "6 x 8", "data.images.side=")


def test_clips_are_brought_to_one_length(tmp_path):
    """A tone keeps its frequency and amplitude, whatever its rate; a short clip ends in silence."""
    for rate, name in ((8000, "a/low.wav"), (22050, "b/high.wav")):
        time = np.arange(rate) / rate
        (tmp_path / name).parent.mkdir()
        tone = 0.5 * np.sin(2 * np.pi * 20 * time)
        soundfile.write(tmp_path / name, np.stack([tone, tone], axis=1), rate)
    soundfile.write(tmp_path / "b" / "short.wav", np.full(4000, 0.25), 8000)
    samples = load_samples(str(tmp_path), DataConfig(audio=AudioConfig(seconds=1.0, points=500)))
    assert samples.values.shape == (3, 500, 1)
    assert samples.coordinates[[0, -1], 0].tolist() == [-1, 1]
    expected = 0.5 * torch.sin(2 * math.pi * 20 * torch.arange(500) / 500)
    for n in (0, 1):
        assert float((samples.values[n, 20:-20, 0] - expected[20:-20]).abs().max()) < 0.02
    assert float((samples.values[2, 20:230] - 0.25).abs().max()) < 0.01
    assert float(samples.values[2, 270:].abs().max()) < 0.01


def sphere_ply(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    trimesh.creation.icosphere(subdivisions=3, radius=5.0).export(path)


def test_meshes_are_their_inside(tmp_path):
    sphere_ply(tmp_path / "ball" / "0.ply")
    samples = load_samples(str(tmp_path), DataConfig(shapes=ShapesConfig(points=1000, near_std=0.1)))
    assert samples.coordinates.shape == (1, 1000, 3)
    radius = samples.coordinates[0].norm(dim=1)
    clear = (radius - 0.9).abs() > 0.02  # the sphere is one of triangles
    assert torch.equal(samples.values[0, clear, 0] > 0, radius[clear] < 0.9)
    assert set(samples.values.flatten().tolist()) == {-1.0, 1.0}
    assert bool((samples.coordinates.abs() <= 1).all())


def test_clouds_are_the_distance_to_them(tmp_path):
    cloud = np.random.default_rng(0).uniform(2, 4, (50, 3))
    for name in ("a/0.npy", "b/1.xyz"):
        (tmp_path / name).parent.mkdir()
    np.save(tmp_path / "a" / "0.npy", cloud)
    np.savetxt(tmp_path / "b" / "1.xyz", cloud)
    samples = load_samples(str(tmp_path), DataConfig(shapes=ShapesConfig(points=64)))
    low, high = cloud.min(axis=0), cloud.max(axis=0)
    scaled = torch.from_numpy((cloud - (low + high) / 2) * 1.8 / (high - low).max()).float()
    for n in (0, 1):
        nearest = torch.cdist(samples.coordinates[n], scaled).amin(dim=1).clamp(max=1)
        assert torch.allclose(samples.values[n, :, 0], nearest, atol=1e-5)
    assert (samples.low, samples.peak) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("cloud", "word"),
    [
        (np.zeros((4, 2)), "three numbers"),
        (np.full((4, 3), np.inf), "infinite"),
        (np.zeros((0, 3)), "points"),
    ],
)
def test_clouds_that_are_refused(tmp_path, cloud, word):
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "0.npy", cloud)
    one_line_error(lambda: load_samples(str(tmp_path), CONFIG), word)


def test_pickled_clouds_are_not_unpickled(tmp_path):
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "0.npy", np.array([[object()] * 3]), allow_pickle=True)
    one_line_error(lambda: load_samples(str(tmp_path), CONFIG), "0.npy")


def test_a_folder_of_nothing_known(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.docx").write_text("x")
    one_line_error(lambda: load_samples(str(tmp_path), CONFIG), "neither IDX files", "sub-folders")


# ---- names


def test_glyphs_depend_on_their_number_alone():
    few, more = (
        load_samples("glyphs", DataConfig(glyphs=GlyphsConfig(count=count, seed=3))) for count in (12, 25)
    )
    assert torch.equal(few.values, more.values[:12])
    assert few.labels.tolist() == [*range(10), 0, 1]
    assert not torch.equal(few.values[0], few.values[10])
    other = load_samples("glyphs", DataConfig(glyphs=GlyphsConfig(count=12, seed=4)))
    assert not torch.equal(few.values, other.values)


def test_glyphs_can_be_told_apart():
    """The nearest of the class means, of digits that it has not seen: far better than one in ten."""
    samples = load_samples("glyphs", DataConfig(glyphs=GlyphsConfig(count=400)))
    values = samples.targets(slice(None)).flatten(1)
    means = torch.stack([values[:300][samples.labels[:300] == digit].mean(dim=0) for digit in range(10)])
    found = torch.cdist(values[300:], means).argmin(dim=1)
    assert float((found == samples.labels[300:]).float().mean()) > 0.6
    assert float((values == -1).float().mean()) > 0.5  # most of a picture is ground


def fake_set(monkeypatch, tmp_path, files):
    known = named_sets.NamedSet("https://example.invalid/", files, named_sets._read_mnist_5k)
    monkeypatch.setattr(named_sets, "NAMED", {"mnist_5k": known})
    monkeypatch.setattr("wsapps_weightspace.datasets.NAMED", {"mnist_5k": known})


def test_a_named_set_that_is_there(monkeypatch, tmp_path):
    monkeypatch.setenv("WSAPPS_DATA", str(tmp_path))
    (tmp_path / "mnist_5k").mkdir()
    csv_file(tmp_path / "mnist_5k" / "mnist_5k.csv.gz", [[0, 10, 20, 255, 7], [1, 2, 3, 4, 5]])
    samples = load_samples("mnist_5k", CONFIG)
    assert (samples.name, len(samples)) == ("mnist_5k", 2)


@pytest.mark.parametrize("root", ["data", None])
def test_a_named_set_is_fetched_and_checked(monkeypatch, tmp_path, root):
    csv_file(tmp_path / "made.csv.gz", [[0, 10, 20, 255, 7], [1, 2, 3, 4, 5]])
    data = (tmp_path / "made.csv.gz").read_bytes()
    fake_set(monkeypatch, tmp_path, {"mnist_5k.csv.gz": hashlib.sha256(data).hexdigest()})
    if root:
        (tmp_path / root).mkdir()
        monkeypatch.setenv("WSAPPS_DATA", str(tmp_path / root))
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        return io.BytesIO(data)

    monkeypatch.setattr(named_sets.urllib.request, "urlopen", urlopen)
    for _ in range(2):
        assert len(load_samples("mnist_5k", CONFIG)) == 2
    assert asked == ["https://example.invalid/mnist_5k.csv.gz"]
    kept = tmp_path / root if root else tmp_path / "cache" / "wsapps"
    assert (kept / "mnist_5k" / "mnist_5k.csv.gz").read_bytes() == data


def test_a_named_set_that_is_another_file(monkeypatch, tmp_path):
    fake_set(monkeypatch, tmp_path, {"mnist_5k.csv.gz": "0" * 64})
    monkeypatch.setattr(named_sets.urllib.request, "urlopen", lambda url, timeout: io.BytesIO(b"<html>"))
    one_line_error(lambda: load_samples("mnist_5k", CONFIG), "not the file that it was")
    assert not (tmp_path / "cache").exists()


def test_a_named_set_without_a_network(monkeypatch, tmp_path):
    def urlopen(url, timeout):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(named_sets.urllib.request, "urlopen", urlopen)
    one_line_error(lambda: load_samples("mnist_5k", CONFIG), "WSAPPS_DATA", "mnist_5k.csv.gz", "not known")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("dataset", "word"),
    [
        ("mnist5k", "did you mean mnist_5k"),
        ("no/such/path", "there is no such path"),
        ("x" * 5000, "cannot be looked at"),
        ("torchvision:MNIST", "pip install torchvision"),
        ("huggingface:ylecun/mnist", "pip install datasets"),
    ],
)
def test_names_that_mean_nothing(monkeypatch, dataset, word):
    for library in ("torchvision", "datasets"):
        monkeypatch.setitem(sys.modules, library, None)
    one_line_error(lambda: load_samples(dataset, CONFIG), word)


def test_a_file_of_unknown_kind(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"0")
    one_line_error(lambda: load_samples(str(tmp_path / "a.bin"), CONFIG), "no known kind")


class FakeTorchvisionSet:
    classes = ("zero", "one")

    def __init__(self, root, train, download):
        self.data = torch.from_numpy(PICTURES if train else PICTURES[:2])
        self.targets = [0, 1, 0, 1, 0, 1] if train else [1, 0]


def test_torchvision(monkeypatch):
    library = types.SimpleNamespace(datasets=types.SimpleNamespace(MNIST=FakeTorchvisionSet))
    monkeypatch.setitem(sys.modules, "torchvision", library)
    samples = load_samples("torchvision:MNIST", CONFIG)
    assert samples.classes == ("zero", "one")
    assert samples.test.tolist() == [False] * 6 + [True] * 2
    one_line_error(lambda: load_samples("torchvision:ImageNet", CONFIG), "known are MNIST")


class FakeQmnist(FakeTorchvisionSet):
    """Eight numbers a picture, the digit first."""

    def __init__(self, root, train, download):
        super().__init__(root, train, download)
        self.targets = torch.tensor([[label, 7, 7, 7, 7, 7, 7, 7] for label in self.targets])


def test_torchvision_with_several_targets(monkeypatch):
    library = types.SimpleNamespace(datasets=types.SimpleNamespace(QMNIST=FakeQmnist))
    monkeypatch.setitem(sys.modules, "torchvision", library)
    samples = load_samples("torchvision:QMNIST", CONFIG)
    assert samples.labels.tolist() == [0, 1, 0, 1, 0, 1, 1, 0]


class Image:
    """Named as the feature of Hugging Face is."""


class ClassLabel:
    names = ("cat", "dog")


class FakeSplit(list):
    @property
    def features(self):
        return {"image": Image(), "label": ClassLabel()}


def test_hugging_face(monkeypatch):
    rows = [{"image": PICTURES[n], "label": n % 2} for n in range(4)]
    found = {"train": FakeSplit(rows[:3]), "test": FakeSplit(rows[3:])}
    library = types.SimpleNamespace(load_dataset=lambda name: found)
    monkeypatch.setitem(sys.modules, "datasets", library)
    samples = load_samples("huggingface:some/pets", CONFIG)
    assert (samples.name, samples.classes) == ("pets", ("cat", "dog"))
    assert samples.test.tolist() == [False] * 3 + [True]
    for unknown in (-1, None):
        found["train"][1] = {"image": PICTURES[0], "label": unknown}
        one_line_error(
            lambda: load_samples("huggingface:some/pets", CONFIG), "labels from -1 to 1", "without a label"
        )
    found["train"][1] = {"image": PICTURES[0, :2], "label": 0}
    one_line_error(lambda: load_samples("huggingface:some/pets", CONFIG), "picture 1", "one size")


# ---- which samples


def test_a_limit_takes_some_in_their_order():
    whole = load_samples("glyphs", DataConfig(glyphs=GlyphsConfig(count=40)))
    few = load_samples("glyphs", DataConfig(limit=7, glyphs=GlyphsConfig(count=40)))
    rows = chosen(40, 7)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert torch.equal(few.values, whole.values[rows])
    assert torch.equal(few.test, whole.test[rows])
    assert chosen(5, 9).tolist() == chosen(5, None).tolist() == [0, 1, 2, 3, 4]


@given(st.integers(1, 300), st.floats(0, 0.99))
def test_drawn_test_samples_are_a_share(count, fraction):
    test = drawn_test(count, fraction)
    assert int(test.sum()) == round(fraction * count)
    assert torch.equal(test, drawn_test(count, fraction))


@pytest.mark.parametrize(
    ("setting", "word"), [({"limit": 0}, "limit"), ({"test_fraction": 1.0}, "test_fraction")]
)
def test_settings_out_of_range(setting, word):
    with pytest.raises(ValueError, match=word):
        DataConfig(**setting)
