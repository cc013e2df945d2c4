"""The bar shows on a terminal, and nothing at all appears elsewhere."""

from __future__ import annotations

import os
import struct
import sys
from types import SimpleNamespace

import pytest
from noisy_objective import NoisyObjective, config, ragged_batch

from wsapps.progress import Progress
from wsapps.trainer import Trainer

fcntl = pytest.importorskip("fcntl")
pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")


class Terminal:
    """stdout and stderr on a pseudo-terminal, until :meth:`read`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))  # rows, columns
        self._stream = os.fdopen(other, "w", encoding="utf-8")
        monkeypatch.setattr(sys, "stdout", self._stream)
        monkeypatch.setattr(sys, "stderr", self._stream)

    def read(self) -> str:
        self._stream.flush()
        os.set_blocking(self._main, False)
        said = b""
        try:
            while part := os.read(self._main, 65536):
                said += part
        except BlockingIOError:
            pass
        os.close(self._main)
        return said.decode()


def test_a_limit_in_steps(monkeypatch):
    terminal = Terminal(monkeypatch)
    progress = Progress(100, None, visible=True)
    progress.update(1, 5.0, {})
    progress.update(51, 10.0, {"loss": 0.123456, "psnr": 27.5})
    progress.close()
    said = terminal.read()
    # 50 steps in the 5 seconds since the first update; 49 to go
    for shown in ("51/100 steps", " 51%", "loss=0.1235", "psnr=27.5", "10 steps/s", "ETA 00:04"):
        assert shown in said, said


def test_what_is_counted_has_a_name(monkeypatch):
    terminal = Terminal(monkeypatch)
    progress = Progress(100, None, visible=True, unit="fields")
    progress.update(0, 0.0, {})
    progress.update(50, 5.0, {})
    progress.close()
    said = terminal.read()
    assert "50/100 fields" in said
    assert "10 fields/s" in said
    assert "steps" not in said


def test_a_limit_in_seconds(monkeypatch):
    terminal = Terminal(monkeypatch)
    progress = Progress(None, 100.0, visible=True)
    progress.update(10, 20.0, {})
    progress.update(60, 30.0, {"loss": 0.5})
    progress.close()
    said = terminal.read()
    for shown in ("30/100 s", "loss=0.5", "step 60", "5 steps/s", "ETA 01:10"):
        assert shown in said, said


def test_the_nearer_of_two_limits_tells_the_time_left(monkeypatch):
    terminal = Terminal(monkeypatch)
    progress = Progress(1000, 25.0, visible=True)
    progress.update(0, 0.0, {})
    progress.update(10, 10.0, {})
    progress.close()
    assert "ETA 00:15" in terminal.read()


def test_a_continued_run_is_not_counted_as_speed(monkeypatch):
    terminal = Terminal(monkeypatch)
    progress = Progress(1000, None, visible=True)
    progress.update(901, 500.0, {})
    progress.update(921, 510.0, {})
    progress.close()
    assert ", ETA 00:39" in (said := terminal.read())
    assert "2 steps/s" in said


def test_it_is_drawn_a_few_times_and_not_in_every_step(monkeypatch):
    terminal = Terminal(monkeypatch)
    monkeypatch.setattr("wsapps.progress.time", SimpleNamespace(monotonic=lambda: 1000.0))  # it stands still
    progress = Progress(5000, None, visible=True)
    for step in range(5000):
        progress.update(step, step / 1000, {"loss": 1.0})
    progress.close()
    said = terminal.read()
    assert 2 <= said.count("steps/s") <= 3  # the first state and the last one, which tqdm repeats
    assert "4999/5000" in said


def test_clearing_makes_room_for_a_message(monkeypatch):
    terminal = Terminal(monkeypatch)
    progress = Progress(10, None, visible=True)
    progress.update(1, 1.0, {})
    progress.clear()
    print("message", file=sys.stderr)
    progress.close()
    assert "\r" in terminal.read().split("message")[0].rsplit("steps/s", 1)[1]


@pytest.mark.parametrize("limits", [(100, None), (None, 100.0)])
def test_silence_where_there_is_no_terminal(capfd, limits):
    progress = Progress(*limits, visible=True)
    for step in range(100):
        progress.update(step, float(step), {"loss": 1.0})
    progress.clear()
    progress.close()
    assert capfd.readouterr() == ("", "")


def test_silence_when_only_stdout_is_redirected(monkeypatch, tmp_path):
    terminal = Terminal(monkeypatch)
    with open(tmp_path / "out", "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        progress = Progress(100, None, visible=True)
        progress.update(1, 1.0, {})
        progress.close()
    assert terminal.read() == ""


def test_silence_on_other_ranks_and_without_streams(monkeypatch):
    terminal = Terminal(monkeypatch)
    progress = Progress(100, None, visible=False)
    progress.update(1, 1.0, {})
    progress.close()
    assert terminal.read() == ""
    monkeypatch.setattr(sys, "stdout", None)  # pythonw
    Progress(100, None, visible=True).close()


@pytest.mark.parametrize(
    ("limits", "counted"),
    [({"max_steps": 60}, "60/60 steps"), ({"max_steps": None, "max_seconds": 0.3}, "0/0 s")],
)
def test_a_trainer_shows_loss_metric_rate_and_time_left(monkeypatch, limits, counted):
    terminal = Terminal(monkeypatch)
    Trainer(config(log_every=1, **limits), NoisyObjective(), ragged_batch).fit()
    said = terminal.read()
    for shown in (counted, "loss=", "spread=", "steps/s", "ETA 00:00"):
        assert shown in said, said


def test_a_trainer_is_silent_where_there_is_no_terminal(capfd):
    Trainer(config(max_steps=5), NoisyObjective(), ragged_batch).fit()
    assert capfd.readouterr() == ("", "")
