"""``alpha=auto`` for radiance fields: short runs one after the other, judged on views left out of them."""

from __future__ import annotations

import torch

from wsapps.alpha import Choice, Curve, Trial, choose_by_short_runs, chosen_once, untried, with_alpha
from wsapps.metrics import psnr_from_mse
from wsapps.objective import Batch
from wsapps.run import Run
from wsapps_nerf.captures.picture_window import held_at_once
from wsapps_nerf.config import TrainConfig
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.prepared import prepare
from wsapps_nerf.scene import Scene

_HELD_OUT = 8  # one of so many training views
_DRAWS = 8  # of rays, for a score
_NO_RANK = 2**20  # ranks of training are below it, so that scores have rays of their own
# Views between the training views are what a radiance field is for: nothing of them is given away for speed.
_TOLERANCE = 0.0


def chosen(config: TrainConfig, scene: Scene, run: Run) -> TrainConfig:
    """The configuration with ``method.alpha`` chosen, now or by an earlier process. All ranks call it alike.

    ``alpha.json`` and ``alpha.png`` go into the run folder. Test views are not looked at.

    Raises:
        Diverged: alpha = 1 does.
        UserError: the record in the run folder is damaged, or missing where there is a trained state.
    """
    record = chosen_once(run, lambda: (*choose_alpha(config, scene, run), {}))
    return with_alpha(config, record["alpha"])


def choose_alpha(config: TrainConfig, scene: Scene, run: Run) -> tuple[Choice, list[Curve]]:
    """Try larger alphas until one is worse.

    A run that is too short for that keeps alpha = 1, and so does one of which memory holds only some pictures
    at a time: those that score might not be among them.

    Raises:
        Diverged: alpha = 1 does.
    """
    pictures = scene.train.rgba
    if not isinstance(pictures, torch.Tensor) and (held := held_at_once(pictures)) < len(pictures):
        why = (
            f"data.memory_gib holds {held} of {len(pictures)} pictures at a time, and trials need all of them"
        )
        return untried(why), []
    return choose_by_short_runs(config, lambda other: _trial(other, scene), _TOLERANCE, run)


def _trial(config: TrainConfig, scene: Scene) -> Trial:
    """Rays of one view in eight score, those of the others are trained on; scores are PSNRs of rays."""
    prepared = prepare(config, scene)
    objective, sampler = prepared.objective, prepared.sampler
    views = len(scene.train)
    held_out = torch.arange(views) % min(_HELD_OUT, views) == 0 if views > 1 else torch.zeros(1).bool()
    at = 0  # where the pictures in memory are

    def batch(step: int, rank: int, world: int) -> Batch:
        nonlocal at
        at, drawn = step, sampler(step, rank, world)
        return _of(drawn, ~held_out.to(drawn["view"].device)[drawn["view"]])

    def score() -> tuple[float, float]:
        draws = [sampler(at, _NO_RANK + draw, 1) for draw in range(_DRAWS)]
        drawn = {name: torch.cat([each[name] for each in draws]) for name in draws[0]}
        unseen = held_out.to(drawn["view"].device)[drawn["view"]]
        fitted = _psnr(objective, _of(drawn, ~unseen))
        return fitted, _psnr(objective, _of(drawn, unseen)) if bool(unseen.any()) else fitted

    return Trial(objective, batch, score, config.trainer)


def _of(batch: Batch, mask: torch.Tensor) -> Batch:
    return {name: tensor[mask] for name, tensor in batch.items()}


@torch.no_grad()
def _psnr(objective: RadianceObjective, batch: Batch) -> float:
    objective.eval()
    totals = objective(batch)
    return float(psnr_from_mse(totals["squared_error"] / totals["count"]))
