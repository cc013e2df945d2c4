"""Fields in one HTML file against PyTorch, in a headless Chromium with software OpenGL.

    python benchmarks/web_pages.py --image RUN --radiance RUN

``--image`` is a run folder of ``wsapps_signals.fit signal=image``, ``--radiance`` of ``wsapps_nerf.train``.
Prints a table, and writes the pages into ``--out``. The browser computes on
the CPU, so that the seconds say nothing about graphics cards.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch

from wsapps.export import load_field
from wsapps.grid import regular_grid
from wsapps.metrics import psnr
from wsapps.prediction import predict
from wsapps_nerf import web as nerf_web
from wsapps_nerf.camera_path import orbit
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.evaluation import render_view
from wsapps_nerf.home_view import home_view
from wsapps_nerf.trained import open_trained
from wsapps_signals import web as signals_web

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
import browser

browser.PATIENCE = 3000.0  # seconds


@dataclass(frozen=True)
class Row:
    """A comparison: what was shown, the page's size in bytes, dB against PyTorch, seconds in the browser."""

    what: str
    bytes: int
    psnr: float
    seconds: float


def main() -> None:
    arguments = _parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with browser.Browser() as chromium:
        if arguments.image is not None:
            rows += image_rows(chromium, arguments.image, arguments.out)
        if arguments.radiance is not None:
            rows += radiance_rows(chromium, arguments.radiance, arguments.out, arguments.side)
        if arguments.screenshots:
            for page in sorted(arguments.out.glob("*.html")):
                _screenshot(chromium, page, page.with_suffix(".png"), 720, 440)
    print("| page | file | against PyTorch | software OpenGL |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.bytes / 1e3:.0f} kB | {row.psnr:.1f} dB | {row.seconds:.0f} s |")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=Path, help="run folder of a fitted picture")
    parser.add_argument("--radiance", type=Path, help="run folder of a radiance field")
    parser.add_argument("--side", type=int, default=160, help="of the compared view, in pixels")
    parser.add_argument("--screenshots", action="store_true", help="also a picture of each page (minutes)")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/web_pages"))
    return parser.parse_args()


def image_rows(chromium: browser.Browser, run: Path, out: Path) -> list[Row]:
    """The whole picture, pixel by pixel, and a part of it 16 times as large."""
    page = _written(signals_web.main, run, out / "image.html")
    field = load_field(run / "field")
    chromium.open(page, 64, 64)
    width, height = chromium.run("[wsapps.page.signal.width, wsapps.page.signal.height]")
    rows = []
    for what, fragment, coordinates in (
        ("picture, all pixels", "", regular_grid((height, width))),
        ("picture, 16 times as large", _middle(width, height), _close(width, height)),
    ):
        pixels, seconds = _pixels(chromium, page, width, height, fragment)
        wanted = predict(field, coordinates).clamp(0, 1).view(height, width, -1).expand(-1, -1, 3)
        rows.append(Row(f"{what} ({width}x{height})", page.stat().st_size, psnr(pixels, wanted), seconds))
    return rows


def radiance_rows(chromium: browser.Browser, run: Path, out: Path, side: int) -> list[Row]:
    """The first view, as the renderer of training draws it."""
    page = _written(nerf_web.main, run, out / "radiance.html")
    trained = open_trained(str(run))
    home = home_view(trained)
    pose = orbit(1, home["radius"], home["elevation"], home["target"], start_degrees=home["azimuth"])
    cameras = Cameras(pose, 0.5 * side / math.tan(home["angle"] / 2), side, side)
    wanted = render_view(trained.objective, cameras, 0).rgb
    pixels, seconds = _pixels(chromium, page, side, side)
    return [Row(f"radiance field ({side}x{side})", page.stat().st_size, psnr(pixels, wanted), seconds)]


def _written(command, run: Path, page: Path) -> Path:
    if command([f"run={run}", f"out={page}"]):
        sys.exit(2)
    return page


def _pixels(
    chromium: browser.Browser, page: Path, width: int, height: int, fragment: str = ""
) -> tuple[torch.Tensor, float]:
    """What a page draws, ``(H, W, 3)`` in [0, 1], and the seconds that it took."""
    started = time.monotonic()
    chromium.open(page, width, height, fragment)
    chromium.run("wsapps.frame.finish()")
    taken = time.monotonic() - started
    if chromium.complaints:
        sys.exit(f"{page}: {chromium.complaints}")
    pixels = chromium.numbers("wsapps.frame.pixels()").reshape(height, width, 4)[..., :3]
    return torch.from_numpy(pixels.astype(np.float32) / 255), taken


def _middle(width: int, height: int) -> str:
    return f"#x={width / 2}&y={height / 2}&zoom=16"


def _close(width: int, height: int) -> torch.Tensor:
    """Coordinates of the pixels of a picture that shows the middle 16 times as large."""
    y, x = (
        (side / 2 + (torch.arange(side) + 0.5 - side / 2) / 16) / (side - 1) * 2 - 1
        for side in (height, width)
    )
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).view(-1, 2)


def _screenshot(chromium: browser.Browser, page: Path, target: Path, width: int, height: int) -> None:
    chromium.open(page, width, height)
    chromium.run("wsapps.frame.finish()")
    imageio.imwrite(target, chromium.screenshot())


if __name__ == "__main__":
    main()
