"""The configuration of a radiance-field run, and what is built from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from wsapps.alpha import AutoAlphaConfig, check_has_alpha
from wsapps.config import choice, doc
from wsapps.fields import FIELDS, make_field
from wsapps.seeding import seed_global
from wsapps.trainer import TrainerConfig
from wsapps_nerf.averaging import AverageConfig
from wsapps_nerf.field import HeadsConfig, RadianceField
from wsapps_nerf.load import DataConfig, SceneConfig
from wsapps_nerf.objective import RadianceObjective, RaysConfig
from wsapps_nerf.outputs import OutputsConfig
from wsapps_nerf.renderer import Renderer, RendererConfig
from wsapps_nerf.scene import Space
from wsapps_nerf.viewer import ViewerConfig


@dataclass
class EndlessConfig:
    """What scenes without an end are trained with; see :mod:`wsapps_nerf.suited`."""

    settings: list[str] = doc(
        "key=value, used where space is contracted; what the command line gives counts over them, and with "
        "method= given those of the method are left to it",
        default_factory=list,
    )


@dataclass
class TrainConfig:
    """Everything that a run depends on; configs/nerf/train.yaml fills it."""

    out: str | None = doc("run folder; by default runs/nerf/<scene>-<time>", default=None)
    scene: SceneConfig = field(default_factory=SceneConfig)
    method: Any = choice(FIELDS, default="weight_scaling", text="the field in the middle")
    alpha: Literal["auto"] | None = doc(
        "auto chooses method.alpha by short trials, as method.alpha=auto does; null takes method.alpha",
        default=None,
    )
    auto_alpha: AutoAlphaConfig = field(default_factory=AutoAlphaConfig)
    heads: HeadsConfig = field(default_factory=HeadsConfig)
    renderer: RendererConfig = field(default_factory=RendererConfig)
    average: AverageConfig = field(default_factory=AverageConfig)
    rays: RaysConfig = field(default_factory=RaysConfig)
    endless: EndlessConfig = field(default_factory=EndlessConfig)
    data: DataConfig = field(default_factory=DataConfig)
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(default_steps=2300))
    viewer: ViewerConfig = field(default_factory=ViewerConfig)
    outputs: OutputsConfig = field(default_factory=OutputsConfig)

    def __post_init__(self) -> None:
        check_has_alpha(self.alpha, self.method, "weight_scaling")


def build_objective(config: TrainConfig, space: Space) -> RadianceObjective:
    """Field, renderer and loss for a scene's space, initialised from the configured seed."""
    seed_global(config.trainer.seed, "init")
    trunk = make_field(3, 1, config.method)
    radiance_field = RadianceField(trunk, trunk.width, space.box, config.heads, space.contracted)
    renderer = Renderer(config.renderer, space.box, space.near, space.far, space.contracted)
    return RadianceObjective(radiance_field, renderer, config.rays, config.average.decay)
