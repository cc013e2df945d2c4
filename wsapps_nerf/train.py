"""``python -m wsapps_nerf.train scene=lego``: train a radiance field on posed pictures."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

import wsapps
from wsapps.accelerator import make_accelerator, on_main
from wsapps.command import log_to_file, run_command
from wsapps.config import (
    default_config_dir,
    differences,
    from_yaml,
    help_text,
    load_config,
    to_yaml,
    wants_help,
)
from wsapps.cpu import prepare_cpu
from wsapps.run_folder import RunFolder, default_path
from wsapps.trainer import Trainer
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.evaluation import mean_scores, render_view, score_views
from wsapps_nerf.kernels import build_kernels
from wsapps_nerf.load import load_scene
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.outputs import write_outputs
from wsapps_nerf.ray_sampler import RaySampler
from wsapps_nerf.scene import Scene

PROGRAM = "python -m wsapps_nerf.train"
_log = logging.getLogger("wsapps")


def train(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config_dir = default_config_dir("nerf")
    if wants_help(arguments):
        print(help_text(TrainConfig, "train", config_dir=config_dir, program=PROGRAM, overrides=arguments))
        return
    config = load_config(TrainConfig, "train", config_dir=config_dir, overrides=arguments)
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator(config.trainer.mixed_precision)
    build_kernels(accelerator)
    scene = load_scene(config.scene, config.data)
    run = _open_run(config, accelerator)
    if run.status == "finished":
        _say_finished(run, accelerator)
        return
    handler = log_to_file(run.log_path) if accelerator.is_main_process else None
    try:
        _train(config, scene.to(accelerator.device), run, accelerator)
    finally:
        if handler is not None:
            logging.getLogger("wsapps").removeHandler(handler)
            handler.close()
        run.close()


def _open_run(config: TrainConfig, accelerator: Accelerator) -> RunFolder:
    """Open the run folder on the first rank; the others only learn where it is."""

    def changes(old_yaml: str) -> list[str]:
        return differences(from_yaml(TrainConfig, old_yaml, "config.yaml"), config)

    opened: list[RunFolder] = []

    def open_folder() -> tuple[str, str]:
        path = Path(config.out) if config.out else default_path("nerf", config.scene.name)
        opened.append(RunFolder.open(path, to_yaml(config), changes))
        return str(path), opened[0].status

    path, status = on_main(accelerator, open_folder)
    return opened[0] if opened else RunFolder(Path(path), status)  # type: ignore[arg-type]


def _say_finished(run: RunFolder, accelerator: Accelerator) -> None:
    if accelerator.is_main_process:
        psnr = run.read_metrics().get("test/psnr")
        _log.info("%s is finished (test/psnr %s); choose another out= for a new run", run.path, psnr)


def _train(config: TrainConfig, scene: Scene, run: RunFolder, accelerator: Accelerator) -> None:
    started = time.monotonic()
    objective = build_objective(config, scene).to(accelerator.device)
    objective.renderer.adapt_to(scene.train)
    trainer = Trainer(
        config.trainer,
        objective,
        batch=RaySampler(scene.train, objective, config.trainer.seed),
        evaluate=lambda: _evaluate(objective, scene, accelerator),
        checkpoints=run.checkpoints,
        tensorboard=run.tensorboard,
        accelerator=accelerator,
    )
    if accelerator.is_main_process:
        _log.info("training %s on %s, in %s", scene.name, describe_device(accelerator.device), run.path)
    result = trainer.fit()
    scores = score_views(objective, scene.test, accelerator)
    metrics: dict[str, float | str] = {
        **mean_scores(scores),
        "train_seconds": result.seconds,
        "wall_seconds": time.monotonic() - started,
        "steps": result.steps,
        "device": describe_device(accelerator.device),
        "version": wsapps.__version__,
    }
    final = {"step": result.steps, "seconds": result.seconds, "test/psnr": float(metrics["test/psnr"])}
    write_outputs(
        run, objective, scene, config.outputs, scores, metrics, [*trainer.history, final], accelerator
    )
    if accelerator.is_main_process:
        run.write_metrics(metrics)
        _log.info("test/psnr %.2f dB, test/ssim %.4f", metrics["test/psnr"], metrics["test/ssim"])
        _log.info("pictures: %s", run.path / "index.html")


def _evaluate(objective: RadianceObjective, scene: Scene, accelerator: Accelerator) -> dict[str, object]:
    """Scores on about five test views, and a picture of the first."""
    every = max(1, len(scene.test) // 5)
    scores = score_views(objective, scene.test, accelerator, every=every)
    return {**mean_scores(scores), "test/view": render_view(objective, scene.test.cameras, 0).rgb.numpy()}


def describe_device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({torch.get_num_threads()} threads)"


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(train, arguments)


if __name__ == "__main__":
    sys.exit(main())
