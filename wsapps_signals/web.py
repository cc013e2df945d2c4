"""``python -m wsapps_signals.web run=RUN out=page.html``: a fitted field as one HTML file, to explore."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from wsapps.atomic import explained
from wsapps.command import run_command
from wsapps.config import doc, from_yaml, load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.export import field_description, load_field
from wsapps.run_folder import RunFolder
from wsapps.web import Page, write_page
from wsapps.web.page import readable_size
from wsapps.web.views import Facts, film_page, globe_page, picture_page, solid_page, sound_page
from wsapps_signals.config import FitConfig
from wsapps_signals.fit import load_signal
from wsapps_signals.kinds.sphere_grid import SphereMap
from wsapps_signals.samples.mesh import TITLE as SAMPLE

PROGRAM = "python -m wsapps_signals.web"
_FIT = "python -m wsapps_signals.fit"


@dataclass
class WebConfig:
    """What is written; configs/signals/web.yaml fills it."""

    run: str = doc("run folder of a finished fit")
    out: str | None = doc("the page; null is field.html in the run folder", default=None)
    title: str | None = doc("its heading; null is the signal's name", default=None)
    path: str | None = doc("where the signal's file lies now, if it has moved", default=None)

    def __post_init__(self) -> None:
        if self.out is not None and Path(self.out).suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"out must be a file that ends in .html, got {self.out}")


def write_web(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(WebConfig, "web", "signals", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu()
    run = RunFolder.existing(Path(config.run), _FIT)
    if run.status != "finished":
        raise UserError(f"{run.path} is not finished; `{_FIT} out={run.path}` continues it")
    fitted = from_yaml(FitConfig, run.config_yaml, str(run.path / "config.yaml"))
    if config.path is not None:
        fitted.path = config.path
    field = load_field(run.path / "field")
    method = field_description(run.path / "field")["config"]  # with the width and alpha that were chosen
    page = page_of(fitted, field, config.title, facts_of(run.read_metrics(), method))
    path = Path(config.out) if config.out is not None else run.path / "field.html"
    with explained("make the folder", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    print(f"{path}: {readable_size(write_page(path, page))}")


def page_of(fitted: FitConfig, field: nn.Module, title: str | None, facts: Facts) -> Page:
    """The page that suits the kind of a signal. Raises UserError, as reading the signal and the views do."""
    return _PAGES[fitted.signal.name](fitted, field, title, facts)


def facts_of(metrics: Mapping[str, float | str], method: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a page says about a fit; ``method`` as its field's description has it."""
    facts = []
    for name, label, unit in (("iou", "IoU", ""), ("psnr", "PSNR", " dB")):
        if isinstance(value := metrics.get(name), float):
            facts.append((label, f"{value:.4f}" if not unit else f"{value:.1f}{unit}"))
    alpha = f", alpha {method['alpha']:g}" if method.get("alpha", 1.0) != 1.0 else ""
    facts.append(("network", f"{method['name']}, {method['hidden_layers'] + 1} × {method['width']}{alpha}"))
    return facts


def _picture(fitted: FitConfig, field: nn.Module, title: str | None, facts: Facts) -> Page:
    signal: Any = load_signal(fitted)
    height, width = signal.grid
    return picture_page(
        field, height, width, title or signal.title, [*facts, ("fitted to", f"{width} × {height} pixels")]
    )


def _film(fitted: FitConfig, field: nn.Module, title: str | None, facts: Facts) -> Page:
    signal: Any = load_signal(fitted)
    frames, height, width = signal.grid
    facts = [*facts, ("fitted to", f"{frames} frames of {width} × {height} pixels")]
    return film_page(field, frames, height, width, frames / signal.fps, title or signal.title, facts)


def _sound(fitted: FitConfig, field: nn.Module, title: str | None, facts: Facts) -> Page:
    signal: Any = load_signal(fitted)
    (samples,) = signal.grid
    facts = [*facts, ("fitted to", f"{signal.seconds:.1f} s at {signal.rate:,} Hz")]
    return sound_page(
        field, samples, signal.rate, signal.scale, signal.amplitude, title or signal.title, facts
    )


def _globe(fitted: FitConfig, field: nn.Module, title: str | None, facts: Facts) -> Page:
    signal: Any = load_signal(fitted)
    height, width = signal.grid
    facts = [*facts, ("fitted to", f"{width} × {height} places"), *_extent(signal.map)]
    heading = title or signal.map.long_name or signal.title
    return globe_page(field, signal.low, signal.high, signal.map.units, str(heading), facts)


def _extent(field: SphereMap) -> list[tuple[str, str]]:
    """Where a map of a part of the globe is known: what the page shows beyond it is nobody's."""
    south, north = field.latitudes.min(), field.latitudes.max()
    west, east = field.longitudes[0], field.longitudes[-1]
    step = max(abs(np.diff(field.latitudes)).max(), np.diff(field.longitudes).max())
    if north - south + 2 * step >= 180 and east - west + 2 * step >= 360:
        return []
    return [("known only", f"from {south:g}° to {north:g}° N, {west:g}° to {east:g}° E")]


def _solid(fitted: FitConfig, field: nn.Module, title: str | None, facts: Facts) -> Page:
    # The mesh itself is not needed, and reading it may take long.
    name = SAMPLE if fitted.path is None else Path(fitted.path).stem
    return solid_page(field, title or name, facts)


_PAGES: dict[str, Callable[[FitConfig, nn.Module, str | None, Facts], Page]] = {
    "image": _picture,
    "video": _film,
    "audio": _sound,
    "sphere": _globe,
    "occupancy": _solid,
}


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(write_web, arguments)


if __name__ == "__main__":
    sys.exit(main())
