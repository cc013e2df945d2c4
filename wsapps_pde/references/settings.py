"""Checks of the solvers' settings: each raises one line that names the solver, the setting and its value."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.config.conversion import nearest
from wsapps.errors import UserError

#: The most nodes or modes along an axis where there is one space axis, and where there are two.
LONGEST_LINE, LONGEST_SIDE = 100_000, 2_000
_MOST_STEPS = 1_000_000
#: Settings of how a reference is computed, and up to when: not what a parameter of that name means.
NUMERICAL = frozenset({"points", "times", "modes", "dt", "cells", "steps", "horizon", "refine"})


def complete_settings(name: str, solver: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings given, and the solver's defaults for the others, in the order of its signature.

    Raises:
        UserError: a setting that the solver does not have, with the nearest one it has.
    """
    known = {key: item.default for key, item in inspect.signature(solver).parameters.items()}
    for key in settings:
        if key not in known:
            near = nearest(str(key), list(known))
            hint = f"did you mean {near}? " if near else ""
            raise UserError(
                f"reference {name}: unknown setting {str(key)[:80]!r}; {hint}it takes {', '.join(known)}"
            )
    return {key: settings.get(key, default) for key, default in known.items()}


def number(solver: str, key: str, value: Any) -> float:
    """A finite number.

    Raises:
        UserError: anything else, texts of numbers included.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise UserError(f"reference {solver}: {key} must be a finite number, got {_shown(value)}")
    return float(value)


def positive(solver: str, key: str, value: Any) -> float:
    """A finite number above 0.

    Raises:
        UserError: anything else.
    """
    if number(solver, key, value) <= 0:
        raise UserError(f"reference {solver}: {key} must be above 0, got {value}")
    return float(value)


def non_negative(solver: str, key: str, value: Any) -> float:
    """A finite number, 0 or above.

    Raises:
        UserError: anything else.
    """
    if number(solver, key, value) < 0:
        raise UserError(f"reference {solver}: {key} must not be negative, got {value}")
    return float(value)


def count(solver: str, key: str, value: Any, least: int, multiple: int = 1, most: int = LONGEST_LINE) -> int:
    """A whole number from ``least`` to ``most`` and a multiple of ``multiple``.

    Raises:
        UserError: anything else.
    """
    whole = number(solver, key, value)
    if whole != int(whole) or not least <= whole <= most or int(whole) % multiple:
        also = f" and a multiple of {multiple}" if multiple > 1 else ""
        raise UserError(
            f"reference {solver}: {key} must be a whole number from {least} to {most}{also}, got {value}"
        )
    return int(whole)


def even_steps(solver: str, interval: float, dt: Any) -> int:
    """An even number of steps, none longer than dt, that make up an interval of time.

    Raises:
        UserError: dt not above 0, or so small that nobody would wait for it.
    """
    half = (
        interval / (2.0 * positive(solver, "dt", dt)) * (1.0 - 1e-9)
    )  # rounding is no reason for a step more
    if half > _MOST_STEPS:
        raise UserError(f"reference {solver}: dt = {dt} means {2 * half:.1e} steps between two times")
    return 2 * math.ceil(half)


def resolution(
    solver: str, points: Any, times: Any, horizon: Any, modes: Any, dt: Any, most: int = LONGEST_LINE
) -> tuple[int, int, NDArray[np.float64], int]:
    """Of a periodic problem in time: points, modes, the times from 0 on, and steps between two of them.

    Args:
        most: modes along an axis.

    Raises:
        UserError: one out of range; modes that are no multiple of the points.
    """
    points = count(solver, "points", points, 4)
    shared = points if points % 2 == 0 else 2 * points
    modes = count(solver, "modes", modes, 16, multiple=shared, most=most)
    t = np.linspace(0.0, positive(solver, "horizon", horizon), count(solver, "times", times, 2))
    return points, modes, t, even_steps(solver, float(t[1]), dt)


def numbers_of(solver: str, key: str, value: Any, length: int) -> tuple[float, ...]:
    """``length`` finite numbers from a list.

    Raises:
        UserError: no list, one of another length, or entries that are no numbers.
    """
    if not isinstance(value, (list, tuple)) or len(value) != length:
        raise UserError(f"reference {solver}: {key} must be a list of {length} numbers, got {_shown(value)}")
    return tuple(number(solver, f"{key}[{index}]", item) for index, item in enumerate(value))


def choice(solver: str, key: str, value: Any, choices: Mapping[str, Any]) -> str:
    """One of the names.

    Raises:
        UserError: another name; with the nearest.
    """
    if isinstance(value, str) and value in choices:
        return value
    near = nearest(str(value), list(choices))
    hint = f"did you mean {near}? " if near else ""
    raise UserError(
        f"reference {solver}: {key} must be one of {', '.join(choices)}, got {_shown(value)}; {hint}".rstrip(
            "; "
        )
    )


def _shown(value: Any) -> str:
    return " ".join(repr(value).split())[:80]
