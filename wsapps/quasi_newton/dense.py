"""The inverse Hessian as a full matrix: BFGS and its self-scaled relatives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wsapps.quasi_newton.inverse import Move, checked
from wsapps.quasi_newton.self_scaled import RULES, coefficients

# Updates are gathered and put into the matrix this many at a time: one pass over n^2 numbers instead of
# sixteen. With n = 5,000 a step then takes 16 ms on one core, where two rank-1 updates of the matrix in every
# step take 38; with n = 2,000, 3.5 and 6.4.
_GATHERED = 16
_BLOCK = 256  # rows that are updated together


class DenseInverse:
    """Dense H, n x n, updated in place (see :mod:`wsapps.quasi_newton.self_scaled`).

    ``H = scale * matrix + sum of sign * w w'`` over the updates not yet put into the matrix. A step reads the
    matrix once: ``H g`` at the new point gives ``H y`` by subtraction, and the next direction by the update's
    own formula. H is symmetric bit for bit: an antisymmetric part, were there one, would grow by every
    1 / tau, and nothing would ever shrink it.

    Args:
        n: number of variables.
        method: a name of :data:`~wsapps.quasi_newton.self_scaled.RULES`.
        dtype, device: of the vectors.
        rescale_first: scale H at the first update (after the start or a reset); else it begins as it is.
    """

    def __init__(
        self,
        n: int,
        method: str = "ssbroyden",
        dtype: torch.dtype = torch.float64,
        device: torch.device | str = "cpu",
        rescale_first: bool = True,
    ):
        if method not in RULES:
            raise ValueError(f"method must be one of {', '.join(RULES)}, got {method!r}")
        self.n, self.method, self._rule = n, method, RULES[method]
        self._matrix = torch.eye(n, dtype=dtype, device=device)
        self._rows = torch.zeros(2 * _GATHERED, n, dtype=dtype, device=device)
        self._signs = torch.zeros(2 * _GATHERED, dtype=dtype, device=device)
        self._scale, self._used = 1.0, 0
        self._first, self._rescale_first = True, rescale_first
        self._ratio = 1.0  # s'y / y'y of the last step

    def direction(self, gradient: Tensor) -> Tensor:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        return -self._product(gradient)

    def update(self, move: Move) -> Tensor:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        s, g = move.step, move.gradient
        sy, yy = move.products()
        Hg = self._product(g)
        u = Hg + move.direction  # H y, as the old direction is minus H times the old gradient
        yHy, sg, ug, ss, uu = torch.stack(
            [torch.dot(a, b) for a, b in ((move.change, u), (s, g), (u, g), (s, s), (u, u))]
        ).tolist()
        if not (sy > 0 and 0 < yHy < math.inf and 0 < move.curvature < math.inf):
            return -Hg
        h = yHy / sy
        first = self._first and self._rescale_first
        tau, phi = self._rule(move.curvature / sy, h, self.n, first)
        if not (0 < tau < math.inf and math.isfinite(phi)):
            return -Hg
        self._first, self._ratio = False, sy / yy
        c = coefficients(tau, phi, sy, h)
        self._gather(s, u, math.sqrt(ss), math.sqrt(uu), tau, c)
        direction = Hg.mul_(-1 / tau)
        direction.add_(s, alpha=-(c[0] * sg + c[1] * ug)).add_(u, alpha=-(c[1] * sg + c[2] * ug))
        return direction

    def reset(self) -> None:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        self._matrix.zero_().diagonal().fill_(self._ratio)
        self._scale, self._used, self._first = 1.0, 0, True

    def matrix(self) -> Tensor:
        """H (n, n), the storage itself: valid until the next update."""
        self._put_in()
        return self._matrix

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`; the tensors are those in use."""
        return {
            "method": self.method,
            "matrix": self._matrix,
            "rows": self._rows,
            "signs": self._signs,
            "scale": self._scale,
            "used": self._used,
            "first": self._first,
            "ratio": self._ratio,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See :class:`~wsapps.quasi_newton.inverse.Inverse`."""
        if state.get("method") != self.method:
            raise ValueError(f"the method is {state.get('method')} in it and {self.method} here")
        loaded = [
            checked(state, name, like)
            for name, like in (("matrix", self._matrix), ("rows", self._rows), ("signs", self._signs))
        ]
        scale, used, ratio = float(state["scale"]), int(state["used"]), float(state["ratio"])
        if not 0 <= used <= 2 * _GATHERED:
            raise ValueError(f"used is {used} in it, out of range")
        for own, value in zip((self._matrix, self._rows, self._signs), loaded, strict=True):
            own.copy_(value)
        self._scale, self._used, self._ratio, self._first = scale, used, ratio, bool(state["first"])

    def _product(self, vector: Tensor) -> Tensor:
        """H times a vector."""
        product = torch.mv(self._matrix, vector).mul_(self._scale)
        if self._used:
            rows = self._rows[: self._used]
            product.addmv_(rows.T, torch.mv(rows, vector).mul_(self._signs[: self._used]))
        return product

    def _gather(
        self, s: Tensor, u: Tensor, s_norm: float, u_norm: float, tau: float, c: tuple[float, float, float]
    ) -> None:
        """Add ``[s u] C [s u]'`` to H / tau, as two terms ``sign * w w'`` from the eigenvectors of C."""
        self._scale /= tau
        self._rows[: self._used] *= tau**-0.5
        # Of s and u made unit vectors: the rotation must not mix numbers of different size.
        ss, su, uu = c[0] * s_norm**2, c[1] * s_norm * u_norm, c[2] * u_norm**2
        angle, middle, radius = (
            0.5 * math.atan2(2 * su, ss - uu),
            (ss + uu) / 2,
            math.hypot((ss - uu) / 2, su),
        )
        cosine, sine = math.cos(angle), math.sin(angle)
        for value, along_s, along_u in ((middle + radius, cosine, sine), (middle - radius, -sine, cosine)):
            size = math.sqrt(abs(value))
            row = self._rows[self._used]
            torch.mul(s, size * along_s / s_norm, out=row)
            row.add_(u, alpha=size * along_u / u_norm)
            self._signs[self._used] = math.copysign(1.0, value)
            self._used += 1
        if self._used == 2 * _GATHERED:
            self._put_in()

    def _put_in(self) -> None:
        """Carry the gathered updates out on the matrix: above the diagonal, and mirrored below it."""
        if not self._used:
            return
        rows = self._rows[: self._used]
        signed = rows * self._signs[: self._used, None]
        for first in range(0, self.n, _BLOCK):
            last = min(first + _BLOCK, self.n)
            band = self._matrix[first:last, first:]
            band.addmm_(rows[:, first:last].T, signed[:, first:], beta=self._scale)
            square, rest = band[:, : last - first], band[:, last - first :]
            upper = square.triu(1)
            square.copy_(upper + upper.T + torch.diag(square.diagonal()))
            self._matrix[last:, first:last] = rest.T
        self._scale, self._used = 1.0, 0
