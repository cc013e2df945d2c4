"""The embedded shapes from which oriented points can be drawn, made by formulas."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import trimesh


def lobes(subdivisions: int = 5) -> trimesh.Trimesh:
    """A ball with lobes and hollows, closed, about 2 across: 20,480 triangles by default.

    Its distance from the origin is a smooth function of the direction, so that it has no kinks; the distance
    to it has them, along the medial axes between the lobes.
    """
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    x, y, z = np.asarray(ball.vertices, np.float64).T
    radius = 0.7 * (1.0 + 0.35 * (x**3 - 3 * x * y**2) + 0.25 * (5 * z**2 - 1) * z - 0.2 * x * y)
    return trimesh.Trimesh(ball.vertices * radius[:, None], ball.faces, process=False)


SAMPLES: dict[str, Callable[[], trimesh.Trimesh]] = {"lobes": lobes}
