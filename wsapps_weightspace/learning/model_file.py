"""Trained models as two files: ``model.safetensors``, and ``model.json`` that says how to build the model.

The JSON holds format, version, what the model is for, the name and configuration of its kind, the
architecture of the fields that it takes, its outputs by name, the checksum of the tensors, and ``about``.
Nothing is pickled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from wsapps.atomic import explained, write_bytes, write_json
from wsapps.config import from_yaml
from wsapps.errors import UserError, one_line
from wsapps.module_state import check_fits, copy_into
from wsapps_weightspace.belonging import describe
from wsapps_weightspace.weights import Architecture

FORMAT, VERSION = "wsapps-weightspace-model", 1
_TENSORS, _DESCRIPTION = "model.safetensors", "model.json"
_MOST_OUTPUTS, _MOST_PARAMETERS = 2**16, 2**26  # of a description that is believed before its tensors are


@dataclass(frozen=True)
class ModelDescription:
    """What is known of a trained model besides its tensors.

    Attributes:
        purpose: what it was trained for: "classes", "psnr", "dilate" ...
        kind: name of its class.
        config: of its class.
        architecture: of the fields that it takes.
        outputs: the names of its outputs: classes, for a classifier.
        about: plain JSON.
    """

    purpose: str
    kind: str
    config: Any
    architecture: Architecture
    outputs: tuple[str, ...]
    about: dict[str, Any]


def save_model(folder: Path, model: nn.Module, description: ModelDescription) -> None:
    """Write a trained model into a folder, made if need be; one that is there is replaced.

    Raises:
        UserError: the files cannot be written.
    """
    data = save_tensors({name: value.cpu().contiguous() for name, value in model.state_dict().items()})
    folder = Path(folder)
    with explained("write the model to", folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / _TENSORS, data)
    write_json(
        folder / _DESCRIPTION,
        {
            "format": FORMAT,
            "version": VERSION,
            "purpose": description.purpose,
            "model": description.kind,
            "config": dataclasses.asdict(description.config),
            "architecture": dataclasses.asdict(description.architecture),
            "outputs": list(description.outputs),
            "sha256": hashlib.sha256(data).hexdigest(),
            "about": description.about,
        },
    )


def load_model(
    folder: Path | str,
    purpose: str,
    kinds: Mapping[str, Any],
    build: Callable[[ModelDescription], nn.Module],
) -> tuple[nn.Module, ModelDescription]:
    """The model that :func:`save_model` wrote, on the CPU, in eval mode.

    Args:
        folder: of the two files.
        purpose: what it must have been trained for.
        kinds: name -> class with a dataclass ``Config``.
        build: the untrained model of a description.

    Raises:
        UserError: there is none, it is for something else, or its files are damaged or of another program.
    """
    folder = Path(folder)
    written, data = _read(folder)
    where = str(folder / _DESCRIPTION)
    description = _description(written, kinds, where)
    if description.purpose != purpose:
        raise UserError(f"{where}: the model predicts {description.purpose}, and {purpose} is needed")
    try:
        tensors = load_tensors(data)
    except SafetensorError as error:
        raise UserError(f"{folder / _TENSORS} is damaged: {error}; train the model again") from error
    try:
        with torch.device("meta"):  # sizes are compared before any memory is taken for them
            check_fits(build(description), tensors, str(folder / _TENSORS))
        model = build(description)
    except UserError:
        raise
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{where}: {one_line(error)}") from error
    copy_into(model, tensors, str(folder / _TENSORS))
    return model.eval(), description


def check_architecture(found: Architecture, wanted: Architecture, what: str) -> None:
    """Refuse fields of another architecture than a model's. Raises UserError; ``what`` names the fields."""
    if found != wanted:
        raise UserError(
            f"{what} has {describe(found)}, and the model takes {describe(wanted)}; "
            "train a model on fields of that architecture"
        )


def _description(written: Mapping[str, Any], kinds: Mapping[str, Any], where: str) -> ModelDescription:
    name, outputs = written.get("model"), written.get("outputs")
    if not isinstance(name, str) or name not in kinds:
        raise UserError(f"{where}: no model is named {name!r}; known are {', '.join(kinds)}")
    if not isinstance(outputs, list) or not all(isinstance(entry, str) for entry in outputs):
        raise UserError(f"{where}: outputs must be a list of names")
    if not 1 <= len(outputs) <= _MOST_OUTPUTS:
        raise UserError(f"{where}: a model has 1 to {_MOST_OUTPUTS} outputs, got {len(outputs)}")
    about, purpose = written.get("about"), written.get("purpose")
    if not isinstance(about, dict) or not isinstance(purpose, str):
        raise UserError(f"{where}: about must be a group of keys and purpose a text")
    config = from_yaml(kinds[name].Config, json.dumps(written.get("config")), where)
    return ModelDescription(purpose, name, config, _architecture(written, where), tuple(outputs), about)


def _architecture(written: Mapping[str, Any], where: str) -> Architecture:
    entry = written.get("architecture")
    try:
        sizes, omegas = entry["sizes"], (entry["omega_0"], entry["omega_hidden"])  # type: ignore[index]
        if not all(type(size) is int for size in sizes) or not all(type(o) in (int, float) for o in omegas):
            raise TypeError("numbers are needed")
        architecture = Architecture(tuple(sizes), float(omegas[0]), float(omegas[1]))
    except (TypeError, LookupError, ValueError, OverflowError) as error:
        raise UserError(f"{where}: {str(entry)[:100]} is no architecture of a field: {error}") from error
    if architecture.parameters > _MOST_PARAMETERS:
        raise UserError(f"{where}: fields of {architecture.parameters} parameters are not supported")
    return architecture


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    for name in (_DESCRIPTION, _TENSORS):
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no trained model: {name} is missing; choose another folder")
    with explained("read the model in", folder):
        text, data = (folder / _DESCRIPTION).read_bytes(), (folder / _TENSORS).read_bytes()
    try:
        written = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{folder / _DESCRIPTION} is not valid JSON; train the model again") from error
    if not isinstance(written, dict) or written.get("format") != FORMAT:
        raise UserError(f"{folder / _DESCRIPTION} does not describe a model of wsapps (format {FORMAT!r})")
    if written.get("version") != VERSION:
        raise UserError(
            f"{folder / _DESCRIPTION} has version {written.get('version')!r}, this wsapps reads {VERSION}"
        )
    if written.get("sha256") != hashlib.sha256(data).hexdigest():
        raise UserError(f"{folder / _TENSORS} is damaged (its checksum does not match); train it again")
    return written, data
