"""Small problems and fields for the tests of the solver."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import nn

from wsapps.config import default_config_dir
from wsapps.fields import SinusoidalField
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import ProblemConfig, load_problem
from wsapps_pde.solution.field import SolutionField

#: The shipped problems, and those of them that have residuals.
FILES = sorted((default_config_dir("pde") / "problem").glob("*.yaml"))
LIBRARY = [path.stem for path in FILES if "residuals: []" not in path.read_text(encoding="utf-8")]

HEAT: dict[str, Any] = {
    "domain": {"x": [0, 1], "t": [0, 2]},
    "residuals": ["u_t - 0.1*u_xx"],
    "conditions": [{"at": "t = 0", "u": "sin(pi*x)"}, {"at": "boundary", "u": 0}],
}


def problem(**spec: Any) -> Problem:
    """A problem as a YAML file would give it, unknown u, without its warnings (which take time to find)."""
    return ProblemConfig(**{"name": "test", "unknowns": ["u"], "residuals": ["u"], **spec}).parsed[0]


@functools.cache
def shipped(name: str) -> Problem:
    """One of the library, with its data."""
    return load_problem(name)


def small_field(in_features: int, out_features: int) -> nn.Module:
    """A sine field that is far from linear in [-1, 1]."""
    return SinusoidalField(
        in_features, out_features, width=6, hidden_layers=1, omega_0=2.0, omega_hidden=1.5, alpha=1.0
    )


def solution(of: Problem, seed: int = 0, **settings: Any) -> SolutionField:
    """A random float64 solution, the same for the same seed."""
    torch.manual_seed(seed)
    field = SolutionField(of, settings.pop("make", small_field), **settings).double()
    with torch.no_grad():  # last layers may begin at 0
        for parameter in field.networks[0].parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return field


def objective(of: Problem, points: int = 40, seed: int = 0, **settings: Any) -> PDEObjective:
    """The loss of a random solution, float64, with ``points`` points in the interior and half elsewhere."""
    counts: dict[str | None, int] = {"interior": points, None: points // 2}
    return PDEObjective(solution(of, seed, **settings), counts, seed, torch.float64)
