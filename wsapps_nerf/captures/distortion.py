"""Lens distortion: polynomials on the image plane, and their inverse.

One formula serves the models in use (Brown-Conrady as in OpenCV and COLMAP, and the fisheye models, which
apply it to the plane of angles): a rational radial factor, tangential and thin-prism terms.

Shapes: R points.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Columns of a coefficient table: powers r^2 .. r^8 of the numerator, r^2 .. r^6 of the denominator,
#: tangential p1 p2, thin prism s1 s2.
COEFFICIENTS = ("k1", "k2", "k3", "k4", "d1", "d2", "d3", "p1", "p2", "s1", "s2")
_MOST_ITERATIONS = 50
_CONVERGED = 1e-13  # change of the plane's coordinates, whose size is about 1


def distort(plane: Tensor, coefficients: Tensor) -> Tensor:
    """Where ideal points ``(R, 2)`` of the plane z = 1 fall, ``(R, 2)``.

    ``coefficients`` ``(R, 11)`` or ``(11,)``, in the order of :data:`COEFFICIENTS`. With r^2 = u^2 + v^2 and
    f = (1 + k1 r^2 + .. + k4 r^8) / (1 + d1 r^2 + .. + d3 r^6):
    x = u f + 2 p1 u v + p2 (r^2 + 2 u^2) + s1 r^2 and y = v f + p1 (r^2 + 2 v^2) + 2 p2 u v + s2 r^2.
    """
    return _distort_with_jacobian(plane, coefficients)[0]


def undistort(distorted: Tensor, coefficients: Tensor) -> Tensor:
    """The inverse of :func:`distort`, ``(R, 2)``, by Newton's method; give float64.

    NaN where there is none: the polynomial has folded the plane before it reaches that point.
    """
    plane = distorted.clone()
    for _ in range(_MOST_ITERATIONS):
        value, (xu, xv, yu, yv) = _distort_with_jacobian(plane, coefficients)
        error = value - distorted
        determinant = xu * yv - xv * yu
        change = torch.stack(
            [yv * error[:, 0] - xv * error[:, 1], xu * error[:, 1] - yu * error[:, 0]], dim=-1
        )
        change = change / determinant[:, None]
        plane = plane - change
        if not bool((change.abs() > _CONVERGED).any()):  # NaN counts as done
            break
    value = distort(plane, coefficients)
    wrong = ~((value - distorted).abs() < 1e-9).all(dim=-1) | folded(plane, coefficients)
    return torch.where(wrong[:, None], torch.nan, plane)


def folded(plane: Tensor, coefficients: Tensor) -> Tensor:
    """Whether the distortion turns back somewhere between the centre and each point, ``(R,)`` bool."""
    result = torch.zeros(plane.shape[0], dtype=torch.bool, device=plane.device)
    for part in (0.2, 0.4, 0.6, 0.8, 0.9, 1.0):
        _, (xu, xv, yu, yv) = _distort_with_jacobian(plane * part, coefficients)
        result |= ~(xu * yv - xv * yu > 0)
    return result


def _distort_with_jacobian(plane: Tensor, coefficients: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Values ``(R, 2)``, and the partial derivatives dx/du, dx/dv, dy/du, dy/dv, each ``(R,)``."""
    k1, k2, k3, k4, d1, d2, d3, p1, p2, s1, s2 = coefficients.unbind(dim=-1)
    u, v = plane.unbind(dim=-1)
    r2 = u * u + v * v
    top = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    bottom = 1 + r2 * (d1 + r2 * (d2 + r2 * d3))
    factor = top / bottom
    top_slope = k1 + r2 * (2 * k2 + r2 * (3 * k3 + r2 * 4 * k4))
    bottom_slope = d1 + r2 * (2 * d2 + r2 * 3 * d3)
    slope = (top_slope - factor * bottom_slope) / bottom  # of the factor, by r^2
    x = u * factor + 2 * p1 * u * v + p2 * (r2 + 2 * u * u) + s1 * r2
    y = v * factor + p1 * (r2 + 2 * v * v) + 2 * p2 * u * v + s2 * r2
    mixed = 2 * u * v * slope + 2 * p1 * u + 2 * p2 * v
    jacobian = (
        factor + 2 * u * u * slope + 2 * p1 * v + 6 * p2 * u + 2 * s1 * u,
        mixed + 2 * s1 * v,
        mixed + 2 * s2 * u,
        factor + 2 * v * v * slope + 6 * p1 * v + 2 * p2 * u + 2 * s2 * v,
    )
    return torch.stack([x, y], dim=-1), jacobian
