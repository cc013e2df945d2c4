"""Two real processes under torchrun give the gradient, and the solution, of one."""

from __future__ import annotations

import json
import sys

import pytest
import torch
import two_ranks_pde
from launch_ranks import launch
from safetensors.torch import load_file
from torch import Tensor
from two_ranks_pde import BUILT_IN, CASES, COMMAND, WINDOWED

from wsapps_pde.solve import main

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not torch.distributed.is_gloo_available(), reason="needs gloo"
)

MINE = """
name: mine
domain: {x: [0, 1], t: [0, 1]}
unknowns: [u]
parameters: {a: {initial: 1.0, min: 0}}
residuals: ["u_t - a*u_xx"]
conditions: [{at: "t = 0", u: "sin(pi*x)"}, {at: boundary, u: 0}]
data: {file: points.csv, unknowns: [u]}
reference: {exact: {u: "exp(-a*pi**2*t)*sin(pi*x)"}, parameters: {a: 0.1}}
"""
HEAT = """
name: heat
domain: {x: [0, 1], t: [0, 1]}
unknowns: [u]
residuals: ["u_t - 0.1*u_xx"]
conditions: [{at: "t = 0", u: "sin(pi*x)"}, {at: boundary, u: 0}]
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder, what was said, and the tensors of each rank."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "mine.yaml").write_text(MINE)
    (folder / "points.csv").write_text("x,t,u\n0.25,0.5,0.43\n0.5,0.5,0.61\n0.5,0.9,0.41\n")
    said = launch(two_ranks_pde.__file__, str(folder))
    return folder, said, [load_file(folder / f"tensors_{rank}.safetensors") for rank in range(2)]


def single(case: str) -> dict[str, Tensor]:
    """The gradient of all points at once, by autograd alone, and the state of the loss."""
    loss = two_ranks_pde.objective(case)
    rows = two_ranks_pde.normal_equations(loss, 0, 1, 1)
    loss(loss.batch(0, 1))["loss_sum"].backward()
    found = rows | {f"gradient {name}": p.grad for name, p in loss.named_parameters() if p.grad is not None}
    return {**found, **{f"state {name}": value for name, value in loss.state_dict().items()}}


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_one_process(results, case):
    wanted = single(case)
    assert (len(two_ranks_pde.objective(case).term_names) == 1) == (case in BUILT_IN)
    for tensors in results[2]:
        found = {name.partition("/")[2]: v for name, v in tensors.items() if name.startswith(f"{case}/")}
        assert wanted.keys() <= found.keys()
        for name, value in found.items():
            if name not in wanted:  # DistributedDataParallel gives zeros to what is not used
                assert float(value.abs().max()) == 0, name
            elif name.startswith("state"):  # points, balance, weights of points
                torch.testing.assert_close(value, wanted[name], rtol=1e-12, atol=1e-12)
            else:
                most = 1e-9 if name == "rows bend" else 1e-12  # a difference of second order
                assert float((value - wanted[name]).abs().max()) <= most * float(wanted[name].abs().max()), (
                    name
                )


def test_ranks_agree_bit_for_bit(results):
    first, second = results[2]
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_the_command_on_two_ranks_finds_what_it_finds_on_one(results, tmp_path, monkeypatch):
    folder, said, _ = results
    assert said.count("in the loss: data u") == 1
    assert main([f"problem={folder / 'mine.yaml'}", f"out={tmp_path / 'run'}", *COMMAND]) == 0
    for name, value in load_file(tmp_path / "run" / "solution" / "solution.safetensors").items():
        found = load_file(folder / "run" / "solution" / "solution.safetensors")[name]
        torch.testing.assert_close(found, value, rtol=1e-6, atol=1e-6)
    here, there = (
        json.loads((run / "metrics.json").read_text()) for run in (tmp_path / "run", folder / "run")
    )
    assert there["steps"] == here["steps"] == 20
    for name in ("relative_l2/u", "parameter/a", "residual/residual", "residual/data u"):
        assert there[name] == pytest.approx(here[name], rel=1e-5)


def test_time_windows_on_two_ranks_find_what_they_find_on_one(tmp_path):
    (tmp_path / "heat.yaml").write_text(HEAT)
    launch(two_ranks_pde.__file__, str(tmp_path), "windows")
    assert main([f"problem={tmp_path / 'heat.yaml'}", f"out={tmp_path / 'run'}", *WINDOWED]) == 0
    wanted = load_file(tmp_path / "run" / "solution" / "solution.safetensors")
    found = load_file(tmp_path / "windows" / "solution" / "solution.safetensors")
    assert any(name.startswith("_windows.1.") for name in wanted)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-6)
