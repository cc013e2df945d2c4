"""Points with normals: reading, drawing, the signed distance to them, and weights of residuals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from small_problems import HEAT, objective, problem, shipped

from tests import test_pde_solve
from tests.user_errors import one_line_error
from wsapps_pde.describe import describe
from wsapps_pde.learning.sites import make_sites
from wsapps_pde.outputs.evaluation import make_reference
from wsapps_pde.problems.conditions import Condition
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import ProblemConfig
from wsapps_pde.problems.sample_shape import SAMPLES
from wsapps_pde.references.signed_distance import signed_distance
from wsapps_pde.space.drawing import PointSource

quick, small_outputs = test_pde_solve.quick, test_pde_solve.small_outputs
pytestmark = pytest.mark.usefixtures("fresh_logging")
no_pictures = test_pde_solve.no_pictures

CUBE = {"x": [-2, 2], "y": [-2, 2], "z": [-2, 2]}
SQUARE = {"x": [-2, 2], "y": [-2, 2]}


def spec(folder: Path, points: Any, **changes: Any) -> dict[str, Any]:
    return {
        "name": "p",
        "domain": CUBE,
        "unknowns": ["u"],
        "residuals": ["u_x**2 + u_y**2 - 1"],
        "conditions": [{"at": "points", "u": 0}],
        "points": points,
        "folder": str(folder),
        **changes,
    }


def read(folder: Path, points: Any, **changes: Any) -> Problem:
    return Problem.from_config(ProblemConfig(**spec(folder, points, **changes)))


def circle(folder: Path, count: int = 64, scale: float = 3.0) -> str:
    """A CSV file of points of the unit circle, their normals of another length than 1."""
    angles = np.arange(count) * 2 * np.pi / count
    table = np.stack([np.cos(angles), np.sin(angles), scale * np.cos(angles), scale * np.sin(angles)], axis=1)
    lines = [",".join(f"{value:.17g}" for value in row) for row in table]
    (folder / "circle.csv").write_text("\n".join(["x,y,normal_x,normal_y", *lines]) + "\n")
    return "circle.csv"


def ball(folder: Path, radius: float = 1.0, kind: str = "ply") -> str:
    trimesh.creation.icosphere(subdivisions=4, radius=radius).export(folder / f"ball.{kind}")
    return f"ball.{kind}"


def oriented(of: Problem) -> tuple[np.ndarray, np.ndarray]:
    assert of.points is not None
    return of.points.oriented()


# --- Reading. ---------------------------------------------------------------------------------------------


def test_points_of_a_csv_file_with_normals_made_unit(tmp_path):
    of = read(tmp_path, {"file": circle(tmp_path)}, domain=SQUARE)
    points, normals = oriented(of)
    assert points.shape == normals.shape == (64, 2)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(points, normals, atol=1e-14)
    np.savez(
        tmp_path / "circle.npz",
        x=points[:, 0],
        y=points[:, 1],
        normal_x=normals[:, 0],
        normal_y=normals[:, 1],
    )
    np.testing.assert_array_equal(oriented(read(tmp_path, {"file": "circle.npz"}, domain=SQUARE))[0], points)


@pytest.mark.parametrize("kind", ["ply", "obj", "stl", "off"])
def test_a_mesh_is_sampled_evenly_with_outward_normals(tmp_path, kind):
    of = read(tmp_path, {"file": ball(tmp_path, 0.7, kind), "count": 5000})
    points, normals = oriented(of)
    assert points.shape == (5000, 3)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.7, rtol=3e-3)
    assert (np.einsum("ij,ij->i", points, normals) > 0.69).all()
    octants = np.bincount(((points > 0) @ [1, 2, 4]).astype(int), minlength=8)
    assert np.abs(octants / 5000 - 1 / 8).max() < 0.02
    again = oriented(read(tmp_path, {"file": f"ball.{kind}", "count": 5000}))
    np.testing.assert_array_equal(again[0], points)


def test_a_ply_file_of_points_with_normals(tmp_path):
    head = "ply\nformat ascii 1.0\nelement vertex 3\n"
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    rows = "0 0 0 0 0 2\n1 0 0 0 0 2\n0 1 0 0 3 0\n"
    (tmp_path / "points.ply").write_text(head + names + "end_header\n" + rows)
    points, normals = oriented(read(tmp_path, {"file": "points.ply"}))
    np.testing.assert_allclose(points, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(normals, [[0, 0, 1], [0, 0, 1], [0, 1, 0]])
    (tmp_path / "points.ply").write_text(
        head + names.replace("property float nx\n", "property float a\n") + "end_header\n" + rows
    )
    one_line_error(lambda: read(tmp_path, {"file": "points.ply"}), "points", "without normals", "nx, ny, nz")


def test_points_are_fitted_into_the_domain(tmp_path):
    domain = {"x": [-2, 2], "y": [0, 10], "z": [0, 1]}
    of = read(tmp_path, {"file": ball(tmp_path, 50.0), "fit": 0.5}, domain=domain)
    assert of.points is not None
    vertices = of.points.surface.vertices
    assert vertices is not None
    np.testing.assert_allclose(np.ptp(vertices, axis=0), 0.5, rtol=1e-6)  # of the shortest side, alike in all
    np.testing.assert_allclose((vertices.max(axis=0) + vertices.min(axis=0)) / 2, [0, 5, 0.5], atol=1e-6)
    assert of.domain.contains(oriented(of)[0]).all()
    outside = read(tmp_path, {"file": "ball.ply"}, domain=domain)
    assert any("lie outside the domain; set points.fit" in warning for warning in outside.warnings)


def test_the_embedded_shape_is_closed_and_faces_outward():
    for make in SAMPLES.values():
        mesh = make()
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert 0.5 < mesh.volume < 4
        assert np.ptp(mesh.vertices, axis=0).min() > 0.5


@pytest.mark.parametrize(
    ("points", "changes", "words"),
    [
        ({}, {}, ["conditions[0].at", "needs a list of them"]),
        ({"file": "none.ply"}, {}, ["there is no file", "none.ply"]),
        ({"file": "mesh.gltf"}, {}, ["read from .ply"]),
        ({"file": "ball.ply", "sample": "lobes"}, {}, ["a file or a sample", "not both"]),
        ({"sample": "ears"}, {}, ["no sample is named 'ears'", "lobes"]),
        ({"sample": ["lobes"]}, {}, ["no sample is named"]),
        ({"sample": "lobes", "count": 0}, {}, ["points.count", "1 to"]),
        ({"sample": "lobes", "fit": 2}, {}, ["points.fit", "(0, 1]", "2"]),
        ({"sample": "lobes", "radius": 2}, {}, ["no key 'radius'"]),
        ({"sample": "lobes"}, {"domain": SQUARE}, ["three dimensions"]),
        (
            {"sample": "lobes"},
            {"domain": {"x": [0, 1]}, "residuals": ["u_x"]},
            ["two or three space variables"],
        ),
        ({"file": "broken.ply"}, {}, ["cannot be read as a mesh"]),
        ({"file": "columns.csv"}, {"domain": SQUARE}, ["no column 'normal_y'"]),
        ({"file": "zero.csv"}, {"domain": SQUARE}, ["1 of 2 points", "have no normal"]),
    ],
)
def test_bad_points_are_one_line(tmp_path, points, changes, words):
    ball(tmp_path)
    (tmp_path / "broken.ply").write_bytes((tmp_path / "ball.ply").read_bytes()[:300])
    (tmp_path / "columns.csv").write_text("x,y,normal_x\n0,0,1\n")
    (tmp_path / "zero.csv").write_text("x,y,normal_x,normal_y\n0,0,1,0\n1,0,0,0\n")
    one_line_error(lambda: read(tmp_path, points, **changes), *words)


# --- Drawing, sites, weights. -----------------------------------------------------------------------------


def test_points_are_drawn_with_their_normals_and_at_all_times(tmp_path):
    domain = {**SQUARE, "t": [1, 3]}
    of = read(tmp_path, {"file": circle(tmp_path)}, domain=domain)
    (condition,) = of.conditions
    assert isinstance(condition, Condition)
    points, normals = condition.location.draw(500, PointSource("sobol", 0, "p"))
    assert points.shape == normals.shape == (500, 3)
    np.testing.assert_allclose(points[:, :2], normals[:, :2], atol=1e-14)
    np.testing.assert_array_equal(normals[:, 2], 0)
    assert 1 <= points[:, 2].min() < 1.1 < 2.9 < points[:, 2].max() <= 3
    assert len({tuple(row) for row in np.round(points[:, :2], 9)}) == 64
    again, _ = condition.location.draw(500, PointSource("sobol", 0, "p"))
    np.testing.assert_array_equal(points, again)
    assert not condition.location.holds(points).any()


def test_what_holds_at_the_same_points_is_one_site(tmp_path):
    of = read(
        tmp_path,
        {"file": circle(tmp_path)},
        domain=SQUARE,
        conditions=[
            {"at": "points", "u": 0, "weight": 100},
            {"at": "x = -2", "u_x": "y", "u_y": 1},
            {"at": "points", "u_x": "normal_x", "normal_derivative(u)": 1},
            {"at": " x = -2 ", "u_xx": 0},
            {"at": "x = 2", "u_x": 0},
        ],
    )
    sites = make_sites(of, frozenset())
    assert [len(site.terms) for site in sites] == [1, 3, 3, 1]
    assert [term.weight for term in sites[1].terms] == [100, 1, 1]
    assert sites[1].wanted["u"] == {(0, 0), (1, 0), (0, 1)}
    loss = objective(of, points=20)
    batch = loss.batch(0, 1)
    assert "normals" in batch[loss.sites[1].name]
    u, slope, normal = loss.residuals(loss.sites[1], batch[loss.sites[1].name])
    points, normals = (batch[loss.sites[1].name][key] for key in ("coordinates", "normals"))
    values = loss.solution(points, {"u": frozenset([(0, 0), (1, 0), (0, 1)])})
    torch.testing.assert_close(u, values["u"])
    torch.testing.assert_close(slope, values["u_x"] - normals[:, 0])
    torch.testing.assert_close(normal, values["u_x"] * normals[:, 0] + values["u_y"] * normals[:, 1] - 1)


def test_weights_of_residuals_are_factors_of_their_terms():
    heat = "u_t - 0.1*u_xx"
    weighted = {**HEAT, "residuals": [{"residual": heat, "weight": "2*pi"}, "u_x"]}
    of, plain = problem(**weighted), problem(**{**HEAT, "residuals": [heat, "u_x"]})
    assert of.residual_weights == (2 * np.pi, 1.0)
    assert "weight 6.28319" in describe(of)
    assert "weight" not in describe(plain)
    heavy, light = (objective(each) for each in (of, plain))
    found, before = heavy(heavy.batch(0, 1)), light(light.batch(0, 1))
    torch.testing.assert_close(found["residual 1"], before["residual 1"])
    wanted = 2 * np.pi * before["residual 1"] + before["residual 2"]
    torch.testing.assert_close(found["loss_sum"] / found["count"], wanted)
    for entry, words in (
        ({"residual": heat, "weight": -1}, ["weight", "negative"]),
        ({"weight": 1}, ["{residual: u_t - u_xx, weight: 0.1}"]),
        ({"residual": heat, "wieght": 1}, ["did you mean weight?"]),
        ({"residual": "u_t + w", "weight": 1}, ["'w'"]),
    ):
        one_line_error(lambda entry=entry: problem(**{**HEAT, "residuals": [entry]}), "residuals[0]", *words)


# --- The signed distance. ---------------------------------------------------------------------------------


def test_the_distance_to_a_fine_ball_is_that_to_a_sphere():
    axes = {letter: np.linspace(-1.5, 1.5, 9) + 0.01 for letter in "xyz"}
    errors = []
    for subdivisions in (2, 3, 4):
        mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
        solution = signed_distance("u", np.asarray(mesh.vertices), np.asarray(mesh.faces, np.int64), axes)
        exact = np.linalg.norm(solution.coordinates(), axis=1).reshape(9, 9, 9) - 1
        assert solution.errors == {"u": 0.0}
        errors.append(np.abs(solution.values["u"] - exact).max())
    assert errors[0] > 3.5 * errors[1] > 12 * errors[2]  # of second order in the triangles' size
    assert errors[2] < 3e-3


def test_the_reference_needs_a_mesh(tmp_path):
    distance = {"reference": {"signed_distance": "u"}}
    of = read(tmp_path, {"file": ball(tmp_path)}, **distance)
    reference = make_reference(of)
    assert reference is not None
    exact = np.linalg.norm(reference.coordinates(), axis=1).reshape(reference.shape) - 1
    assert np.abs(reference.values["u"] - exact).max() < 3e-3
    assert "u is the signed distance to the mesh of the points" in describe(of)
    cloud = read(tmp_path, {"file": circle(tmp_path)}, domain=SQUARE, **distance)
    one_line_error(lambda: make_reference(cloud), "circle.csv has no triangles")
    bad = spec(tmp_path, {}, conditions=[], **distance)
    one_line_error(lambda: ProblemConfig(**bad), "reference.signed_distance", "give points")
    other = spec(tmp_path, {"sample": "lobes"}, reference={"signed_distance": "w"})
    one_line_error(lambda: ProblemConfig(**other), "one of the unknowns u")


def test_the_shipped_problem_reads_without_warnings():
    of = shipped("signed_distance")
    assert not of.warnings
    points, normals = oriented(of)
    assert of.domain.contains(points).all()
    assert len(normals) == 20000


def test_the_distance_to_a_circle_is_found(tmp_path, quick):
    text = """
name: distance
domain: {x: [-2, 2], y: [-2, 2]}
unknowns: [u]
points: {file: circle.csv}
residuals: ["sqrt(u_x**2 + u_y**2 + 1e-9) = 1", {residual: "exp(-20*abs(u))", weight: 0.01}]
conditions: [{at: points, u: 0, u_x: normal_x, u_y: normal_y}]
reference: {exact: {u: "sqrt(x**2 + y**2) - 1"}}
"""
    circle(tmp_path)
    settings = [
        "trainer.max_steps=120", "points.interior=256", "points.condition=64", "balance.kind=none",
        "stages.method=ssbroyden",
    ]  # fmt: skip
    code, out = test_pde_solve.run(tmp_path, test_pde_solve.written(tmp_path, text), *settings)
    assert code == 0
    assert test_pde_solve.metrics(out)["relative_l2/u"] < 0.2
    (tmp_path / "circle.csv").unlink()  # a solution does without the points
    solution = test_pde_solve.load_solution(out / "solution")
    assert solution(0.0, 0.0)["u"] < 0 < solution(1.5, 1.5)["u"]
