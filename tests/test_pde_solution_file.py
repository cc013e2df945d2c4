"""Solutions as files: what is read back is what was written, and anything else is refused in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.user_errors import one_line_error
from wsapps.config import default_config_dir, load_config
from wsapps_pde.config import SolveConfig, make_solution
from wsapps_pde.outputs.evaluation import values_at
from wsapps_pde.outputs.solution_file import load_solution, save_solution
from wsapps_pde.problems.problem import Problem

MINE = """
name: mine
domain: {x: [0, 2], y: [0, 1], t: [0, 3]}
unknowns: [u, "k(x, y)"]
parameters: {a: 2, nu: {initial: 0.25, min: 0}}
residuals: ["u_t - nu*k*u_xx - a*u_yy"]
conditions:
  - {at: "t = 0", u: "sin(pi*x)*y"}
  - {periodic: x}
data: {file: points.csv, unknowns: [u]}
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a problem file, its data, and an untrained solution."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "mine.yaml").write_text(MINE)
    (folder / "points.csv").write_text("x,y,t,u\n0.1,0.2,0.3,0.5\n")
    config = load_config(
        SolveConfig,
        "solve",
        config_dir=default_config_dir("pde"),
        overrides=[f"problem={folder / 'mine.yaml'}", "method.width=6", "trainer.seed=5"],
    )
    field = make_solution(config, Problem.from_config(config.problem))
    with torch.no_grad():
        for parameter in field.parameters():
            parameter.add_(0.1)
    save_solution(folder / "solution", field, config)
    return folder, field


@pytest.fixture
def copied(saved, tmp_path):
    shutil.copytree(saved[0] / "solution", tmp_path / "solution")
    return tmp_path / "solution"


def test_a_solution_comes_back_as_a_function(saved):
    folder, field = saved
    solution = load_solution(folder / "solution")
    points = np.random.default_rng(0).uniform(0, 1, (20, 3))
    wanted = values_at(field, points)
    found = solution(*points.T)
    assert set(found) == {"u", "k"}
    for name, values in found.items():
        np.testing.assert_array_equal(values, wanted[name])
    np.testing.assert_array_equal(solution(t=points[:, 2], x=points[:, 0], y=points[:, 1])["u"], found["u"])
    np.testing.assert_array_equal(solution(points[:, 0], y=points[:, 1], t=points[:, 2])["u"], found["u"])
    assert solution.parameters["nu"] == pytest.approx(float(field.parameters_.values()["nu"].detach()), rel=0)
    assert solution.parameters["nu"] != 0.25


def test_coordinates_broadcast(saved):
    solution = load_solution(saved[0] / "solution")
    x, t = np.linspace(0, 2, 4)[:, None], np.linspace(0, 3, 5)
    found = solution(x=x, y=0.5, t=t)
    assert found["u"].shape == found["k"].shape == (4, 5)
    assert np.ptp(found["k"], axis=1).max() == 0  # k does not depend on t
    assert solution(0, 0, 0)["u"].shape == ()
    assert solution([], 0, 0)["u"].shape == (0,)
    np.testing.assert_allclose(solution(x=x, y=0.5, t=0)["u"], 0.5 * np.sin(np.pi * x), atol=1e-12)


@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), ((1, 2), {}), ((1, 2, 3, 4), {}), ((1, 2, 3), {"x": 1}), ((), {"x": 1, "y": 1, "z": 1})],
)
def test_coordinates_that_are_missing_or_too_many(saved, given, named):
    with pytest.raises(ValueError, match="one array for each of x, y, t"):
        load_solution(saved[0] / "solution")(*given, **named)


def test_reading_needs_no_data_and_leaves_the_random_numbers_alone(saved, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(saved[0], folder)
    (folder / "points.csv").unlink()
    (folder / "mine.yaml").unlink()
    text = (folder / "solution" / "solution.yaml").read_text()
    (folder / "solution" / "solution.yaml").write_text(text.replace(str(saved[0]), str(folder)))
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    assert load_solution(folder / "solution")(0, 0, 0)["u"] == 0
    assert torch.equal(torch.rand(3), wanted)


def change(path: Path, before: bytes, after: bytes) -> None:
    data = path.read_bytes()
    assert before in data
    path.write_bytes(data.replace(before, after))


def test_damaged_and_foreign_files(copied, tmp_path):
    tensors, yaml = copied / "solution.safetensors", copied / "solution.yaml"
    whole, text = tensors.read_bytes(), yaml.read_text()

    def refused(*words: str) -> None:
        one_line_error(lambda: load_solution(copied), *words)
        tensors.write_bytes(whole)
        yaml.write_text(text)

    tensors.write_bytes(whole[:-1])
    refused("solution.safetensors is damaged", "solve again")
    tensors.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused("checksum")
    tensors.write_bytes(b"")
    refused("checksum")
    save_file({"w": torch.ones(2)}, tensors)
    refused("checksum")
    yaml.write_bytes(b"\xff\xfe\x00")
    refused("solution.yaml", "no UTF-8 text")
    yaml.write_text("name: something else\n")
    refused("checksum")
    first = text.partition("\n")[0]
    yaml.write_text(f"{first}\nname: something else\n")
    refused("solution.yaml line 2", "name")
    yaml.write_text(f"{first}\n- broken: [\n")
    refused("solution.yaml", "broken YAML")
    yaml.write_text(text.replace("width: 6", "width: 7"))
    refused("was made by another architecture", "solution.safetensors")
    yaml.write_text(text.replace("u_t - nu*k*u_xx", "__import__('os') - nu*k*u_xx"))
    refused("solution.yaml line")
    tensors.unlink()
    refused("solution.safetensors is missing")
    yaml.unlink()
    refused("solution.yaml is missing")
    one_line_error(lambda: load_solution(tmp_path / "nothing"), "nothing holds no solution")
    assert load_solution(copied)(0, 0, 0)["u"] == 0


def test_a_solution_that_cannot_be_written(saved, tmp_path):
    (tmp_path / "file").touch()
    config = load_config(
        SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=["method.width=6"]
    )
    one_line_error(lambda: save_solution(tmp_path / "file" / "solution", saved[1], config), "file")
