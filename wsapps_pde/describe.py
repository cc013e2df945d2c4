"""``python -m wsapps_pde.describe problem=mine.yaml``: the problem as the solver understands it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from wsapps.command import run_command
from wsapps.config import load_or_help
from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.mapping import is_number
from wsapps_pde.language.notation import derivative, mathematical
from wsapps_pde.language.python_term import Term
from wsapps_pde.language.symbols import MultiIndex
from wsapps_pde.outputs.solver_settings import told_solver
from wsapps_pde.problems.conditions import AnyLocation, Condition, Periodic
from wsapps_pde.problems.parameters import Parameter
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import ProblemConfig
from wsapps_pde.solution.built_in import built_in
from wsapps_pde.space.cloud import Cloud

PROGRAM = "python -m wsapps_pde.describe"
_INDENT = " " * 4


@dataclass
class DescribeConfig:
    """What is described; configs/pde/describe.yaml fills it."""

    problem: ProblemConfig = field(default_factory=ProblemConfig)


def describe(problem: Problem, unicode: bool = True) -> str:
    """The problem in words and formulas, some twenty lines.

    Args:
        unicode: write derivatives with ∂ and superscripts; otherwise in ASCII.
    """
    kind = "inverse problem" if problem.is_inverse else "problem"
    sections = [
        (f"{kind} {problem.name}", []),
        ("domain", list(_domain(problem))),
        ("unknowns", [f"{u.name}({', '.join(u.variables)})" for u in problem.unknowns]),
        ("parameters", [_parameter(name, p, problem) for name, p in problem.parameters.items()]),
        ("residuals, each driven to zero", list(_residuals(problem, unicode))),
        ("conditions", list(_conditions(problem, unicode))),
        ("data", list(_data(problem, unicode))),
        ("points", list(_points(problem))),
        ("reference", list(_reference(problem, unicode))),
        ("settings for solve", [" ".join(problem.solve)] if problem.solve else []),
        ("warnings", list(problem.warnings)),
    ]
    lines = []
    for title, entries in sections:
        if entries or title.startswith(kind):
            lines += [title, *(f"{_INDENT}{line}" for line in entries)]
    return "\n".join(lines)


def _domain(problem: Problem) -> Iterator[str]:
    domain = problem.domain
    for variable in domain.variables:
        yield domain.describe_range(variable) + (", time" if variable == "t" else "")
    if domain.geometry is not None:
        yield f"{domain.geometry.describe(domain.space)}: measure {domain.geometry.measure:.4g}"


def _parameter(name: str, parameter: Parameter, problem: Problem) -> str:
    value = f"{parameter.value:.10g}"
    if not parameter.trainable:
        written = parameter.text
        return f"{name} = {value}" if is_number(written) else f"{name} = {written} = {value}"
    bounds = [f"at least {parameter.minimum:.6g}"] if parameter.minimum is not None else []
    bounds += [f"at most {parameter.maximum:.6g}"] if parameter.maximum is not None else []
    true = problem.reference.parameters.get(name) if problem.reference else None
    known = [] if true is None else [f"true value {true:.10g}"]
    return ", ".join([f"{name} is to be found, from {value}", *bounds, *known])


def _residuals(problem: Problem, unicode: bool) -> Iterator[str]:
    for number, residual in enumerate(problem.residuals, start=1):
        weight = problem.residual_weights[number - 1] if problem.residual_weights else 1.0
        weighted = "" if weight == 1 else f", weight {weight:.6g}"
        yield f"{number}. {_formula(residual, problem, unicode)}{weighted}"
        yield f"   {_orders(residual, problem, unicode)}"
    if not problem.residuals:
        yield "none: the conditions and the data are all there is"


def _formula(term: Term, problem: Problem, unicode: bool) -> str:
    return mathematical(term.steps, problem.names, unicode) if isinstance(term, Expression) else term.text


def _orders(term: Term, problem: Problem, unicode: bool) -> str:
    """Which derivatives are needed, and the order in each variable."""
    pairs = sorted(term.derivatives(problem.names.unknowns, problem.variables), key=_by_order)
    wanted = [derivative(name, index, problem.variables, unicode) for name, index in pairs if sum(index)]
    highest = np.max([index for _, index in pairs], axis=0)
    orders = [f"{order} in {v}" for v, order in zip(problem.variables, highest, strict=True) if order]
    if not wanted:
        return "no derivatives"
    return f"derivatives {', '.join(wanted)}; order {', '.join(orders)}"


def _by_order(pair: tuple[str, MultiIndex]) -> tuple:
    name, index = pair
    return name, sum(index), tuple(-order for order in index)


def _conditions(problem: Problem, unicode: bool) -> Iterator[str]:
    without_loss = built_in(problem)
    for condition in problem.conditions:
        built = "; can be built into the solution" if str(condition) in without_loss else ""
        number = condition.label.removeprefix("condition ")
        if isinstance(condition, Periodic):
            low, high = problem.domain.bounds[problem.variables.index(condition.variable)]
            joined = f"{condition.variable} = {low:.6g} is {condition.variable} = {high:.6g}"
            yield f"{number}. periodic: {joined}{built}"
        else:
            weight = "" if condition.weight == 1 else f", weight {condition.weight:.6g}"
            yield f"{number}. {_equation(condition, problem, unicode)} at {condition.location.text}{weight}"
            yield f"   {_location(condition.location)}{built}"


def _equation(condition: Condition, problem: Problem, unicode: bool) -> str:
    """With ``normal_derivative(u)`` as the user wrote it, and not as the sum that it stands for."""
    left = condition.left
    shown = left.text if condition.uses_normals else mathematical(left.steps, problem.names, unicode)
    return f"{shown} = {mathematical(condition.right.steps, problem.names, unicode)}"


def _location(location: AnyLocation) -> str:
    if isinstance(location, Cloud):
        return f"{len(location.oriented[0])} points, with outward normals"
    words = {1: "line", 2: "area", 3: "volume"}
    dims = max(place.dims for place in location.places)
    count = len(location.places)
    plural = "s" * (count != 1)
    measure = f"{words.get(dims, 'measure')} {location.measure:.4g}"
    what = f"{count} part{plural}, {measure}" if dims else f"{count} point{plural}"
    faces = location.faces()
    if faces is not None:
        bounds = dict(zip(location.domain.variables, location.domain.bounds, strict=True))
        named = [f"{v} = {bounds[v][0 if side == 'lower' else 1]:.6g}" for v, side in faces]
        what += f": the face{'s' * (len(faces) != 1)} {', '.join(named)}"
    elif location.is_whole_boundary():
        what += ": the whole boundary"
    return what + (", with outward normals" if location.has_normals else "")


def _data(problem: Problem, unicode: bool) -> Iterator[str]:
    if problem.data is None:
        return
    data = problem.data
    measured = ", ".join(mathematical(q.steps, problem.names, unicode) for q in data.quantities)
    yield f"{len(data.points)} points with {measured}, from {data.file.name}"
    if data.weight != 1:
        yield f"weight {data.weight:.6g}"


def _points(problem: Problem) -> Iterator[str]:
    if problem.points is not None:
        surface = problem.points.surface
        triangles = "" if surface.faces is None else f", a mesh of {len(surface.faces)} triangles"
        yield f"{len(surface.points)} from {problem.points.source}{triangles}"


def _reference(problem: Problem, unicode: bool) -> Iterator[str]:
    reference = problem.reference
    if reference is None:
        return
    for unknown, expression in reference.exact.items():
        yield f"{unknown} = {mathematical(expression.steps, problem.names, unicode)}, exact"
    if reference.solver:
        yield told_solver(problem, reference.solver)
    if reference.file:
        yield f"file {reference.file}"
    if reference.signed_distance:
        yield f"{reference.signed_distance} is the signed distance to the mesh of the points"
    if reference.up_to_constant:
        yield f"{', '.join(reference.up_to_constant)} up to a constant"


def run(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(DescribeConfig, "describe", "pde", PROGRAM, arguments)
    if config is not None:
        encoding = (getattr(sys.stdout, "encoding", None) or "ascii").lower().replace("-", "")
        print(describe(Problem.from_config(config.problem), unicode=encoding.startswith("utf")))


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(run, arguments)


if __name__ == "__main__":
    sys.exit(main())
