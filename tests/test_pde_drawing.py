"""Collocation points: even, reproducible, in the domain, and on the places of conditions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.user_errors import one_line_error
from wsapps_pde.space.domain import read_domain
from wsapps_pde.space.drawing import PointSource, accepted
from wsapps_pde.space.location_text import read_location

SQUARE = {"rectangle": {"x": [-1, 1], "y": [-1, 1]}}
BAR = read_domain({"x": [-1, 1], "t": [0, 1]}, {})
CUBE = read_domain({"x": [0, 1], "y": [0, 2], "z": [0, 3]}, {})
L_SHAPE = read_domain(
    {"space": {"difference": [SQUARE, {"rectangle": {"x": [0, 1], "y": [0, 1]}}]}, "t": [0, 2]}, {}
)
HOLE = read_domain({"space": {"difference": [SQUARE, {"disc": {"radius": 0.5}}]}}, {})
TIME = read_domain({"t": [0, 10]}, {})


def source(step=0, method="sobol"):
    return PointSource(method, 7, "test", step)


# --- The interior. -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", [BAR, CUBE, L_SHAPE, HOLE, TIME], ids=["bar", "cube", "L", "hole", "time"])
@pytest.mark.parametrize("method", ["sobol", "random"])
def test_points_are_in_the_domain_and_depend_on_seed_name_and_step_alone(domain, method):
    points = domain.draw(500, source(3, method))
    assert points.shape == (500, len(domain.variables))
    assert points.dtype == np.float64
    assert domain.contains(points).all()
    domain.draw(17, source(4, method))
    np.testing.assert_array_equal(points, domain.draw(500, source(3, method)))
    assert not np.array_equal(points, domain.draw(500, source(4, method)))
    assert not np.array_equal(points, domain.draw(500, PointSource(method, 7, "other", 3)))


@pytest.mark.parametrize(("method", "tolerance"), [("sobol", 5e-4), ("random", 5e-2)])
def test_means_are_integrals(method, tolerance):
    """4096 Sobol points integrate a smooth function far better than independent ones."""
    x, t = BAR.draw(4096, source(0, method)).T
    assert np.mean(np.exp(x) * t) == pytest.approx((math.e - 1 / math.e) / 4, abs=tolerance)


def test_points_of_a_shape_are_even():
    """The L has three quarters of equal area; the disc's hole takes pi/16 of the square."""
    x, y, _ = L_SHAPE.draw(3000, source()).T
    quarters = np.histogram2d(x, y, bins=2, range=[[-1, 1], [-1, 1]])[0]
    assert quarters[1, 1] == 0
    np.testing.assert_allclose(np.delete(quarters.ravel(), 3), 1000, atol=30)
    x, y = HOLE.draw(4000, source()).T
    near = np.hypot(x, y) < 0.75
    assert near.mean() == pytest.approx(math.pi * (0.75**2 - 0.5**2) / (4 - math.pi / 4), abs=0.01)


def test_drawing_none_or_one():
    assert BAR.draw(0, source()).shape == (0, 2)
    assert L_SHAPE.draw(0, source()).shape == (0, 3)
    assert L_SHAPE.draw(1, source()).shape == (1, 3)


def test_a_proposal_that_keeps_nothing_ends():
    def none(uniform):
        return uniform, None, np.zeros(len(uniform), bool)

    with pytest.raises(RuntimeError, match="0 of"):
        accepted(1000, none, source().stream("none", 1), 0.9)


# --- Places. -----------------------------------------------------------------------------------------------

#: domain, at -> measure, number of places, whether there are normals, the whole faces if it is some.
LOCATIONS = [
    (BAR, "t = 0", 2, 1, False, (("t", "lower"),)),
    (BAR, "initial", 2, 1, False, (("t", "lower"),)),
    (BAR, "t = 1", 2, 1, False, (("t", "upper"),)),
    (BAR, "t = 0.5", 2, 1, False, None),
    (BAR, "x = -1", 1, 1, True, (("x", "lower"),)),
    (BAR, "-1 = x", 1, 1, True, (("x", "lower"),)),
    (BAR, "x == -1 or x = 1", 2, 2, True, (("x", "lower"), ("x", "upper"))),
    (BAR, "boundary", 2, 2, True, (("x", "lower"), ("x", "upper"))),
    (BAR, "abs(x) = 1", 2, 2, True, None),
    (BAR, "x = -1 and t > 0.25", 0.75, 1, True, None),
    (BAR, "x = -1 and 0.25 < t < 0.5", 0.25, 1, True, None),
    (BAR, "boundary and x < 0", 1, 1, True, None),
    (BAR, "x = 0", 1, 1, False, None),
    (BAR, "x = 0 and t = 0", 1, 1, False, None),
    (BAR, "everywhere", 2, 1, False, None),
    (BAR, "interior", 2, 1, False, None),
    (BAR, "x < 0 or x > 0.5", 1.5, 1, False, None),
    (BAR, "x < 0 or x < 0.5", 1.5, 1, False, None),
    (BAR, "not x < 0", 1, 1, False, None),
    (BAR, "t = 0 or x = -1", 3, 2, False, (("t", "lower"), ("x", "lower"))),
    (CUBE, "z = 3 and x < 0.5", 1, 1, True, None),
    (CUBE, "x = 0 and y = 0", 3, 1, False, None),
    (CUBE, "x = 0 or y = 2", 9, 2, True, (("x", "lower"), ("y", "upper"))),
    (CUBE, "y = 2*a", 3, 1, True, (("y", "upper"),)),
    (L_SHAPE, "t = 0", 3, 1, False, (("t", "lower"),)),
    (L_SHAPE, "boundary", 16, 6, True, None),
    (L_SHAPE, "x = 1", 2, 1, True, None),
    (L_SHAPE, "x = 0", 4, 2, False, None),
    (L_SHAPE, "x = 0 and boundary", 2, 1, True, None),
    (L_SHAPE, "x = 0.5 and y = -0.5", 2, 1, False, None),
    (L_SHAPE, "boundary and t = 0", 8, 6, True, None),
    (HOLE, "x**2 + y**2 = 0.25", math.pi, 1, True, None),
    (HOLE, "boundary and x**2 + y**2 < 0.5", math.pi, 1, True, None),
    (HOLE, "y = 0", 1, 1, False, None),
    (HOLE, "x = -1 or x = 1 or y = -1 or y = 1", 8, 4, True, None),
    (TIME, "t = 0", 1, 1, False, (("t", "lower"),)),
]


@pytest.mark.parametrize("case", LOCATIONS, ids=lambda case: case[1])
def test_locations(case):
    domain, at, measure, places, normals, faces = case
    location = read_location(at, domain, {"a": 1.0})
    assert location.measure == pytest.approx(measure, rel=5e-3)
    assert len(location.places) == places
    assert location.has_normals is normals
    assert location.faces() == faces
    points, outward = location.draw(200, source())
    assert points.shape == (200, len(domain.variables))
    assert domain.contains(points).all()
    assert location.holds(points).all()
    assert (outward is not None) is normals
    if outward is not None:
        np.testing.assert_allclose(np.linalg.norm(outward, axis=1), 1, rtol=1e-12)
        if domain.time is not None:
            assert (outward[:, domain.time] == 0).all()
        step = 1e-4 * outward
        assert domain.contains(points - step).mean() > 0.98
        assert domain.contains(points + step).mean() < 0.02
    again, _ = location.draw(200, source())
    np.testing.assert_array_equal(points, again)


def test_points_are_divided_by_measure():
    location = read_location("x = 0 or y = 2 or z = 0", CUBE, {})  # areas 6, 3, 2
    points, _ = location.draw(1100, source())
    counts = [int((points[:, axis] == value).sum()) for axis, value in ((0, 0), (1, 2), (2, 0))]
    assert counts == [600, 300, 200]
    assert len(location.draw(2, source())[0]) == 2
    few, _ = read_location("x = -1 or x = 1 and t < 0.01", BAR, {}).draw(10, source())
    assert (few[:, 0] == 1).sum() == 1, "a small place gets a point"


def test_points_on_a_face_are_even():
    points, _ = read_location("x = -1 and t > 0.5", BAR, {}).draw(1024, source())
    assert np.mean(points[:, 1] ** 2) == pytest.approx((1 - 0.5**3) / 3 / 0.5, rel=1e-3)


def test_the_whole_boundary():
    for domain in (BAR, L_SHAPE, HOLE):
        assert read_location("boundary", domain, {}).is_whole_boundary()
    assert read_location("x = -1 or x = 1", BAR, {}).is_whole_boundary()
    for domain, at in ((BAR, "x = 1"), (BAR, "boundary or t = 0"), (HOLE, "x**2 + y**2 = 0.25"),
                       (L_SHAPE, "boundary and t < 1")):  # fmt: skip
        assert not read_location(at, domain, {}).is_whole_boundary()


def test_a_bound_written_with_digits_is_the_bound():
    domain = read_domain({"x": ["-pi", "pi"]}, {})
    assert read_location("x = 3.141592653589", domain, {}).faces() == (("x", "upper"),)


@pytest.mark.parametrize(
    ("domain", "at", "words"),
    [
        (BAR, "x = 5", ["'x = 5' lies outside the domain", "x in [-1, 1]"]),
        (BAR, "x = -1 or x = 5", ["'x = 5' lies outside"]),
        (BAR, "x > 3", ["'x > 3' holds at no point", "x in [-1, 1], t in [0, 1]"]),
        (BAR, "t = 0 and t = 1", ["two values at once", "or"]),
        (BAR, "x = t", ["on no part of the boundary", "variable = constant"]),
        (BAR, "x**2 + t**2 = 1", ["on no part of the boundary"]),
        (BAR, "x", ["no condition"]),
        (BAR, "x = y", ["unknown symbol 'y'"]),
        (BAR, "bondary", ["did you mean boundary"]),
        (BAR, "t = 0, x = 0", ["commas", "and"]),
        (BAR, "u = 0", ["unknown symbol 'u'"]),
        (BAR, 3, ["no condition"]),
        (BAR, None, ["nothing"]),
        (BAR, "not t = 0", ["not"]),
        (L_SHAPE, "x = 0.5 and y = 0.5", ["no point of the domain", "without rectangle"]),
        (HOLE, "x = 0.3 and boundary", ["on no part of the boundary"]),
        (HOLE, "initial", ["the domain has no t"]),
        (TIME, "boundary", ["on no part of the boundary"]),
    ],
)
def test_bad_locations(domain, at, words):
    one_line_error(lambda: read_location(at, domain, {}), *words)


def test_interior_leaves_the_boundary_out():
    """In an L the line x = 0 is a slice of the inside below y = 0, and an edge above it."""
    square = {"rectangle": {"x": [-1, 1], "y": [-1, 1]}}
    quadrant = {"rectangle": {"x": [0, 1], "y": [0, 1]}}
    domain = read_domain({"space": {"difference": [square, quadrant]}}, {})
    for at in ("x = 0 and interior", "x = 0 and not boundary"):
        points, _ = read_location(at, domain, {}).draw(256, source())
        assert points[:, 1].max() <= 1e-9
    points, _ = read_location("x = 0", domain, {}).draw(256, source())
    assert points[:, 1].max() > 0.5


@pytest.mark.parametrize("size", [1.0, 1e-5])
def test_an_equation_names_the_same_part_of_the_boundary_at_any_size(size):
    box = {"rectangle": {"x": [-size, size], "y": [-size, size]}}
    disc = {"disc": {"centre": [0, 0], "radius": size / 10}}
    domain = read_domain({"space": {"difference": [box, disc]}}, {})
    points, _ = read_location("x**2 + y**2 = r**2", domain, {"r": size / 10}).draw(64, source())
    assert np.linalg.norm(points, axis=1) == pytest.approx(size / 10)
