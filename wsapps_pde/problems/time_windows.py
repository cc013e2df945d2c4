"""A problem in time windows: a long stretch of time as short ones, each of which begins where the last ended.

Residuals know nothing of causes: over a long time a network finds functions that satisfy the equation
nearly everywhere and have forgotten the initial values (Wang, Sankaran & Perdikaris, 2024). In a window that
is short beside the solution's own times there is nothing to forget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.errors import UserError
from wsapps_pde.problems.conditions import AnyLocation, Condition, Periodic
from wsapps_pde.problems.measurements import Data
from wsapps_pde.problems.problem import Problem
from wsapps_pde.space.cloud import Cloud
from wsapps_pde.space.domain import Domain
from wsapps_pde.space.locations import Location


@dataclass
class WindowsConfig:
    """How the time is divided."""

    count: int = doc("time windows, solved one after the other, each from the last one's end", default=1)
    warm_start: bool = doc("begin each with the networks of the last one", default=True)

    def __post_init__(self) -> None:
        at_least_one(self, "count")


def time_windows(problem: Problem, count: int) -> list[Problem]:
    """The problem in each of ``count`` equal stretches of its time; in all but the first without its start.

    What the unknowns are at the start of a later one is for :func:`continued_orders` to say.

    Raises:
        UserError: what the problem asks for cannot be found stretch by stretch.
    """
    if count == 1:
        return [problem]
    _check(problem, count)
    assert problem.domain.duration is not None
    ends = np.linspace(*problem.domain.duration, count + 1).tolist()
    return [_window(problem, ends[n], ends[n + 1], first=n == 0) for n in range(count)]


def continued_orders(problem: Problem, unknown: str) -> int:
    """How many derivatives in time, the value counted, go on from one window to the next: 0, 1 or 2.

    As many as the equations' order in time; of a pressure, whose rate they do not have, there are none.
    """
    time = problem.domain.time
    return 0 if time is None else max((index[time] for index in problem.wanted(unknown)), default=0)


def _check(problem: Problem, count: int) -> None:
    start = f"windows.count={count}: "
    if problem.domain.time is None:
        raise UserError(f"{start}{problem.name} has no time t that could be divided; set windows.count=1")
    if problem.is_inverse:
        raise UserError(
            f"{start}{problem.name} is an inverse problem, and what is to be found belongs to all windows; "
            "set windows.count=1"
        )
    for unknown in problem.unknowns:
        if "t" not in unknown.variables:
            raise UserError(f"{start}{unknown.name} does not depend on t, so that it belongs to all windows")
        if (order := continued_orders(problem, unknown.name)) > 2:
            raise UserError(
                f"{start}windows go on from values and rates, and {unknown.name} has order {order}"
            )
    for condition in problem.conditions:
        if isinstance(condition, Periodic):
            if condition.variable == "t":
                raise UserError(f"{start}{condition} joins the ends of the time; set windows.count=1")
        elif other := _other_times(condition, problem.domain):
            raise UserError(
                f"{start}{condition} holds at t = {other[0]:.6g}, and windows go on from the start alone; "
                "set windows.count=1"
            )


def _other_times(condition: Condition, domain: Domain) -> list[float]:
    """The times, beside the start, at which alone a condition holds."""
    time, duration = domain.time, domain.duration
    if time is None or duration is None:
        return []
    fixed = [place.fixed[time] for place in condition.location.places if time in place.fixed]
    return [value for value in fixed if value != duration[0]]


def _window(problem: Problem, start: float, end: float, first: bool) -> Problem:
    domain = replace(problem.domain, duration=(start, end))
    moved: dict[int, AnyLocation | None] = {}  # conditions at one location stay at one
    conditions: list[Condition | Periodic] = []
    for condition in problem.conditions:
        if isinstance(condition, Periodic):
            conditions.append(condition)
            continue
        key = id(condition.location)
        if key not in moved:
            moved[key] = _location(condition.location, domain, first)
        location = moved[key]
        if location is not None:
            conditions.append(replace(condition, location=location))
    data = _data(problem.data, domain)
    return replace(problem, domain=domain, conditions=tuple(conditions), data=data, warnings=())


def _location(location: AnyLocation, domain: Domain, first: bool) -> AnyLocation | None:
    """The location in a window; None where there is nothing of it."""
    if isinstance(location, Cloud):
        return replace(location, domain=domain)
    stay = [place for place in location.places if first or domain.time not in place.fixed]
    places = tuple(moved for place in stay if (moved := replace(place, domain=domain)).share > 0)
    return Location(location.text, domain, places) if places else None


def _data(data: Data | None, domain: Domain) -> Data | None:
    """The measurements of a window."""
    if data is None:
        return None
    inside = domain.contains(data.points)
    return replace(data, points=data.points[inside], values=data.values[inside]) if inside.any() else None
