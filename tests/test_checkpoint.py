"""Checkpoints come back bit for bit, or not at all, whatever happens while they are written."""

from __future__ import annotations

import json
import logging
import math
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from wsapps import checkpoint
from wsapps.errors import UserError

resource = pytest.importorskip("resource")
SOURCE = str(Path(checkpoint.__file__).parents[1])


def state_of(step: int, size: int = 50) -> dict[str, Any]:
    """A state whose whole content follows from its step."""
    return {"model": {"weight": torch.full((size,), float(step))}, "elapsed": step / 7, "step": step}


def assert_state_of(found: checkpoint.Checkpoint | None, step: int) -> None:
    assert found is not None
    assert found.step == step
    assert_same(found.state, state_of(step, found.state["model"]["weight"].numel()))


def assert_same(a: Any, b: Any) -> None:
    """Equal in type and bits, at every depth."""
    if isinstance(b, torch.Tensor):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        torch.testing.assert_close(a, b.detach().cpu(), rtol=0, atol=0, equal_nan=True)
        return
    assert type(a) is type(b)
    if isinstance(b, dict):
        assert list(a) == list(b)
        assert [type(key) for key in a] == [type(key) for key in b]
        for key in b:
            assert_same(a[key], b[key])
    elif isinstance(b, (list, tuple)):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    elif isinstance(b, float):
        assert (math.isnan(a) and math.isnan(b)) or struct.pack("d", a) == struct.pack("d", b)
    else:
        assert a == b


def steps_in(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def truncate(path: Path, size: int) -> None:
    with open(path, "r+b") as file:
        file.truncate(size)


def flip_bit(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


# --- what is saved comes back ---------------------------------------------------------------------------


def test_a_nested_state_comes_back_bit_for_bit(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    conjugate = torch.randn(3, dtype=torch.complex64).conj()
    assert conjugate.is_conj()
    assert conjugate.imag.is_neg()
    state = {
        "int keys": {0: "a", 1: {2: [True, None, -1, 1 << 70]}, "0": "not the int"},
        "floats": [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, 1.0],
        "tuple": (0.9, (0.999, []), {}),
        "text": 'é "\n\\ \u2028 {"tensor": 1}',
        "tensor": {"tensor": base[0, 0]},
        "dtypes": [torch.tensor([0, 1, 1]).to(dtype) for dtype in DTYPES],
        "strided": [base.t(), base[:, ::2], base.expand(2, 3, 4)],
        "aliased": [base, base, base[1:]],
        "views": [conjugate, conjugate.imag, torch.empty(0, 3), nn.Parameter(base[:1])],
        "specials": torch.tensor([math.nan, math.inf, -0.0, 1e-45]),
        "__metadata__": torch.ones(1),
        "a/b": torch.ones(1),
        "a": {"b": torch.zeros(1)},
    }
    path = checkpoint.save(tmp_path / "deep" / "checkpoint", 7, state)
    assert path == tmp_path / "deep" / "checkpoint" / "step_00000007"
    found = checkpoint.load(path)
    assert (found.step, found.path) == (7, path)
    assert_same(found.state, state)
    found.state["aliased"][0].zero_()  # what was read belongs to the reader
    assert base[0, 1] == 1


DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
]

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.builds(torch.tensor, st.floats(width=32) | st.integers(-9, 9)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(state=st.dictionaries(st.text(max_size=3), plain, max_size=3))
def test_any_state_comes_back(state):
    with tempfile.TemporaryDirectory() as folder:
        assert_same(checkpoint.load(checkpoint.save(Path(folder), 0, state)).state, state)


@pytest.mark.parametrize("kind", ["adam", "sgd", "lbfgs"])
def test_optimizers_continue_exactly(tmp_path, kind):
    def make() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        if kind == "adam":
            return model, torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.9, 0.99))
        if kind == "sgd":
            return model, torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
        return model, torch.optim.LBFGS(model.parameters(), max_iter=3)

    def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            x = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))

            def closure(x: torch.Tensor = x) -> torch.Tensor:
                optimizer.zero_grad()
                loss = model(x).sin().square().sum()
                loss.backward()
                return loss

            optimizer.step(closure)

    model, optimizer = make()
    train(model, optimizer, range(5))
    checkpoint.save(tmp_path, 5, {"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    train(model, optimizer, range(5, 10))

    other, other_optimizer = make()
    found = checkpoint.load_latest(tmp_path)
    assert found is not None
    checkpoint.copy_into(other, found.state["model"], str(found.path))
    other_optimizer.load_state_dict(found.state["optimizer"])
    train(other, other_optimizer, range(5, 10))
    assert_same(other.state_dict(), model.state_dict())


def test_the_files_are_safetensors_and_json_and_nothing_is_pickled(tmp_path):
    path = checkpoint.save(tmp_path, 3, state_of(3))
    assert sorted(os.listdir(path)) == ["manifest.json", "tensors.safetensors"]
    assert load_file(path / "tensors.safetensors")["model/weight"].eq(3).all()
    manifest = json.loads((path / "manifest.json").read_text())
    size = (path / "tensors.safetensors").stat().st_size
    assert (manifest["step"], manifest["files"]["tensors.safetensors"]["bytes"]) == (3, size)


@pytest.mark.parametrize(
    "value",
    [object(), {1.5: 0}, {True: 0}, {3}, b"x", Path("x"), torch.eye(2).to_sparse()],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path, value):
    with pytest.raises(TypeError, match=r"cannot save .* at a/b"):
        checkpoint.save(tmp_path / "new", 0, {"a": {"b": value}})
    assert not (tmp_path / "new").exists()


# --- which are kept and which is loaded ------------------------------------------------------------------


def test_the_newest_are_kept(tmp_path):
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, step, state_of(step))
    assert steps_in(tmp_path) == ["step_00000002", "step_00000010"]
    checkpoint.save(tmp_path, 11, state_of(11), keep=1)
    assert steps_in(tmp_path) == ["step_00000011"]


def test_nothing_to_load_is_none(tmp_path):
    assert checkpoint.load_latest(tmp_path) is None
    assert checkpoint.load_latest(tmp_path / "missing") is None


def test_junk_and_unfinished_folders_are_ignored_and_stale_ones_removed(tmp_path):
    checkpoint.save(tmp_path, 1, state_of(1))
    shutil.copytree(tmp_path / "step_00000001", tmp_path / "step_00000009.tmp")
    for name in (".DS_Store", "step_00000005", "model.pt", "notes.tmp"):
        (tmp_path / name).write_text("junk")
    (tmp_path / "best").mkdir()
    (tmp_path / "step_x").mkdir()
    assert_state_of(checkpoint.load_latest(tmp_path), 1)
    checkpoint.save(tmp_path, 2, state_of(2))
    assert_state_of(checkpoint.load_latest(tmp_path), 2)
    left = set(steps_in(tmp_path))
    assert "step_00000009.tmp" not in left
    assert {".DS_Store", "step_00000005", "model.pt", "notes.tmp", "best", "step_x"} <= left


def test_the_same_step_is_replaced(tmp_path):
    checkpoint.save(tmp_path, 4, state_of(4))
    checkpoint.save(tmp_path, 5, {"old": True})
    checkpoint.save(tmp_path, 5, state_of(5))
    assert steps_in(tmp_path) == ["step_00000004", "step_00000005"]
    assert_state_of(checkpoint.load_latest(tmp_path), 5)


def test_a_damaged_checkpoint_does_not_push_out_a_valid_one(tmp_path, caplog):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state_of(step))
    truncate(tmp_path / "step_00000002" / "tensors.safetensors", 10)
    checkpoint.save(tmp_path, 3, state_of(3))
    truncate(tmp_path / "step_00000003" / "tensors.safetensors", 10)
    assert_state_of(checkpoint.load_latest(tmp_path), 1)


def test_what_is_saved_after_going_back_is_never_removed_at_once(tmp_path):
    checkpoint.save(tmp_path, 9, state_of(9))
    truncate(tmp_path / "step_00000009" / "manifest.json", 10)
    checkpoint.save(tmp_path, 5, state_of(5), keep=1)
    assert_state_of(checkpoint.load_latest(tmp_path), 5)


# --- damage is seen ---------------------------------------------------------------------------------------


def damage_truncated_tensors(folder: Path) -> None:
    truncate(folder / "tensors.safetensors", 100)


def damage_empty_tensors(folder: Path) -> None:
    truncate(folder / "tensors.safetensors", 0)


def damage_flipped_tensor_bit(folder: Path) -> None:
    flip_bit(folder / "tensors.safetensors", -3)


def damage_flipped_header_bit(folder: Path) -> None:
    flip_bit(folder / "tensors.safetensors", 2)


def damage_missing_tensors(folder: Path) -> None:
    (folder / "tensors.safetensors").unlink()


def damage_truncated_manifest(folder: Path) -> None:
    truncate(folder / "manifest.json", 60)


def damage_empty_manifest(folder: Path) -> None:
    truncate(folder / "manifest.json", 0)


def damage_edited_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    assert '"elapsed", 0.2857142857142857' in text
    (folder / "manifest.json").write_text(text.replace("0.2857142857142857", "0.2857142857142858"))


def damage_missing_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


DAMAGES = {
    damage_truncated_tensors: "tensors.safetensors has 100 bytes where its manifest says",
    damage_empty_tensors: "tensors.safetensors has 0 bytes",
    damage_flipped_tensor_bit: "tensors.safetensors is damaged",
    damage_flipped_header_bit: "tensors.safetensors is damaged",
    damage_missing_tensors: "tensors.safetensors is missing",
    damage_truncated_manifest: "manifest.json is truncated or damaged",
    damage_empty_manifest: "manifest.json is truncated or damaged",
    damage_edited_manifest: "manifest.json is damaged",
    damage_missing_manifest: "has no manifest.json",
}


@pytest.mark.parametrize(
    ("damage", "message"), DAMAGES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_damage_is_one_line_and_the_older_checkpoint_is_used(tmp_path, caplog, damage, message):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, state_of(step))
    newest = tmp_path / "step_00000002"
    damage(newest)
    with pytest.raises(UserError, match=message) as error:
        checkpoint.load(newest)
    assert str(newest) in str(error.value)
    assert "\n" not in str(error.value)
    with caplog.at_level(logging.WARNING, logger="wsapps"):
        assert_state_of(checkpoint.load_latest(tmp_path), 1)
    (record,) = caplog.records
    assert message in record.getMessage()
    assert "falling back to step 1" in record.getMessage()

    (tmp_path / "step_00000001" / "tensors.safetensors").unlink()
    with pytest.raises(UserError, match=message) as error:
        checkpoint.load_latest(tmp_path)
    assert str(newest) in str(error.value)
    assert "\n" not in str(error.value)


def test_every_flipped_byte_and_every_truncation_is_seen(tmp_path):
    folder = checkpoint.save(tmp_path, 1, state_of(1, size=2))
    for name in ("manifest.json", "tensors.safetensors"):
        data = (folder / name).read_bytes()
        for position in range(len(data)):
            for bad in (
                data[:position],
                data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :],
            ):
                (folder / name).write_bytes(bad)
                with pytest.raises(UserError):
                    checkpoint.load(folder)
        (folder / name).write_bytes(data)
        assert_state_of(checkpoint.load(folder), 1)


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def test_foreign_things_are_one_line(tmp_path):
    pickled = pickle.dumps(Bomb(tmp_path / "bang"))
    foreign = tmp_path / "step_00000001"
    foreign.mkdir()
    (foreign / "model.pt").write_bytes(pickled)
    (tmp_path / "other.pt").write_bytes(pickled)
    for path, message in [
        (foreign, "has no manifest.json, so it is not a checkpoint of this project"),
        (tmp_path / "other.pt", "it is a file"),
        (tmp_path / "nowhere", "does not exist"),
    ]:
        with pytest.raises(UserError, match=message) as error:
            checkpoint.load(path)
        assert "\n" not in str(error.value)
    for content in [pickled, b"[]", b"{}", b"NaN", b'{"format": "pth"}', b"[" * 100_000, b"\xff"]:
        (foreign / "manifest.json").write_bytes(content)
        with pytest.raises(UserError, match="step_00000001") as error:
            checkpoint.load_latest(tmp_path)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "bang").exists()
    with pytest.raises(UserError, match="cannot read"):
        checkpoint.load_latest(tmp_path / "other.pt")


def resealed(folder: Path, **changes: Any) -> None:
    """Change the manifest and make its checksum right again."""
    manifest = {**json.loads((folder / "manifest.json").read_text()), **changes}
    manifest["sha256"] = checkpoint._digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "format version is 2, and this wsapps reads 1"),
        ({"format": "other"}, "of another program"),
        ({"files": {}}, "not what a checkpoint holds"),
        ({"files": None}, "not what a checkpoint holds"),
        ({"step": None}, "not what a checkpoint holds"),
        ({"state": [1]}, "not what a checkpoint holds"),
        ({"state": {"tensor": "model/weight"}}, "not what a checkpoint holds"),
        ({"state": {"dict": [["a", {"tensor": "nowhere"}]]}}, "not what a checkpoint holds"),
        ({"state": {"dict": [["a", {"call": "os.mkdir"}]]}}, "not what a checkpoint holds"),
        ({"state": {"dict": [["a", {"float": "one"}]]}}, "not what a checkpoint holds"),
        ({"state": {"dict": [["a", {"complex": "model/weight"}]]}}, "not what a checkpoint holds"),
    ],
)
def test_a_well_formed_manifest_with_another_content_is_one_line(tmp_path, changes, message):
    path = checkpoint.save(tmp_path, 1, state_of(1, size=3))
    resealed(path, **changes)
    with pytest.raises(UserError, match=message) as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value)


# --- into a module ---------------------------------------------------------------------------------------


def network(width: int = 4, dtype: torch.dtype = torch.float32) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Linear(width, 1)).to(dtype)


def without(name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in network().state_dict().items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "messages"),
    [
        (
            network(5).state_dict(),
            [r"0.weight is \(5, 2\) float32 in it and \(4, 2\) float32 here", "and 4 more"],
        ),
        (
            network(dtype=torch.float64).state_dict(),
            [r"0.bias is \(4,\) float64 in it and \(4,\) float32 here"],
        ),
        (without("2.bias"), ["2.bias is missing in it"]),
        (without("1.running_mean"), ["1.running_mean is missing in it"]),
        ({**network().state_dict(), "3.weight": torch.ones(1)}, ["3.weight is unknown here"]),
        ({**network().state_dict(), "2.bias": 1.0}, ["2.bias is a float in it"]),
    ],
)
def test_another_architecture_is_one_line_and_nothing_is_copied(tensors, messages):
    module = network()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(UserError, match=r"^a\.ckpt was made by another architecture: ") as error:
        checkpoint.copy_into(module, tensors, "a.ckpt")
    for message in messages:
        assert error.match(message)
    assert "\n" not in str(error.value)
    assert_same(dict(module.state_dict()), before)


def test_what_fits_is_copied_in_place():
    module, other = network(), network()
    parameters = list(module.parameters())
    checkpoint.copy_into(module, other.state_dict(), "a.ckpt")
    assert_same(dict(module.state_dict()), dict(other.state_dict()))
    assert all(a is b for a, b in zip(parameters, module.parameters(), strict=True))
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in parameters)


# --- while it is written ---------------------------------------------------------------------------------


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: writes fail with EFBIG, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("step", [2, 3])
def test_a_write_that_fails_keeps_the_earlier_checkpoints(tmp_path, step):
    for earlier in (1, 2):
        checkpoint.save(tmp_path, earlier, state_of(earlier))
    with file_size_limit(20_000), pytest.raises(UserError, match="cannot save the checkpoint") as error:
        checkpoint.save(tmp_path, step, state_of(step, size=10_000))
    assert "\n" not in str(error.value)
    assert steps_in(tmp_path) == ["step_00000001", "step_00000002"]
    assert_state_of(checkpoint.load_latest(tmp_path), 2)
    checkpoint.save(tmp_path, step, state_of(step, size=10_000))  # the disk has room again
    assert_state_of(checkpoint.load_latest(tmp_path), step)


@pytest.mark.parametrize("call", ["fsync", "rename"])
@pytest.mark.parametrize("step", [2, 3])
def test_any_failing_call_keeps_a_valid_checkpoint_and_cleans_up(tmp_path, monkeypatch, call, step):
    real = getattr(os, call)
    for earlier in (1, 2):
        checkpoint.save(tmp_path, earlier, state_of(earlier))
    failures = 0
    for fatal in range(20):
        count = 0

        def failing(*arguments: Any, fatal: int = fatal) -> None:
            nonlocal count
            count += 1
            if count == fatal + 1:
                raise OSError(28, "No space left on device")
            real(*arguments)

        monkeypatch.setattr(os, call, failing)
        try:
            checkpoint.save(tmp_path, step, state_of(step))
        except UserError as error:
            assert "the disk is full" in str(error)  # noqa: PT017
            failures += 1
            if call == "rename":
                assert steps_in(tmp_path) == ["step_00000001", "step_00000002"]
        monkeypatch.setattr(os, call, real)
        assert not [name for name in steps_in(tmp_path) if name.endswith(".tmp")]
        found = checkpoint.load_latest(tmp_path)
        assert found is not None
        assert_state_of(found, found.step)
        if count <= fatal:
            break
    else:
        pytest.fail("never ran to its end")
    assert failures >= 1


# One process that imports torch once and forks the victims. Argument 1 is the folder.
HARNESS = """
import json, logging, os, random, signal, sys, time
from pathlib import Path
import torch
from wsapps import checkpoint

def state_of(step, size=50):
    return {"weight": torch.full((size,), float(step)), "elapsed": step / 7}

class Refuse(logging.Handler):
    def emit(self, record):
        raise AssertionError(record.getMessage())

logging.getLogger("wsapps").addHandler(Refuse())  # not even a skipped one may be damaged

def check(directory):
    found = checkpoint.load_latest(directory)
    assert found is not None, os.listdir(directory)
    weight = found.state["weight"]
    assert torch.equal(weight, torch.full_like(weight, float(found.step))), found
    assert found.state["elapsed"] == found.step / 7, found
    return found.step

def fork(victim):
    child = os.fork()
    if child == 0:
        try:
            victim()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(3)
        os._exit(0)
    return child
"""

CRASH_AT_EVERY_OPERATION = """
os.fsync = lambda descriptor: None  # what a process has written survives it without
CALLS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}

def crash_at(number, directory, step):
    def hook(event, arguments):
        nonlocal number
        if event in CALLS:
            if number == 0:
                os._exit(9)
            number -= 1
    sys.addaudithook(hook)
    checkpoint.save(directory, step, state_of(step))

def first_save():
    for number in range(1000):
        directory = Path(sys.argv[1]) / f"first_{number}"
        status = os.waitstatus_to_exitcode(os.waitpid(fork(lambda: crash_at(number, directory, 1)), 0)[1])
        assert status in (0, 9), status
        if status == 0:
            return number
        if checkpoint.load_latest(directory) is not None:
            assert check(directory) == 1

crashes = {"first": first_save()}
for step in (2, 3):  # the step that is there already, and a new one
    for number in range(1000):
        directory = Path(sys.argv[1]) / f"{step}_{number}"
        for earlier in (1, 2):
            checkpoint.save(directory, earlier, state_of(earlier))
        status = os.waitstatus_to_exitcode(os.waitpid(fork(lambda: crash_at(number, directory, step)), 0)[1])
        assert status in (0, 9), status
        assert check(directory) in (2, step)
        # The next start saves again, dies again at the same point, and then runs on.
        os.waitpid(fork(lambda: crash_at(number, directory, step)), 0)
        assert check(directory) in (2, step)
        checkpoint.save(directory, step, state_of(step))
        assert check(directory) == step
        wanted = ["step_00000001", "step_00000002"] if step == 2 else ["step_00000002", "step_00000003"]
        assert sorted(os.listdir(directory)) == wanted, os.listdir(directory)
        if status == 0:
            break
    crashes[step] = number
print(json.dumps(crashes))
"""

KILL_AT_RANDOM_MOMENTS = """
def save_for_ever(directory, step):
    while True:
        step += 1
        checkpoint.save(directory, step, state_of(step, size=200_000))
        checkpoint.save(directory, step, state_of(step, size=100_000))

directory = Path(sys.argv[1]) / "kill"
checkpoint.save(directory, 0, state_of(0))
chance, steps = random.Random(0), []
for _ in range(12):
    start = check(directory)
    child = fork(lambda: save_for_ever(directory, start))
    while not os.path.exists(directory / f"step_{start + 1:08d}"):  # it must have got somewhere
        time.sleep(0.0002)
    time.sleep(chance.uniform(0, 0.05))
    os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    steps.append(check(directory))
print(json.dumps(steps))
"""


def run_harness(script: str, folder: Path) -> Any:
    result = subprocess.run(
        [sys.executable, "-c", HARNESS + script, str(folder)],
        env={**os.environ, "PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_that_dies_at_any_operation_leaves_a_valid_checkpoint(tmp_path):
    crashes = run_harness(CRASH_AT_EVERY_OPERATION, tmp_path)
    assert crashes.keys() == {"first", "2", "3"}
    assert min(crashes.values()) > 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_9_at_random_moments_leaves_a_valid_checkpoint(tmp_path):
    steps = run_harness(KILL_AT_RANDOM_MOMENTS, tmp_path)
    assert len(steps) == 12
    assert steps == sorted(set(steps))
