"""Continuing a field smoothly to grid nodes where it is not known, so that splines can go through it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from wsapps_pde.references.finite_differences import Sparse, solve

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
# Nodes that are continued: a cubic spline forgets a node by a factor of 0.27 from one to the next, so what
# stands at the 17th does not matter inside.
_DEPTH = 16
# Against the 20 on the diagonal of third differences: it only decides where they leave something open.
_RIDGE = 1e-10


def extended(values: Array) -> Array:
    """The same values, and others in place of NaN: near the known ones a smooth continuation, then the mean.

    The values put in have the least sum of squared third differences along the axes, so quadratic
    functions are continued exactly.

    Args:
        values: any shape, NaN where not known.

    Raises:
        ValueError: nothing is known.
    """
    known = np.isfinite(values)
    if not known.any():
        raise ValueError("no value is known")
    # Along time the domain is the same: those axes become columns of one linear system.
    same = [axis for axis in range(values.ndim) if (known == known.take([0], axis)).all()]
    other = [axis for axis in range(values.ndim) if axis not in same]
    order = [*other, *same]
    moved = values.transpose(order)
    mask = known.transpose(order)[(..., *(0 for _ in same))]
    filled = _extended(moved.reshape(*mask.shape, -1), mask).reshape(moved.shape)
    return filled.transpose(np.argsort(order))


def _extended(values: Array, known: Mask) -> Array:
    """``values`` ``(..., K)`` with the mask ``known`` ``(...)`` for each of the K columns."""
    columns = values.reshape(known.size, -1).copy()
    given = np.flatnonzero(known)
    columns[~known.ravel()] = columns[given].mean(axis=0)
    near = known
    for _ in range(_DEPTH):
        near = _grown(near)
    unknown = np.flatnonzero(near & ~known)
    lines: Sparse = sparse.vstack([_third_differences(near, axis) for axis in range(near.ndim)])
    differences = lines.tocsc()
    if len(unknown) and differences.shape[0]:
        free = differences[:, unknown]
        right = _RIDGE * columns[unknown] - free.T @ (differences[:, given] @ columns[given])
        normal = free.T @ free + _RIDGE * sparse.identity(len(unknown))
        columns[unknown] = solve(normal, right)
    return columns.reshape(values.shape)


def _grown(mask: Mask) -> Mask:
    """The nodes of a mask and their neighbours along the axes and diagonals."""
    for axis in range(mask.ndim):
        moved = np.moveaxis(mask, axis, 0)
        grown = moved.copy()
        grown[1:] |= moved[:-1]
        grown[:-1] |= moved[1:]
        mask = np.moveaxis(grown, 0, axis)
    return mask


def _third_differences(near: Mask, axis: int) -> Sparse:
    """``(K, N)``: a row for each four nodes in a line that are all in the mask; N nodes of the grid."""
    index = np.moveaxis(np.arange(near.size).reshape(near.shape), axis, 0)
    mask = np.moveaxis(near, axis, 0)
    count = max(len(mask) - 3, 0)
    runs = [slice(step, step + count) for step in range(4)]
    whole = np.logical_and.reduce([mask[run] for run in runs])
    nodes = np.stack([index[run][whole] for run in runs], axis=1)
    rows = np.repeat(np.arange(len(nodes)), 4)
    weights = np.tile([-1.0, 3.0, -3.0, 1.0], len(nodes))
    return sparse.csr_matrix((weights, (rows, nodes.ravel())), shape=(len(nodes), near.size))
