"""The embedded map: broad spherical harmonics, a band of waves, and small whirls, on 91 x 180 points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsapps_signals.kinds.sphere_grid import SphereMap, unit_vectors

TITLE = "waves and whirls"
_SEED = 7


def wave_map(height: int = 91, width: int = 180) -> SphereMap:
    """A continuous field on the sphere, without units; latitudes from 90 to -90, longitudes from -180.

    Zonal harmonics P_l about random axes (sums of them are all spherical harmonics) with amplitudes that
    fall with the degree l, and localised whirls a few degrees across, as fine as the grid can carry.
    """
    latitudes = np.linspace(90.0, -90.0, height)
    longitudes = -180.0 + np.arange(width, dtype=np.float64) * (360.0 / width)
    points = unit_vectors(latitudes, longitudes).astype(np.float64)
    rng = np.random.default_rng(_SEED)
    values = 1.5 * (1.0 - points[:, 2] ** 2)
    for degree in range(1, 33):
        for axis in _directions(rng, 3):
            amplitude = rng.normal() * degree**-0.9
            values += amplitude * np.polynomial.legendre.Legendre.basis(degree)(points @ axis)
    for centre in _directions(rng, 24):
        values += rng.choice([-1.0, 1.0]) * _whirl(points, centre, rng)
    return SphereMap(latitudes, longitudes, values.reshape(height, width), "field", long_name=TITLE)


def _directions(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """``(count, 3)`` unit vectors, uniform on the sphere."""
    vectors = rng.normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _whirl(points: NDArray[np.float64], centre: NDArray[np.float64], rng: np.random.Generator) -> NDArray:
    """A two-armed spiral under a bell around ``centre``, smooth at its middle: ``(N,)``."""
    east = np.cross(centre, _directions(rng, 1)[0])
    east /= np.linalg.norm(east)
    north = np.cross(centre, east)
    radius = rng.uniform(0.08, 0.2)  # radians
    x, y = points @ east / radius, points @ north / radius
    r2 = x**2 + y**2
    # (x + i y)^2 turned by an angle that grows with the distance.
    arms = np.real((x + 1j * y) ** 2 * np.exp(2.0j * r2)) / (1.0 + r2)
    front = points @ centre > 0
    return np.where(front, np.exp(-r2) * (1.0 + 1.5 * arms), 0.0)
