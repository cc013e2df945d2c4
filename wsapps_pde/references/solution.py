"""What a reference solver or a reference file gives: values on a grid or at points, and their own error.

Shapes: D variables (space first, then t), M points, n_d nodes along axis d.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wsapps import metrics
from wsapps_pde.references.interpolation import grid_interpolated, scattered_interpolated

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ReferenceSolution:
    """A solution on a tensor grid, or at scattered points.

    Args:
        axes: variable to ``(n_d,)`` ascending nodes, in the problem's order; None for scattered points.
        points: ``(M, D)`` where the solution is no grid, else None.
        values: unknown to values, ``(n_1, ..., n_D)`` on a grid, else ``(M,)``; NaN outside the domain.
        errors: unknown to an estimate of its own relative L2 error; empty where nobody stated one.
        description: method and resolution, in a line.

    Raises:
        ValueError: axes and points both given or both missing, or values of another shape.
    """

    axes: dict[str, Array] | None
    points: Array | None
    values: dict[str, Array]
    errors: dict[str, float]
    description: str

    def __post_init__(self):
        if (self.axes is None) == (self.points is None):
            raise ValueError("either axes or points are needed, and not both")
        for name, values in self.values.items():
            if values.shape != self.shape:
                raise ValueError(f"{name} has shape {values.shape}, the grid or the points {self.shape}")

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n_1, ..., n_D)`` of a grid, ``(M,)`` of scattered points."""
        if self.axes is not None:
            return tuple(len(axis) for axis in self.axes.values())
        assert self.points is not None
        return (len(self.points),)

    def coordinates(self) -> Array:
        """``(M, D)``: all points, those of a grid in row-major order as ``values[name].ravel()`` has them."""
        if self.axes is None:
            assert self.points is not None
            return self.points
        return grid_points(self.axes)

    def interpolated(self, points: ArrayLike) -> dict[str, Array]:
        """Values at ``(M, D)`` points: unknown to ``(M,)``, NaN outside the axes or the points' hull.

        On a grid by tensor products of cubic splines. Beside nodes that are NaN the field is continued
        smoothly, so that points in a cell that the boundary cuts get a value; where a cell has no node in
        the domain it is NaN. Scattered points are joined by piecewise linear functions.

        Raises:
            ValueError: points of another number of variables.
        """
        dims = len(self.axes) if self.axes is not None else self.coordinates().shape[1]
        wanted = np.asarray(points, np.float64)
        if wanted.ndim != 2 or wanted.shape[1] != dims:
            raise ValueError(f"points (M, {dims}) are needed, got {wanted.shape}")
        if self.axes is None:
            return {
                name: scattered_interpolated(self.coordinates(), values, wanted)
                for name, values in self.values.items()
            }
        axes = list(self.axes.values())
        return {name: grid_interpolated(axes, values, wanted) for name, values in self.values.items()}

    def interpolation_errors(self) -> dict[str, float]:
        """What :meth:`interpolated` would lose if the grid had only every second node along each axis.

        Unknown to the relative L2 difference at all nodes; for smooth fields the grid itself is 16 times
        better. A large figure says that between the nodes the solution must not be trusted (a shock thinner
        than the grid): solve again with more points. Empty for scattered points.
        """
        if self.axes is None:
            return {}
        every_second = tuple(slice(None, None, 2) for _ in self.axes)
        axes = {name: axis[::2] for name, axis in self.axes.items()}
        if min(len(axis) for axis in axes.values()) < 2:
            return {}
        thinned = {name: values[every_second] for name, values in self.values.items()}
        guess = ReferenceSolution(axes, None, thinned, {}, "").interpolated(self.coordinates())
        return {name: relative_l2(guess[name], values.ravel()) for name, values in self.values.items()}


def grid_points(axes: Mapping[str, Array]) -> Array:
    """``(M, D)``: all points of a tensor grid, in row-major order."""
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    return np.stack([axis.ravel() for axis in mesh], axis=1)


def relative_l2(values: Array, reference: Array) -> float:
    """:func:`wsapps.metrics.relative_l2` over the entries where both are finite.

    0 where both vanish, infinite where only the reference does, NaN where there is no such entry.

    Raises:
        ValueError: different shapes.
    """
    if values.shape != reference.shape:
        raise ValueError(f"shapes must be equal, got {values.shape} and {reference.shape}")
    known = np.isfinite(values) & np.isfinite(reference)
    if not known.any():
        return math.nan
    if not reference[known].any():
        return math.inf if values[known].any() else 0.0
    return metrics.relative_l2(torch.from_numpy(values[known]), torch.from_numpy(reference[known]))
