"""Central differences of -div(k grad u) on a box with a coefficient that varies.

Shapes: n_x x n_y cells, so ``(n_x + 1, n_y + 1)`` nodes; fields are raveled, x first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wsapps_pde.references.finite_differences import Sparse, diagonal, kron, neighbour_difference

Array = NDArray[np.float64]
Coefficient = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class BoxOperator:
    """-div(k grad u) at the interior nodes of a box.

    The flux between two nodes takes k in their middle, so that the scheme is conservative, of second order,
    and its error has even powers of the cell only.

    Args:
        low, high: corners (x, y).
        cells: (n_x, n_y).
        coefficient: x and y, broadcasting, to k.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    cells: tuple[int, int]
    coefficient: Coefficient

    @property
    def axes(self) -> tuple[Array, Array]:
        """x ``(n_x + 1,)`` and y ``(n_y + 1,)``."""
        x, y = (
            np.linspace(low, high, cells + 1)
            for low, high, cells in zip(self.low, self.high, self.cells, strict=True)
        )
        return x, y

    @property
    def interior(self) -> NDArray[np.intp]:
        """Indices of the interior nodes among all."""
        n_x, n_y = self.cells
        return np.arange((n_x + 1) * (n_y + 1)).reshape(n_x + 1, n_y + 1)[1:-1, 1:-1].ravel()

    def matrix(self) -> Sparse:
        """``(interior nodes, all nodes)``."""
        x, y = self.axes
        middle_x, middle_y = 0.5 * (x[1:] + x[:-1]), 0.5 * (y[1:] + y[:-1])
        across = kron(neighbour_difference(x), np.eye(len(y)))
        along = kron(np.eye(len(x)), neighbour_difference(y))
        shape_x, shape_y = (len(middle_x), len(y)), (len(x), len(middle_y))
        k_x = np.broadcast_to(self.coefficient(middle_x[:, None], y), shape_x).ravel()
        k_y = np.broadcast_to(self.coefficient(x[:, None], middle_y), shape_y).ravel()
        whole = across.T @ diagonal(k_x) @ across + along.T @ diagonal(k_y) @ along
        return whole.tocsr()[self.interior]
