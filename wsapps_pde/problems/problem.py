"""A problem: domain, unknowns, residuals, conditions, and what is known of the solution.

    problem = load_problem("burgers")             # or "mine.yaml"
    points = problem.domain.draw(1000, PointSource("sobol", seed, "interior", step))
    problem.residuals[0].evaluate({"u": ..., "u_x": ..., "nu": 0.01}, TORCH_FUNCTIONS)

What YAML cannot say is said in Python: a problem is a plain dataclass, and a residual may be a
:class:`~wsapps_pde.language.python_term.PythonTerm`:
``dataclasses.replace(problem, residuals=(PythonTerm(...),))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsapps.config import default_config_dir
from wsapps.errors import UserError
from wsapps_pde.language.constant_parts import check_constant_parts
from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.mapping import entries, known_keys, listed, located, read_weight
from wsapps_pde.language.python_term import Term
from wsapps_pde.language.symbols import MultiIndex, Names, check_name, check_no_derivative
from wsapps_pde.problems.conditions import Condition, Periodic, read_conditions
from wsapps_pde.problems.exact_residuals import unsolved
from wsapps_pde.problems.measurements import Data, DataSpec, read_data, read_data_spec
from wsapps_pde.problems.oriented_points import OrientedPoints, read_points_spec
from wsapps_pde.problems.parameters import Parameter, constants_of, read_parameters
from wsapps_pde.problems.stated_reference import Reference, read_reference_spec
from wsapps_pde.problems.unknowns import Unknown, read_unknowns
from wsapps_pde.space.cloud import Cloud
from wsapps_pde.space.domain import Domain, read_domain

if TYPE_CHECKING:
    from wsapps_pde.problems.problem_file import ProblemConfig


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be solved.

    Args:
        name: for folders and titles.
        domain: where; ``domain.variables`` is the order of coordinates everywhere, space first, then t.
        unknowns: the functions that are to be found.
        parameters: name -> constant or trainable number.
        residuals: each is driven to zero in the domain.
        residual_weights: of their terms in the loss; none for 1 each.
        conditions: equations at places, and periodic variables.
        data: measurements, or None.
        points: oriented points, where conditions hold ``at: points``, or None.
        reference: where the true solution comes from, or None.
        solve: settings ``key=value`` of the solve command that suit the problem.
        folder: from which file names in the problem start.
        warnings: what looks wrong, a line each.
    """

    name: str
    domain: Domain
    unknowns: tuple[Unknown, ...]
    parameters: Mapping[str, Parameter]
    residuals: tuple[Term, ...]
    conditions: tuple[Condition | Periodic, ...]
    data: Data | None = None
    points: OrientedPoints | None = None
    residual_weights: tuple[float, ...] = ()
    reference: Reference | None = None
    solve: tuple[str, ...] = ()
    folder: Path = Path()
    warnings: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        return self.domain.variables

    @cached_property
    def names(self) -> Names:
        """What may stand in the problem's expressions."""
        unknowns = {unknown.name: unknown.variables for unknown in self.unknowns}
        return Names(self.variables, unknowns, tuple(self.parameters), normals=self.domain.space)

    @property
    def trainable(self) -> dict[str, Parameter]:
        """The parameters that are to be found."""
        return {name: each for name, each in self.parameters.items() if each.trainable}

    @property
    def constants(self) -> dict[str, float]:
        """Name -> value of the parameters that are not trainable."""
        return constants_of(self.parameters)

    @property
    def true_parameters(self) -> dict[str, float]:
        """Constants, and of the trainable ones those whose true values the reference gives."""
        return {**self.constants, **(self.reference.parameters if self.reference else {})}

    @property
    def is_inverse(self) -> bool:
        """Whether something else than the solution of a closed system is to be found."""
        return bool(self.trainable) or len(self.residuals) < len(self.unknowns)

    def wanted(self, unknown: str, of: str = "residuals") -> frozenset[MultiIndex]:
        """The derivatives of an unknown that the residuals (or ``of="conditions"``, ``"data"``) need."""
        terms: list[Any] = {
            "residuals": list(self.residuals),
            "conditions": [c for c in self.conditions if isinstance(c, Condition)],
            "data": list(self.data.quantities) if self.data else [],
        }[of]
        pairs = [pair for term in terms for pair in term.derivatives(self.names.unknowns, self.variables)]
        return frozenset(index for name, index in pairs if name == unknown)

    @classmethod
    def from_config(cls, config: ProblemConfig) -> Problem:
        """The problem of a configuration, with its data read and its warnings found.

        Raises:
            UserError: a file of data or points is missing or broken. (Other faults were found by the
                configuration.)
        """
        from wsapps_pde.problems.completeness import missing
        from wsapps_pde.problems.consistency import contradictions

        problem, spec = config.parsed
        if spec is not None:
            with located("data"):
                data = read_data(spec, problem.folder, problem.domain, problem.names)
            problem = replace(problem, data=data)
        if problem.points is not None:
            with located("points"):
                _ = problem.points.surface
        return replace(problem, warnings=(*missing(problem), *contradictions(problem), *unsolved(problem)))


def parse_problem(config: ProblemConfig) -> tuple[Problem, DataSpec | None]:
    """The problem that a configuration describes, its data not yet read.

    Raises:
        UserError: whatever is wrong with it, with the key.
    """
    with located("parameters"):
        parameters = read_parameters(config.parameters)
    constants = constants_of(parameters)
    with located("domain"):
        domain = read_domain(config.domain, constants)
    taken = {**dict.fromkeys(domain.variables, "variable"), **dict.fromkeys(parameters, "parameter")}
    with located("parameters"):
        for name in parameters:
            check_name(name, "parameter", dict.fromkeys(domain.variables, "variable"))
    with located("unknowns"):
        unknowns = read_unknowns(config.unknowns, domain.variables, taken)
        names_of_unknowns = [unknown.name for unknown in unknowns]
        check_no_derivative([*names_of_unknowns, *parameters], names_of_unknowns, domain.variables)
    folder = Path(config.folder) if config.folder else default_config_dir("pde") / "problem"
    problem = Problem(
        config.name, domain, unknowns, parameters, (), (), solve=_settings(config.solve), folder=folder
    )
    names = replace(problem.names, normals=())
    residuals, weights = _residuals(config.residuals, names, constants)
    with located("points"):
        points = read_points_spec(config.points, domain, folder)
    with located("conditions"):
        cloud = None if points is None else Cloud(domain, points.oriented)
        conditions = read_conditions(config.conditions, domain, problem.names, constants, cloud)
    with located("data"):
        data = read_data_spec(config.data, names, constants)
    with located("reference"):
        reference = read_reference_spec(config.reference, names, constants)
    if reference is not None and reference.signed_distance and points is None:
        with located("reference.signed_distance"):
            raise UserError("the distance is that to the mesh of points; give points: {file: mesh.ply}")
    found = replace(
        problem, residuals=residuals, residual_weights=weights, conditions=conditions, points=points,
        reference=reference,
    )  # fmt: skip
    return found, data


def _residuals(
    spec: Any, names: Names, constants: Mapping[str, float]
) -> tuple[tuple[Expression, ...], tuple[float, ...]]:
    """Residuals and their weights; one is written as text, or as ``{residual: text, weight: 0.1}``."""
    found, weights = [], []
    with located("residuals"):
        for number, entry in enumerate(listed(spec)):
            with located(f"[{number}]"):
                text, weight = _weighted(entry, constants)
                weights.append(weight)
                residual = Expression.parse_residual(text, names)
                if not residual.derivatives(names.unknowns, names.variables):
                    raise UserError(
                        f"{residual.text!r} holds no unknown ({', '.join(names.unknowns)}), so nothing can "
                        "drive it to zero"
                    )
                check_constant_parts(residual, constants)
                found.append(residual)
    return tuple(found), tuple(weights)


def _weighted(entry: Any, constants: Mapping[str, float]) -> tuple[Any, float]:
    """The text and the weight of a residual."""
    if not isinstance(entry, Mapping):
        return entry, 1.0
    entry = entries(entry, "a residual")
    known_keys(entry, ("residual", "weight"), "a residual")
    if "residual" not in entry:
        raise UserError("a residual with a weight is written {residual: u_t - u_xx, weight: 0.1}")
    with located("weight"):
        return entry["residual"], read_weight(entry.get("weight", 1.0), constants)


def _settings(spec: Any) -> tuple[str, ...]:
    with located("solve"):
        for text in listed(spec):
            if not isinstance(text, str) or "=" not in text:
                raise UserError(f"settings are written key=value, got {text!r}")
        return tuple(listed(spec))
