"""Settings that an application suggests, where the command line has not chosen for itself."""

from __future__ import annotations

from collections.abc import Sequence


def left_open(settings: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Those of some ``key=value`` settings that a command's arguments leave open.

    Where an argument chooses a group (``method=siren``), settings inside it (``method.alpha=1.5``) are left
    to the choice.
    """
    given = {argument.partition("=")[0] for argument in arguments}

    def is_open(setting: str) -> bool:
        parts = setting.partition("=")[0].split(".")
        return given.isdisjoint(".".join(parts[: count + 1]) for count in range(len(parts)))

    return [setting for setting in settings if is_open(setting)]
