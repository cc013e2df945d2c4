"""A part of the analysis: a figure, its numbers, and what they say."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from wsapps.atomic import write_json
from wsapps.errors import UserError
from wsapps.pictures import save_figure


@dataclass(frozen=True)
class Finding:
    """What a part found.

    Attributes:
        name: of the part; its files are ``<name>.png`` and ``<name>.json``.
        title: a heading.
        text: a few sentences with the numbers that were measured.
        metrics: numbers for ``metrics.json``, by name.
    """

    name: str
    title: str
    text: str
    metrics: dict[str, float] = field(default_factory=dict)


def kept(folder: Path, name: str, make: Callable[[], tuple[Finding, Canvas]]) -> Finding:
    """A part's finding: read where an earlier process has made it, else made and written, figure first."""
    file, figure = folder / f"{name}.json", folder / f"{name}.png"
    if file.is_file() and figure.is_file():
        return _read(file)
    finding, canvas = make()
    save_figure(figure, canvas, 120)
    write_json(file, asdict(finding))
    return finding


def _read(file: Path) -> Finding:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        metrics = {
            str(name): math.nan if value is None else float(value) for name, value in data["metrics"].items()
        }
        return Finding(str(data["name"]), str(data["title"]), str(data["text"]), metrics)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is damaged; delete it, and the part is made again") from error
