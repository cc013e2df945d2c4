"""Values between the nodes: cubic splines on tensor grids, linear functions between scattered points.

Shapes: D variables, M points, n_d nodes along axis d.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, LinearNDInterpolator, make_interp_spline

from wsapps_pde.references.extension import extended

Array = NDArray[np.float64]
_EDGE = 1e-9  # of an axis' length: points that rounding put outside are on the edge
_BATCH = 1 << 14  # points at once: 64 coefficients each in three dimensions, some 8 MB


def grid_interpolated(axes: Sequence[Array], values: Array, points: Array) -> Array:
    """``(M,)`` values of the tensor-product spline through the nodes, NaN outside the grid.

    Cubic, not-a-knot; of a lower degree along an axis of fewer than 4 nodes. Where ``values`` has NaN the
    spline goes through a smooth continuation, and cells whose corners are all NaN give NaN.

    Args:
        axes: D times ``(n_d,)``, ascending, at least 2 nodes.
        values: ``(n_1, ..., n_D)``.
        points: ``(M, D)``.
    """
    known = np.isfinite(values)
    result = np.full(len(points), np.nan)
    if not known.any():
        return result
    clipped, inside = _clipped(axes, points)
    knots, coefficients = _spline(axes, values if known.all() else extended(values))
    rows = np.flatnonzero(inside)
    if not known.all():
        rows = rows[_touched(axes, known, clipped[rows])]
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        result[part] = _evaluated(knots, coefficients, clipped[part])
    return result


def _clipped(axes: Sequence[Array], points: Array) -> tuple[Array, NDArray[np.bool_]]:
    low = np.array([axis[0] for axis in axes])
    high = np.array([axis[-1] for axis in axes])
    margin = _EDGE * (high - low)
    inside = (points >= low - margin) & (points <= high + margin)
    return np.clip(points, low, high), np.asarray(inside.all(axis=1), bool)


def _spline(axes: Sequence[Array], values: Array) -> tuple[list[tuple[Array, int]], Array]:
    """Knots and degree of each axis, and the coefficients ``(n_1, ..., n_D)``: one axis after the other."""
    knots = []
    for dim, axis in enumerate(axes):
        degree = min(3, len(axis) - 1)
        fitted = make_interp_spline(axis, np.moveaxis(values, dim, 0), k=degree, axis=0)
        knots.append((fitted.t, degree))
        values = np.moveaxis(fitted.c, 0, dim)
    return knots, np.ascontiguousarray(values)


def _evaluated(knots: list[tuple[Array, int]], coefficients: Array, points: Array) -> Array:
    """The sum over the D-dimensional block of coefficients whose basis functions a point sees."""
    dims, count = len(knots), len(points)
    block: list[NDArray[Any]] = []
    product = np.ones((count,) + (1,) * dims)
    for dim, (knot, degree) in enumerate(knots):
        # Every row of the sparse matrix holds exactly degree + 1 entries.
        basis = BSpline.design_matrix(points[:, dim], knot, degree)
        shape = (count,) + (1,) * dim + (degree + 1,) + (1,) * (dims - dim - 1)
        block.append(basis.indices.reshape(shape))
        product = product * basis.data.reshape(shape)
    return (coefficients[tuple(block)] * product).reshape(count, -1).sum(axis=1)


def _touched(axes: Sequence[Array], known: NDArray[np.bool_], points: Array) -> NDArray[np.bool_]:
    """``(M,)``: whether some corner of a point's cell is known."""
    touched = np.zeros(len(points), bool)
    cell = [
        np.clip(np.searchsorted(axis, points[:, dim], side="right") - 1, 0, len(axis) - 2)
        for dim, axis in enumerate(axes)
    ]
    for corner in np.ndindex((2,) * len(axes)):
        touched |= known[tuple(index + step for index, step in zip(cell, corner, strict=True))]
    return touched


def scattered_interpolated(nodes: Array, values: Array, points: Array) -> Array:
    """``(M,)`` values, linear on the simplices of a Delaunay triangulation; NaN outside the nodes' hull.

    Nodes whose value is NaN are left out; so is everything where too few are left to span a volume.

    Args:
        nodes: ``(K, D)``.
        values: ``(K,)``.
        points: ``(M, D)``.
    """
    known = np.isfinite(values)
    nodes, values = nodes[known], values[known]
    dims = nodes.shape[1]
    if dims == 1 and len(nodes) > 0:
        order = np.argsort(nodes[:, 0], kind="stable")
        result = np.interp(points[:, 0], nodes[order, 0], values[order], left=np.nan, right=np.nan)
        return np.asarray(result, np.float64)
    sides = nodes - nodes.mean(axis=0) if len(nodes) else nodes
    if len(nodes) <= dims or np.linalg.matrix_rank(sides) < dims:
        return np.full(len(points), np.nan)
    return np.asarray(LinearNDInterpolator(nodes, values, rescale=True)(points), np.float64)
