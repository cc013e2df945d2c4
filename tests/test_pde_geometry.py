"""Shapes: measures and boundaries against closed forms, outward normals, levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.user_errors import one_line_error
from wsapps.jets import FUNCTIONS as JET_FUNCTIONS
from wsapps.jets import Jet, JetSpace
from wsapps_pde.language.functions import TORCH_FUNCTIONS
from wsapps_pde.space.boundary import boundary_parts, has_seam
from wsapps_pde.space.domain import read_domain
from wsapps_pde.space.drawing import PointSource, accepted
from wsapps_pde.space.geometry import inside, level_on_arrays, size
from wsapps_pde.space.polygon import polygon
from wsapps_pde.space.shape_file import ordered, read_shape

SQUARE = {"rectangle": {"x": [-1, 1], "y": [-1, 1]}}
QUADRANT = {"rectangle": {"x": [0, 1], "y": [0, 1]}}
COMB = [[0, 0], [4, 0], [4, 3], [3, 1], [2, 2.5], [2, 1], [1, 3], [0, 3]]


def disc(x, y, radius):
    return {"disc": {"centre": [x, y], "radius": radius}}


def ball(radius, centre=(0, 0, 0)):
    return {"ball": {"centre": list(centre), "radius": radius}}


def length(corners):
    sides = np.diff([*corners, corners[0]], axis=0)
    return float(np.linalg.norm(sides, axis=1).sum())


#: name -> shape, its measure, that of its boundary.
SHAPES = {
    "interval": ({"interval": {"x": [-1, 2]}}, 3, 2),
    "rectangle": (SQUARE, 4, 8),
    "box": ({"box": {"x": [0, 1], "y": [0, 2], "z": [0, "pi"]}}, 2 * math.pi, 4 + 6 * math.pi),
    "disc": (disc(1, 2, 0.5), math.pi / 4, math.pi),
    "ball": (ball(2), 32 / 3 * math.pi, 16 * math.pi),
    # The perimeter of the ellipse with semi-axes 2 and 1: 8 E(3/4).
    "ellipse": ({"ellipse": {"radii": [2, 1], "angle": 0.3}}, 2 * math.pi, 9.688448220547675),
    "U": ({"polygon": [[0, 0], [3, 0], [3, 2], [2, 2], [2, 1], [1, 1], [1, 2], [0, 2]]}, 5, 12),
    "notched channel": ({"polygon": [[0, 0.1], [0.3, 0.1], [0.3, 0.3], [0.7, 0.3], [0.7, 0.1], [1, 0.1],
                                     [1, 0.7], [0, 0.7]]}, 0.52, 3.6),
    "comb": ({"polygon": COMB}, 8.75, length(COMB)),
    "clockwise": ({"polygon": {"corners": COMB[::-1]}}, 8.75, length(COMB)),
    "hole": ({"difference": [SQUARE, disc(0, 0, 0.25)]}, 4 - math.pi / 16, 8 + math.pi / 2),
    "half disc": ({"intersection": [disc(0, 0, 1), {"rectangle": {"x": [0, 2], "y": [-2, 2]}}]},
                  math.pi / 2, math.pi + 2),
    "lens": ({"intersection": [disc(0, 0, 1), disc(1, 0, 1)]},
             2 * math.pi / 3 - math.sqrt(3) / 2, 4 * math.pi / 3),
    "L by difference": ({"difference": [SQUARE, QUADRANT]}, 3, 8),
    "L by union": ({"union": [{"rectangle": {"x": [-1, 1], "y": [-1, 0]}},
                              {"rectangle": {"x": [-1, 0], "y": [-1, 1]}}]}, 3, 8),
    "two discs": ({"union": [disc(0, 0, 1), disc(5, 0, 2)]}, 5 * math.pi, 6 * math.pi),
    "ring with a core": ({"union": [{"difference": [disc(0, 0, 2), disc(0, 0, 1)]}, disc(0, 0, 0.5)]},
                         3.25 * math.pi, 7 * math.pi),
    "hollow ball": ({"difference": [ball(2), ball(1)]}, 28 / 3 * math.pi, 20 * math.pi),
    "box without a ball": ({"difference": [{"box": {v: [-1, 1] for v in "xyz"}}, ball(1, (1, 1, 1))]},
                           8 - math.pi / 6, 24 - 3 * math.pi / 4 + math.pi / 2),
}  # fmt: skip
CURVED = {"hole", "half disc", "lens", "two discs", "ring with a core", "hollow ball", "box without a ball"}

each_shape = pytest.mark.parametrize("name", list(SHAPES))


def shape_of(name):
    return read_shape(SHAPES[name][0], {})[1]


def boundary_points(shape, count=400):
    """Points and normals of the boundary, and for each the part that it is of."""
    points, normals, parts = [], [], []
    for part in boundary_parts(shape):
        stream = PointSource("sobol", 1, "test").stream("boundary", len(shape.bounds))
        place, normal = accepted(count, part.propose, stream, part.share)
        points.append(place)
        normals.append(normal)
        parts.append(part)
    return np.concatenate(points), np.concatenate(normals), parts


@each_shape
def test_measures_are_the_closed_forms(name):
    shape, (_, measure, boundary) = shape_of(name), SHAPES[name]
    exact = name not in CURVED
    assert shape.measure == pytest.approx(measure, rel=1e-9 if exact else 3e-3)
    tolerance = 1e-6 if exact else 5e-3
    assert sum(part.measure for part in boundary_parts(shape)) == pytest.approx(boundary, rel=tolerance)


@each_shape
def test_measures_agree_with_counting_points(name):
    shape = shape_of(name)
    widths = np.ptp(shape.bounds, axis=1)
    points = shape.bounds[:, 0] + np.random.default_rng(0).random((40_000, len(widths))) * widths
    share = SHAPES[name][1] / np.prod(widths)
    error = math.sqrt(share * (1 - share) / 40_000)
    assert inside(shape, points).mean() == pytest.approx(share, abs=4 * error + 1e-12)


@each_shape
def test_boundary_points_are_on_the_boundary_with_outward_unit_normals(name):
    shape = shape_of(name)
    points, normals, _ = boundary_points(shape)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-12)
    assert np.abs(shape.depth(points)).max() < 1e-9 * size(shape)
    step = 1e-4 * size(shape)
    outside, within = shape.depth(points + step * normals), shape.depth(points - step * normals)
    # All but those within a step of a corner.
    assert (outside < 0).mean() > 0.99
    assert (within > 0).mean() > 0.99


@each_shape
def test_the_level_has_slope_minus_one_along_the_normal(name):
    """Away from corners; this is what makes it fit for constraints by construction."""
    shape = shape_of(name)
    points, normals, _ = boundary_points(shape)
    step = 1e-6 * size(shape)
    slope = (
        level_on_arrays(shape, points + step * normals) - level_on_arrays(shape, points - step * normals)
    ) / (2 * step)
    if name == "L by union":  # its parts share some sides, where both levels rise
        assert np.mean(slope < -1 + 1e-3) > 0.97
    else:
        assert np.mean(np.abs(slope + 1) < 1e-3) > 0.97


@each_shape
def test_level_and_depth_have_the_same_sign(name):
    shape = shape_of(name)
    centre, widths = shape.bounds.mean(axis=1), np.ptp(shape.bounds, axis=1)
    points = centre + (np.random.default_rng(1).random((5000, len(widths))) - 0.5) * 1.3 * widths
    assert (np.sign(level_on_arrays(shape, points)) == np.sign(shape.depth(points))).all()


@each_shape
def test_the_boundary_is_sampled_evenly(name):
    """The mean position of each part's points is that of its arc or face: it does not depend on the seed."""
    shape = shape_of(name)
    for part in boundary_parts(shape):
        means = []
        for method in ("sobol", "random"):
            stream = PointSource(method, 3, "even").stream("part", len(shape.bounds))
            means.append(accepted(4000, part.propose, stream, part.share)[0].mean(axis=0))
        np.testing.assert_allclose(means[0], means[1], atol=5 * 0.5 * size(shape) / math.sqrt(4000))


def test_arcs_of_an_ellipse_are_even():
    """The share of points in each quarter of the rim's length is a quarter, not that of the angle."""
    (part,) = boundary_parts(read_shape({"ellipse": {"radii": [5, 1]}}, {})[1])
    uniform = (np.arange(10_000)[:, None] + 0.5) / 10_000
    points, _ = part.piece.place(np.hstack([uniform, uniform]))
    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert gaps.max() / gaps.min() < 1.01


def test_levels_work_on_tensors_and_have_gradients():
    for name in SHAPES:
        shape = shape_of(name)
        points, normals, _ = boundary_points(shape, 20)
        tensor = torch.from_numpy(points - 1e-3 * size(shape) * normals).requires_grad_()
        level = shape.level(list(tensor.unbind(1)), TORCH_FUNCTIONS)
        np.testing.assert_allclose(
            level.detach().numpy(), level_on_arrays(shape, tensor.detach().numpy()), atol=1e-12
        )
        (slope,) = torch.autograd.grad(level.sum(), tensor)
        assert torch.isfinite(slope).all()


def test_levels_work_on_jets():
    """The slope that a constraint by construction needs, against autograd."""
    for name in ("rectangle", "ellipse", "comb", "hole", "L by union"):
        shape = shape_of(name)
        points, normals, _ = boundary_points(shape, 10)
        tensor = torch.from_numpy(points - 1e-2 * size(shape) * normals).requires_grad_()
        (slope,) = torch.autograd.grad(shape.level(list(tensor.unbind(1)), TORCH_FUNCTIONS).sum(), tensor)
        space = JetSpace.of(2, [(2, 0), (0, 2)])
        jet = shape.level(list(Jet.coordinates(space, tensor.detach())), JET_FUNCTIONS)
        found = torch.stack([jet.derivative((1, 0)), jet.derivative((0, 1))], dim=1)
        torch.testing.assert_close(found, slope, rtol=1e-9, atol=1e-9)


def test_shared_edges_belong_to_the_boundary_once():
    """Overlapping sides of two parts are one side, and a seam between them is none."""
    seam = {"union": [{"rectangle": {"x": [-1, 0], "y": [0, 1]}}, {"rectangle": {"x": [0, 2], "y": [0, 1]}}]}
    overlap = {
        "union": [{"rectangle": {"x": [-1, 1], "y": [0, 1]}}, {"rectangle": {"x": [0, 2], "y": [0, 1]}}]
    }
    for spec in (seam, overlap):
        shape = read_shape(spec, {})[1]
        assert sum(part.measure for part in boundary_parts(shape)) == pytest.approx(8, rel=1e-2)
    assert has_seam(read_shape(seam, {})[1])
    assert not has_seam(read_shape(overlap, {})[1])
    assert not has_seam(shape_of("L by difference"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.2, 3), min_size=3, max_size=12), st.integers(0, 1000))
def test_polygons_agree_with_counting_crossings(radii, seed):
    """Star-shaped polygons, convex or not, against the even-odd rule."""
    angles = np.linspace(0, 2 * math.pi, len(radii), endpoint=False)
    corners = np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shape = polygon(corners)
    points = np.random.default_rng(seed).uniform(-3, 3, (300, 2))
    within = np.zeros(300, bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        between = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        with np.errstate(all="ignore"):
            crossing = a[0] + (points[:, 1] - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
        within ^= between & (points[:, 0] < crossing)
    np.testing.assert_array_equal(shape.depth(points) > 0, within)


def test_order_of_variables():
    assert ordered(["t", "z", "x"]) == ("x", "z", "t")
    assert ordered(["t", "r", "y", "a"]) == ("r", "y", "a", "t")


def test_domains():
    box = read_domain({"t": [0, 1], "x": ["-L", "2*L"]}, {"L": 2.0})
    assert box.variables == ("x", "t")
    assert box.time == 1
    assert box.geometry is None
    np.testing.assert_array_equal(box.bounds, [[-2, 4], [0, 1]])
    assert box.measure == 6
    steady = read_domain({"space": {"disc": {"radius": 1}}}, {})
    assert steady.variables == ("x", "y")
    assert steady.time is None
    assert steady.geometry is not None
    same = read_domain({"space": SQUARE, "t": [1, 3]}, {})
    assert same.geometry is None
    ordinary = read_domain({"t": [0, 10]}, {})
    assert ordinary.variables == ("t",)
    assert ordinary.boundary == ()
    assert ordinary.measure == 10
    spheres = read_domain({"space": {"sphere": {"center": [0, 0, 0], "radius": 2}}, "t": [0, 1]}, {})
    assert spheres.variables == ("x", "y", "z", "t")
    bare = read_domain({"difference": [SQUARE, QUADRANT]}, {})
    assert bare.measure == pytest.approx(3, rel=1e-3)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, ["no variable"]),
        (None, ["no variable"]),
        ([], ["written {key: value}"]),
        ({"x": [1, 1]}, ["x: ", "[1, 1]", "zero size"]),
        ({"x": [2, 1]}, ["negative size"]),
        ({"x": [0, 1], "t": [1, 0]}, ["t: ", "negative size"]),
        ({"x": [0]}, ["[lower, upper]"]),
        ({"x": 3}, ["[lower, upper]"]),
        ({"x": [0, "1/0"]}, ["divides by zero"]),
        ({"x": [0, "y"]}, ["unknown symbol 'y'"]),
        ({"x": [0, math.inf]}, ["finite"]),
        ({"x1": [0, 1]}, ["'x1'", "one letter"]),
        ({"space": SQUARE, "z": [0, 1]}, ["beside space", "z"]),
        ({"space": {"rectangel": {}}}, ["space: ", "did you mean rectangle"]),
        ({"space": {"rectangle": {"x": [0, 1]}}}, ["2 variables"]),
        ({"space": {"rectangle": {"x": [0, 1], "t": [0, 1]}}}, ["t is time"]),
        ({"space": {"disc": {"radius": 0}}}, ["radius must be positive", "got 0"]),
        ({"space": {"disc": {"radios": 1}}}, ["did you mean radius"]),
        ({"space": {"disc": {"centre": [0, 0]}}}, ["radius is missing"]),
        ({"space": {"disc": {"centre": [0, 0, 0], "radius": 1}}}, ["centre", "2 numbers"]),
        ({"space": {"ellipse": {"radii": [1, -1]}}}, ["radii must be positive"]),
        ({"space": {"polygon": [[0, 0], [1, 1], [2, 2]]}}, ["not on one line"]),
        ({"space": {"polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}}, ["cross"]),
        (
            {"space": {"polygon": [[0, 0], [3, 0], [3, 1], [1, 1], [1, 0], [2, 0], [2, -1], [0, -1]]}},
            ["cross"],
        ),
        ({"space": {"polygon": [[0, 0], [1]]}}, ["corner 1", "2 numbers"]),
        ({"space": {"difference": [SQUARE]}}, ["two or more"]),
        ({"space": {"difference": [SQUARE, ball(1)]}}, ["different variables", "(x, y)", "(x, y, z)"]),
        ({"space": {"difference": [QUADRANT, SQUARE]}}, ["zero size"]),
        ({"space": {"intersection": [disc(0, 0, 1), disc(5, 0, 1)]}}, ["empty"]),
        ({"space": {"disc": {"radius": 1}, "ball": {"radius": 1}}}, ["one key", "disc, ball"]),
    ],
)
def test_bad_domains(spec, words):
    one_line_error(lambda: read_domain(spec, {}), *words)


def test_a_shape_far_from_the_origin_has_its_boundary():
    """Metres of a map projection: rounding there is larger than a small part of the size."""
    box = {"rectangle": {"x": [500_000, 501_000], "y": [5_000_000, 5_001_000]}}
    spec = {"space": {"difference": [box, {"disc": {"centre": [500_500, 5_000_500], "radius": 100}}]}}
    domain = read_domain(spec, {})
    lengths = sum(part.measure for part in boundary_parts(domain.shape))
    assert lengths == pytest.approx(4_000 + 200 * math.pi, rel=1e-2)


T_SHAPE = {
    "union": [{"rectangle": {"x": [-1, 1], "y": [0, 0.5]}}, {"rectangle": {"x": [-0.2, 0.2], "y": [-1, 0.2]}}]
}
KEYHOLE = {"union": [disc(0, 0, 1), {"rectangle": {"x": [-0.2, 0.2], "y": [-2, 0.3]}}]}
HOLLOW = {"box": {"x": [-0.5, 0.5], "y": [-0.5, 0.5], "z": [-0.5, 0.5]}}
CUBE = {"box": {"x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (T_SHAPE, True),
        (KEYHOLE, True),
        ({"difference": [CUBE, HOLLOW]}, True),
        ({"difference": [CUBE, ball(0.5)]}, False),
        ({"difference": [SQUARE, disc(0.2, 0, 0.3)]}, False),
        ({"difference": [SQUARE, QUADRANT]}, False),
        ({"difference": [SQUARE, {"polygon": [[0, 0], [0.5, 0], [0, 0.5]]}]}, False),
    ],
)
def test_corners_of_a_part_inside_another_one_are_no_place_for_a_factor(spec, expected):
    """The Laplacian of a rectangle's level grows as one over the distance from its corner."""
    assert has_seam(read_shape(spec, {})[1]) is expected
