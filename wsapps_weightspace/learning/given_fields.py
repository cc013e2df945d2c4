"""Fields that a command is given by path: one that was exported, a shard, or a folder of shards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from wsapps.errors import UserError
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.field_file import load_field_file
from wsapps_weightspace.shards import read_shard
from wsapps_weightspace.weights import Architecture


@dataclass(frozen=True)
class GivenFields:
    """M fields, what to call them, and their classes where these are known.

    Args:
        flat: ``(M, P)``.
        names: of the fields, for people.
        classes: None for each whose class is not known.
    """

    architecture: Architecture
    flat: Tensor
    names: list[str]
    classes: list[str | None]


def read_fields(path: str, most: int) -> GivenFields:
    """The fields at a path, the first ``most`` of them.

    Raises:
        UserError: there are none, or they are damaged.
    """
    place = Path(path)
    if place.is_file():
        shard = read_shard(place)
        known = shard.about.classes if shard.about is not None else None
        numbers = range(shard.first, min(shard.last, shard.first + most))
        classes = [_name(known, int(label)) for label in shard.labels[:most]]
        return GivenFields(shard.architecture, shard.flat[:most], [f"field {n}" for n in numbers], classes)
    if not place.is_dir():
        raise UserError(f"{path} does not exist; give an exported field, a shard, or a folder of shards")
    if (place / "field.json").is_file():
        one = load_field_file(place)
        told = one.about.get("class")
        return GivenFields(
            one.architecture, one.weights.flat(), [path], [told if isinstance(told, str) else None]
        )
    dataset = FieldDataset.open(place)
    known = dataset.classes if dataset.about is not None else None
    names = [f"field {n}" for n in range(min(most, len(dataset)))]
    classes = [_name(known, int(label)) for label in dataset.labels[:most]]
    return GivenFields(dataset.architecture, dataset.flat[:most], names, classes)


def _name(classes: tuple[str, ...] | None, label: int) -> str | None:
    return classes[label] if classes is not None and 0 <= label < len(classes) else None
