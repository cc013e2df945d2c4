"""Laplace's equation in a polygon with round holes, by least squares on its boundary.

The solution is sought as the real part of a polynomial, poles clustered exponentially outside each corner
(the "lightning" method of Gopal & Trefethen, SIAM J. Numer. Anal. 57, 2019) and, for each hole, a logarithm
and negative powers (Trefethen, "Series solution of Laplace problems", ANZIAM J. 60, 2018). Each term is
harmonic; what is left is the boundary mismatch, and by the maximum principle the error inside is nowhere
larger.

Points of the plane are complex numbers. Shapes: M points, B coefficients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Points = NDArray[np.complex128]
_CLUSTER = 4.0  # sigma of Gopal & Trefethen, sec. 2: how fast poles and samples approach a corner


@dataclass(frozen=True)
class Region:
    """The inside of a polygon without some discs.

    Args:
        corners: of the polygon, counter-clockwise.
        discs: (centre, radius), inside the polygon and apart from each other.
    """

    corners: tuple[complex, ...]
    discs: tuple[tuple[complex, float], ...] = ()

    def contains(self, z: Points) -> NDArray[np.bool_]:
        """``(M,)``: inside or on the boundary (to rounding)."""
        inside = np.zeros(z.shape, bool)
        on_edge = np.zeros(z.shape, bool)
        for a, b in self._edges():
            crosses = (a.imag > z.imag) != (b.imag > z.imag)
            with np.errstate(divide="ignore", invalid="ignore"):
                at = a.real + (z.imag - a.imag) * (b.real - a.real) / (b.imag - a.imag)
            inside ^= crosses & (z.real < at)
            along = np.clip(((z - a) / (b - a)).real, 0.0, 1.0)
            on_edge |= np.abs(z - a - along * (b - a)) <= 1e-12 * self.scale
        for centre, radius in self.discs:
            inside &= np.abs(z - centre) >= radius * (1.0 - 1e-12)
        return inside | on_edge

    @property
    def centre(self) -> complex:
        """The mean of the corners."""
        return complex(np.mean(self.corners))

    @property
    def scale(self) -> float:
        """The longest distance of a corner from the centre."""
        return float(np.abs(np.array(self.corners) - self.centre).max())

    def samples(self, per_corner: int, per_side: int, per_disc: int, shift: float = 0.0) -> Points:
        """Boundary points: Chebyshev's along the sides, others clustered at the corners as the poles are,
        equal angles on the discs; ``shift`` of 0.5 gives points between those of 0."""
        chebyshev = 0.5 - 0.5 * np.cos(math.pi * (np.arange(per_side) + 0.5 * (1.0 - shift)) / per_side)
        index = np.arange(1, 3 * per_corner + 1) - shift
        near = 0.5 * np.exp(-_CLUSTER * (math.sqrt(per_corner) - np.sqrt(index / 3.0)))
        parts = []
        for a, b in self._edges():
            parts += [a + chebyshev * (b - a), a + near * (b - a), b + near * (a - b)]
        angles = 2.0 * math.pi * (np.arange(per_disc) + shift) / per_disc
        parts += [centre + radius * np.exp(1j * angles) for centre, radius in self.discs]
        return np.concatenate(parts)

    def poles(self, per_corner: int) -> Points:
        """``per_corner`` poles outside each corner, on the bisector of its outer angle."""
        corners = np.array(self.corners, np.complex128)
        before, after = np.roll(corners, 1) - corners, np.roll(corners, -1) - corners
        # Halfway in angle from the side that arrives to the one that leaves, through the outside.
        outer = np.angle(after / before) % (2.0 * math.pi)
        direction = before / np.abs(before) * np.exp(0.5j * outer)
        reach = np.minimum(np.abs(before), np.abs(after))
        index = np.arange(1, per_corner + 1)
        near = np.exp(-_CLUSTER * (math.sqrt(per_corner) - np.sqrt(index)))
        return (corners[:, None] + (reach * direction)[:, None] * near).ravel()

    def _edges(self) -> list[tuple[complex, complex]]:
        return list(zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True))


class HarmonicFunction:
    """A harmonic function in a region; callable at points ``(M,)``, with a bound of its error.

    Args:
        region: where.
        boundary: points ``(M,)`` on the boundary to the values there, ``(M,)``.
        per_corner: poles a corner.
        degree: of the polynomial.
        per_disc: negative powers a disc.
    """

    def __init__(
        self,
        region: Region,
        boundary: Callable[[Points], Array],
        per_corner: int = 60,
        degree: int = 40,
        per_disc: int = 24,
    ):
        self.region, self.per_disc = region, per_disc
        self.poles = region.poles(per_corner) if per_corner else np.zeros(0, np.complex128)
        counts = (per_corner, 2 * degree, 4 * per_disc)
        z = region.samples(*counts)
        self._hessenberg = _arnoldi((z - region.centre) / region.scale, degree)
        columns = self._columns(z)
        norms = np.linalg.norm(columns, axis=0)
        solution = np.linalg.lstsq(columns / norms, boundary(z), rcond=1e-15)[0]
        self.coefficients: Array = solution / norms
        corners = np.array(region.corners, np.complex128)
        checked = np.concatenate([z, region.samples(*counts, shift=0.5), corners])
        #: The largest mismatch on the boundary, also between the points of the fit and in the corners.
        self.bound = float(np.abs(self(checked) - boundary(checked)).max())

    def __call__(self, z: Points) -> Array:
        batch = max(1, (1 << 22) // len(self.coefficients))
        parts = [self._columns(z[start : start + batch]) for start in range(0, len(z), batch)]
        return np.concatenate([columns @ self.coefficients for columns in parts] or [np.zeros(0)])

    def _columns(self, z: Points) -> Array:
        """``(M, B)``: every basis function at the points."""
        analytic: list[Any] = [_polynomials((z - self.region.centre) / self.region.scale, self._hessenberg)]
        corners = np.repeat(np.array(self.region.corners), len(self.poles) // len(self.region.corners))
        if len(self.poles):
            with np.errstate(divide="ignore", invalid="ignore"):
                analytic.append(np.abs(self.poles - corners) / (z[:, None] - self.poles))
        logarithms: list[Array] = []
        for centre, radius in self.region.discs:
            away = np.where(
                np.abs(z - centre) < radius / 2, radius / 2, z - centre
            )  # only for points outside
            analytic.append((radius / away[:, None]) ** np.arange(1, self.per_disc + 1))
            logarithms.append(np.log(np.abs(away) / radius)[:, None])
        whole: Points = np.concatenate(analytic, axis=1)
        # The imaginary part of the constant is none.
        return np.concatenate([whole.real, whole.imag[:, 1:], *logarithms], axis=1)


def _arnoldi(z: Points, degree: int) -> NDArray[np.complex128]:
    """``(degree + 1, degree)``: the recurrence of polynomials orthonormal on the points.

    Powers of z are nearly dependent; these are not (Brubeck, Nakatsukasa & Trefethen, "Vandermonde with
    Arnoldi", SIAM Rev. 63, 2021).
    """
    basis = np.ones((len(z), degree + 1), np.complex128)
    hessenberg = np.zeros((degree + 1, degree), np.complex128)
    for k in range(degree):
        column = z * basis[:, k]
        for _ in range(2):  # once more against rounding
            projection = basis[:, : k + 1].conj().T @ column / len(z)
            column = column - basis[:, : k + 1] @ projection
            hessenberg[: k + 1, k] += projection
        hessenberg[k + 1, k] = np.linalg.norm(column) / math.sqrt(len(z))
        basis[:, k + 1] = column / hessenberg[k + 1, k]
    return hessenberg


def _polynomials(z: Points, hessenberg: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """``(M, degree + 1)``: the polynomials of a recurrence at other points."""
    degree = hessenberg.shape[1]
    basis = np.ones((len(z), degree + 1), np.complex128)
    for k in range(degree):
        column = z * basis[:, k] - basis[:, : k + 1] @ hessenberg[: k + 1, k]
        basis[:, k + 1] = column / hessenberg[k + 1, k]
    return basis
