"""Poisson's equation -Lap u = source with constant source and boundary values, where corners or holes are.

A quarter of ``-source |z|^2`` takes the source away; what is left is harmonic, and :mod:`.harmonic` finds it
with a bound of its error that holds everywhere in the region.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_pde.references.harmonic import HarmonicFunction, Region
from wsapps_pde.references.settings import LONGEST_SIDE, count, number, numbers_of, positive
from wsapps_pde.references.solution import ReferenceSolution

Array = NDArray[np.float64]
Points = NDArray[np.complex128]
_L_CORNERS = (-1 - 1j, 1 - 1j, 1 + 0j, 0j, 1j, -1 + 1j)
_PINNACLE_DISCS = [{"centre": [x, y], "radius": 0.1} for x in (-0.3, 0.3) for y in (-0.3, 0.3)]


def poisson_l_shape(*, source: float = 1.0, points: int = 128) -> ReferenceSolution:
    """-Lap u = source in [-1, 1]^2 without (0, 1]^2, u = 0 on the boundary; ``points + 1`` nodes an axis.

    The gradient is infinite at the corner (0, 0), where u behaves like r^(2/3).

    Raises:
        UserError: a setting out of range.
    """
    name = "poisson_l_shape"
    source = number(name, "source", source)
    axis = np.linspace(-1.0, 1.0, count(name, "points", points, 4, multiple=2, most=LONGEST_SIDE) + 1)
    region = Region(_L_CORNERS)
    unit = _particular(1.0, region)
    harmonic = HarmonicFunction(region, lambda z: -unit(z), per_corner=80, degree=24)
    text = f"L-shape, -Lap u = {source:g}; poles at the corners, least squares on the boundary"
    return _on_grid(region, harmonic, source, source, (axis, axis.copy()), text)


def poisson_holes(
    *,
    box: Mapping[str, Sequence[float]] | None = None,
    discs: Sequence[Mapping[str, Any]] | None = None,
    source: float = 0.0,
    outer: float = 1.0,
    inner: float = 0.0,
    points: int = 128,
) -> ReferenceSolution:
    """-Lap u = source in a box without discs, u = outer on the box and inner on the discs.

    The defaults are PINNacle's Poisson2d-C (2306.08827): [-0.5, 0.5]^2 without four discs of radius 0.1 at
    (+-0.3, +-0.3), source 0, u = 1 on the box and 0 on the discs.

    Args:
        box: ``{x: [low, high], y: [low, high]}``.
        discs: a list of ``{centre: [x, y], radius: r}``, inside the box and apart from each other.
        points: cells along each axis of the grid that is given back.

    Raises:
        UserError: a setting out of range, discs that touch the box or each other, or a gap so narrow
            that the series do not converge.
    """
    name = "poisson_holes"
    source, outer, inner = (
        number(name, key, value) for key, value in (("source", source), ("outer", outer), ("inner", inner))
    )
    low, high = _box(name, {"x": [-0.5, 0.5], "y": [-0.5, 0.5]} if box is None else box)
    holes = _discs(name, _PINNACLE_DISCS if discs is None else discs, low, high)
    nodes = count(name, "points", points, 4, most=LONGEST_SIDE) + 1
    axes = (np.linspace(low.real, high.real, nodes), np.linspace(low.imag, high.imag, nodes))
    corners = (low, complex(high.real, low.imag), high, complex(low.real, high.imag))
    region = Region(corners, tuple(holes))
    particular = _particular(source, region)

    def boundary(z: Points) -> Array:
        on_disc = np.zeros(z.shape, bool)
        for centre, radius in holes:
            on_disc |= np.abs(z - centre) < radius * (1.0 + 1e-9)
        return np.where(on_disc, inner, outer) - particular(z)

    # With a source, u has a r^2 log r in every corner.
    per_corner = 24 if source else 0
    harmonic = HarmonicFunction(region, boundary, per_corner=per_corner, degree=120, per_disc=32)
    size = max(abs(outer), abs(inner), float(np.abs(particular(np.array(corners))).max()))
    if harmonic.bound > 1e-4 * size:
        raise UserError(
            f"reference {name}: the series reach no more than {harmonic.bound:.1e} on the boundary; the gaps "
            f"between the {len(holes)} discs and the box are too narrow for them"
        )
    text = f"box without {len(holes)} discs, -Lap u = {source:g}; series, least squares on the boundary"
    return _on_grid(region, harmonic, 1.0, source, axes, text)


def _on_grid(
    region: Region,
    harmonic: HarmonicFunction,
    factor: float,
    source: float,
    axes: tuple[Array, Array],
    text: str,
) -> ReferenceSolution:
    """``factor`` times the harmonic function, and the source's part, at the nodes in the region."""
    x, y = np.meshgrid(*axes, indexing="ij")
    z = x + 1j * y
    inside = region.contains(z)
    u = np.full(z.shape, np.nan)
    u[inside] = factor * harmonic(z[inside]) + _particular(source, region)(z[inside])
    bound = abs(factor) * harmonic.bound
    size = float(np.sqrt(np.nanmean(u**2)))
    return ReferenceSolution(
        {"x": axes[0], "y": axes[1]},
        None,
        {"u": u},
        {"u": bound / size if size > 0 else 0.0},
        f"{text}; no error above {bound:.1e} by the maximum principle",
    )


def _particular(source: float, region: Region) -> Callable[[Points], Array]:
    """-source / 4 times the squared distance from the region's centre: -Lap of it is the source."""
    return lambda z: -0.25 * source * np.abs(z - region.centre) ** 2


def _box(name: str, box: Any) -> tuple[complex, complex]:
    """The lower left and the upper right corner."""
    if not isinstance(box, Mapping) or set(box) != {"x", "y"}:
        raise UserError(f"reference {name}: box must be {{x: [low, high], y: [low, high]}}, got {box!r}")
    (left, right), (bottom, top) = (numbers_of(name, f"box.{key}", box[key], 2) for key in "xy")
    if not (left < right and bottom < top):
        raise UserError(f"reference {name}: box must have low < high in both axes, got {dict(box)}")
    return complex(left, bottom), complex(right, top)


def _discs(name: str, discs: Any, low: complex, high: complex) -> list[tuple[complex, float]]:
    """(centre, radius) of each, checked to be in the box and apart."""
    if not isinstance(discs, (list, tuple)):
        raise UserError(f"reference {name}: discs must be a list, got {discs!r}"[:200])
    found = []
    for index, disc in enumerate(discs):
        where = f"discs[{index}]"
        if not isinstance(disc, Mapping) or set(disc) != {"centre", "radius"}:
            raise UserError(f"reference {name}: {where} must be {{centre: [x, y], radius: r}}, got {disc!r}")
        x, y = numbers_of(name, f"{where}.centre", disc["centre"], 2)
        radius = positive(name, f"{where}.radius", disc["radius"])
        if min(x - low.real, high.real - x, y - low.imag, high.imag - y) <= radius:
            raise UserError(
                f"reference {name}: {where} at ({x:g}, {y:g}) with radius {radius:g} is not inside the box"
            )
        found.append((complex(x, y), radius))
    for (i, (a, r)), (j, (b, s)) in itertools.combinations(enumerate(found), 2):
        if abs(a - b) <= r + s:
            raise UserError(f"reference {name}: discs[{i}] and discs[{j}] touch or overlap; keep them apart")
    return found
