"""What a problem file says of its reference solution; :mod:`wsapps_pde.references` makes or reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wsapps.errors import UserError
from wsapps_pde.language.constant_parts import check_constant_parts
from wsapps_pde.language.expressions import Expression, Names
from wsapps_pde.language.mapping import constant, entries, known_keys, listed, located, seen

KINDS = ("exact", "solver", "file", "signed_distance")


@dataclass(frozen=True)
class Reference:
    """Where the true solution comes from; at most one of the first four.

    Args:
        exact: unknown -> expression in the variables and the parameters.
        solver: a name of :data:`wsapps_pde.references.SOLVERS`, with ``settings`` for it.
        file: npz, CSV or picture, relative to the problem file's folder.
        signed_distance: the unknown that is the signed distance to the mesh of the problem's points.
        parameters: true values of trainable parameters.
        up_to_constant: the unknowns that are determined, and compared, up to a constant.
    """

    exact: Mapping[str, Expression] = field(default_factory=dict)
    solver: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    file: str | None = None
    signed_distance: str | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    up_to_constant: tuple[str, ...] = ()


def read_reference_spec(spec: Any, names: Names, constants: Mapping[str, float]) -> Reference | None:
    """``{exact: {u: "..."}}``, ``{solver: name, nu: 0.01/pi}``, ``{file: ref.npz}`` or so.

    Beside it ``parameters`` and ``up_to_constant``.

    A setting of a solver may be a constant expression in the parameters.

    Raises:
        UserError: unknown or contradictory keys, an expression with an unknown in it, a name that is none.
    """
    if spec is None or spec == {}:
        return None
    spec = entries(spec, "the reference")
    chosen = [key for key in KINDS if key in spec]
    if len(chosen) > 1:
        raise UserError(f"the reference is given twice, by {' and '.join(chosen)}; keep one")
    if "solver" not in spec:
        known_keys(spec, (*KINDS, "parameters", "up_to_constant"), "the reference")
    free = _up_to_constant(spec.pop("up_to_constant", None), names)
    true = _true_parameters(spec.pop("parameters", None), names, constants)
    known = {**constants, **true}
    if "exact" in spec:
        with located("exact"):
            exact = _exact(spec["exact"], names)
            for expression in exact.values():
                check_constant_parts(expression, known)
            return Reference(exact, parameters=true, up_to_constant=free)
    for key in ("solver", "file", "signed_distance"):
        if key in spec and (not isinstance(spec[key], str) or not spec[key]):
            raise UserError(f"{key} is a name, got {seen(spec[key])}")
    distance = spec.get("signed_distance")
    if distance is not None and distance not in names.unknowns:
        raise UserError(
            f"signed_distance is one of the unknowns {', '.join(names.unknowns)}, got {seen(distance)}"
        )
    solver = spec.pop("solver", None)
    settings = {key: _setting(key, value, known, names) for key, value in spec.items()} if solver else {}
    return Reference({}, solver, settings, spec.get("file"), distance, true, free)


def _up_to_constant(spec: Any, names: Names) -> tuple[str, ...]:
    with located("up_to_constant"):
        for name in listed(spec):
            if not isinstance(name, str) or name not in names.unknowns:
                raise UserError(f"{seen(name)} is no unknown; unknowns: {', '.join(names.unknowns)}")
        return tuple(listed(spec))


def _exact(spec: Any, names: Names) -> dict[str, Expression]:
    if isinstance(spec, str | int | float) and len(names.unknowns) == 1:
        spec = {next(iter(names.unknowns)): spec}
    spec = entries(spec, "exact")
    known_keys(spec, tuple(names.unknowns), "exact")
    found = {}
    for unknown, text in spec.items():
        with located(unknown):
            found[unknown] = Expression.parse(
                text, Names(variables=names.unknowns[unknown], parameters=names.parameters)
            )
    if not found:
        raise UserError(f"exact is written {{u: expression}}; unknowns: {', '.join(names.unknowns)}")
    return found


def _true_parameters(spec: Any, names: Names, constants: Mapping[str, float]) -> dict[str, float]:
    with located("parameters"):
        spec = entries({} if spec is None else spec, "parameters")
        trainable = tuple(name for name in names.parameters if name not in constants)
        known_keys(spec, trainable, "the list of trainable parameters")
        found = {}
        for name, value in spec.items():
            with located(name):
                found[name] = constant(value, constants)
    return found


def _setting(key: str, value: Any, constants: Mapping[str, float], names: Names) -> Any:
    """A number where the text is a constant expression; everything else as it is."""
    if not isinstance(value, str):
        return value
    if value in names.parameters and value not in constants:
        raise UserError(
            f"{key}: {value} is trained; give its true value here, as in parameters: {{{value}: 1.0}}"
        )
    try:
        return constant(value, constants)
    except UserError:
        return value
