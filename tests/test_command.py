"""How commands end: exit codes, one line on stderr, and the state on the disk."""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import small_command
import torch
from noisy_objective import NoisyObjective, make_trainer, ragged_batch

from wsapps import UserError, checkpoint
from wsapps.command import log_to_file, messages_on_stderr, run_command

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.fixture(autouse=True)
def logging_as_before():
    """log_to_file adds a handler for the rest of the process."""
    logger = logging.getLogger("wsapps")
    handlers = list(logger.handlers)
    yield
    for handler in set(logger.handlers) - set(handlers):
        logger.removeHandler(handler)
        handler.close()


# --- signals, to real processes -----------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Three commands, started together and stopped while they train: name -> (code, stderr, folder)."""
    folder = tmp_path_factory.mktemp("commands")
    processes = {}
    for name, what in (("SIGINT", "train"), ("SIGTERM", "train"), ("twice", "stuck")):
        (folder / name).mkdir()
        processes[name] = subprocess.Popen(
            [sys.executable, small_command.__file__, what, str(folder / name)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        for process in processes.values():
            assert process.stdout.readline() == "training\n", process.communicate()[1]
        for name in ("SIGINT", "SIGTERM"):
            processes[name].send_signal(getattr(signal, name))
        processes["twice"].send_signal(signal.SIGINT)
        assert processes["twice"].stdout.readline() == "noted\n"
        processes["twice"].send_signal(signal.SIGINT)
        said = {name: process.communicate(timeout=60)[1] for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    return {name: (process.returncode, said[name], folder / name) for name, process in processes.items()}


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_saves_and_exits(stopped, name, code):
    returned, said, folder = stopped[name]
    assert returned == code, said
    assert said == f"stopped by {name}; state saved in {folder / 'checkpoint'}\n"
    found = checkpoint.load_latest(folder / "checkpoint")
    assert found.step >= 3
    continued = make_trainer(
        folder / "checkpoint", objective=NoisyObjective(seed=9), max_steps=found.step + 2
    )
    assert continued.step == found.step
    for key, value in continued.objective.state_dict().items():
        assert torch.equal(value, found.state["objective"][key])
    assert continued.fit().steps == found.step + 2


@posix
def test_a_second_ctrl_c_leaves_at_once(stopped):
    returned, said, folder = stopped["twice"]
    assert (returned, said) == (130, "interrupted\n")
    assert checkpoint.load_latest(folder / "checkpoint") is None


# --- errors -------------------------------------------------------------------------------------


def outcome(body, capsys, *arguments: str) -> tuple[int, str]:
    code = run_command(body, arguments)
    return code, capsys.readouterr().err


def test_success_is_0_and_arguments_arrive(capsys):
    seen = []
    assert outcome(seen.extend, capsys, "a=1", "b=2") == (0, "")
    assert seen == ["a=1", "b=2"]


def test_a_user_error_is_one_line_and_2(capsys):
    def body(arguments):
        raise UserError("the scene\n  is missing")

    assert outcome(body, capsys) == (2, "error: the scene is missing\n")


def test_a_bug_passes():
    def body(arguments):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(body, [])


def test_divergence_is_2_and_names_step_term_and_what_is_left(tmp_path, capsys):
    class Exploding(NoisyObjective):
        def before_step(self, step):
            self.centre.fill_(math.nan if step == 37 else 0.0)

    def body(arguments):
        make_trainer(tmp_path, objective=Exploding(), checkpoint_seconds=0.0).fit()

    code, said = outcome(body, capsys)
    assert code == 2
    assert re.fullmatch(
        r"error: step 37: gradient norm and loss_sum and spread became NaN or infinite; "
        rf"the last good state, of step 37, is kept in {re.escape(str(tmp_path))}; try .*\n",
        said,
    )
    assert checkpoint.load_latest(tmp_path).step == 37


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_while_saving(tmp_path, monkeypatch, capsys, number):
    write = os.fsync

    def failing(descriptor):
        if armed:
            raise OSError(number, os.strerror(number))
        return write(descriptor)

    armed = []

    def batch(micro_step, rank, world):
        if micro_step == 2 * 12:
            armed.append(True)
        return ragged_batch(micro_step, rank, world)

    monkeypatch.setattr(os, "fsync", failing)
    code, said = outcome(lambda _: make_trainer(tmp_path, batch, checkpoint_seconds=0.0).fit(), capsys)
    assert code == 2
    assert re.fullmatch(r"error: cannot save the checkpoint .*step_00000013: .*\n", said)
    assert checkpoint.load_latest(tmp_path).step == 12
    assert not list(tmp_path.glob("*.tmp"))


@posix
def test_a_limit_of_file_size_while_everything_is_written(tmp_path, capsys):
    """Checkpoint, TensorBoard events and log meet the limit: one error, and nothing old is lost."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def batch(micro_step, rank, world):
        if micro_step == 2 * 12:
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
        return ragged_batch(micro_step, rank, world)

    def body(arguments):
        log_to_file(tmp_path / "log.txt")
        trainer = make_trainer(
            tmp_path / "run", batch, tensorboard=tmp_path / "events", checkpoint_seconds=0.0, log_every=1
        )
        try:
            trainer.fit()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    code, said = outcome(body, capsys)
    assert code == 2
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "cannot save the checkpoint" in errors[0]
    assert "the file is larger than the limit" in errors[0]
    assert "Traceback" not in said
    assert checkpoint.load_latest(tmp_path / "run").step == 12


@posix
def test_events_that_cannot_be_written_do_not_stop_the_run(tmp_path, capsys):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def body(arguments):
        trainer = make_trainer(tensorboard=tmp_path, max_steps=40, log_every=5)

        resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
        try:
            assert trainer.fit().steps == 40
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    code, said = outcome(body, capsys)
    assert (code, said.count("\n")) == (0, 1)
    assert said.startswith("TensorBoard events are no longer written: the file is larger than the limit")


@posix
def test_a_reader_that_went_away_is_141():
    script = "import sys; from wsapps.command import run_command; sys.exit(run_command(print))"
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), said) == (141, "")


# --- messages -----------------------------------------------------------------------------------


def test_messages_go_to_stderr_and_details_only_to_the_log(tmp_path, capsys):
    logger = logging.getLogger("wsapps")
    with messages_on_stderr():
        log_to_file(tmp_path / "log.txt")
        logger.info("for people")
        logger.debug("for the log")
    logger.info("after the command")
    assert capsys.readouterr().err == "for people\n"
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line[20:] for line in lines[:2]] == ["for people", "for the log"]


def test_a_name_that_is_no_utf_8_is_logged(tmp_path, capsys, monkeypatch):
    # What pytest keeps of messages goes between processes, as UTF-8.
    monkeypatch.setattr(logging.getLogger("wsapps"), "propagate", False)
    handler = log_to_file(tmp_path / "log.txt")
    logging.getLogger("wsapps").warning("fitting %s", os.fsdecode(b"caf\xe9"))
    handler.flush()
    assert "Traceback" not in capsys.readouterr().err
    assert "fitting caf\\udce9" in (tmp_path / "log.txt").read_text()


def test_other_ranks_are_silent_but_for_errors(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    with messages_on_stderr():
        logging.getLogger("wsapps").info("for people")
        logging.getLogger("wsapps").error("an error")
    assert capsys.readouterr().err == "an error\n"


def test_logging_is_as_before_after_a_command(capsys):
    logger = logging.getLogger("wsapps")
    before = (list(logger.handlers), logger.level, logger.propagate)
    run_command(lambda _: None, [])
    assert (list(logger.handlers), logger.level, logger.propagate) == before


def test_a_log_that_cannot_be_opened_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="cannot write the log"):
        log_to_file(Path(tmp_path / "missing" / "log.txt"))
