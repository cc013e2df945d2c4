"""How every command begins and ends: help, logging, exit codes."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from wsapps.atomic import explained
from wsapps.errors import UserError
from wsapps.interrupt import Interrupted, termination_raises

Body = Callable[[Sequence[str]], None]


def run_command(body: Body, arguments: Sequence[str] | None = None) -> int:
    """Run a command's body and return its exit code.

    0 done; 2 the user's input is wrong, one line on stderr; 130 and 143 interrupted by SIGINT and
    SIGTERM, one line on stderr of the first rank; 141 the reader of our output went away. Other
    exceptions pass: they are our bugs.
    """
    with messages_on_stderr():
        code = _code_of(body, sys.argv[1:] if arguments is None else arguments)
    leave_other_ranks()  # here, where no exception holds the body's models any more
    return code


def _code_of(body: Body, arguments: Sequence[str]) -> int:
    try:
        with termination_raises():
            body(arguments)
        sys.stdout.flush()  # a broken pipe shows here, and not when the interpreter ends
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        return 2
    except Interrupted as error:
        if _is_first_rank():  # a signal stops all of them
            print(str(error), file=sys.stderr, flush=True)
        return 128 + error.signal_number
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        return 130
    except BrokenPipeError:  # the reader of our output went away, as in "... --help | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


def leave_other_ranks() -> None:
    """End the process group, if there is one, and its threads.

    NCCL complains at exit otherwise. Gloo's threads let go of Python's tensors, and one that does so while
    the interpreter ends aborts the process; they end with the group's last user.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        gc.collect()  # models of several ranks that only cycles hold
        distributed.destroy_process_group()


@contextlib.contextmanager
def messages_on_stderr() -> Iterator[None]:
    """Inside, messages of the "wsapps" logger go to stderr, on the first rank alone."""
    logger = logging.getLogger("wsapps")
    level, propagate = logger.level, logger.propagate
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.setLevel(logging.INFO if _is_first_rank() else logging.ERROR)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def log_to_file(path: Path) -> logging.Handler:
    """Also append messages, with times, to a file; remove the handler to stop.

    Raises:
        UserError: the file cannot be opened. Later failures to write are passed over: a full disk will
            be reported by what matters more than the log.
    """
    with explained("write the log", path):
        handler = _FileHandler(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.getLogger("wsapps").addHandler(handler)
    return handler


class _FileHandler(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Logging's own prints a traceback for each message."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what is buffered does not fit on the disk either
            super().close()


def _is_first_rank() -> bool:
    return os.environ.get("RANK", "0") == "0"
