"""When a run ends: ``max_steps``, ``max_seconds``, and ``default_steps`` where neither is given.

They mean the same to the trainer and to the stages after it.
"""

from __future__ import annotations

import math
from typing import Protocol


class Limits(Protocol):
    """The settings of a run, or of a stage of it, that say when it ends."""

    max_steps: int | None
    max_seconds: float | None
    default_steps: int | None


def check_limits(config: Limits, what: str) -> None:
    """Refuse limits that are not positive, and ``what`` would never end. Raises ValueError."""
    for name in ("max_steps", "max_seconds", "default_steps"):
        value = getattr(config, name)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite, or null, got {value}")
    if last_step(config) is None and config.max_seconds is None:
        raise ValueError(f"max_steps and max_seconds are both null: the {what} would never end")


def last_step(config: Limits) -> int | None:
    """Steps after which it ends: max_steps; default_steps where no limit was given; or None."""
    if config.max_steps is None and config.max_seconds is None:
        return config.default_steps
    return config.max_steps
