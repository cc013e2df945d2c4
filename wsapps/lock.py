"""Keeping other processes out of a folder."""

from __future__ import annotations

import errno
import logging
import os
import weakref
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None

from wsapps.errors import UserError

_log = logging.getLogger("wsapps")


_held: weakref.WeakSet[Lock] = weakref.WeakSet()


class Busy(UserError):
    """Another process is writing to the folder."""


class Lock:
    """An exclusive lock on the file at `path`, held until :meth:`close` or the death of this process.

    The kernel holds it, not the file's existence, so that a killed process leaves no stale lock. Raises
    :class:`Busy` when another process holds it. Where files cannot be locked there is none.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._finalizer = weakref.finalize(self, os.close, descriptor)
        if fcntl is None:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
                self.close()
                raise Busy(
                    f"{path.parent} is being written by another process (pid {owner}); "
                    "wait for it, stop it, or choose another out="
                ) from error
            _log.warning("%s cannot be locked (%s): start no second run in it", path, error.strerror)
            return
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        _held.add(self)

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        self._finalizer()


def _close_all() -> None:
    for lock in list(_held):
        lock.close()


# A forked worker (a DataLoader's) shares the locks, and would keep them when this process is killed.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_all)
