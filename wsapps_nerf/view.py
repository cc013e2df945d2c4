"""``python -m wsapps_nerf.view out=RUN``: a run in the browser, rendered on this machine's device."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.errors import UserError
from wsapps_nerf.home_view import home_view
from wsapps_nerf.trained import DataPlace, open_trained
from wsapps_nerf.viewer import Viewer, ViewerConfig

PROGRAM = "python -m wsapps_nerf.view"
_PAUSE = 0.03  # seconds between looks at what visitors do


@dataclass
class ViewConfig:
    """What is viewed; configs/nerf/view.yaml fills it."""

    out: str = doc("run folder, as training left it")
    viewer: ViewerConfig = field(default_factory=lambda: ViewerConfig(port=8080))
    seconds: float | None = doc("end after so long; null waits for Ctrl-C", default=None, unit="s")
    data: DataPlace = field(default_factory=DataPlace)


def view(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(ViewConfig, "view", "nerf", PROGRAM, arguments)
    if config is None:
        return
    if config.viewer.port is None:
        config = replace(config, viewer=replace(config.viewer, port=8080))
    trained = open_trained(config.out, config.data.root)
    if trained.accelerator.num_processes > 1:
        raise UserError("one process views a run; start it without accelerate launch")
    viewer = Viewer(config.viewer, home_view(trained), trained.config.scene.name)
    print(f"{viewer.address} shows {trained.run.path}; Ctrl-C ends it", flush=True)
    end = time.monotonic() + (config.seconds if config.seconds is not None else float("inf"))
    try:
        while time.monotonic() < end:
            if not viewer.draw(trained.objective, f"{trained.steps:,} steps"):
                time.sleep(_PAUSE)
    finally:
        viewer.close()


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(view, arguments)


if __name__ == "__main__":
    sys.exit(main())
