"""Two real processes under torchrun, with gloo, give what one process gives."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
import two_ranks
from launch_ranks import launch
from noisy_objective import assert_same_state
from safetensors.torch import load_file
from two_ranks import CASES, STEPS

from wsapps import checkpoint
from wsapps.accelerator import make_accelerator

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not torch.distributed.is_gloo_available(), reason="needs gloo"
)


def read(folder: Path) -> tuple[list[dict], list[dict[str, torch.Tensor]]]:
    said = [json.loads(path.read_text()) for path in sorted(folder.glob("said_*.json"))]
    return said, [load_file(path) for path in sorted(folder.glob("tensors_*.safetensors"))]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    assert "broadcast_buffers" not in launch(two_ranks.__file__, "compute", str(folder))
    return (folder, *read(folder))


def group(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    found = {
        name.removeprefix(f"{prefix}/"): v for name, v in tensors.items() if name.startswith(f"{prefix}/")
    }
    assert found
    return found


def assert_close(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], tolerance: float) -> None:
    """Relative to each tensor's largest entry."""
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert float((found[name] - value).abs().max()) <= tolerance * float(value.abs().max()), name


def single_gradient(case: str) -> dict[str, torch.Tensor]:
    """The gradient of the same mean by one process, one batch, and autograd alone."""
    objective = two_ranks.objective()
    shares = [two_ranks.share(case, micro, rank) for micro in range(len(CASES[case])) for rank in range(2)]
    terms = objective({name: torch.cat([share[name] for share in shares]) for name in shares[0]})
    (terms["loss_sum"] / terms["count"]).backward()
    return {name: parameter.grad for name, parameter in objective.named_parameters()}


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_one_process(results, case):
    wanted = single_gradient(case)
    assert all(float(value.abs().max()) > 0 for value in wanted.values())
    for tensors in results[2]:
        assert_close(group(tensors, case), wanted, 1e-12)


def test_accumulation_in_one_process_is_exact_too():
    for case, sizes in CASES.items():
        batches = [two_ranks.share(case, micro, rank) for micro in range(len(sizes)) for rank in range(2)]
        found = two_ranks.gradient(make_accelerator(), two_ranks.objective(), batches)
        assert_close(found, single_gradient(case), 1e-12)


def test_a_mean_of_means_would_be_noticed(results):
    """The usual gradient, averaged over ranks whatever they counted, is far from the exact one."""
    means = []
    for rank in range(2):
        objective = two_ranks.objective()
        terms = objective(two_ranks.share("different sizes", 0, rank))
        (terms["loss_sum"] / terms["count"]).backward()
        means.append({name: parameter.grad for name, parameter in objective.named_parameters()})
    average = {name: (means[0][name] + means[1][name]) / 2 for name in means[0]}
    with pytest.raises(AssertionError):
        assert_close(average, single_gradient("different sizes"), 1e-2)


def test_training_gives_the_same_on_both_ranks_and_as_one_process(results):
    for part in ("trained", "continued"):
        first, second = (group(tensors, part) for tensors in results[2])
        assert_same_state(first, second)
        assert float(first["seen"][0]) > 0
    alone = two_ranks.train(max_steps=STEPS).objective.state_dict()
    assert_close(group(results[2][0], "trained"), alone, 1e-6)


def test_ranks_solve_for_one_output_layer(results):
    first, second = (group(tensors, "projected") for tensors in results[2])
    assert_same_state(first, second)
    assert_close(first, two_ranks.fit_projected().state_dict(), 1e-6)


def test_ranks_fit_with_the_alpha_and_at_the_rate_of_the_first(results):
    first, second = (group(tensors, "fitted") for tensors in results[2])
    assert_same_state(first, second)


def test_logging_does_not_wait_for_an_agreement(results):
    for said in results[1]:
        assert said["history"] == [4, 8, 12, 16, 20]  # agreements come every third step


def test_only_the_first_rank_touches_the_run_folder(results):
    folder = results[0]
    assert checkpoint.load_latest(folder / "run").step == STEPS + 5
    assert not (folder / "not here").exists()


def test_an_error_on_the_first_rank_is_raised_on_both(results):
    said = results[1]
    assert [each["main"] for each in said] == ["rank 0", "rank 0"]
    assert [each["user error"] for each in said] == [["Busy", "the data are missing"]] * 2
    assert said[0]["bug"] == ["ZeroDivisionError", "a bug"]
    assert said[1]["bug"] == ["RuntimeError", "ZeroDivisionError on the first rank: a bug"]
    for each in said:
        assert each["cannot save"][0] == "UserError"
        assert "file" in each["cannot save"][1]


def test_sigterm_to_one_rank_stops_both_and_saves_once(tmp_path):
    launch(two_ranks.__file__, "interrupted", str(tmp_path))
    said, _ = read(tmp_path)
    assert [each["signal"] for each in said] == [signal.SIGTERM] * 2
    assert [each["saves"] for each in said] == [[9], []]  # the agreement after step 8
    assert checkpoint.load_latest(tmp_path / "run").step == 9


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads' names are read from /proc")
def test_a_command_leaves_no_thread_of_its_process_group(tmp_path):
    """One that lets go of a tensor while the interpreter ends would abort the process, now and then."""
    launch(two_ranks.__file__, "left", str(tmp_path))
    for said in read(tmp_path)[0]:
        assert said["code"] == 128 + signal.SIGTERM
        assert "python" in said["threads"]
        assert not [name for name in said["threads"] if "gloo" in name]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
def test_a_compiled_objective_gives_the_same_gradient(tmp_path):
    launch(two_ranks.__file__, "compiled", str(tmp_path))
    for tensors in read(tmp_path)[1]:
        assert_close(tensors, single_gradient("accumulated, ragged"), 1e-9)
