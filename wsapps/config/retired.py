"""Keys that older versions wrote into config.yaml and this one has no use for: they are read over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

_RETIRED = ("auto_alpha.tolerance",)  # of PDEs, radiance fields and signals, where it had no effect


def without_retired(cls: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """What was stored of a configuration, without such keys that its class does not have."""
    kept = dict(data)
    for key in _RETIRED:
        group, _, name = key.partition(".")
        inner = kept.get(group)
        if isinstance(inner, Mapping) and name in inner and not _has(cls, group, name):
            kept[group] = {other: value for other, value in inner.items() if other != name}
    return kept


def _has(cls: type, group: str, name: str) -> bool:
    kind = get_type_hints(cls).get(group)
    return is_dataclass(kind) and any(field.name == name for field in fields(kind))
