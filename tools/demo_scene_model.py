"""The demo scene's model: a harbour island with a lighthouse, a windmill, a cottage, a boat and a balloon.

Numpy only, so that the tests can project its surface into the committed views. z is up; everything lies
inside [-1.2, 1.2]^3. `build()` gives one mesh per material; make_demo_scene.py has the materials.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
from demo_scene_shapes import Mesh, box, join, lathe, quad, rod, rotation_about, sphere, surface, torus

LIFT = 0.12  # centres the finished model on the origin
SEA_LEVEL = -0.62
GROUND = -0.50
ISLAND_CENTRE = np.array([0.03, 0.12])
Parts = list[tuple[str, Mesh]]


def build() -> dict[str, Mesh]:
    """The whole scene, as {material: mesh}."""
    placed: list[tuple[Parts, tuple[float, float, float], float]] = [
        (base(), (0, 0, 0), 0),
        (island(), (0, 0, 0), 0),
        (lighthouse(), (-0.40, 0.34, GROUND), 0),
        (windmill(), (0.46, 0.46, GROUND), 62),
        (cottage(), (0.10, -0.20, GROUND), -28),
        (boat(), (0.42, -0.84, SEA_LEVEL), 28),
        (pier(), (-0.36, -0.47, GROUND), 238),
        (balloon(), (0.52, -0.18, 0.0), 0),
        (buoy(), (-0.93, -0.38, SEA_LEVEL), 0),
        (beach_ball(), (-0.50, -0.26, GROUND + 0.10), 0),
        (garden(), (0, 0, 0), 0),
    ]
    meshes = defaultdict(list)
    for parts, offset, turn in placed:
        for material, mesh in parts:
            meshes[material].append(mesh.moved(offset, turn))
    return {material: join(group).moved((0, 0, LIFT)) for material, group in meshes.items()}


def base() -> Parts:
    """A round wooden plinth with a brass rim, and the sea on it."""
    plinth = lathe(
        [(0, -0.82), (1.14, -0.82), (1.16, -0.79), (1.16, -0.69), (1.12, -0.66)], (6, 1), 96, sharp=True
    )
    rim = torus(1.11, 0.035, (0, 0, -0.645), 96)
    radius, angle = np.meshgrid(np.linspace(0, 1.1, 6), np.linspace(0, 2 * np.pi, 97), indexing="ij")
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full_like(angle, SEA_LEVEL)], -1)
    chocks = [box((0.12, 0.16, 0.06), (1.02, 0, -0.85)).moved(turn=a) for a in range(0, 360, 60)]
    return [("maple", plinth), ("brass", rim), ("sea", surface(points, planar=1.6)), ("brass", join(chocks))]


def shore(angle: np.ndarray) -> np.ndarray:
    """The island's radius at its top, by direction."""
    return 0.73 + 0.06 * np.cos(2 * angle + 0.6) + 0.05 * np.cos(3 * angle + 1.7) + 0.02 * np.cos(7 * angle)


def island() -> Parts:
    """Meadows on top, a sandy shore that slopes into the sea."""
    angle = np.linspace(0, 2 * np.pi, 145)
    angle[-1] = 0
    edge = np.stack([np.cos(angle), np.sin(angle)], -1) * shore(angle)[:, None]

    def rings(scales: list[tuple[float, float]]) -> np.ndarray:
        flat = [np.c_[s * edge + ISLAND_CENTRE, np.full(len(edge), z)] for s, z in scales]
        return np.stack(flat)

    top = surface(rings([(0, GROUND), (0.5, GROUND), (0.96, GROUND)]), planar=1.9)
    sand = surface(
        rings([(0.96, GROUND), (1.0, GROUND - 0.01), (1.07, -0.57), (1.17, SEA_LEVEL - 0.01)]), (30, 1)
    )
    return [("fields", top), ("sand", sand)]


def lighthouse() -> Parts:
    """A spiral-striped tower with a railed gallery, a lamp and a copper dome; 1.5 units tall."""
    parts: Parts = [
        ("stone", lathe([(0.27, 0), (0.27, 0.06), (0.23, 0.10)], (10, 0.5), sharp=True)),
        ("barber", lathe([(0.215, 0.08), (0.18, 0.5), (0.15, 0.98)])),
        ("slate", lathe([(0.15, 0.94), (0.24, 0.98), (0.24, 1.01), (0, 1.01)], sharp=True)),
        ("lamp", sphere(0.085, (0, 0, 1.12))),
        ("copper", lathe([(0.165, 1.24), (0.155, 1.30), (0.11, 1.36), (0.04, 1.405), (0, 1.415)])),
        ("copper", lathe([(0, 1.24), (0.165, 1.24)])),
        ("brass", rod((0, 0, 1.40), (0, 0, 1.48), 0.012)),
        ("brass", sphere(0.028, (0, 0, 1.47))),
        ("white", torus(0.225, 0.014, (0, 0, 1.12))),
        ("white", torus(0.225, 0.010, (0, 0, 1.065))),
        ("red", box((0.10, 0.05, 0.20), (0, -0.215, 0.19))),
    ]
    for degrees in range(0, 360, 45):
        x, y = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        parts.append(("white", rod((0.225 * x, 0.225 * y, 1.0), (0.225 * x, 0.225 * y, 1.12), 0.011)))
        if degrees % 90 == 0:
            parts.append(("brass", rod((0.13 * x, 0.13 * y, 1.0), (0.13 * x, 0.13 * y, 1.25), 0.014)))
    for degrees, z in ((-60, 0.45), (60, 0.62), (180, 0.78), (-60, 0.82)):
        radius = 0.207 - 0.066 * z
        parts.append(("slate", box((0.03, 0.055, 0.09), (radius, 0, z)).moved(turn=degrees)))
    return parts


def windmill() -> Parts:
    """An eight-sided brick mill whose four lattice sails face +x."""
    parts: Parts = [
        ("bricks", lathe([(0.21, 0), (0.19, 0.2)], (5, 0.75), 8, sharp=True)),
        ("plaster", lathe([(0.19, 0.2), (0.125, 0.62)], (2, 1), 8, sharp=True)),
        ("white", torus(0.2, 0.016, (0, 0, 0.2), 8)),
        ("teal", lathe([(0.155, 0.61), (0.15, 0.67), (0.11, 0.74), (0.05, 0.775), (0, 0.785)])),
        ("teal", lathe([(0, 0.61), (0.155, 0.61)])),
        ("white", box((0.03, 0.09, 0.16), (0.19, 0, 0.09))),
        ("slate", box((0.03, 0.06, 0.07), (0.155, 0, 0.42))),
        ("brass", rod((0.08, 0, 0.67), (0.23, 0, 0.67), 0.02)),
        ("brass", sphere(0.035, (0.235, 0, 0.67))),
    ]
    blade: Parts = [("maple", rod((0, 0, 0), (0, 0, 0.45), 0.012))]
    blade += [("maple", rod((0, y, 0.10), (0, y, 0.45), 0.009)) for y in (0.055, 0.11)]
    blade += [("maple", rod((0, -0.01, z), (0, 0.115, z), 0.009)) for z in np.linspace(0.10, 0.445, 5)]
    blade.append(
        ("canvas", quad([(0.004, 0.0, 0.27), (0.004, 0.11, 0.27), (0.004, 0.11, 0.445), (0.004, 0.0, 0.445)]))
    )
    for turn in (20, 110, 200, 290):
        parts += [(m, s.moved((0.215, 0, 0.67), rotation_about((1, 0, 0), turn))) for m, s in blade]
    return parts


def cottage() -> Parts:
    """Brick walls, a shingled gable roof, a chimney; the door faces -y."""
    parts: Parts = [("bricks", box((0.44, 0.32, 0.24), (0, 0, 0.12), 0.24))]
    ridge, eave, reach = 0.42, 0.215, 0.205
    for side in (-1, 1):
        roof = [(-0.26, side * reach, eave), (0.26, side * reach, eave), (0.26, 0, ridge), (-0.26, 0, ridge)]
        parts.append(("shingles", quad(roof, (1.0, 0.66))))
        gable = [
            (side * 0.22, -0.16, 0.24),
            (side * 0.22, 0.16, 0.24),
            (side * 0.22, 0, 0.40),
            (side * 0.22, 0, 0.40),
        ]
        parts.append(("planks", quad(gable, (1, 1))))
        parts.append(("peach", rod((side * 0.26, -reach, eave), (side * 0.26, 0, ridge), 0.014)))
        parts.append(("peach", rod((side * 0.26, reach, eave), (side * 0.26, 0, ridge), 0.014)))
    parts.append(("peach", rod((-0.26, 0, ridge), (0.26, 0, ridge), 0.014)))
    parts.append(("stone", box((0.085, 0.085, 0.25), (0.12, 0.07, 0.42), 0.12)))
    parts.append(("slate", box((0.10, 0.10, 0.025), (0.12, 0.07, 0.55))))
    parts.append(("blue", box((0.09, 0.03, 0.165), (0.02, -0.16, 0.083))))
    for x, y, size in ((-0.13, -0.16, 0.085), (0.14, -0.16, 0.085), (-0.11, 0.16, 0.1), (0.11, 0.16, 0.1)):
        parts.append(("white", box((size + 0.03, 0.024, size + 0.03), (x, y, 0.14))))
        parts.append(("slate", box((size, 0.034, size), (x, y, 0.14))))
        parts.append(("white", box((0.014, 0.042, size), (x, y, 0.14))))
    return parts


def boat() -> Parts:
    """A sailing boat, bow to +x: lofted hull, mast, boom, a striped mainsail and a jib."""
    x = np.linspace(-0.22, 0.25, 25)[:, None]
    t = np.linspace(-1, 1, 13)[None, :]
    width = 0.085 * np.sqrt(np.clip(1 - np.maximum(x / 0.25, 0) ** 2, 0, 1)) * (1 - 0.25 * (x < -0.215))
    sheer = 0.10 + 0.06 * (x / 0.25) ** 2
    z = sheer - (sheer + 0.03) * (1 - t**2) ** 0.5
    hull = np.stack([x + 0 * t, width * t, z], -1)
    deck = np.stack([x + 0 * t[:, :3], width * np.array([[-0.95, 0, 0.95]]), sheer - 0.02 + 0 * t[:, :3]], -1)
    stern = np.stack([hull[0], hull[0] * (1, 0, 0) + (0, 0, 0.13)])
    parts: Parts = [("red", surface(hull)), ("planks", surface(deck, (1, 1))), ("red", surface(stern))]
    parts.append(("maple", rod((0.03, 0, 0.05), (0.03, 0, 0.78), 0.013)))
    parts.append(("maple", rod((0.03, 0, 0.19), (-0.22, 0.05, 0.19), 0.010)))
    parts.append(("red", box((0.09, 0.004, 0.045), (-0.015, 0, 0.765))))
    height, along = np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 12), indexing="ij")
    belly = 0.045 * np.sin(np.pi * along) * (1 - height)
    back = along * (1 - height)
    main = np.stack([0.02 - 0.24 * back, 0.05 * back + belly, 0.20 + 0.53 * height], -1)
    jib = np.stack([0.05 + 0.19 * (1 - along) * (1 - height), belly, 0.17 + 0.50 * height], -1)
    return [*parts, ("sailcloth", surface(main, (1, 1))), ("canvas", surface(jib))]


def pier() -> Parts:
    """A boardwalk from the shore out along +x, on piles, with a crate and a bollard."""
    parts: Parts = [("planks", box((0.09, 0.20, 0.022), (0.05 + 0.1 * i, 0, 0.0))) for i in range(5)]
    for x in (0.06, 0.25, 0.44):
        for y in (-0.085, 0.085):
            parts.append(("maple", rod((x, y, -0.16), (x, y, 0.03), 0.02)))
    parts.append(("brass", sphere(0.026, (0.44, -0.085, 0.045))))
    parts.append(("maple", box((0.11, 0.09, 0.08), (0.30, -0.03, 0.05))))
    return parts


def balloon() -> Parts:
    """A tethered hot-air balloon; its envelope is glossy."""
    t = np.linspace(-0.44 * np.pi, np.pi / 2, 24)
    radius = 0.27 * np.cos(t) * (1 - 0.10 * np.clip(-np.sin(t), 0, 1))
    profile = np.stack([radius, 0.62 + np.where(t < 0, 0.40, 0.27) * np.sin(t)], 1)
    profile[-1, 0] = 0
    parts: Parts = [("balloon", lathe(profile)), ("wicker", box((0.11, 0.11, 0.09), (0, 0, 0.095), 0.08))]
    parts.append(("maple", box((0.125, 0.125, 0.018), (0, 0, 0.145))))
    for x in (-0.05, 0.05):
        parts += [("maple", rod((x, y, 0.14), (0.8 * x, 0.8 * y, 0.25), 0.006)) for y in (-0.05, 0.05)]
    return [*parts, ("maple", rod((0, 0, 0.06), (0.05, 0.03, GROUND), 0.008))]


def buoy() -> Parts:
    """A glossy red and white buoy with a ring on top."""
    body = lathe(
        [(0, -0.03), (0.075, 0.0), (0.085, 0.04), (0.05, 0.11), (0.025, 0.20), (0, 0.20)], (1, 1), 32
    )
    return [("buoy", body), ("brass", sphere(0.035, (0, 0, 0.22)))]


def beach_ball() -> Parts:
    """A glossy ball of six colours, tilted."""
    return [("balloon", sphere(0.10).moved(turn=rotation_about((1, 0.4, 0), 50)))]


def garden() -> Parts:
    """Trees and a picket fence."""
    parts: Parts = []
    for x, y, size in ((-0.02, 0.72, 1.0), (0.13, 0.55, 0.75), (-0.66, 0.10, 0.8), (0.62, 0.08, 0.85)):
        parts.append(("maple", rod((x, y, GROUND), (x, y, GROUND + 0.1 * size), 0.03 * size)))
        for level in range(3):
            z, radius = GROUND + size * (0.07 + 0.11 * level), size * (0.15 - 0.035 * level)
            parts.append(
                (
                    "pine",
                    lathe([(0, z), (radius, z), (0, z + 0.19 * size)], (6, 1), 24, True).moved((x, y, 0)),
                )
            )
    for x, y, z, radius in ((0.02, 0.22, 0.20, 0.12), (0.11, 0.17, 0.16, 0.085), (-0.05, 0.16, 0.15, 0.08)):
        parts.append(("leaf", sphere(radius, (x, y, GROUND + z))))
    parts.append(("maple", rod((0.02, 0.2, GROUND), (0.02, 0.2, GROUND + 0.15), 0.028)))
    corners = np.array([(-0.24, -0.36), (0.10, -0.54), (0.36, -0.44)])
    for a, b in pairwise(corners):
        for z in (0.045, 0.09):
            parts.append(("white", rod((*a, GROUND + z), (*b, GROUND + z), 0.008)))
        for s in np.linspace(0, 1, 5):
            x, y = a + s * (b - a)
            parts.append(("white", rod((x, y, GROUND), (x, y, GROUND + 0.12), 0.012)))
    return parts
