"""``python -m wsapps_nerf.web run=RUN out=page.html``: a radiance field as one HTML file, to orbit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

from wsapps.atomic import explained
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.web import Network, Page, write_page
from wsapps.web.network import Layer, feature_layers
from wsapps.web.page import HERE as CORE
from wsapps.web.page import readable_size
from wsapps.web.views import ORBIT_MOVES, pack_grid
from wsapps_nerf.field import RadianceField
from wsapps_nerf.home_view import home_view
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.trained import DataPlace, TrainedRun, open_trained

PROGRAM = "python -m wsapps_nerf.web"
HERE = Path(__file__).parent
_MOVES = (*ORBIT_MOVES, ("D", "colours or distances"), ("K, then S", "keep views, save a camera path"))


@dataclass
class WebConfig:
    """What is written; configs/nerf/web.yaml fills it."""

    run: str = doc("run folder, as training left it")
    out: str | None = doc("the page; null is field.html in the run folder", default=None)
    title: str | None = doc("its heading; null is the scene's name", default=None)
    data: DataPlace = field(default_factory=DataPlace)

    def __post_init__(self) -> None:
        if self.out is not None and Path(self.out).suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"out must be a file that ends in .html, got {self.out}")


def write_web(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(WebConfig, "web", "nerf", PROGRAM, arguments)
    if config is None:
        return
    trained = open_trained(config.run, config.data.root)
    if not trained.accelerator.is_main_process:
        return
    path = Path(config.out) if config.out is not None else trained.run.path / "field.html"
    page = radiance_page(
        trained.objective, home_view(trained), config.title or trained.config.scene.name, facts_of(trained)
    )
    with explained("make the folder", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    print(f"{path}: {readable_size(write_page(path, page))}")


def radiance_page(
    objective: RadianceObjective,
    camera: dict[str, Any],
    title: str,
    facts: Sequence[tuple[str, str]] = (),
) -> Page:
    """A page that shows a radiance field from all sides, as the renderer shows it in pictures.

    Args:
        objective: field, renderer and occupancy grid.
        camera: the first view: target, azimuth and elevation in degrees, radius, and the angle in radians
            that the shorter side of the picture spans.

    Raises:
        UserError: as :func:`wsapps.web.network_of`.
    """
    renderer = objective.renderer
    network = radiance_network(objective.shown)
    low, high = renderer.grid.aabbs[0].view(2, 3).tolist()
    space = {
        "low": low,
        "high": high,
        "centre": objective.field.centre.tolist(),
        "half": objective.field.half_size.tolist(),
        "cells": renderer.grid.resolution.tolist(),
        "stride": float(renderer.step_size) / renderer.config.picture_substeps,
        "near": renderer.near,
        "far": renderer.far,
        "contracted": renderer.contracted,
        "density": objective.field.heads.density_activation,
        "background": float(objective.background[0]),
    }
    arrays = {
        "grid": pack_grid(renderer.grid.binaries[0].cpu().numpy()),
        "colours": (matplotlib.colormaps["turbo"](np.linspace(0, 1, 256))[:, :3] * 255)
        .round()
        .astype(np.uint8)
        .ravel(),
    }
    lead = (
        f"There is no model in this file and no photograph. It holds the {network.numbers:,} numbers of a "
        "neural radiance field, and your graphics card follows the light along the ray of every pixel. It "
        "draws coarsely while you move, and sharpens when you stop."
    )
    scripts = [CORE / "orbit.js", CORE / "march.js", HERE / "radiance.js"]
    data = {"space": space, "camera": camera}
    return Page(title, lead, "radiance", scripts, network, data, arrays, facts, _MOVES)


def radiance_network(field: RadianceField) -> Network:
    """Trunk and heads as one chain of layers: position and direction to (red, green, blue, density), all four
    before their activation.

    The density, which may be negative, passes the colour head's ReLU as the difference of two neurons.

    Where training pictures have codes, colours are those of the mean code.

    Raises:
        UserError: the trunk's method has no such layers.
    """
    hidden: Any = field.colour[0]
    last: Any = field.colour[2]
    head: Any = field.trunk.output
    raw = head.weight * field.heads.density_scale
    shift = head.bias * field.heads.density_scale + field.heads.density_shift
    no_direction = raw.new_zeros(1, 3)
    places = head.in_features + 3
    colour_shift = hidden.bias + hidden.weight[:, places:] @ field.mean_code
    weight = torch.cat(
        [hidden.weight[:, :places], *(torch.cat([sign * raw, no_direction], dim=1) for sign in (1, -1))]
    )
    heads = Layer(weight, torch.cat([colour_shift, shift, -shift]), "relu", extra="direction")
    colours = torch.cat([last.weight, last.weight.new_zeros(3, 2)], dim=1)
    density = torch.cat(
        [last.weight.new_zeros(1, last.weight.shape[1]), last.weight.new_tensor([[1.0, -1.0]])], dim=1
    )
    out = Layer(torch.cat([colours, density]), torch.cat([last.bias, last.bias.new_zeros(1)]))
    trunk: Any = field.trunk
    return Network([[*feature_layers(trunk), heads, out]])


def facts_of(trained: TrainedRun) -> list[tuple[str, str]]:
    """What a page says about a run."""
    facts = []
    if trained.run.status == "finished":
        metrics = trained.run.read_metrics()
        if isinstance(value := metrics.get("test/psnr"), float):
            facts.append(("PSNR on test views", f"{value:.1f} dB"))
    method = trained.config.method
    facts.append(("network", f"{method.name}, {method.hidden_layers + 1} × {method.width}"))
    facts.append(("training steps", f"{trained.steps:,}"))
    return facts


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(write_web, arguments)


if __name__ == "__main__":
    sys.exit(main())
