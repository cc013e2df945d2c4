"""Putting saved tensors into a module, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wsapps.errors import UserError


def copy_into(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy `tensors`, named as in ``module.state_dict()``, into the parameters and buffers of `module`.

    Everything is checked before anything is copied, and the errors are those of :func:`check_fits`.
    """
    check_fits(module, tensors, source)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            value.copy_(tensors[name])


def check_fits(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Compare names, shapes and dtypes of `tensors` with those of ``module.state_dict()``.

    Raises :class:`UserError`, with `source` (what the tensors were read from) and the first differences in
    it, when they do not fit; and :class:`TypeError` for a module whose state is more than tensors.
    """
    own = module.state_dict()
    if extra := [name for name, value in own.items() if not isinstance(value, Tensor)]:
        raise TypeError(f"only tensors can be copied into a module, and this one has extra state: {extra}")
    problems = [f"{name} is missing in it" for name in own if name not in tensors]
    problems += [f"{name} is unknown here" for name in tensors if name not in own]
    problems += [
        f"{name} is {_describe(tensors[name])} in it and {_describe(value)} here"
        for name, value in own.items()
        if name in tensors and _describe(tensors[name]) != _describe(value)
    ]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(
            f"{source} was made by another architecture: {'; '.join(problems[:3])}{more}; "
            "repeat the configuration that it was made with"
        )


def _describe(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
