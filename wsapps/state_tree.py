"""A nested state as plain JSON and named tensors, and back.

Plain values and lists stand for themselves, and every JSON object has one key that says what it is::

    {"dict": [[key, value], ...]}   so that int keys stay ints
    {"tuple": [value, ...]}
    {"float": "nan"}                or "inf", "-inf", which JSON cannot say
    {"tensor": name}
    {"complex": name}               a tensor stored as pairs of reals
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def encode(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Tagged JSON of `state`, and contiguous CPU copies of its tensors under names like model/0.weight.

    `state` nests dicts (keys str or int), lists and tuples of tensors (any shape, dtype and device, also
    aliased and non-contiguous), str, int, float, bool and None. Aliased tensors become copies.

    Raises :class:`TypeError` for anything else, saying where it is.
    """
    tensors: dict[str, Tensor] = {}
    return _tree(state, "", tensors), tensors


def decode(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What :func:`encode` was given, from its two results.

    Raises :class:`LookupError`, :class:`TypeError` or :class:`ValueError` for anything else.
    """
    if isinstance(tree, list):
        return [decode(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "dict":
        return {key: decode(item, tensors) for key, item in content}
    if kind == "tuple":
        return tuple(decode(item, tensors) for item in content)
    if kind == "float":
        return float(content)
    if kind == "complex":
        return torch.view_as_complex(tensors[content])
    if kind == "tensor":
        return tensors[content]
    raise ValueError(f"unknown kind {kind!r}")


def _tree(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """Tagged JSON of `value`; CPU copies of its tensors go into `tensors` under names like model/0.weight."""
    if isinstance(value, Tensor):
        return _tensor_leaf(value, place, tensors)
    if isinstance(value, Mapping):
        if odd := [key for key in value if isinstance(key, bool) or not isinstance(key, (str, int))]:
            raise TypeError(
                f"cannot save the key {odd[0]!r} at {place or 'the top'}: keys must be str or int"
            )
        prefix = f"{place}/" if place else ""
        return {"dict": [[key, _tree(item, f"{prefix}{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        items = [_tree(item, f"{place}/{index}", tensors) for index, item in enumerate(value)]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"cannot save a {type(value).__name__} at {place}: only tensors and plain JSON types")


def _tensor_leaf(value: Tensor, place: str, tensors: dict[str, Tensor]) -> dict[str, str]:
    if value.layout != torch.strided or value.is_quantized:
        raise TypeError(f"cannot save the tensor at {place}: layout {value.layout}, dtype {value.dtype}")
    name = place
    while name in tensors or name == "__metadata__":  # reserved by safetensors
        name += "'"
    kind = "complex" if value.is_complex() else "tensor"
    # A copy for every tensor: safetensors wants them contiguous and refuses shared storage. It also
    # carries out a pending conjugation or negation.
    copy = value.detach().to("cpu", copy=True).contiguous()
    tensors[name] = torch.view_as_real(copy).contiguous() if kind == "complex" else copy
    return {kind: name}
