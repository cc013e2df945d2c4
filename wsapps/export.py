"""Fitted fields as two files: ``field.safetensors``, and ``field.json`` that says how to build it.

The JSON holds format, version, the field's name in :data:`wsapps.fields.FIELDS`, its sizes, its
configuration, the checksum of the tensors, ``tiling`` where it is a grid of such fields, and ``about``:
whatever the application wants to keep. Nothing is pickled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from wsapps.atomic import explained, write_bytes, write_json
from wsapps.config import from_yaml
from wsapps.errors import UserError
from wsapps.fields import FIELDS, make_field
from wsapps.module_state import copy_into
from wsapps.tiling import MOST_TILES, TiledField

FORMAT, VERSION = "wsapps-field", 1
_TENSORS, _DESCRIPTION = "field.safetensors", "field.json"


def save_field(folder: Path, field: nn.Module, config: Any, about: Mapping[str, Any] | None = None) -> int:
    """Write a field into a folder and return the size of both files in bytes.

    Args:
        folder: made if need be; a field that is there is replaced, one file after the other: killed in
            between, neither is left.
        field: with ``in_features`` and ``out_features``.
        config: its ``Config``, whose ``name`` is a key of FIELDS.
        about: plain JSON to keep with it, such as the scale of its values.

    Raises:
        UserError: the files cannot be written.
    """
    data = save_tensors({name: tensor.cpu().contiguous() for name, tensor in field.state_dict().items()})
    description = {
        "format": FORMAT,
        "version": VERSION,
        "field": config.name,
        "in_features": field.in_features,
        "out_features": field.out_features,
        "config": dataclasses.asdict(config),
        "tiling": _tiling(field) if isinstance(field, TiledField) else None,
        "sha256": hashlib.sha256(data).hexdigest(),
        "about": dict(about or {}),
    }
    folder = Path(folder)
    with explained("write the field to", folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / _TENSORS, data)
    write_json(folder / _DESCRIPTION, description)
    return len(data) + (folder / _DESCRIPTION).stat().st_size


def load_field(folder: Path | str) -> nn.Module:
    """The field that :func:`save_field` wrote, on the CPU, in eval mode: ``field(coordinates) -> values``.

    Raises:
        UserError: there is none, or its files are damaged or of another program.
    """
    description, data = _read(Path(folder))
    where = Path(folder) / _DESCRIPTION
    name = description.get("field")
    if name not in FIELDS:
        raise UserError(f"{where}: no field is named {name!r}; known are {', '.join(FIELDS)}")
    kind = FIELDS[name]
    config = from_yaml(kind.Config, json.dumps(description.get("config")), str(where))
    inputs, outputs = description.get("in_features"), description.get("out_features")
    if type(inputs) is not int or type(outputs) is not int:
        raise UserError(
            f"{where}: in_features and out_features must be whole numbers, got {inputs!r} and {outputs!r}"
        )
    try:
        field = _build(inputs, outputs, config, description.get("tiling"))
    except (UserError, ValueError) as error:
        raise UserError(f"{where}: {error}") from error
    try:
        copy_into(field, load_tensors(data), str(Path(folder) / _TENSORS))
    except SafetensorError as error:
        raise UserError(f"{Path(folder) / _TENSORS} is damaged: {error}; export the field again") from error
    return field.eval()


def _tiling(field: TiledField) -> dict[str, list[float]]:
    return {"tiles": list(field.tiles), "low": field.low.tolist(), "high": field.high.tolist()}


def _build(inputs: int, outputs: int, config: Any, tiling: Any) -> nn.Module:
    """A field of a configuration, or a grid of them. Raises UserError and ValueError."""
    if tiling is None:
        return make_field(inputs, outputs, config)
    if not isinstance(tiling, dict) or not all(
        isinstance(tiling.get(name), list) and all(type(entry) in kinds for entry in tiling[name])
        for name, kinds in (("tiles", (int,)), ("low", (int, float)), ("high", (int, float)))
    ):
        raise ValueError(f"tiling must hold lists of numbers tiles, low and high, got {tiling!r}")
    count = math.prod(tiling["tiles"])
    if not 1 <= count <= MOST_TILES:
        raise ValueError(f"a tiling holds 1 to {MOST_TILES} tiles, got {tiling['tiles']}")
    fields = [make_field(inputs, outputs, config) for _ in range(count)]
    return TiledField(fields, tiling["tiles"], tiling["low"], tiling["high"])


def field_description(folder: Path | str) -> dict[str, Any]:
    """What ``field.json`` says, checked against the tensors' checksum; raises as :func:`load_field`."""
    return _read(Path(folder))[0]


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    for name in (_DESCRIPTION, _TENSORS):
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no exported field: {name} is missing; choose another folder")
    with explained("read the field in", folder):
        text, data = (folder / _DESCRIPTION).read_bytes(), (folder / _TENSORS).read_bytes()
    try:
        description = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{folder / _DESCRIPTION} is not valid JSON; export the field again") from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise UserError(f"{folder / _DESCRIPTION} does not describe a field of wsapps (format {FORMAT!r})")
    if description.get("version") != VERSION:
        raise UserError(
            f"{folder / _DESCRIPTION} has version {description.get('version')!r}, this wsapps reads {VERSION}"
        )
    if description.get("sha256") != hashlib.sha256(data).hexdigest():
        raise UserError(f"{folder / _TENSORS} is damaged (its checksum does not match); export it again")
    return description, data
