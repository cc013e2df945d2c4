"""Sparse difference operators on one axis, and solving with sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

Array = NDArray[np.float64]
#: A sparse matrix of scipy; which of its classes an operation gives is not for us to say.
Sparse = Any


def neighbour_difference(nodes: Array) -> Sparse:
    """``(n, n + 1)``: differences of neighbours over their distance, n + 1 ascending nodes."""
    inverse = 1.0 / np.diff(nodes)
    return _bands([-inverse, inverse], (len(inverse), len(nodes)))


def three_point(nodes: Array) -> tuple[Sparse, Sparse]:
    """First and second derivatives at the interior nodes, ``(n - 1, n + 1)``, from each three in a row.

    Of second order where the nodes are a smooth function of their number.
    """
    step = np.diff(nodes)
    left, right, both = step[:-1], step[1:], step[:-1] + step[1:]
    shape = (len(nodes) - 2, len(nodes))
    first = _bands([-1.0 / both, 0.0 * both, 1.0 / both], shape)
    second = _bands([2.0 / (left * both), -2.0 / (left * right), 2.0 / (right * both)], shape)
    return first, second


def _bands(diagonals: list[Array], shape: tuple[int, int]) -> Sparse:
    """A matrix with these diagonals, the first on the main one, the others to its right."""
    build: Any = sparse.diags
    return build(diagonals, list(range(len(diagonals))), shape=shape).tocsr()


def kron(a: Sparse, b: Sparse) -> Sparse:
    """The Kronecker product: ``a`` acts on the first axis of a raveled field, ``b`` on the second."""
    return sparse.kron(a, b, format="csr")


def diagonal(values: Array) -> Sparse:
    """A matrix that multiplies entry by entry."""
    build: Any = sparse.diags
    return build(values)


def solve(matrix: Sparse, right: Array) -> Array:
    """The solution of a sparse system with right sides ``(n,)`` or ``(n, K)``, by LU.

    Raises:
        RuntimeError: the matrix is singular.
    """
    return np.asarray(splu(matrix.tocsc()).solve(right))
