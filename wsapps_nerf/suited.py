"""The part of a run's configuration that only its data decide."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from wsapps.config import default_config_dir, load_config
from wsapps.config.left_open import left_open
from wsapps_nerf.config import TrainConfig
from wsapps_nerf.scene import Scene

_log = logging.getLogger("wsapps")


def suited(config: TrainConfig, scene: Scene, arguments: Sequence[str]) -> TrainConfig:
    """The configuration with ``endless.settings`` where space is contracted, and pictures with codes counted.

    What was given counts over the settings; where a method was chosen, those of the method are left to it.

    Args:
        config: as the ``arguments`` alone give it, its scene as loading left it.
        scene: what is trained on.
        arguments: ``key=value``, of the command.
    """
    settings = left_open(config.endless.settings, arguments) if scene.contracted else []
    if settings:
        _log.info("%s: space is contracted: %s (endless.settings)", scene.name, " ".join(settings))
        overrides = [*settings, *arguments]
        other = load_config(TrainConfig, "train", config_dir=default_config_dir("nerf"), overrides=overrides)
        config = replace(other, scene=config.scene)
    if config.heads.appearance and config.heads.pictures is None:
        config = replace(config, heads=replace(config.heads, pictures=len(scene.train)))
    return config
