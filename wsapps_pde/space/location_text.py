"""Reading ``at``: which places "x = -1 or x = 1 and t > 0" means in a domain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from wsapps.errors import UserError
from wsapps_pde.language.expressions import Expression, Names
from wsapps_pde.language.normal_form import alternatives, sides
from wsapps_pde.language.symbols import PLACES
from wsapps_pde.space.domain import Domain
from wsapps_pde.space.locations import Location
from wsapps_pde.space.places import Filter, Place

_SMALL = 1e-9  # relative; a constant this near to a bound is the bound
_HIT = 1e-3  # share of a piece on which an equation must hold; less is where it crosses the piece


def read_location(text: object, domain: Domain, constants: Mapping[str, float]) -> Location:
    """The location that ``at`` describes.

    Alternatives are joined by or. Each is a list of facts joined by and: ``variable = constant``,
    comparisons, ``boundary``, ``interior`` or ``everywhere``, ``initial`` (t at its lower bound). An equation
    that is not of that form, such as ``x**2 + y**2 = 1``, names a part of the boundary on which it holds.

    Args:
        constants: values of the parameters that are no trainable ones.

    Raises:
        UserError: the text is no condition, or holds nowhere in the domain.
    """
    names = Names(variables=domain.variables, parameters=tuple(constants), places=PLACES)
    condition = Expression.parse_condition(text, names)
    if re.search(r"\+\s*-", condition.text):
        raise UserError(f"{condition.text!r}: +- reads as minus; two places are written x = -1 or x = 1")
    groups: dict[tuple, list[_Facts]] = {}
    for facts in alternatives(condition):
        sorted_facts = _Facts.of(facts, domain, constants)
        groups.setdefault(sorted_facts.key, []).append(sorted_facts)
    places: list[Place] = []
    for group in groups.values():
        places += _places(group, domain, constants, condition.text)
    return Location(condition.text, domain, tuple(places))


@dataclass(frozen=True)
class _Facts:
    """One alternative, sorted by kind."""

    fixed: dict[int, float]
    boundary: bool
    interior: bool
    comparisons: tuple[Expression, ...]
    equations: tuple[Expression, ...]
    text: str

    @property
    def key(self) -> tuple:
        where = self.boundary, self.interior
        return (tuple(sorted(self.fixed.items())), where, tuple(e.text for e in self.equations))

    @classmethod
    def of(cls, facts: list[Expression], domain: Domain, constants: Mapping[str, float]) -> _Facts:
        fixed: dict[int, float] = {}
        boundary, interior, comparisons, equations = False, False, [], []
        text = " and ".join(fact.text for fact in facts)
        for fact in facts:
            last = fact.steps[-1]
            if last.op == "place":
                boundary |= last.value == "boundary"
                interior |= last.value == "interior"
                if last.value == "initial":
                    _fix(fixed, *_initial(domain), text)
            elif last.op == "==":
                plane = _fixed_variable(fact, domain, constants)
                if plane is None:
                    equations.append(fact)
                else:
                    _fix(fixed, *plane, text)
            else:
                comparisons.append(fact)
        if boundary and interior:
            raise UserError(f"{text!r} asks for the boundary and for the interior; join places by or")
        return cls(fixed, boundary, interior, tuple(comparisons), tuple(equations), text)


def _fix(fixed: dict[int, float], index: int, value: float, text: str) -> None:
    if fixed.setdefault(index, value) != value:
        raise UserError(f"{text!r} asks for two values at once and holds nowhere; join places by or")


def _initial(domain: Domain) -> tuple[int, float]:
    if domain.time is None:
        raise UserError("'initial' needs a time, and the domain has no t")
    return domain.time, float(domain.bounds[domain.time, 0])


def _fixed_variable(
    fact: Expression, domain: Domain, constants: Mapping[str, float]
) -> tuple[int, float] | None:
    """(index, value) of ``x = 1`` or ``1 = x``; None of another equation."""
    left, right = sides(fact)
    if left.single_name not in domain.variables:
        left, right = right, left
    if left.single_name not in domain.variables or right.names & set(domain.variables):
        return None
    index = domain.variables.index(left.single_name)
    value, (low, high) = right.value(constants), domain.bounds[index]
    for bound in (low, high):
        if abs(value - bound) <= _SMALL * (high - low):
            value = float(bound)
    if not low <= value <= high:
        raise UserError(
            f"{fact.text!r} lies outside the domain, where {domain.describe_range(left.single_name)}"
        )
    return index, value


def _places(group: list[_Facts], domain: Domain, constants: Mapping[str, float], whole: str) -> list[Place]:
    """The places of alternatives that differ in their comparisons alone."""
    first = group[0]
    keep = Filter(tuple(facts.comparisons for facts in group), constants)
    equations = tuple(sides(equation) for equation in first.equations)
    across = {index: value for index, value in first.fixed.items() if index != domain.time}
    in_time = {index: value for index, value in first.fixed.items() if index == domain.time}
    found: list[Place] = []
    on_boundary = first.boundary or bool(equations)
    if (on_boundary or len(across) == 1) and not first.interior:
        for part in domain.boundary:
            if not across or (len(across) == 1 and _in_plane(part.piece.plane, across, domain)):
                found.append(Place(domain, in_time, part, keep, equations))
    if not on_boundary:
        found.append(Place(domain, first.fixed, None, keep, equations))
    found = [place for place in found if place.share > (_HIT if equations else 0)]
    if not found:
        raise UserError(_nowhere(first, domain, whole))
    return found


def _nowhere(facts: _Facts, domain: Domain, whole: str) -> str:
    ranges = ", ".join(domain.describe_range(variable) for variable in domain.variables)
    inside = "" if domain.geometry is None else f", {domain.geometry.describe(domain.space)}"
    part = "" if facts.text == whole else f" of {whole!r}"
    if facts.equations or facts.boundary:
        what = "holds on no part of the boundary"
        hint = "; a place inside is written variable = constant" if facts.equations else ""
    else:
        what = "holds at no point of the domain"
        hint = "; a face is written variable = constant" if facts.comparisons and not facts.fixed else ""
    return f"{facts.text!r}{part} {what} ({ranges}{inside}){hint}"


def _in_plane(plane: tuple[int, float] | None, across: Mapping[int, float], domain: Domain) -> bool:
    if plane is None or plane[0] not in across:
        return False
    low, high = domain.bounds[plane[0]]
    return abs(plane[1] - across[plane[0]]) <= _SMALL * (high - low)
