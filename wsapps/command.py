"""How every command begins and ends: help, logging, exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from wsapps.errors import UserError
from wsapps.interrupt import Interrupted

Body = Callable[[Sequence[str]], None]


def run_command(body: Body, arguments: Sequence[str] | None = None) -> int:
    """Run a command's body and return its exit code.

    0 done; 2 the user's input is wrong, one line on stderr; 130 and 143 interrupted by SIGINT and
    SIGTERM. Other exceptions pass: they are our bugs.
    """
    configure_logging()
    try:
        with _termination_raises():
            body(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 2
    except Interrupted as error:
        print(str(error), file=sys.stderr, flush=True)
        return 128 + error.signal_number
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as in "... --help | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Make SIGTERM an exception, as Ctrl-C is one, so that files half written are removed."""

    def raise_interrupted(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, raise_interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def configure_logging() -> None:
    """Messages of the "wsapps" logger go to stderr, on the first rank alone."""
    logger = logging.getLogger("wsapps")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        handler.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.ERROR)
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(logging.DEBUG)


def log_to_file(path: Path) -> logging.Handler:
    """Also append messages, with times, to a file; remove the handler to stop."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.getLogger("wsapps").addHandler(handler)
    return handler
