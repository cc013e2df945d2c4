"""Fields of different kinds with about the same number of parameters, for comparisons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn


def parameter_count(module: nn.Module) -> int:
    """The numbers that training changes: entries of all trainable parameters, complex ones twice."""
    return sum(
        parameter.numel() * (2 if parameter.is_complex() else 1)
        for parameter in module.parameters()
        if parameter.requires_grad
    )


def matched_width(
    kind: type[Any],
    in_features: int,
    out_features: int,
    config: Any,
    parameters: int,
    tolerance: float = 0.03,
) -> int:
    """The width whose field has the number of parameters nearest to ``parameters``.

    Fields are built without memory, on the meta device, so nothing is allocated and no random number drawn.

    Args:
        kind: a class of :data:`wsapps.fields.FIELDS`; the number of parameters must not fall with width.
        in_features, out_features: coordinates and values a point.
        config: a ``kind.Config``; its width is ignored, the rest is kept.
        parameters: the target, as :func:`parameter_count` counts.
        tolerance: largest relative difference that is accepted.

    Returns:
        A value for ``config.width``, at least 2.

    Raises:
        ValueError: no width comes within the tolerance.
    """

    def count(width: int) -> int:
        with torch.device("meta"):
            field = kind.from_config(in_features, out_features, replace(config, width=width))
        return parameter_count(field)

    # From 2 on: WIRE has no narrower field.
    low, high = 2, 4
    while count(high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:  # count(low) < parameters <= count(high), unless low is 2
        middle = (low + high) // 2
        if count(middle) < parameters:
            low = middle
        else:
            high = middle
    width = min((low, high), key=lambda candidate: abs(count(candidate) - parameters))
    found = count(width)
    if not abs(found - parameters) <= tolerance * parameters:
        raise ValueError(
            f"no width of {kind.__name__} gives {parameters} parameters within {tolerance:.0%}; "
            f"the nearest, width {width}, has {found}"
        )
    return width
