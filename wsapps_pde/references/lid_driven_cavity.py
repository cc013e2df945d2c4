"""Steady flow in the lid-driven unit square, by stream function and vorticity, Newton and sparse LU.

    u u_x + v u_y + p_x = (u_xx + u_yy) / Re, the same for v, u_x + v_y = 0
    (u, v) = (lid(x), 0) at y = 1, (0, 0) on the other walls, p(0, 0) = 0

With u = psi_y, v = -psi_x, w = v_x - u_y: w = -Lap psi and Lap w / Re = u w_x + v w_y. Central differences of
second order on a grid that is denser at the walls; w on the walls from psi at the next two nodes, which is of
second order too (Jensen 1959; E & Liu, J. Comput. Phys. 124, 1996).

Three grids are extrapolated to the limit, and the result is read off at equally spaced nodes by splines.

The unit lid's velocity jumps in the upper corners: w and p are infinite there, and p is not even square
integrable, so that its relative error is no more than a figure for the nodes given. p is NaN at both corners.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_pde.references.cavity_pressure import cavity_pressure
from wsapps_pde.references.finite_differences import Sparse, diagonal, kron, solve, three_point
from wsapps_pde.references.interpolation import grid_interpolated
from wsapps_pde.references.refinement import extrapolated
from wsapps_pde.references.settings import LONGEST_SIDE, choice, count, positive
from wsapps_pde.references.solution import ReferenceSolution, relative_l2

Array = NDArray[np.float64]
_NAME = "lid_driven_cavity"
_DENSER = 0.75  # cells at the walls are a quarter of the mean
_NEWTON_STEPS = 25

LIDS = {
    "unit": np.ones_like,
    "parabolic": lambda x: 4.0 * x * (1.0 - x),  # PINNacle (2306.08827), NS2d-C
    "quartic": lambda x: 16.0 * x**2 * (1.0 - x) ** 2,  # the regularised cavity (Shen 1991)
    "cosh": lambda x: 1.0 - np.cosh(50.0 * (x - 0.5)) / np.cosh(25.0),  # jaxpi
}


def lid_driven_cavity(
    *, reynolds: float = 100.0, lid: str = "unit", points: int = 100, cells: int = 128
) -> ReferenceSolution:
    """u, v, p and the stream function psi on ``points + 1`` x ``points + 1`` nodes of the unit square.

    Solves with half, once and twice as many ``cells`` along each side. Errors are a third of the change
    between the two extrapolants: at the unit lid's corners more than second order cannot be counted on.

    Raises:
        UserError: a setting out of range, or a flow that Newton's method does not find (Re of many
            thousands, or a grid too coarse for it).
    """
    reynolds = positive(_NAME, "reynolds", reynolds)
    moving = LIDS[choice(_NAME, "lid", lid, LIDS)]
    axis = np.linspace(0.0, 1.0, count(_NAME, "points", points, 4, most=LONGEST_SIDE) + 1)
    cells = count(_NAME, "cells", cells, 32, multiple=2, most=LONGEST_SIDE)
    last: list[tuple[CavityGrid, Array]] = []  # the solution on the grid before is the first guess

    def solved(number: int) -> dict[str, Array]:
        cavity = CavityGrid.on_grid(number, moving)
        if last:
            psi = cavity.newton(_on_nodes(cavity.nodes, *last.pop()), reynolds)
        else:
            psi = cavity.stokes()
            for stage in _continuation(reynolds):
                psi = cavity.newton(psi, stage)
        last.append((cavity, psi))
        return cavity.flow(psi, reynolds)

    fine, coarse = extrapolated(solved, cells)
    values, before = (
        {name: _read_off(_wall_nodes(number), field, axis) for name, field in fields.items()}
        for fields, number in ((fine, cells), (coarse, cells // 2))
    )
    for fields in (values, before):
        _on_walls(fields, np.asarray(moving(axis), np.float64))
    errors = {name: relative_l2(before[name], field) / 3.0 for name, field in values.items()}
    text = (
        f"cavity, Re = {reynolds:g}, {lid} lid; finite differences, Newton, extrapolated from "
        f"{cells}^2 and {2 * cells}^2 cells"
    )
    return ReferenceSolution({"x": axis, "y": axis.copy()}, None, values, errors, text)


def _read_off(nodes: Array, values: Array, axis: Array) -> Array:
    """Values on the square grid of ``nodes`` at that of ``axis``."""
    x, y = np.meshgrid(axis, axis, indexing="ij")
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    return grid_interpolated([nodes, nodes], values, points).reshape(x.shape)


def _on_walls(fields: dict[str, Array], lid: Array) -> None:
    """What is known there: beside the lid's corners splines would say otherwise. Changed in place."""
    fields["p"][[0, -1], -1] = np.nan
    for name in ("u", "v", "psi"):
        for wall in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            fields[name][wall] = 0.0
    fields["u"][:, -1] = lid


def _on_nodes(nodes: Array, cavity: CavityGrid, psi: Array) -> Array:
    """The stream function at the interior nodes of another grid."""
    return _read_off(cavity.nodes, np.pad(psi, 1), nodes[1:-1])


def _wall_nodes(cells: int) -> Array:
    """``(cells + 1,)`` nodes from 0 to 1, denser at both ends."""
    s = np.arange(cells + 1) / cells
    nodes = s - _DENSER * np.sin(2.0 * np.pi * s) / (2.0 * np.pi)
    nodes[[0, -1]] = 0.0, 1.0
    return nodes


def _continuation(reynolds: float) -> list[float]:
    """Reynolds numbers on the way to the one asked for: each solution is the next one's first guess."""
    stages = [reynolds]
    while stages[0] > 150.0:
        stages.insert(0, stages[0] / 2.5)
    return stages


@dataclass(frozen=True)
class CavityGrid:
    """The discrete equations on n x n cells; psi is ``(n - 1, n - 1)`` (interior), w ``(n + 1, n + 1)``.

    Operators act on raveled fields: ``to_w`` psi to w (with ``w_lid`` added), ``laplacian``, ``w_x`` and
    ``w_y`` w to the interior, ``psi_x`` and ``psi_y`` psi to the interior.
    """

    nodes: Array
    lid: Array
    to_w: Sparse
    w_lid: Array
    laplacian: Sparse
    w_x: Sparse
    w_y: Sparse
    psi_x: Sparse
    psi_y: Sparse

    @classmethod
    def on_grid(cls, cells: int, lid) -> CavityGrid:
        nodes = _wall_nodes(cells)
        first, second = three_point(nodes)
        inner = sparse.csr_matrix(np.eye(cells + 1)[1:-1])
        inside = sparse.identity(cells - 1)
        # psi vanishes on the walls; there its second derivative gives w.
        d_1, d_2 = nodes[1], nodes[2]
        near, far = 2.0 * d_2 / d_1**2 / (d_2 - d_1), -2.0 * d_1 / d_2**2 / (d_2 - d_1)
        wall = sparse.csr_matrix(([near, far], ([0, 0], [0, 1])), shape=(1, cells - 1))
        other = sparse.csr_matrix(([near, far], ([0, 0], [cells - 2, cells - 3])), shape=(1, cells - 1))
        curvature = sparse.vstack([wall, second[:, 1:-1], other])
        w_lid = np.zeros((cells + 1, cells + 1))
        speed = np.asarray(lid(nodes), np.float64)
        w_lid[1:-1, -1] = -2.0 * speed[1:-1] * (d_1 + d_2) / (d_1 * d_2)
        return cls(
            nodes=nodes,
            lid=speed,
            to_w=-(kron(curvature, inner.T) + kron(inner.T, curvature)),
            w_lid=w_lid.ravel(),
            laplacian=kron(second, inner) + kron(inner, second),
            w_x=kron(first, inner),
            w_y=kron(inner, first),
            psi_x=kron(first[:, 1:-1], inside),
            psi_y=kron(inside, first[:, 1:-1]),
        )

    def stokes(self) -> Array:
        """psi of Re = 0."""
        n = len(self.nodes) - 2
        return solve(self.laplacian @ self.to_w, -(self.laplacian @ self.w_lid)).reshape(n, n)

    def newton(self, psi: Array, reynolds: float) -> Array:
        """psi of a Reynolds number, from a guess."""
        current = psi.ravel()
        residual = self._residual(current, reynolds)
        for _ in range(_NEWTON_STEPS):
            try:
                step = solve(self._jacobian(current, reynolds), -residual)
            except RuntimeError:  # singular
                break
            size, share = float(np.abs(step).max()), 1.0
            if not np.isfinite(size):
                break
            while True:  # shorter steps while the residual grows
                candidate = current + share * step
                after = self._residual(candidate, reynolds)
                if size < 1e-8 or np.linalg.norm(after) < np.linalg.norm(residual) or share < 1e-2:
                    break
                share /= 2.0
            current, residual = candidate, after
            if size < 1e-11:
                return current.reshape(psi.shape)
        raise UserError(
            f"reference {_NAME}: Newton's method found no steady flow at Re = {reynolds:g} on "
            f"{len(self.nodes) - 1} cells; choose a smaller reynolds or more points"
        )

    def _residual(self, psi: Array, reynolds: float) -> Array:
        w = self.to_w @ psi + self.w_lid
        advected = (self.psi_y @ psi) * (self.w_x @ w) - (self.psi_x @ psi) * (self.w_y @ w)
        return self.laplacian @ w / reynolds - advected

    def _jacobian(self, psi: Array, reynolds: float) -> Sparse:
        w = self.to_w @ psi + self.w_lid
        of_w = self.laplacian / reynolds - diagonal(self.psi_y @ psi) @ self.w_x
        of_w = of_w + diagonal(self.psi_x @ psi) @ self.w_y
        of_psi = diagonal(self.w_y @ w) @ self.psi_x - diagonal(self.w_x @ w) @ self.psi_y
        return of_w @ self.to_w + of_psi

    def flow(self, psi: Array, reynolds: float) -> dict[str, Array]:
        """u, v, p, psi at all nodes, ``(n + 1, n + 1)``."""
        n = len(self.nodes)
        u, v = np.zeros((n, n)), np.zeros((n, n))
        u[:, -1] = self.lid
        u[1:-1, 1:-1] = (self.psi_y @ psi.ravel()).reshape(psi.shape)
        v[1:-1, 1:-1] = -(self.psi_x @ psi.ravel()).reshape(psi.shape)
        w = (self.to_w @ psi.ravel() + self.w_lid).reshape(n, n)
        w[[0, -1], -1] = np.nan
        p = cavity_pressure(self.nodes, u, v, w, reynolds)
        return {"u": u, "v": v, "p": p, "psi": np.pad(psi, 1)}
