"""Collocation points: streams of uniform numbers, and what is accepted of the points made from them.

Shapes: n points, D coordinates. All in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from wsapps.seeding import derive_seed, generator

Method = Literal["sobol", "random"]
#: The next ``count`` points of a stream in the unit cube, ``(count, dims)``.
Stream = Callable[[int], NDArray[np.float64]]
#: From uniform ``(n, dims)`` to points ``(n, D)``, normals ``(n, D)`` or None, and which are kept ``(n,)``.
Proposal = Callable[
    [NDArray[np.float64]],
    tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.bool_]],
]


class PointSource:
    """Streams of uniform numbers that depend on (seed, words, step) alone, not on the history.

    Args:
        method: "sobol" for a scrambled Sobol sequence (Owen, 1995), whose points fill space evenly, or
            "random" for independent ones.
        parts: integers and words, as in ``PointSource("sobol", seed, "interior", step)``.
    """

    def __init__(self, method: Method, *parts: int | str):
        self.method, self.parts = method, parts

    def stream(self, name: str, dims: int) -> Stream:
        """A stream of points in the unit cube; each name has its own, and each call starts it anew."""
        parts = (*self.parts, name)
        if dims == 0:
            return lambda count: np.empty((count, 0))
        if self.method == "random":
            numbers = generator(*parts)
            return lambda count: torch.rand(count, dims, generator=numbers, dtype=torch.float64).numpy()
        engine = torch.quasirandom.SobolEngine(dims, scramble=True, seed=derive_seed(*parts))
        return lambda count: engine.draw(count, dtype=torch.float64).numpy() if count else np.empty((0, dims))


@lru_cache(maxsize=32)
def check_points(count: int, dims: int) -> NDArray[np.float64]:
    """``(count, dims)`` points that fill the unit cube, the same at every call: for measures and checks."""
    points = PointSource("sobol", 0, "check").stream("points", dims)(count)
    points.flags.writeable = False
    return points


def accepted(
    count: int, propose: Proposal, stream: Stream, share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """The first ``count`` points of a stream that a proposal keeps.

    Args:
        share: what part of the proposals is kept, roughly; decides how many are tried at a time.

    Returns:
        Points ``(count, D)``, and normals ``(count, D)`` or None.

    Raises:
        RuntimeError: nearly nothing is kept, though ``share`` said otherwise.
    """
    points, normals, have, tried = [], [], 0, 0
    while have < count or not points:
        batch = min(max(16, int(1.1 * (count - have) / share) + 16), 1 << 20) if share < 1 else count
        place, normal, keep = propose(stream(batch))
        points.append(place[keep])
        if normal is not None:
            normals.append(normal[keep])
        have += int(keep.sum())
        tried += batch
        if tried > 1000 * (count / share + 1000):
            raise RuntimeError(f"{have} of {tried} points were kept, expected {share:.2g} of them")
    joined = np.concatenate(points)[:count]
    return joined, np.concatenate(normals)[:count] if normals else None
