"""The tangent kernel of a field at thousands of points: time, memory, and the difference from torch.func.

    python benchmarks/tangent_kernel.py [points=4096] [width=256] [hidden_layers=3] [alpha=2.5] [threads=2]
        [compared=192]

The Gram matrix of all points, layer by layer, in float64; its eigenvalues, timed apart; the most memory that
the process has held. The difference is from Jacobians by torch.func at ``compared`` of the points, as a part
of the largest entry. Time grows with the square of the points, that of eigenvalues with their cube.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time

import torch

from wsapps.analysis import tangent_kernel, tangent_kernel_reference
from wsapps.cpu import keep_freed_pages
from wsapps.fields import SinusoidalField
from wsapps.seeding import generator, seed_global

_GIB = 2**20  # KiB, in which Linux counts ru_maxrss


def main() -> None:
    options = {"points": "4096", "width": "256", "hidden_layers": "3", "alpha": "2.5", "threads": "2"}
    options |= {"compared": "192"} | dict(argument.split("=", 1) for argument in sys.argv[1:])
    torch.set_num_threads(int(options["threads"]))
    keep_freed_pages()
    seed_global(0)
    count, width, hidden = (int(options[name]) for name in ("points", "width", "hidden_layers"))
    field = SinusoidalField(2, 1, width, hidden, alpha=float(options["alpha"]))
    points = 2 * torch.rand(count, 2, generator=generator(0)) - 1
    began = time.perf_counter()
    kernel = tangent_kernel(field, points)
    seconds, memory = time.perf_counter() - began, _peak()
    began = time.perf_counter()
    eigenvalues = torch.linalg.eigvalsh(kernel)
    eigen_seconds, eigen_memory = time.perf_counter() - began, _peak()
    some = torch.randperm(count, generator=generator(1))[: int(options["compared"])]
    reference = tangent_kernel_reference(field, points[some])
    difference = (kernel[some][:, some] - reference).abs().max() / reference.abs().max()
    threads = torch.get_num_threads()
    print(f"{platform.machine()}, {threads} thread{'s' if threads > 1 else ''}, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}, torch {torch.__version__}; {hidden + 1} sine layers of {width}")
    print(f"Gram matrix of {count} points: {seconds:.1f} s, at most {memory:.2f} GiB in the process")
    print(f"its eigenvalues: {eigen_seconds:.1f} s, at most {eigen_memory:.2f} GiB; ", end="")
    print(f"from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}")
    print(f"largest difference from torch.func at {len(some)} points: {difference:.1e} of the largest entry")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _GIB


if __name__ == "__main__":
    main()
