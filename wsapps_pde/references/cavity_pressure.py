"""Pressure of a steady plane flow from its velocity and vorticity."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from wsapps_pde.references.finite_differences import Sparse, diagonal, kron, neighbour_difference, solve

Array = NDArray[np.float64]


def cavity_pressure(nodes: Array, u: Array, v: Array, w: Array, reynolds: float) -> Array:
    """p on the nodes of the square, 0 at the first node; NaN where the vorticity w is.

    The momentum equations say what the gradient of the total pressure H = p + (u^2 + v^2) / 2 is:
    H_x = v w - w_y / Re, H_y = -u w + w_x / Re. H's differences along the edges of the grid are fitted to it
    by least squares weighted with areas: the discrete form of a Poisson equation with natural conditions.

    Args:
        nodes: ``(n,)`` along both axes.
        u, v, w: ``(n, n)``, first axis x.
    """
    w_x, w_y = (np.gradient(w, nodes, axis=axis, edge_order=2) for axis in (0, 1))
    total_x, total_y = v * w - w_y / reynolds, -u * w + w_x / reynolds
    slope_x, slope_y = 0.5 * (total_x[1:] + total_x[:-1]), 0.5 * (total_y[:, 1:] + total_y[:, :-1])
    length, width = np.diff(nodes), np.gradient(nodes)
    slope = np.concatenate([slope_x.ravel(), slope_y.ravel()])
    area = np.concatenate([np.outer(length, width).ravel(), np.outer(width, length).ravel()])
    along, unit = neighbour_difference(nodes), np.eye(len(nodes))
    difference: Sparse = sparse.vstack([kron(along, unit), kron(unit, along)], format="csr")
    known = np.isfinite(w).ravel()
    # An edge counts where both its ends do; the first node's H is 0.
    edges = np.flatnonzero(np.isfinite(slope) & (abs(difference) @ ~known == 0))
    free = np.flatnonzero(known)[1:]
    fitted = difference[edges][:, free]
    weighted = fitted.T @ diagonal(area[edges])
    total = np.where(known, 0.0, np.nan)
    total[free] = solve(weighted @ fitted, weighted @ slope[edges])
    p = total.reshape(w.shape) - 0.5 * (u**2 + v**2)
    return p - p[0, 0]
