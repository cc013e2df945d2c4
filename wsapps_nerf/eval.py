"""``python -m wsapps_nerf.eval out=RUN``: score a run's newest checkpoint on the views of a split."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import wsapps
from wsapps.atomic import write_json
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.progress import Progress
from wsapps_nerf.evaluation import ViewScore, mean_scores, score_views
from wsapps_nerf.load import load_views
from wsapps_nerf.perceptual import find_lpips
from wsapps_nerf.same_views import check_views
from wsapps_nerf.scene import Views
from wsapps_nerf.trained import DataPlace, TrainedRun, open_trained

PROGRAM = "python -m wsapps_nerf.eval"


@dataclass
class EvalConfig:
    """What is scored; configs/nerf/eval.yaml fills it."""

    out: str = doc("run folder, as training left it; eval_<split>.json is written into it")
    split: Literal["test", "train", "val"] = doc("the views that are scored", default="test")
    data: DataPlace = field(default_factory=DataPlace)


def evaluate(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(EvalConfig, "eval", "nerf", PROGRAM, arguments)
    if config is None:
        return
    trained = open_trained(config.out, config.data.root)
    check_views(trained)
    views = load_views(trained.config.scene, trained.config.data, config.split)
    scores = _score(trained, views)
    if not trained.accelerator.is_main_process:
        return
    means = mean_scores(scores, config.split)
    path = trained.run.path / f"eval_{config.split}.json"
    write_json(
        path,
        {
            **means,
            "steps": trained.steps,
            "downscale": trained.config.data.downscale,
            "version": wsapps.__version__,
            "views": [asdict(score) for score in scores],
        },
    )
    psnr, ssim, *others = means.values()
    lpips = "".join(f", {name} {value:.4f}" for name, value in zip(list(means)[2:], others, strict=True))
    print(
        f"{config.split}/psnr {psnr:.2f} dB, {config.split}/ssim {ssim:.4f}{lpips} over {len(scores)} views "
        f"after {trained.steps} steps: {path}"
    )


def _score(trained: TrainedRun, views: Views) -> list[ViewScore]:
    accelerator, started = trained.accelerator, time.monotonic()
    mine = len(range(accelerator.process_index, len(views), accelerator.num_processes))
    progress = Progress(mine, None, accelerator.is_main_process, title="scoring")
    try:
        return score_views(
            trained.objective,
            views.to(accelerator.device),
            accelerator,
            on_view=lambda done: progress.update(done, time.monotonic() - started, {}),
            lpips=find_lpips(accelerator.device),
        )
    finally:
        progress.close()


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(evaluate, arguments)


if __name__ == "__main__":
    sys.exit(main())
