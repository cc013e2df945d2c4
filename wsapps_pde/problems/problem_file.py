"""The problem group of a configuration: ``problem=burgers``, or ``problem=mine.yaml``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from wsapps.config import default_config_dir, doc, file_folder, load_config
from wsapps_pde.problems.measurements import DataSpec
from wsapps_pde.problems.problem import Problem, parse_problem


@dataclass
class ProblemConfig:
    """A problem as YAML; the files of configs/pde/problem/ are examples.

    It is checked when it is made, so that a fault is reported with the line of the file.
    """

    name: str = doc("for folders and titles", default="problem")
    domain: Any = doc("ranges, as in {x: [-1, 1], t: [0, 1]}, or {space: SHAPE, t: [0, 1]}", default=None)
    unknowns: Any = doc('functions to be found, as in [u, v, "k(x, y)"]', default=None)
    parameters: Any = doc("constants, or trainable ones as {initial: 1.0, min: 0, max: 5}", default=None)
    residuals: Any = doc('expressions driven to zero, as in ["u_t + u*u_x - nu*u_xx"]', default=None)
    conditions: Any = doc(
        'where which equations hold, as in [{at: "t = 0", u: "sin(pi*x)"}, {periodic: x}]', default=None
    )
    data: Any = doc("measurements, as in {file: points.csv, unknowns: [u]}", default=None)
    points: Any = doc(
        "oriented points for at: points, as in {file: bunny.ply, fit: 0.8} or {sample: lobes}", default=None
    )
    reference: Any = doc(
        "the true solution: {exact: {u: ...}}, {solver: NAME}, {file: ref.npz} or {signed_distance: u}",
        default=None,
    )
    solve: list[str] = doc("settings of the solve command that suit the problem", default_factory=list)
    folder: str | None = file_folder("from which file names start; the problem file's own if null")
    parsed: tuple[Problem, DataSpec | None] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.parsed = parse_problem(self)


@dataclass
class _ProblemAlone:
    problem: ProblemConfig = field(default_factory=ProblemConfig)


def load_problem(problem: str, settings: Sequence[str] = ()) -> Problem:
    """A problem by name, or from a YAML file.

    Args:
        problem: "burgers", or the path of a file that ends in .yaml.
        settings: as on the command line, as in ``["problem.parameters.nu=0.02"]``.

    Raises:
        UserError: there is none, or something is wrong with it.
    """
    return Problem.from_config(load_problem_config([f"problem={problem}", *settings]))


def load_problem_config(arguments: Sequence[str]) -> ProblemConfig:
    """The problem that ``problem=...`` and ``problem.key=...`` choose; raises UserError."""
    config_dir = default_config_dir("pde")
    return load_config(_ProblemAlone, "describe", config_dir=config_dir, overrides=arguments).problem
