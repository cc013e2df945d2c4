"""Pictures as data and as references: a function of x and y, known by its gradients up to a constant."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from small_problems import problem, shipped

from tests import test_pde_solve
from tests.user_errors import one_line_error
from wsapps_pde.outputs.evaluation import Comparison, make_reference
from wsapps_pde.outputs.solution_file import load_solution
from wsapps_pde.problems.picture import Picture, read_picture
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import ProblemConfig

quick, small_outputs = test_pde_solve.quick, test_pde_solve.small_outputs
pytestmark = pytest.mark.usefixtures("fresh_logging")
no_pictures = test_pde_solve.no_pictures

PLANE = {"domain": {"x": [0, 4], "y": [-1, 1]}, "residuals": []}


def test_rows_run_down_and_columns_to_the_right(tmp_path):
    levels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    iio.imwrite(tmp_path / "a.png", levels)
    picture = read_picture(tmp_path / "a.png", problem(**PLANE).domain)
    np.testing.assert_allclose(picture.x, (np.arange(6) + 0.5) * 4 / 6)
    np.testing.assert_allclose(picture.y, [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(picture.values, levels[::-1].T / 255)
    np.testing.assert_allclose(picture.points[:5], [[picture.x[0], y] for y in picture.y] + [[1.0, -0.75]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depths_and_colours_are_grey_levels_from_0_to_1(tmp_path, dtype):
    top = np.iinfo(dtype).max
    levels = np.full((4, 5), top, dtype)
    levels[0, 0] = 0
    iio.imwrite(tmp_path / "a.png", levels)
    values = read_picture(tmp_path / "a.png", problem(**PLANE).domain).values
    assert values.max() == 1.0
    assert values.min() == values[0, -1] == 0.0
    iio.imwrite(tmp_path / "b.png", np.full((4, 5, 3), 255, np.uint8))
    assert np.all(read_picture(tmp_path / "b.png", problem(**PLANE).domain).values == 1.0)


def test_derivatives_are_those_of_a_spline_exact_for_cubics():
    x, y = np.linspace(0, 1, 9), np.linspace(-1, 1, 7)
    grid_x, grid_y = np.meshgrid(x, y, indexing="ij")
    picture = Picture(x, y, grid_x**3 * grid_y**2 - 2 * grid_y**3)
    exact = {
        (0, 0): grid_x**3 * grid_y**2 - 2 * grid_y**3,
        (1, 0): 3 * grid_x**2 * grid_y**2,
        (0, 1): 2 * grid_x**3 * grid_y - 6 * grid_y**2,
        (1, 1): 6 * grid_x**2 * grid_y,
        (0, 2): 2 * grid_x**3 - 12 * grid_y,
    }
    for index, values in exact.items():
        np.testing.assert_allclose(picture.derivative(index), values.ravel(), atol=1e-9)


def read(folder: Path, unknowns: str, file: str = "a.png") -> Problem:
    spec = {**PLANE, "data": {"file": file, "unknowns": unknowns.split()}, "folder": str(folder)}
    return Problem.from_config(ProblemConfig(**{"name": "p", "unknowns": ["u", "v"], **spec}))


def test_any_quantity_of_one_unknown_is_measured(tmp_path):
    iio.imwrite(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (8, 9), np.uint8))
    data = read(tmp_path, "v_x v_xx+v_yy x*v").data
    assert data is not None
    picture = read_picture(tmp_path / "a.png", problem(**PLANE).domain)
    assert data.values.shape == (72, 3)
    np.testing.assert_allclose(data.values[:, 0], picture.derivative((1, 0)))
    np.testing.assert_allclose(data.values[:, 1], picture.derivative((2, 0)) + picture.derivative((0, 2)))
    np.testing.assert_allclose(data.values[:, 2], data.points[:, 0] * picture.values.ravel(), atol=1e-12)


def test_bad_pictures_are_one_line(tmp_path):
    iio.imwrite(tmp_path / "a.png", np.zeros((8, 9), np.uint8))
    iio.imwrite(tmp_path / "small.png", np.zeros((3, 9), np.uint8))
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    for unknowns, file, words in (
        ("u_x v_x", "a.png", ["one function", "u, v"]),
        ("u_xxxx", "a.png", ["orders above 3"]),
        ("u_x", "none.png", ["there is no picture"]),
        ("u_x", "small.png", ["9 x 3 pixels", "at least 4 x 4"]),
        ("u_x", "broken.png", ["cannot be read as a picture"]),
        ("u_x", "a.gif", [".csv and .npz files, and pictures"]),
    ):
        (tmp_path / "a.gif").touch()
        one_line_error(lambda unknowns=unknowns, file=file: read(tmp_path, unknowns, file), "data", *words)
    for domain in ({"x": [0, 1], "t": [0, 1]}, {"space": {"disc": {"radius": 1}}}):
        spec = {**PLANE, "domain": domain, "data": {"file": "a.png"}, "folder": str(tmp_path)}
        config = ProblemConfig(**{"name": "p", "unknowns": ["u"], **spec})
        one_line_error(
            lambda config=config: Problem.from_config(config), "needs a domain {x: [...], y: [...]}"
        )


def test_errors_of_unknowns_up_to_a_constant():
    rng = np.random.default_rng(0)
    u, v = rng.random(50), rng.random(50)
    reference = {"u": u, "v": v}

    def errors(shift: float, free: tuple[str, ...]) -> dict[str, float]:
        found = {"u": u * 1.01 + shift, "v": v + 0.1}
        return Comparison(None, np.zeros((50, 2)), found, reference, {}, "", free).errors()

    assert errors(0.0, ("u",))["u"] == pytest.approx(errors(123.0, ("u",))["u"], rel=1e-9)
    assert errors(0.0, ("u",))["u"] < errors(0.0, ())["u"] < errors(1.0, ())["u"]
    assert errors(5.0, ("u",))["v"] == pytest.approx(0.1 * 50**0.5 / np.linalg.norm(v))
    outside = {"u": np.where(u < 0.5, np.nan, u + 1)}
    assert Comparison(None, np.zeros((50, 2)), outside, reference, {}, "", ("u",)).levelled("u")[
        u >= 0.5
    ] == pytest.approx(u[u >= 0.5])


def test_the_shipped_problem_measures_the_picture_that_it_is_compared_with():
    of = shipped("image_gradients")
    assert of.data is not None
    reference = make_reference(of)
    assert reference is not None
    assert len(of.data.points) == reference.values["u"].size
    np.testing.assert_array_equal(of.data.points, reference.coordinates())
    assert not of.warnings
    assert of.reference is not None
    assert of.reference.up_to_constant == ("u",)
    one_line_error(
        lambda: problem(**PLANE, reference={"file": "a.png", "up_to_constant": "w"}), "up_to_constant", "'w'"
    )


def test_a_picture_is_found_from_its_gradients(tmp_path, quick):
    y, x = np.meshgrid(np.linspace(1, -1, 16), np.linspace(-1, 1, 16), indexing="ij")
    iio.imwrite(tmp_path / "a.png", np.rint(120 + 100 * x * (1 - y**2)).astype(np.uint8))
    text = """
name: gradients
domain: {x: [-1, 1], y: [-1, 1]}
unknowns: [u]
data: {file: a.png, unknowns: [u_x, u_y]}
reference: {file: a.png, up_to_constant: [u]}
"""
    code, out = test_pde_solve.run(tmp_path, test_pde_solve.written(tmp_path, text), "trainer.max_steps=80")
    assert code == 0
    found = test_pde_solve.metrics(out)
    assert found["relative_l2/u"] < 0.05
    solution = load_solution(out / "solution")
    rise = solution(0.5, 0.0)["u"] - solution(-0.5, 0.0)["u"]
    assert rise == pytest.approx(100 / 255, rel=0.1)
