"""Making the most of CPU cores: threads, and an allocator that keeps its pages."""

from __future__ import annotations

import ctypes
import math
import os
import platform
from pathlib import Path

import torch

# glibc's mallopt parameters, from malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_KEPT_BYTES = 2**31 - 1  # mallopt takes an int


def prepare_cpu(num_threads: int = 0) -> None:
    """Set thread count and allocator for training on the CPU. Call it first in a process.

    Args:
        num_threads: threads of this process; 0 shares the available cores among the ranks of this
            machine (LOCAL_WORLD_SIZE). ``accelerate launch`` sets OMP_NUM_THREADS=1, which would leave
            cores idle.
    """
    if num_threads <= 0:
        ranks_here = max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        num_threads = max(1, available_cores() // ranks_here)
    torch.set_num_threads(num_threads)
    keep_freed_pages()


def available_cores() -> int:
    """Cores that this process may use: its affinity, and no more than its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = quota_cores()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def quota_cores(groups: Path = Path("/sys/fs/cgroup")) -> float | None:
    """CPU time a second that the control group of this process gets, as in ``docker run --cpus``; or None.

    More threads than that would stop one another. In a container the root of the mount is its own group.
    """
    try:
        if (groups / "cpu.max").is_file():  # version 2: "max 100000" or "200000 100000"
            quota, period = (groups / "cpu.max").read_text().split()
        else:  # version 1: -1 for no limit
            quota, period = (
                (groups / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def keep_freed_pages() -> bool:
    """Tell glibc to keep freed memory instead of giving it back to the kernel; False where it can't.

    Activations of tens of megabytes are allocated and freed in every step. By default glibc maps and
    unmaps each, and the page faults cost more than the arithmetic: a forward and backward pass through
    three sine layers of 128 on 65,536 points takes 2.3 times as long on 2 cores
    (benchmarks/field_step.py).
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    settings = {_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: _KEPT_BYTES, _M_TOP_PAD: 2**28, _M_ARENA_MAX: 1}
    return all(libc.mallopt(parameter, value) == 1 for parameter, value in settings.items())
