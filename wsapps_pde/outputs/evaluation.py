"""The solution beside its reference: errors, and what is known without one.

Shapes: M points, D variables.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.functions import NUMPY_FUNCTIONS
from wsapps_pde.outputs.reference_checks import mismatches
from wsapps_pde.outputs.solver_settings import solver_settings
from wsapps_pde.problems.picture import is_picture, read_picture
from wsapps_pde.problems.problem import Problem
from wsapps_pde.references import read_reference, solve_reference
from wsapps_pde.references.solution import ReferenceSolution, grid_points, relative_l2
from wsapps_pde.solution.windowed import AnySolution, unknown_values

Array = NDArray[np.float64]
_log = logging.getLogger("wsapps")

_GRID = {1: (1001,), 2: (256, 101), 3: (64, 64, 33), 4: (24, 24, 24, 13)}
_STEADY = {1: (1001,), 2: (201, 201), 3: (49, 49, 49)}
_FEWEST, _MOST_POINTS = 4, 200_000  # nodes of an axis, and of the grid, where there are more variables
_ROUNDING = 1e-14  # of the largest unknown, below which a reference is 0
_AT_ONCE = 2**14


def make_reference(problem: Problem) -> ReferenceSolution | None:
    """The reference that a problem states, made or read; None if it states none.

    Of what a solver gives, the problem's unknowns are kept.

    Raises:
        UserError: the solver's settings or the file are wrong, or do not fit the problem's variables,
            unknowns and domain.
    """
    stated = problem.reference
    if stated is None or not (stated.exact or stated.solver or stated.file or stated.signed_distance):
        return None
    if stated.signed_distance:
        return _signed_distance(problem, stated.signed_distance)
    if stated.solver:
        settings = solver_settings(problem, stated.solver)
        return _fitted(solve_reference(stated.solver, settings), problem, stated.solver)
    if stated.file:
        depends = {unknown.name: unknown.variables for unknown in problem.unknowns}
        outside_nan = problem.domain.geometry is not None
        path = problem.folder / stated.file
        if is_picture(path):
            return _picture(problem, path)
        return _fitted(read_reference(path, problem.variables, depends, outside_nan), problem, str(path))
    return _exact(problem, stated.exact)


def _signed_distance(problem: Problem, unknown: str) -> ReferenceSolution:
    assert problem.points is not None
    surface = problem.points.surface
    if surface.vertices is None or surface.faces is None or problem.variables != ("x", "y", "z"):
        raise UserError(
            f"reference.signed_distance is that to a mesh in x, y, z, and {problem.points.source} has no "
            "triangles; leave the reference out, or give points from a mesh"
        )
    from wsapps_pde.references.signed_distance import signed_distance  # libigl, for those who need it

    return signed_distance(unknown, surface.vertices, surface.faces, grid_axes(problem))


def _picture(problem: Problem, path: Path) -> ReferenceSolution:
    """A picture is that of the only unknown, or of the first."""
    picture = read_picture(path, problem.domain)
    axes, name = {"x": picture.x, "y": picture.y}, problem.unknowns[0].name
    return ReferenceSolution(axes, None, {name: picture.values}, {}, f"picture {path.name}")


def _fitted(reference: ReferenceSolution, problem: Problem, source: str) -> ReferenceSolution:
    """The reference with the problem's unknowns alone, if it is one of this problem."""
    if reference.axes is not None and tuple(reference.axes) != problem.variables:
        found, wanted = ", ".join(reference.axes), ", ".join(problem.variables)
        raise UserError(f"reference {source} has the variables {found}, and the problem {wanted}")
    names = [unknown.name for unknown in problem.unknowns]
    values = {name: reference.values[name] for name in names if name in reference.values}
    if not values:
        found, wanted = ", ".join(reference.values), ", ".join(names)
        raise UserError(f"reference {source} gives {found}, and the unknowns of the problem are {wanted}")
    inside = problem.domain.contains(reference.coordinates())
    if not inside.all() and problem.domain.geometry is None:
        _log.warning(
            "warning: %d of %d points of the reference lie outside the domain, and are not compared",
            (~inside).sum(), len(inside),
        )  # fmt: skip
    for name, array in values.items():
        known = np.isfinite(array).ravel()
        if not (known & inside).any():
            raise UserError(f"reference {source}: {name} is known nowhere in the problem's domain")
    fitted = replace(
        reference,
        values=values,
        errors={name: error for name, error in reference.errors.items() if name in values},
    )
    for line in mismatches(problem, fitted):
        _log.warning("warning: %s", line)
    return fitted


def _exact(problem: Problem, exact: Mapping[str, Expression]) -> ReferenceSolution:
    axes = grid_axes(problem)
    points = grid_points(axes)
    inside = problem.domain.contains(points)
    shape = tuple(len(axis) for axis in axes.values())
    values = {**problem.true_parameters, **dict(zip(problem.variables, points.T, strict=True))}
    found = {}
    for name, expression in exact.items():
        if unknown := sorted(expression.names - set(values)):
            raise UserError(
                f"reference.exact.{name}: the value of {unknown[0]}, which is trained, is not known; "
                f"give it as in reference: {{exact: ..., parameters: {{{unknown[0]}: 1.0}}}}"
            )
        with np.errstate(all="ignore"):
            exact_values = np.broadcast_to(expression.evaluate(values, NUMPY_FUNCTIONS), inside.shape)
        found[name] = np.where(inside, exact_values, math.nan).reshape(shape)
    return ReferenceSolution(axes, None, found, dict.fromkeys(found, 0.0), "exact")


def grid_axes(problem: Problem) -> dict[str, Array]:
    """A grid over the box around the domain: variable -> nodes, in the problem's order."""
    dims = len(problem.variables)
    sizes = (_STEADY if problem.domain.time is None else _GRID).get(dims) or _GRID.get(dims)
    sizes = sizes or (max(_FEWEST, round(_MOST_POINTS ** (1 / dims))),) * dims
    return {
        variable: np.linspace(low, high, size)
        for variable, (low, high), size in zip(problem.variables, problem.domain.bounds, sizes, strict=True)
    }


@torch.no_grad()
def values_at(solution: AnySolution, points_MD: Array) -> dict[str, Array]:
    """Unknown -> ``(M,)``, at points anywhere."""
    parameter = next(solution.networks[0].parameters())
    points = torch.as_tensor(points_MD, dtype=parameter.dtype, device=parameter.device)
    parts = [unknown_values(solution, part) for part in points.split(_AT_ONCE)]
    names = [unknown.name for unknown in solution.problem.unknowns]
    return {name: torch.cat([part[name] for part in parts]).double().cpu().numpy() for name in names}


@dataclass(frozen=True)
class Comparison:
    """A solution on the points of a reference, or on a grid if there is none.

    Args:
        axes: of the grid, or None for scattered points.
        points: ``(M, D)``.
        found: unknown -> ``(M,)``, NaN outside of the domain.
        reference: unknown -> ``(M,)``; empty without a reference.
        reference_errors: unknown -> relative L2, what the reference says of itself.
        description: of the reference, in a line.
        free: the unknowns that are determined up to a constant; it is chosen to fit the reference.
    """

    axes: Mapping[str, Array] | None
    points: Array
    found: Mapping[str, Array]
    reference: Mapping[str, Array]
    reference_errors: Mapping[str, float]
    description: str
    free: tuple[str, ...] = ()

    def levelled(self, name: str) -> Array:
        """What was found for an unknown, ``(M,)``; with the constant that fits best, if it has one free."""
        found = self.found[name]
        if name not in self.free or name not in self.reference:
            return found
        difference = self.reference[name] - found
        return found + difference[np.isfinite(difference)].mean()

    def errors(self) -> dict[str, float]:
        """Unknown -> relative L2 error over the points; infinite where the reference is 0."""
        sizes = {name: _root_mean_square(values) for name, values in self.reference.items()}
        nothing = _ROUNDING * max(sizes.values(), default=0.0)
        return {
            name: relative_l2(self.levelled(name), values if sizes[name] > nothing else 0.0 * values)
            for name, values in self.reference.items()
        }

    def absolute_errors(self) -> dict[str, float]:
        """Unknown -> root mean square error over the points, in its own unit."""
        return {
            name: _root_mean_square(self.levelled(name) - values) for name, values in self.reference.items()
        }


def _root_mean_square(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else math.nan


def compare(solution: AnySolution, reference: ReferenceSolution | None) -> Comparison:
    """Evaluate a solution where its reference, as of :func:`make_reference`, is known."""
    if reference is None:
        axes = grid_axes(solution.problem)
        points = grid_points(axes)
        return Comparison(axes, points, _inside(solution, points), {}, {}, "none")
    points = reference.coordinates()
    values = {name: values.ravel() for name, values in reference.values.items()}
    stated = solution.problem.reference
    return Comparison(
        reference.axes, points, _inside(solution, points), values, reference.errors, reference.description,
        stated.up_to_constant if stated else (),
    )  # fmt: skip


def _inside(solution: AnySolution, points: Array) -> dict[str, Array]:
    inside = solution.problem.domain.contains(points)
    return {name: np.where(inside, v, math.nan) for name, v in values_at(solution, points).items()}
