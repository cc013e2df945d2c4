"""Broyden's family of updates of the inverse Hessian, and how its self-scaled members choose their factors.

With the step s, the change of the gradient y and the present approximation H, the family is

    H+ = (H - H y y'H / y'Hy + phi * y'Hy * v v') / tau + s s' / s'y,   v = s / s'y - H y / y'Hy

(Urban, Stefanou & Pons, J. Comput. Phys. 2025, arXiv 2405.04230). All members solve the secant equation
H+ y = s, whatever tau and phi. BFGS is tau = phi = 1. A tau below 1 enlarges H across the step, which BFGS
does only slowly where H is too small.

tau and phi depend on two numbers, ``b = s'Bs / s'y`` with B the inverse of H, and ``h = y'Hy / s'y``; by
Cauchy and Schwarz ``b h >= 1``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Factors = tuple[float, float]  # tau, phi
Rule = Callable[[float, float, int, bool], Factors]
_SMALLEST_A = 1e-14  # a = b h - 1 is a difference of nearly equal numbers where H is right along s


def bfgs(b: float, h: float, n: int, first: bool) -> Factors:
    """BFGS; the first update scales H to ``s'y / y'y`` (Nocedal & Wright, eq. 6.20)."""
    return (h if first else 1.0), 1.0


def ssbfgs(b: float, h: float, n: int, first: bool) -> Factors:
    """Self-scaled BFGS: ``tau = min(1, 1 / b)``.

    Al-Baali, J. Optim. Theory Appl. 96 (1998); eq. 11 of arXiv 2405.04230.
    """
    return (h if first else min(1.0, 1 / b)), 1.0


def ssbroyden(b: float, h: float, n: int, first: bool) -> Factors:
    """Self-scaled Broyden: both factors from intervals in which the update is known to be good.

    Al-Baali & Khalfan, Optim. Methods Softw. 20 (2005); eqs. 13-23 of arXiv 2405.04230. theta is the
    family's parameter for the Hessian itself: 0 is BFGS, 1 is DFP. The first update scales H as
    ``tau = h / (1 + a theta)``, as those authors' program does.
    """
    a = max(b * h - 1, _SMALLEST_A)
    lower = min(1.0, h * (1 - math.sqrt(a / (1 + a))))
    theta = max((lower - 1) / a, min(1 / lower, (1 - b) / b))
    sigma = 1 + a * theta
    phi = (1 - theta) / sigma
    if first:
        return h / sigma, phi
    volume = sigma ** (-1 / (n - 1)) if n > 1 else 1.0
    upper = min(1.0, 1 / b)
    tau = min(upper * volume, sigma) if theta <= 0 else upper * min(volume, 1 / theta)
    return tau, phi


RULES: dict[str, Rule] = {"bfgs": bfgs, "ssbfgs": ssbfgs, "ssbroyden": ssbroyden}


def coefficients(tau: float, phi: float, sy: float, h: float) -> tuple[float, float, float]:
    """The update as ``H+ = H / tau + ss * s s' + su * (s u' + u s') + uu * u u'`` with ``u = H y``.

    Args:
        tau, phi: the factors.
        sy: s'y > 0.
        h: y'Hy / s'y > 0.

    Returns:
        ss, su, uu.
    """
    return (phi * h / tau + 1) / sy, -phi / (tau * sy), (phi - 1) / (tau * h * sy)
