"""Ctrl-C and SIGTERM as a wish to stop after the current step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal, and its state is saved where there is a run folder."""

    def __init__(self, signal_number: int, saved_in: str | None = None):
        self.signal_number = signal_number
        name = signal.Signals(signal_number).name
        super().__init__(
            f"stopped by {name}; state saved in {saved_in}" if saved_in else f"stopped by {name}"
        )


def stop_for(signal_number: int, saved_in: Path | None) -> None:
    """Raise :class:`Interrupted` where there is a signal (0 is none), once the state is saved there."""
    if signal_number:
        raise Interrupted(signal_number, str(saved_in) if saved_in else None)


@contextlib.contextmanager
def termination_raises() -> Iterator[None]:
    """Inside, SIGTERM raises :class:`Interrupted`, as Ctrl-C raises KeyboardInterrupt.

    So what is half done is cleaned up, where the default would end the process on the spot. An error that
    comes after it is taken for it: a compiler that was stopped makes errors of its own. Outside the main
    thread nothing changes.
    """
    received = 0

    def raise_interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = number
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, raise_interrupted) or signal.SIG_DFL
    try:
        yield
    except Exception as error:
        if received:
            raise Interrupted(received) from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


class InterruptWatch:
    """Catches SIGINT and SIGTERM inside a ``with`` block.

    The first signal is noted in ``received``; a second SIGINT raises KeyboardInterrupt at once.
    Outside the main thread it catches nothing, since Python delivers signals there alone.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> InterruptWatch:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                # None: a handler that was not set from Python, and cannot be given back to it.
                self._before[number] = signal.signal(number, self._note) or signal.SIG_DFL
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
