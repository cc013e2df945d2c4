"""The core and the applications on a GPU: the same numbers as on the CPU, and every command to its end."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from accelerate.utils import send_to_device
from gpu import NEEDS_GPU
from small_problems import objective, shipped
from synthetic_scene import TINY as TINY_SCENE
from synthetic_scene import write_ball_scene
from torch import Tensor

import wsapps
from wsapps.accelerator import make_accelerator
from wsapps.config import default_config_dir
from wsapps.field_objective import FieldObjective
from wsapps.fields import SinusoidalField
from wsapps.grid import regular_grid
from wsapps.least_squares import FrozenResiduals
from wsapps.optimizer import OptimizerConfig
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps.samplers import PointSampler
from wsapps.trainer import Trainer, TrainerConfig
from wsapps_nerf import eval as nerf_eval
from wsapps_nerf import export_mesh as nerf_mesh
from wsapps_nerf import render as nerf_render
from wsapps_nerf import train as nerf_train
from wsapps_pde import library as pde_library
from wsapps_pde import solve as pde_solve
from wsapps_signals import analyze, compare, fit, resample
from wsapps_weightspace import build, classify, edit, interpolate, predict_psnr, retrieve, train, verify
from wsapps_weightspace.fitting import FittingConfig, make_fitter
from wsapps_weightspace.initial import InitialConfig, initial_weights
from wsapps_weightspace.numbering import Numbering
from wsapps_weightspace.weights import Architecture

pytestmark = [*NEEDS_GPU, pytest.mark.usefixtures("fresh_logging")]
GPU, CPU = torch.device("cuda"), torch.device("cpu")


def picture() -> tuple[Tensor, Tensor]:
    coordinates = regular_grid((24, 24))
    return coordinates, torch.sin(2 * coordinates.square().sum(dim=-1, keepdim=True))


def finished(main, *arguments: str) -> None:
    assert main([*arguments]) == 0, arguments


def on_a_gpu(out: Path) -> dict[str, float]:
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["device"] == torch.cuda.get_device_name()
    return metrics


# --- the same numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [CPU, GPU], ids=str)
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_fit_answers_where_its_coordinates_were(device, compiled):
    coordinates, values = (tensor.to(device) for tensor in picture())
    field = wsapps.fit(coordinates, values, width=64, omega_0=10, omega_hidden=10, steps=60, compile=compiled)
    with torch.no_grad():
        assert float((field(coordinates) - values).square().mean()) < 1e-3


def trained(steps: int, folder: Path | None, compiled: bool = False) -> list[Tensor]:
    torch.manual_seed(0)
    coordinates, values = picture()
    accelerator = make_accelerator()
    sampler = PointSampler(coordinates, values, 100).to(accelerator.device)
    config = TrainerConfig(max_steps=steps, compile=compiled, optimizer=OptimizerConfig(schedule="constant"))
    loss = FieldObjective(SinusoidalField(2, 1, 32))
    trainer = Trainer(config, loss, sampler, checkpoints=folder, accelerator=accelerator, show_progress=False)
    trainer.fit()
    assert trainer.accelerator.device.type == "cuda"
    return [parameter.detach().cpu() for parameter in loss.parameters()]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_run_that_is_continued_ends_where_one_in_a_piece_does(tmp_path, compiled):
    trained(20, tmp_path / "a", compiled)
    for mine, whole in zip(trained(40, tmp_path / "a", compiled), trained(40, None, compiled), strict=True):
        assert mine.equal(whole)


PROBLEMS = [
    "burgers",
    "kovasznay",
    "klein_gordon",
    "source_inverse",
    "kuramoto_sivashinsky",
    "poisson_l_shape",
]


def normal_equations(name: str, device: torch.device) -> tuple[Tensor, ...]:
    loss = objective(shipped(name), points=30)
    loss.to(device)
    batch = send_to_device(loss.batch(0, 1), device)
    totals = loss(batch)
    totals["loss_sum"].backward()
    gradients = [p.grad.flatten() for p in loss.parameters() if p.grad is not None]
    frozen = FrozenObjective(make_accelerator(), loss)
    frozen.freeze([batch], 0)
    found = FrozenResiduals(frozen, loss).linearize(frozen.vector())
    return tuple(
        part.detach().cpu()
        for part in (totals["loss_sum"], torch.cat(gradients), found.residuals, found.slope, found.gram)
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_pde_losses_and_normal_equations_are_those_of_the_cpu(name, monkeypatch):
    found = normal_equations(name, GPU)
    with monkeypatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        AcceleratorState._reset_state(reset_partial_state=True)
        known = normal_equations(name, CPU)
    for mine, expected in zip(found, known, strict=True):
        size = float(expected.abs().max())
        torch.testing.assert_close(mine, expected, rtol=1e-9, atol=1e-11 * size)


@pytest.mark.parametrize("engine", ["compiled", "eager"])
def test_many_small_fields_are_fitted_as_on_the_cpu(engine):
    architecture = Architecture((2, 16, 16, 1), 10.0, 10.0)
    initial = initial_weights(architecture, InitialConfig("random"), Numbering(5).numbers(0, 5), seed=0)
    coordinates = regular_grid((8, 8))
    targets = (
        torch.sin(math.pi * coordinates.sum(dim=-1))[None, :, None] * torch.linspace(0.2, 1, 5)[:, None, None]
    )
    scores = []
    for device, kind in ((CPU, "eager"), (GPU, engine)):
        fitter = make_fitter(FittingConfig(steps=30, engine=kind, chunk=5), architecture, peak=2.0)
        fitted = fitter.fit(initial.to(device), coordinates.to(device), targets.to(device))
        scores.append(fitted.psnr.cpu())
    torch.testing.assert_close(scores[0], scores[1], rtol=0, atol=0.5)
    assert float(scores[0].min()) > 15


# --- every command ---------------------------------------------------------------------------------

SMALL = ["method.width=32", "trainer.max_steps=20", "trainer.log_every=5"]


@pytest.mark.parametrize("kind", ["image", "audio", "occupancy", "sphere"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_signal_is_fitted_and_read_again(kind, compiled, tmp_path):
    out = tmp_path / "run"
    finished(fit.main, f"signal={kind}", f"out={out}", *SMALL, f"trainer.compile={str(compiled).lower()}")
    assert on_a_gpu(out)["steps"] == 20
    assert next(wsapps.load_field(out / "field").parameters()).device.type == "cpu"


@pytest.mark.parametrize(
    "settings",
    [
        ["alpha=auto"],
        ["tiles=[2,2]", "points.per_step=1024"],
        ["holdout=every_other", "method.alpha=1.5"],
        ["trainer.mixed_precision=bf16"],
        ["trainer.mixed_precision=fp16", "projection.enabled=false"],
        ["method=frequency_scaling"],
    ],
    ids=lambda settings: settings[0],
)
def test_a_picture_in_other_ways(settings, tmp_path):
    out = tmp_path / "run"
    finished(fit.main, "signal.max_side=64", f"out={out}", *SMALL, *settings)
    on_a_gpu(out)


def test_resample(tmp_path):
    finished(fit.main, "signal.max_side=64", f"out={tmp_path}", *SMALL)
    finished(resample.main, f"out={tmp_path}", "size=[96,80]")


def test_a_comparison_of_all_methods(tmp_path):
    finished(
        compare.main, f"out={tmp_path}", "more_seeds={}", "suite.signals={a: ['signal.max_side=32']}",
        "settings=['trainer.max_steps=3', 'match_width=64']",
    )  # fmt: skip
    assert "nan" not in (tmp_path / "cells.csv").read_text().lower()


def test_an_analysis(tmp_path):
    quick = [
        "signal.max_side=32", "method.width=32", "trainer.max_steps=30", "factors=[2.5]", "seeds=1",
        "kernel_points=64", "kernel_every=10", "hessian_points=64", "hessian_steps=5",
    ]  # fmt: skip
    finished(analyze.main, f"out={tmp_path}", *quick)


TINY_PDE = [
    "method.width=8", "method.hidden_layers=1", "points.interior=64", "points.condition=16",
    "trainer.max_steps=32", "trainer.log_every=4", "trainer.num_threads=1", "stages.descent=0.5",
]  # fmt: skip


@pytest.mark.parametrize("name", [*PROBLEMS, "signed_distance", "diffusion_inverse", "taylor_green"])
def test_a_problem_is_solved(name, tmp_path):
    finished(pde_solve.main, f"problem={name}", f"out={tmp_path}", *TINY_PDE)
    on_a_gpu(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        ["stages.method=levenberg_marquardt"], ["stages.method=lbfgs"], ["dtype=float32"], ["alpha=auto"],
        ["by_construction=false", "balance.every=3"], ["trainer.compile=false"], ["method=siren"],
    ],
    ids=lambda settings: settings[0],
)  # fmt: skip
def test_a_problem_in_other_ways(settings, tmp_path):
    finished(pde_solve.main, "problem=heat_1d", f"out={tmp_path}", *TINY_PDE, *settings)


def test_a_library(tmp_path):
    quick = ", ".join(f'"{setting}"' for setting in TINY_PDE)
    finished(pde_library.main, f"out={tmp_path}", "problems=[heat_1d, wave]", f"settings=[{quick}]")


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """A dataset of fields, which the first test that asks for it builds on the GPU."""
    return tmp_path_factory.mktemp("weightspace") / "fields"


def built(fields: Path) -> Path:
    if not fields.exists():
        finished(build.main, f"out={fields}", "data.glyphs.count=200", "fitting.steps=60")
    return fields


CLASSIFIER_FILES = sorted(
    path.stem for path in (default_config_dir("weightspace") / "classifier").glob("*.yaml")
)


@pytest.mark.parametrize("classifier", CLASSIFIER_FILES)
def test_a_classifier_learns_on_weights_and_is_used(classifier, fields, tmp_path):
    dataset, out = f"dataset={built(fields)}", tmp_path / "model"
    finished(train.main, dataset, f"classifier={classifier}", f"out={out}", "trainer.max_steps=5")
    on_a_gpu(out)
    finished(classify.main, f"model={out}", f"field={fields}")


@pytest.mark.parametrize("command", [verify, predict_psnr, retrieve, edit, interpolate])
def test_other_commands_of_fields(command, fields):
    quick = ["trainer.max_steps=5"] if command in (predict_psnr, edit) else []
    finished(command.main, f"dataset={built(fields)}", *quick)


@pytest.mark.parametrize(
    "settings",
    [
        [], ["renderer.sampler=proposal"], ["method=relu_pe"], ["trainer.compile=true"],
        ["trainer.mixed_precision=bf16"], ["trainer.mixed_precision=fp16"], ["alpha=auto"],
    ],
    ids=lambda settings: settings[0] if settings else "defaults",
)  # fmt: skip
def test_a_radiance_field_is_trained_rendered_and_meshed(settings, tmp_path):
    ball, out = write_ball_scene(tmp_path / "ball"), tmp_path / "run"
    finished(
        nerf_train.main, f"data.root={ball}", f"out={out}", "trainer.max_steps=20", *TINY_SCENE, *settings
    )
    on_a_gpu(out)
    finished(nerf_eval.main, f"out={out}")
    finished(nerf_render.main, f"out={out}", "frames=2")
    if not settings:
        finished(nerf_mesh.main, f"run={out}", "resolution=16")
