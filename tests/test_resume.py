"""A run that is stopped and continued ends exactly where an uninterrupted one ends."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from fake_time import FakeTime
from noisy_objective import (
    NoisyObjective,
    assert_same_state,
    even_batch,
    final_state,
    make_trainer,
    ragged_batch,
    signal_during,
)

from wsapps import Interrupted, checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def evaluation(objective: NoisyObjective):
    def evaluate() -> dict[str, float]:
        return {"test/field": float(objective.field(torch.full((1, 2), 0.3)))}

    return evaluate


def run(folder: Path, objective: NoisyObjective, batch=ragged_batch, **changes):
    changes = {"evaluate_every": 50, **changes}
    trainer = make_trainer(folder, batch, objective, evaluate=evaluation(objective), **changes)
    trainer.fit()
    return trainer


def interrupt(folder: Path, step: int, **changes) -> None:
    """Start or continue the run in `folder` until a signal stops it during a step."""
    batch = signal_during(step, batch=changes.pop("batch", ragged_batch))
    with pytest.raises(Interrupted) as stopped:
        run(folder, NoisyObjective(), batch, **changes)
    assert stopped.value.signal_number == signal.SIGTERM
    assert str(folder) in str(stopped.value)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return final_state(run(tmp_path_factory.mktemp("whole"), NoisyObjective()))


@pytest.mark.parametrize("stops", [[100], [1], [37, 38, 163], [199, 200]])
def test_stopping_by_sigterm_changes_nothing(tmp_path, uninterrupted, stops):
    for step in stops:
        interrupt(tmp_path, step)
        assert checkpoint.load_latest(tmp_path).step == step
    # Another initialisation: whatever is not restored would show.
    trainer = run(tmp_path, NoisyObjective(seed=99))
    assert_same_state(final_state(trainer), uninterrupted)


def test_the_comparison_can_fail(tmp_path, uninterrupted):
    other = final_state(run(tmp_path, NoisyObjective(), seed=1))
    with pytest.raises(AssertionError):
        assert_same_state(other, uninterrupted)
    assert not torch.equal(other["objective.seen"], uninterrupted["objective.seen"])
    assert not torch.equal(other["adam.0.exp_avg"], uninterrupted["adam.0.exp_avg"])


def test_a_finished_run_stays_as_it_is(tmp_path, uninterrupted):
    run(tmp_path, NoisyObjective())
    again = run(tmp_path, NoisyObjective(seed=99))
    assert_same_state(final_state(again), uninterrupted)
    assert again.figures["test/field"] == uninterrupted["history"][-1]["test/field"]


def test_an_evaluation_that_a_signal_forestalled_is_made_up_for(tmp_path, uninterrupted):
    interrupt(tmp_path, 100)
    assert [e["step"] for e in checkpoint.load_latest(tmp_path).state["history"] if "test/field" in e] == [50]
    trainer = run(tmp_path, NoisyObjective(seed=99))
    assert [e["step"] for e in trainer.history if "test/field" in e] == [50, 100, 150, 200]


def work_until_killed(folder: str) -> None:
    torch.set_num_threads(1)
    run(Path(folder), NoisyObjective(), max_steps=60, checkpoint_seconds=0.0)


def test_kill_9_at_random_moments_changes_nothing(tmp_path):
    uninterrupted = final_state(run(tmp_path / "whole", NoisyObjective(), max_steps=60))
    folder = tmp_path / "parts"
    server = multiprocessing.get_context("forkserver")  # imports torch once, and has never used it
    server.set_forkserver_preload(["wsapps"])
    kills, moments = [], random.Random(0)
    while len(kills) < 4:
        before = newest(folder)
        worker = server.Process(target=work_until_killed, args=(str(folder),))
        worker.start()
        while worker.is_alive() and newest(folder) < before + 3:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.03))
        worker.kill()
        worker.join()
        kills.append(worker.exitcode)
        if worker.exitcode == 0:
            break
        assert checkpoint.load_latest(folder).step > before
    assert kills[0] == -signal.SIGKILL, "the first worker ended before it was killed"
    trainer = run(folder, NoisyObjective(seed=99), max_steps=60)
    assert_same_state(final_state(trainer), uninterrupted)


def newest(folder: Path) -> int:
    return max((int(path.name[5:]) for path in folder.glob("step_????????")), default=0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_a_compiled_run_of_static_shape_is_exact_too(tmp_path):
    settings = {"compile": True, "batch": even_batch}
    whole = final_state(run(tmp_path / "whole", NoisyObjective(), **settings))
    torch.compiler.reset()
    interrupt(tmp_path / "parts", 100, **settings)
    torch.compiler.reset()
    trainer = run(tmp_path / "parts", NoisyObjective(seed=99), **settings)
    assert_same_state(final_state(trainer), whole)
    eager = final_state(run(tmp_path / "eager", NoisyObjective(), even_batch))
    assert not torch.equal(eager["objective.field.output.weight"], whole["objective.field.output.weight"])


def test_with_max_seconds_the_elapsed_time_goes_on(tmp_path, monkeypatch):
    clock = FakeTime(monkeypatch)
    limits = {"max_steps": None, "max_seconds": 20.0, "evaluate_every": 0}
    whole = run(tmp_path / "whole", NoisyObjective(), clock.batch_of_a_second(), **limits)
    assert (whole.step, whole.clock.seconds) == (20, 20.0)

    interrupt(tmp_path / "parts", 8, batch=clock.batch_of_a_second(), **limits)
    clock.now += 5000.0  # between the two processes
    rest = run(tmp_path / "parts", NoisyObjective(seed=99), clock.batch_of_a_second(), **limits)
    assert (rest.step, rest.clock.seconds) == (20, 20.0)
    assert_same_state(final_state(rest), final_state(whole))  # the schedule follows the seconds


def test_the_cadence_of_evaluation_in_seconds_goes_on(tmp_path, monkeypatch):
    clock = FakeTime(monkeypatch)
    settings = {"max_steps": 20, "evaluate_every": 0, "evaluate_seconds": 6.0}
    interrupt(tmp_path, 8, batch=clock.batch_of_a_second(), **settings)
    trainer = run(tmp_path, NoisyObjective(), clock.batch_of_a_second(), **settings)
    assert [entry["seconds"] for entry in trainer.history if "test/field" in entry] == [6.0, 12.0, 18.0]


def test_evaluation_and_saving_are_not_training_time(tmp_path, monkeypatch):
    clock = FakeTime(monkeypatch)

    def evaluate():
        clock.now += 1000.0
        return {"a": 1.0}

    save = checkpoint.save

    def slow_save(*args, **kwargs):
        clock.now += 1000.0
        return save(*args, **kwargs)

    monkeypatch.setattr(checkpoint, "save", slow_save)
    trainer = make_trainer(
        tmp_path,
        clock.batch_of_a_second(),
        evaluate=evaluate,
        max_steps=10,
        evaluate_every=3,
        checkpoint_seconds=0.0,
    )
    assert trainer.fit().seconds == 10.0
    assert [entry["seconds"] for entry in trainer.history if "a" in entry] == [3.0, 6.0, 9.0]
