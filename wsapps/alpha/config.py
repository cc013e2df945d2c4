"""Settings of alpha=auto."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from wsapps.config import doc

C = TypeVar("C")


@dataclass
class AutoAlphaConfig:
    """How alpha is chosen; the same in every application."""

    candidates: list[float] = field(
        default_factory=lambda: [1.0, 1.25, 1.5, 1.75, 2.0],
        metadata={
            "doc": "alphas that are looked at, of which 1 always is one; by short runs at most four; smaller "
            "ones than 1 by datasets of fields alone",
            "unit": None,
        },
    )
    part: float = doc("most that the trials may cost, as a part of the run that they serve", default=0.1)

    def __post_init__(self) -> None:
        if not self.candidates or not all(math.isfinite(a) and a > 0 for a in self.candidates):
            raise ValueError(f"candidates must be finite and positive, and not empty, got {self.candidates}")
        if max(self.candidates) <= 1:
            raise ValueError(f"candidates must hold one above 1, got {self.candidates}")
        if not 0 < self.part <= 1:
            raise ValueError(f"part must lie in (0, 1], got {self.part}")


def with_auto_alpha(arguments: Sequence[str], key: str) -> list[str]:
    """Arguments of a command in which ``<key>=auto`` reads ``alpha=auto``; the key itself is a number.

    Where a number or another method is chosen and nothing said of ``alpha``, it reads ``alpha=null``.
    """
    arguments = ["alpha=auto" if argument == f"{key}=auto" else argument for argument in arguments]
    given = {argument.partition("=")[0] for argument in arguments}
    open_ = "alpha" not in given and given & {key, key.partition(".")[0]}
    return [*arguments, "alpha=null"] if open_ else arguments


def check_has_alpha(alpha: str | None, method: Any, instead: str) -> None:
    """Raise ValueError where ``alpha=auto`` meets a method without an alpha; ``instead`` has one."""
    if alpha == "auto" and not hasattr(method, "alpha"):
        raise ValueError(
            f"alpha=auto chooses method.alpha, which method={method.name} does not have; choose "
            f"method={instead}, or leave alpha=auto out"
        )


def with_alpha(config: C, alpha: float) -> C:
    """A configuration dataclass with another ``method.alpha``."""
    changed: Any = config
    return replace(changed, method=replace(changed.method, alpha=alpha))
