"""Signals inside the watch are noted; outside everything is as before."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from wsapps.interrupt import Interrupted, InterruptWatch, termination_raises

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


@pytest.fixture(autouse=True)
def python_handlers():
    """Known handlers before each test, and the old ones after it."""
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_nothing_else_happens(number):
    with InterruptWatch() as watch:
        assert watch.received == 0
        send(number)
        assert watch.received == number


def test_a_second_ctrl_c_raises_at_once():
    with InterruptWatch() as watch:
        send(signal.SIGINT)
        assert watch.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_ctrl_c_after_sigterm_raises_and_sigterm_never_does():
    with InterruptWatch() as watch:
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        assert watch.received == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_the_first_signal_is_the_one_that_counts():
    with InterruptWatch() as watch:
        send(signal.SIGINT)
        send(signal.SIGTERM)
        assert watch.received == signal.SIGINT


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_the_old_handlers_come_back(error):
    seen = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with InterruptWatch():
            if error:
                raise error
    except RuntimeError:
        pass
    send(signal.SIGTERM)
    assert seen == [signal.SIGTERM]
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_outside_the_main_thread_it_catches_nothing():
    handlers = []

    def work():
        with InterruptWatch() as watch:
            handlers.append((signal.getsignal(signal.SIGTERM), watch.received))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [(before, 0)]


def test_the_exception_says_where_the_state_is():
    error = Interrupted(signal.SIGTERM, "runs/a/checkpoint")
    assert str(error) == "stopped by SIGTERM; state saved in runs/a/checkpoint"
    assert error.signal_number == 15
    assert str(Interrupted(signal.SIGINT)) == "stopped by SIGINT"
    # so that a plain `except Exception` of somebody's evaluate does not swallow it
    assert isinstance(error, KeyboardInterrupt)


def test_sigterm_outside_training_raises_as_ctrl_c_does():
    before = signal.getsignal(signal.SIGTERM)
    with termination_raises():
        with pytest.raises(Interrupted, match="stopped by SIGTERM"):
            send(signal.SIGTERM)
        with InterruptWatch() as watch:  # training notes it
            send(signal.SIGTERM)
            assert watch.received == signal.SIGTERM
        with pytest.raises(Interrupted):
            send(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_error_that_sigterm_caused_is_sigterm():
    def stopped():
        try:
            send(signal.SIGTERM)
        except Interrupted:
            raise RuntimeError("the compiler's own words") from None

    with pytest.raises(Interrupted, match="stopped by SIGTERM"), termination_raises():
        stopped()
    with pytest.raises(RuntimeError, match="no signal"), termination_raises():
        raise RuntimeError("no signal")
