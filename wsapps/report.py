"""The page a finished run leaves behind: one self-contained `index.html` over the files of its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import imageio_ffmpeg
import jinja2
import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from wsapps.atomic import write_text

_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp"}
_VIDEOS = {".mp4", ".webm"}
_SMALL_HEIGHT, _LARGE_HEIGHT, _PAGE_WIDTH = 256, 400, 1040  # CSS pixels
_MOST_POINTS = 900  # drawn of a series; more would not be seen
# The plotting area of a chart, in the units of its viewBox; the template draws the axes at these places.
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 496.0, 12.0, 250.0


@dataclass(frozen=True)
class Figure:
    """A picture (png, jpg, gif, webp) or video (mp4, webm) at `path`, relative to the run folder."""

    path: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading with an optional paragraph and a gallery."""

    title: str
    text: str = ""
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class TextTable:
    """A table of texts: `rows` of (text, whether it stands out), as many a row as there are columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[tuple[str, bool]]]


@dataclass(frozen=True)
class Series:
    """One line of a chart. Points that are not finite (or not positive, on a log axis) leave a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Curve:
    """A chart, such as a learning curve, of one or more series; `log_y` for losses over decades."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series] = field(default_factory=tuple)
    log_y: bool = False


def write_report(
    folder: Path,
    title: str,
    summary: str,
    metrics: Mapping[str, float | str],
    sections: Sequence[Section] = (),
    curves: Sequence[Curve] = (),
    config_yaml: str = "",
    tables: Sequence[TextTable] = (),
) -> Path:
    """Write `index.html` into a run folder and return its path.

    The page needs no network and no script; it links to the folder's pictures and videos by relative paths,
    so the folder can be moved or served as it is. Everything given is text and is escaped. Pictures under
    256 pixels high are enlarged by a whole factor without smoothing.

    Raises ValueError for a figure that is missing, outside the folder, unreadable or of an unknown type, and
    for a series whose x and y differ in length; nothing is written then.
    """
    folder = Path(folder)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # for every name: select_autoescape would skip ".j2"
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        title=title,
        summary=summary,
        metrics=[(name, format_metric(value)) for name, value in metrics.items()],
        curves=[_chart(curve) for curve in curves],
        sections=[
            {"title": s.title, "text": s.text, "figures": [_figure(folder, f) for f in s.figures]}
            for s in sections
        ],
        config_yaml=config_yaml,
        tables=tables,
    )
    path = folder / "index.html"
    write_text(path, page)
    return path


def format_metric(value: float | str) -> str:
    """A number for a reader: whole numbers with thousands separators, others to five significant digits."""
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, int) or (1e4 <= abs(value) < 1e15 and float(value).is_integer()):
        return f"{int(value):,}"
    return f"{value:.5g}"


def _figure(folder: Path, figure: Figure) -> dict[str, Any]:
    """What the template needs of a figure: kind, quoted URL, size on the page in CSS pixels, and caption."""
    file = folder / figure.path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"figure {figure.path!r} is outside the run folder {folder}")
    if not file.is_file():
        raise ValueError(f"figure {figure.path!r} is not in the run folder {folder}")
    suffix = file.suffix.lower()
    if suffix not in _PICTURES | _VIDEOS:
        known = ", ".join(sorted(_PICTURES | _VIDEOS))
        raise ValueError(f"figure {figure.path!r} must be one of {known}")
    kind = "video" if suffix in _VIDEOS else "image"
    try:
        width, height = _video_size(file) if kind == "video" else _image_size(file)
    except (OSError, ValueError, StopIteration) as error:
        raise ValueError(f"figure {figure.path!r} in {folder} cannot be read: {error}") from error
    factor = max(1, min(math.ceil(_SMALL_HEIGHT / height), _PAGE_WIDTH // width))
    shown = width * min(factor, _LARGE_HEIGHT / height) if factor * height > _LARGE_HEIGHT else width * factor
    return {
        "kind": kind,
        "url": quote(Path(figure.path).as_posix()),
        "width": max(1, round(shown)),
        "pixelated": factor > 1,
        "aspect": f"{width} / {height}",
        "caption": figure.caption,
    }


def _image_size(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def _video_size(file: Path) -> tuple[int, int]:
    reader = imageio_ffmpeg.read_frames(str(file))
    try:
        return next(reader)["size"]
    finally:
        reader.close()


def _chart(curve: Curve) -> dict[str, Any]:
    """The geometry of a chart, in the units of its viewBox: ticks and lines for the template to draw."""
    points = [_points(series, curve.log_y) for series in curve.series]
    finite = [xy[np.isfinite(xy).all(axis=1)] for xy in points]
    drawn = np.concatenate([*finite, np.empty((0, 2))])
    chart: dict[str, Any] = {"curve": curve, "empty": len(drawn) == 0}
    if chart["empty"]:
        return chart
    x_ticks, x_range = _axis(drawn[:, 0])
    y_ticks, y_range = _axis(drawn[:, 1], log=curve.log_y)

    def place(value: Any, limits: tuple[float, float], start: float, end: float) -> Any:
        return np.round(start + (value - limits[0]) / (limits[1] - limits[0]) * (end - start), 1)

    chart["x_ticks"] = [(place(v, x_range, _LEFT, _RIGHT), label) for v, label in x_ticks]
    chart["y_ticks"] = [(place(v, y_range, _BOTTOM, _TOP), label) for v, label in y_ticks]
    chart["lines"] = []
    for xy in points:
        x, y = place(xy[:, 0], x_range, _LEFT, _RIGHT), place(xy[:, 1], y_range, _BOTTOM, _TOP)
        chart["lines"].append(_line(np.stack([x, y], axis=1)))
    return chart


def _points(series: Series, log_y: bool) -> np.ndarray:
    """(P, 2) float64, thinned to the lowest and highest point of each bucket so that spikes stay visible."""
    if len(series.x) != len(series.y):
        raise ValueError(f"series {series.name!r} has {len(series.x)} x and {len(series.y)} y values")
    xy = np.stack([np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)], axis=1)
    if log_y:
        xy[:, 1] = np.log10(np.where(xy[:, 1] > 0, xy[:, 1], np.nan))
    if len(xy) <= _MOST_POINTS:
        return xy
    kept: set[int] = {0, len(xy) - 1}
    for bucket in np.array_split(np.arange(len(xy)), _MOST_POINTS // 2):
        y = xy[bucket, 1]
        # argmin treats NaN as the least, which keeps the gap
        kept |= {int(bucket[y.argmin()]), int(bucket[np.where(np.isnan(y), -np.inf, y).argmax()])}
    return xy[sorted(kept)]


def _axis(values: np.ndarray, log: bool = False) -> tuple[list[tuple[float, str]], tuple[float, float]]:
    """Ticks (position, label) and range of an axis; with `log`, values and ticks are decimal logarithms."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-300):
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    if log and high - low >= 3:
        exponents = [int(e) for e in MaxNLocator(6, integer=True).tick_values(low, high)]
        ticks = [(float(e), f"1e{e}") for e in exponents]
    elif log and high - low >= 1:
        parts = (1, 3) if high - low > 1.5 else (1, 2, 5)
        steps = [m * 10.0**e for e in range(math.floor(low) - 1, math.ceil(high) + 1) for m in parts]
        ticks = [(math.log10(v), f"{v:g}") for v in steps]
    else:
        ends = (10**low, 10**high) if log else (low, high)
        positions = np.asarray(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(*ends))
        labels = {float(v): _tick_label(v, positions) for v in positions}
        ticks = [(math.log10(v) if log else v, label) for v, label in labels.items() if v > 0 or not log]
    margin = 0.02 * (high - low)
    inside = [tick for tick in ticks if low - margin <= tick[0] <= high + margin]
    return inside, (low - margin, high + margin)


def _tick_label(value: float, positions: np.ndarray) -> str:
    step = float(positions[1] - positions[0])
    if max(abs(positions)) >= 1e6 or step < 1e-4:
        return f"{value:.3g}"
    decimals = next((d for d in range(5) if abs(round(step, d) - step) < 1e-3 * step), 5)
    return f"{value:,.{decimals}f}".replace("-0", "0") if value == 0 else f"{value:,.{decimals}f}"


def _line(xy: np.ndarray) -> dict[str, Any]:
    """SVG pieces between gaps, as polylines, and lone points as dots."""
    finite = np.isfinite(xy).all(axis=1)
    cuts = np.flatnonzero(np.diff(finite.astype(int))) + 1
    pieces = [piece for piece in np.split(xy, cuts) if len(piece) and np.isfinite(piece).all()]
    paths = [" ".join(f"{x:g},{y:g}" for x, y in piece) for piece in pieces if len(piece) > 1]
    # Few points are measurements, shown as dots; many are a curve.
    dotted = [piece for piece in pieces if len(piece) == 1 or finite.sum() <= 30]
    dots = [(f"{x:g}", f"{y:g}") for piece in dotted for x, y in piece]
    return {"paths": paths, "dots": dots}
