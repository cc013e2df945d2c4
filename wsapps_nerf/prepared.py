"""What a run trains, before its first step."""

from __future__ import annotations

from dataclasses import dataclass

from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.ray_sampler import RaySampler
from wsapps_nerf.scene import Scene


@dataclass(frozen=True)
class Prepared:
    """What a run trains: the objective, fitted to the scene, and the rays."""

    objective: RadianceObjective
    sampler: RaySampler


def prepare(config: TrainConfig, scene: Scene) -> Prepared:
    """Build what is trained on a scene that lies on its device."""
    objective = build_objective(config, scene).to(scene.box.device)
    objective.renderer.adapt_to(scene.train)
    return Prepared(objective, RaySampler(scene.train, objective, config.trainer.seed))
