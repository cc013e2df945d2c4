"""``python -m wsapps_nerf.train scene=lego``: train a radiance field on posed pictures."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace

from accelerate import Accelerator

from wsapps.accelerator import make_accelerator
from wsapps.alpha import with_auto_alpha
from wsapps.alpha.fallback import with_fallback
from wsapps.command import run_command
from wsapps.config import load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.objective import Batch
from wsapps.run import Run, describe_device, open_run
from wsapps.trainer import Trainer
from wsapps_nerf.choose_alpha import chosen
from wsapps_nerf.config import TrainConfig
from wsapps_nerf.evaluation import mean_scores, render_view, score_views
from wsapps_nerf.home_view import view_of_box, view_of_cameras
from wsapps_nerf.kernels import build_kernels
from wsapps_nerf.load import load_scene
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.outputs import write_outputs
from wsapps_nerf.perceptual import find_lpips
from wsapps_nerf.prepared import Prepared, prepare
from wsapps_nerf.same_views import keep_views
from wsapps_nerf.scene import Scene
from wsapps_nerf.suited import suited
from wsapps_nerf.viewer import Viewer, ViewerConfig

_log = logging.getLogger("wsapps")
PROGRAM = "python -m wsapps_nerf.train"


def train(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    arguments = with_auto_alpha(arguments, "method.alpha")
    config = load_or_help(TrainConfig, "train", "nerf", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator(config.trainer.mixed_precision)
    build_kernels(accelerator)
    scene = load_scene(config.scene, config.data).to(accelerator.device)
    config = suited(config, scene, arguments)
    # Before there is a run folder: what is wrong with the settings is not to leave one.
    prepared = prepare(config, scene)
    prepared.objective.check_rays(prepared.sampler(0, 0, 1))
    # Who watches changes nothing: a run continues with another viewer.
    with open_run(replace(config, viewer=ViewerConfig()), "nerf", config.scene.name, accelerator) as run:
        if run.folder.status == "finished":
            psnr = run.folder.read_metrics().get("test/psnr")
            run.say("%s is finished (test/psnr %s); choose another out= for a new run", run.folder.path, psnr)
            return
        if config.scene.format != "blender":
            keep_views(scene, run)
        train_scene(config, prepared, scene, run)


def train_scene(config: TrainConfig, prepared: Prepared, scene: Scene, run: Run) -> None:
    """Train in an open run folder, and write everything that a run leaves.

    With ``alpha=auto`` alpha is chosen first, and where the run diverges it begins anew with a smaller one.
    """
    if config.alpha != "auto":
        _train(config, prepared, scene, run)
        return
    config = chosen(config, scene, run)
    with_fallback(lambda other: _train(other, prepare(other, scene), scene, run), config, run)


def _train(config: TrainConfig, prepared: Prepared, scene: Scene, run: Run) -> None:
    objective, sampler = prepared.objective, prepared.sampler
    accelerator, folder = run.accelerator, run.folder
    viewer = _open_viewer(config, objective, scene) if run.is_main and config.viewer.port else None

    def batch(step: int, rank: int, world: int) -> Batch:
        if viewer is not None:
            viewer.draw(objective, f"{step:,} steps", training=True)
        return sampler(step, rank, world)

    trainer = Trainer(
        config.trainer,
        objective,
        batch=batch,
        evaluate=lambda: _evaluate(objective, scene, accelerator),
        checkpoints=folder.checkpoints,
        tensorboard=folder.tensorboard,
        accelerator=accelerator,
    )
    run.say("training %s on %s, in %s", scene.name, describe_device(accelerator.device), folder.path)
    try:
        result = trainer.fit()
    finally:
        if viewer is not None:
            viewer.close()
    scores = score_views(objective, scene.test, accelerator, lpips=find_lpips(accelerator.device))
    metrics = {**mean_scores(scores), **run.usual_metrics(result)}
    if config.alpha == "auto":
        metrics["alpha"] = config.method.alpha
    final = {"step": result.steps, "seconds": result.seconds, "test/psnr": float(metrics["test/psnr"])}
    history = [*trainer.history, final]
    write_outputs(folder, objective, scene, config.outputs, scores, metrics, history, accelerator)
    if run.is_main:
        folder.write_metrics(metrics)
    run.say("test/psnr %.2f dB, test/ssim %.4f", metrics["test/psnr"], metrics["test/ssim"])
    run.say("pictures: %s", folder.path / "index.html")


def _open_viewer(config: TrainConfig, objective: RadianceObjective, scene: Scene) -> Viewer:
    try:
        home = view_of_cameras(scene.train.cameras)
    except ValueError:  # the cameras have no common centre
        home = view_of_box(objective.renderer)
    viewer = Viewer(config.viewer, home, scene.name)
    _log.info("%s shows it while it trains", viewer.address)
    return viewer


def _evaluate(objective: RadianceObjective, scene: Scene, accelerator: Accelerator) -> dict[str, object]:
    """Scores on about five test views, and a picture of the first."""
    every = max(1, len(scene.test) // 5)
    scores = score_views(objective, scene.test, accelerator, every=every)
    return {**mean_scores(scores), "test/view": render_view(objective, scene.test.cameras, 0).rgb.numpy()}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(train, arguments)


if __name__ == "__main__":
    sys.exit(main())
