"""Initial, boundary and inner conditions: at some points an equation holds, or two faces are one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wsapps.config.conversion import nearest
from wsapps.config.overrides import shown
from wsapps.errors import UserError
from wsapps_pde.language.constant_parts import check_constant_parts
from wsapps_pde.language.expressions import Expression, Names
from wsapps_pde.language.mapping import entries, listed, located, read_weight
from wsapps_pde.language.symbols import MultiIndex, normal_name
from wsapps_pde.space.cloud import TEXT as CLOUD
from wsapps_pde.space.cloud import Cloud
from wsapps_pde.space.domain import Domain
from wsapps_pde.space.location_text import read_location
from wsapps_pde.space.locations import Location

AnyLocation = Location | Cloud


@dataclass(frozen=True, eq=False)
class Condition:
    """``left - right`` is driven to zero at a location.

    Both sides may use the variables, the unknowns and their derivatives, the parameters, and, where
    ``uses_normals``, the components of the outward normal as ``normal_x``, ``normal_y``, ``normal_z``.

    Args:
        location: where.
        left, right: the two sides.
        weight: of its term in the loss.
        label: for messages: "condition 2".
    """

    location: AnyLocation
    left: Expression
    right: Expression
    weight: float = 1.0
    label: str = "condition"

    @property
    def names(self) -> frozenset[str]:
        return self.left.names | self.right.names

    @property
    def uses_normals(self) -> bool:
        return any(normal_name(variable) in self.names for variable in self.location.domain.space)

    @property
    def text(self) -> str:
        return f"{self.left.text} = {self.right.text}"

    def derivatives(
        self, unknowns: Mapping[str, Any], variables: tuple[str, ...]
    ) -> frozenset[tuple[str, MultiIndex]]:
        """As :meth:`~wsapps_pde.language.expressions.Expression.derivatives`, of both sides."""
        return self.left.derivatives(unknowns, variables) | self.right.derivatives(unknowns, variables)

    def __str__(self) -> str:
        return f"{self.label} ({self.text} at {self.location.text})"


@dataclass(frozen=True)
class Periodic:
    """The solution and its derivatives agree on the two faces of a variable.

    Args:
        variable: whose lower and upper bound are the same place.
        label: as of a :class:`Condition`.
    """

    variable: str
    label: str = "condition"

    @property
    def text(self) -> str:
        return f"periodic in {self.variable}"

    def __str__(self) -> str:
        return f"{self.label} ({self.text})"


def read_conditions(
    spec: Any, domain: Domain, names: Names, constants: Mapping[str, float], cloud: Cloud | None = None
) -> tuple[Condition | Periodic, ...]:
    """Conditions as a problem file writes them; a mapping with several equations gives several.

    Args:
        names: of the whole problem.
        constants: values of the parameters that are not trainable.
        cloud: what ``at: points`` means, if anything.

    Raises:
        UserError: no place or an empty one, no equation, an equation without an unknown, a normal derivative
            where there is no normal.
    """
    found: list[Condition | Periodic] = []
    locations: dict[object, AnyLocation] = {}
    for number, entry in enumerate(listed(spec)):
        with located(f"[{number}]"):
            entry = entries(entry, "a condition")
            place, location = entry.pop("at", None), None
            if place is not None:
                with located("at"):
                    location = _location(place, domain, constants, cloud, locations)
            found += _read_one(entry, number + 1, location, domain, names, constants)
    return tuple(found)


def _location(
    place: object,
    domain: Domain,
    constants: Mapping[str, float],
    cloud: Cloud | None,
    known: dict[object, AnyLocation],
) -> AnyLocation:
    """What ``at`` means; the same object for the same text, so that its points serve all conditions there."""
    if isinstance(place, str) and place.strip() == CLOUD:
        if cloud is None:
            raise UserError(f"at: {CLOUD} needs a list of them, as in points: {{file: bunny.ply}}")
        return cloud
    if not isinstance(place, str):
        return read_location(place, domain, constants)
    if place.strip() not in known:
        known[place.strip()] = read_location(place, domain, constants)
    return known[place.strip()]


def _read_one(
    entry: dict[str, Any],
    number: int,
    location: AnyLocation | None,
    domain: Domain,
    names: Names,
    constants: Mapping[str, float],
) -> list[Condition | Periodic]:
    label, weight = f"condition {number}", 1.0
    if "weight" in entry:
        with located("weight"):
            if entry.get("periodic") is not None and not entry.keys() - {"periodic", "weight"}:
                raise UserError("the network is periodic, which nothing can weigh; leave the weight out")
            weight = read_weight(entry.pop("weight"), constants)
    periodic = entry.pop("periodic", None)
    found: list[Condition | Periodic] = []
    with located("periodic"):
        for variable in listed(periodic):
            found.append(_periodic(variable, domain, location, Periodic(str(variable), label)))
    if entry and location is None:
        near = next((key for key in entry if nearest(key, ["at"])), None)
        meant = f"did you mean at, in place of {shown(near)!r}?" if near else "add at, as in at: boundary"
        raise UserError(f"says not where {shown(next(iter(entry)), 60)!r} holds; {meant}")
    if not entry and not found:
        raise UserError("is no equation; write it as in {at: boundary, u: 0}")
    for left, right in entry.items():
        assert location is not None
        with located(shown(left, 60)):
            condition = _equation(left, right, location, names, weight, label)
            check_constant_parts(condition.left, constants)
            check_constant_parts(condition.right, constants)
            found.append(condition)
    return found


def _periodic(variable: object, domain: Domain, location: AnyLocation | None, result: Periodic) -> Periodic:
    if variable not in domain.variables:
        raise UserError(f"{variable!r} is no variable of the domain ({', '.join(domain.variables)})")
    if domain.geometry is not None and variable != "t":
        raise UserError(f"a domain that is no box cannot be periodic in {variable}")
    if location is not None:
        faces = location.faces() or ()
        if {(variable, "lower"), (variable, "upper")} - set(faces):
            low, high = domain.bounds[domain.variables.index(result.variable)]
            raise UserError(
                f"periodic in {variable} joins {variable} = {low:.6g} and {variable} = {high:.6g}, "
                f"and at is {location.text!r}; leave at out"
            )
    return result


def _equation(
    left: str, right: Any, location: AnyLocation, names: Names, weight: float, label: str
) -> Condition:
    if right is None and left.count("=") == 1:
        named, value = (side.strip() for side in left.split("="))
        raise UserError(f"an equation is a key and its value: write {named}: {value}")
    try:
        first = Expression.parse(left, names)
    except UserError as error:
        near = nearest(left, ["at", "weight", "periodic"]) if left.isidentifier() else None
        raise UserError(f"{error}; or did you mean the key {near}?" if near else str(error)) from None
    condition = Condition(location, first, Expression.parse(right, names), weight, label)
    if not condition.derivatives(names.unknowns, names.variables):
        raise UserError(
            f"the condition holds no unknown ({', '.join(names.unknowns)}), so nothing can satisfy it"
        )
    if condition.uses_normals and not location.has_normals:
        raise UserError(_no_normal(location))
    return condition


def _no_normal(location: AnyLocation) -> str:
    domain = location.domain
    start = f"a normal derivative needs an outward normal, and there is none at {location.text!r}"
    for place in location.places:
        if not place.has_normals and set(place.fixed) == {domain.time}:
            return f"{start}, which is a time; write u_t for the derivative in time"
    if any(place.has_normals for place in location.places):
        return f"{start}, of which a part runs inside the domain; add 'and boundary'"
    return f"{start}, which is no part of the boundary"
