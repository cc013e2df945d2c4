"""Several processes share the parts of a run: none is done twice, none is left, and one writes the tables."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import pytest

from wsapps import run, shared_runs
from wsapps.accelerator import make_accelerator
from wsapps.errors import UserError
from wsapps.finite import Diverged
from wsapps.lock import Busy
from wsapps.run import Run, open_run
from wsapps.run_folder import RunFolder
from wsapps.shared_runs import do_each, do_part, share_run, write_alone

pytest.importorskip("fcntl", reason="runs are not locked on this system")


@dataclass
class Config:
    """Of all parts, or of one."""

    out: str
    seed: int = 0


@dataclass
class OtherConfig:
    """Of another command."""

    out: str | None = None
    steps: int = 3


def test_a_folder_of_another_command_is_named(whole):
    with open_run(whole, "tests", "whole", make_accelerator()):
        pass
    other = OtherConfig(whole.out)
    with (
        pytest.raises(UserError, match=r"whole holds a run of another command .*seed.*choose another out="),
        open_run(other, "tests", "other", make_accelerator()),
    ):
        pass


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path, monkeypatch):
    names = iter(["a", "a", "a-2"])  # the second process looked before the first had made its folder
    monkeypatch.setattr(run, "default_path", lambda *_: tmp_path / next(names))
    with (
        open_run(OtherConfig(), "tests", "a", make_accelerator()) as first,
        open_run(OtherConfig(), "tests", "a", make_accelerator()) as second,
    ):
        assert (first.folder.path.name, second.folder.path.name) == ("a", "a-2")


@pytest.fixture
def whole(tmp_path):
    return Config(str(tmp_path / "whole"))


@pytest.fixture
def parts(tmp_path):
    return [Config(str(tmp_path / "whole" / "parts" / name)) for name in "abc"]


def opened(config: Config):
    """As another process has it: a lock belongs to who opened the file, not to the process."""
    return open_run(config, "tests", "part", make_accelerator())


def do(part: Config, done: list[str], whole: Run) -> None:
    def work(run: Run) -> None:
        done.append(Path(part.out).name)
        run.folder.write_metrics({"seed": part.seed})

    do_part(part, "tests", "part", whole, work)


def shared(config: Config):
    return share_run(config, "tests", "whole", make_accelerator())


def test_what_another_process_is_at_comes_last_and_is_done_where_that_one_dies(whole, parts, monkeypatch):
    done: list[str] = []
    other = opened(parts[0])

    def dies(seconds: float) -> None:
        assert done == ["b", "c"]
        other.__exit__(None, None, None)

    monkeypatch.setattr(shared_runs.time, "sleep", dies)
    with shared(whole) as run:
        other.__enter__()
        do_each(parts, lambda part: do(part, done, run), run)
    assert done == ["b", "c", "a"]


def test_what_another_process_finishes_is_not_done_again(whole, parts, monkeypatch):
    done: list[str] = []
    other = opened(parts[1])

    def finishes(seconds: float) -> None:
        theirs.folder.write_metrics({"seed": 7})
        other.__exit__(None, None, None)

    monkeypatch.setattr(shared_runs.time, "sleep", finishes)
    with shared(whole) as run:
        theirs = other.__enter__()
        do_each(parts, lambda part: do(part, done, run), run)
    assert done == ["a", "c"]


@pytest.mark.parametrize("dies", [False, True])
def test_one_of_two_processes_writes_and_the_other_where_that_one_dies(whole, dies, monkeypatch):
    written: list[str] = []
    with shared(whole) as first, shared(whole) as second:
        writing = first.folder.locked()
        writing.__enter__()

        def ends(seconds: float) -> None:
            if not dies:
                first.folder.write_metrics({"parts": 3})
            writing.__exit__(None, None, None)

        monkeypatch.setattr(shared_runs.time, "sleep", ends)
        write_alone(second, lambda: written.append("second"))
    assert written == (["second"] if dies else [])


def test_what_is_there_from_before_is_written_anew(whole):
    written: list[str] = []
    with shared(whole) as run:
        run.folder.write_metrics({"parts": 3})
        write_alone(run, lambda: written.append("again"))
    assert written == ["again"]


def test_a_shared_run_waits_for_one_that_is_being_written(whole, monkeypatch):
    with shared(whole) as run:
        writing = run.folder.locked()
        writing.__enter__()
        monkeypatch.setattr(shared_runs.time, "sleep", lambda seconds: writing.__exit__(None, None, None))
        with shared(whole) as another:
            assert another.folder.path == run.folder.path


def test_another_configuration_is_refused(whole):
    with (
        shared(whole),
        pytest.raises(UserError, match="seed: 0 in the run folder, 1 now"),
        shared(Config(whole.out, seed=1)),
    ):
        pass


def test_errors_of_a_part_are_not_taken_for_a_lock(whole, parts):
    def bad(part: Config) -> None:
        raise UserError("the part is wrong")

    with shared(whole) as run, pytest.raises(UserError, match="the part is wrong") as caught:
        do_each(parts, bad, run)
    assert not isinstance(caught.value, Busy)


def test_a_part_that_diverges_is_finished_with_that_result(whole, parts):
    def diverging(run: Run) -> None:
        raise Diverged("step 3: loss became NaN")

    with shared(whole) as run:
        do_part(parts[0], "tests", "part", run, diverging)
    assert RunFolder(Path(parts[0].out), "finished").read_metrics() == {"diverged": 1}


def test_waiting_is_told_once_and_says_for_whom(whole, parts, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "wsapps")
    other, pauses = opened(parts[0]), []

    def at_last_ends(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            other.__exit__(None, None, None)

    monkeypatch.setattr(shared_runs.time, "sleep", at_last_ends)
    with shared(whole) as run:
        other.__enter__()
        do_each(parts[:1], lambda part: do(part, [], run), run)
    assert caplog.text.count("part: part") == 1
    assert caplog.text.count(f"waiting: {parts[0].out} is being written by another process") == 1
