"""Checks that many settings share; what is wrong is a ValueError that names the setting and its value."""

from __future__ import annotations

from typing import Any


def at_least_one(config: Any, *names: str) -> None:
    """Refuse settings below 1."""
    for name in names:
        if getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(config, name)}")


def not_negative(config: Any, *names: str) -> None:
    """Refuse settings below 0, and NaN."""
    for name in names:
        if not getattr(config, name) >= 0:
            raise ValueError(f"{name} must not be negative, got {getattr(config, name)}")
