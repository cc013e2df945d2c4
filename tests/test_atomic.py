"""Files are replaced whole or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsapps import atomic
from wsapps.errors import UserError

resource = pytest.importorskip("resource")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: writes fail with EFBIG, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions do not bind root, so let them: act as the user `nobody` for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """A folder that can be read and not written to (outside tmp_path, which other users cannot enter)."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        yield Path(name)
        os.chmod(name, 0o755)


def one_line(error: pytest.ExceptionInfo[UserError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_replaces_the_content_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "config.yaml"
    atomic.write_text(path, "old\r\n")
    atomic.write_text(path, "né\n")
    assert path.read_bytes() == "né\n".encode()
    atomic.write_bytes(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_the_mode_is_that_of_an_ordinary_file(tmp_path):
    (tmp_path / "plain").write_text("")
    atomic.write_text(tmp_path / "ours", "")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "plain").stat().st_mode
    )


def test_the_temporary_path_is_beside_the_file_keeps_its_suffix_and_is_recognised(tmp_path):
    path = tmp_path / "picture.png"
    with atomic.replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"
        assert atomic.is_temporary(temporary.name)
        temporary.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert not atomic.is_temporary(path.name)
    assert not atomic.is_temporary(".gitignore")


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_exception_keeps_the_old_file_and_removes_the_temporary_one(tmp_path, kind):
    path = tmp_path / "metrics.json"
    path.write_text("old")

    def interrupted() -> None:
        with atomic.replacing(path) as temporary:
            temporary.write_text("half")
            raise kind

    with pytest.raises(kind):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_a_file_beyond_the_size_limit_keeps_the_old_one(tmp_path):
    path = tmp_path / "big.bin"
    path.write_bytes(b"old")
    with file_size_limit(1000), pytest.raises(UserError) as error:
        atomic.write_bytes(path, bytes(100_000))
    assert str(path) in one_line(error)
    assert "larger than the limit" in one_line(error)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["big.bin"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    # The kernel's own ENOSPC: it names no file, as a failing write() does.
    def fill() -> None:
        with atomic.replacing(tmp_path / "a.txt"), open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(UserError, match=r"cannot write .*a\.txt: the disk is full: free some space") as error:
        fill()
    one_line(error)


def test_the_disk_that_fills_at_fsync_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="disk is full"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_that_cannot_be_written_is_one_line(locked_folder):
    with unprivileged(), pytest.raises(UserError, match="permission denied") as error:
        atomic.write_text(locked_folder / "a.txt", "x")
    assert str(locked_folder / "a.txt") in one_line(error)


def test_paths_that_cannot_be_files_are_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="a part of that path is a file"):
        atomic.write_text(tmp_path / "file" / "a.txt", "x")
    with pytest.raises(UserError, match="no such file or folder"):
        atomic.write_text(tmp_path / "missing" / "a.txt", "x")
    with pytest.raises(UserError, match="a folder is there"):
        atomic.write_text(tmp_path / "folder", "x")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_an_error_about_another_file_is_not_ours(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.replacing(tmp_path / "copy"):
        (tmp_path / "source").read_bytes()


def test_json_writes_nan_and_infinity_as_null_and_numpy_numbers_as_numbers(tmp_path):
    path = tmp_path / "metrics.json"
    value = {
        "b": math.nan,
        "a": [math.inf, -math.inf, 1.5],
        "n": np.float32(0.5),
        "i": np.int64(3),
        "t": True,
    }
    atomic.write_json(path, value)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    read = json.loads(path.read_text(), parse_constant=refuse)
    assert read == {"b": None, "a": [None, None, 1.5], "n": 0.5, "i": 3, "t": True}
    assert list(read) == ["b", "a", "n", "i", "t"]
    assert read["t"] is True


def test_json_of_something_else_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError):
        atomic.write_json(tmp_path / "a.json", {"x": object()})
    assert os.listdir(tmp_path) == []


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=30, deadline=None)
@given(value=plain)
def test_json_round_trips(value):
    with tempfile.TemporaryDirectory() as folder:
        atomic.write_json(Path(folder) / "a.json", value)
        assert json.loads((Path(folder) / "a.json").read_text()) == value
