"""One self-contained HTML file that shows a field: its numbers, and the scripts that evaluate and draw it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

import wsapps
from wsapps.atomic import write_text
from wsapps.errors import UserError
from wsapps.web.network import Network

HERE = Path(__file__).parent
_FIRST = ("ui", "device", "evaluator", "reference", "slices", "frame", "gestures")
_LAST = "start"
_ARRAYS = {"float32": "<f4", "uint8": "u1"}


@dataclass(frozen=True)
class Page:
    """What a page shows, and how.

    Attributes:
        title: the heading.
        lead: a sentence below it.
        viewer: which viewer shows the field: the name under which a script enters itself in ``VIEWERS``.
        scripts: files of the viewer, in order, loaded after the common ones.
        network: the field.
        data: plain JSON for the viewer, beside the network.
        arrays: float32 or uint8 arrays for the viewer, by the id under which it unpacks them.
        facts: (name, value) rows, such as the PSNR; the number of numbers and the size of the file are added.
        moves: (what the visitor does, what happens) rows.
    """

    title: str
    lead: str
    viewer: str
    scripts: Sequence[Path]
    network: Network
    data: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    moves: Sequence[tuple[str, str]] = ()


def write_page(path: Path, page: Page) -> int:
    """Write a page and return its size in bytes. It needs no server, no network and no other file.

    Raises:
        UserError: numbers of the field that are NaN or infinite, or a file that cannot be written.
        ValueError: an array that is neither float32 nor uint8.
    """
    floats = page.network.floats()
    if bad := int((~np.isfinite(floats)).sum()):
        raise UserError(
            f"{bad:,} of the field's {floats.size:,} weights are NaN or infinite: it diverged; fit again"
        )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [*(HERE / f"{name}.js" for name in _FIRST), *page.scripts, HERE / f"{_LAST}.js"]
    described = {
        **page.data,
        "viewer": page.viewer,
        "title": page.title,
        "network": page.network.description(),
    }
    template = environment.get_template("page.html.j2").render
    words = {
        "title": page.title,
        "lead": page.lead,
        "version": wsapps.__version__,
        "moves": page.moves,
        "page": _json(described),
        "arrays": [(name, _base64(array)) for name, array in {"floats": floats, **page.arrays}.items()],
        "scripts": [Markup(script.read_text(encoding="utf-8")) for script in scripts],
    }
    # The page states its own size, which those few digits hardly change.
    size = len(template(facts=page.facts, **words).encode())
    facts = [*page.facts, ("numbers", f"{page.network.numbers:,}"), ("this file", readable_size(size))]
    text = template(facts=facts, **words)
    write_text(path, text)
    return len(text.encode())


def readable_size(size: int) -> str:
    """Bytes for people: "84 kB", "1.1 MB"."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _json(value: Any) -> Markup:
    """JSON that may stand inside a script element: no ``</script>`` or ``<!--`` in any text."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _base64(array: NDArray[Any]) -> str:
    if array.dtype.name not in _ARRAYS:
        raise ValueError(f"arrays of a page are float32 or uint8, got {array.dtype}")
    return base64.b64encode(np.ascontiguousarray(array, _ARRAYS[array.dtype.name]).tobytes()).decode("ascii")
