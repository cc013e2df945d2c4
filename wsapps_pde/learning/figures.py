"""What a trained solution says of itself, over all time windows: residuals, and the estimated error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from wsapps_pde.learning.moving import MovingObjective

Figures = Mapping[str, float]


def held_out_residuals(objectives: Sequence[MovingObjective]) -> list[dict[str, float]]:
    """For each window, term -> mean squared residual at points that no step has seen."""
    return [objective.held_out.mean_squares() for objective in objectives]


def residuals(mean_squares: Sequence[Figures]) -> dict[str, float]:
    """Term -> root mean square over the windows that have it."""
    names = list(dict.fromkeys(name for window in mean_squares for name in window))
    return {
        name: math.sqrt(np.mean([window[name] for window in mean_squares if name in window]))
        for name in names
    }


def estimated_errors(
    objectives: Sequence[MovingObjective], mean_squares: Sequence[Figures]
) -> dict[str, float]:
    """Unknown -> estimated relative L2 error (:mod:`wsapps_pde.learning.estimate`).

    A window begins with the errors of those before it: they are taken to stay as they are, and to add up.
    """
    errors, sizes = [], []
    for objective, of_window in zip(objectives, mean_squares, strict=True):
        snapshots, solution = objective.snapshots, objective.solution
        relative = snapshots.errors(solution, objective.held_out.score(of_window))
        size = snapshots.sizes(solution)
        errors.append([relative[name] * size[name] for name in size])
        sizes.append(list(size.values()))
    carried = np.cumsum(errors, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.linalg.norm(carried, axis=0) / np.linalg.norm(sizes, axis=0)
    names = [unknown.name for unknown in objectives[0].solution.problem.unknowns]
    return dict(zip(names, found.tolist(), strict=True))
