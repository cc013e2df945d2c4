"""The reference solvers by name: what ``reference: {solver: name, ...settings}`` chooses from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wsapps.config.conversion import nearest
from wsapps.errors import UserError
from wsapps_pde.references.allen_cahn import allen_cahn
from wsapps_pde.references.burgers import burgers_cole_hopf
from wsapps_pde.references.gray_scott import gray_scott
from wsapps_pde.references.helmholtz import helmholtz_2d
from wsapps_pde.references.kdv import kdv
from wsapps_pde.references.kuramoto_sivashinsky import kuramoto_sivashinsky
from wsapps_pde.references.lid_driven_cavity import lid_driven_cavity
from wsapps_pde.references.navier_stokes import navier_stokes_2d
from wsapps_pde.references.poisson_regions import poisson_holes, poisson_l_shape
from wsapps_pde.references.settings import complete_settings
from wsapps_pde.references.solution import ReferenceSolution
from wsapps_pde.references.varying_coefficient import heat_varying_coefficient, poisson_2d_varying

SOLVERS: dict[str, Callable[..., ReferenceSolution]] = {
    "burgers_cole_hopf": burgers_cole_hopf,
    "allen_cahn": allen_cahn,
    "kdv": kdv,
    "kuramoto_sivashinsky": kuramoto_sivashinsky,
    "gray_scott": gray_scott,
    "navier_stokes_2d": navier_stokes_2d,
    "poisson_l_shape": poisson_l_shape,
    "poisson_holes": poisson_holes,
    "poisson_2d_varying": poisson_2d_varying,
    "heat_varying_coefficient": heat_varying_coefficient,
    "helmholtz_2d": helmholtz_2d,
    "lid_driven_cavity": lid_driven_cavity,
}


def chosen_solver(
    name: str, settings: Mapping[str, Any] | None = None
) -> tuple[Callable[..., ReferenceSolution], dict[str, Any]]:
    """A solver and all its settings, defaults included.

    Raises:
        UserError: no such solver, or no such setting; with the nearest one. Values it checks as it solves.
    """
    if not isinstance(name, str) or name not in SOLVERS:
        near = nearest(str(name), list(SOLVERS))
        hint = f"did you mean {near}? " if near else ""
        raise UserError(f"unknown reference solver {str(name)[:80]!r}; {hint}there are {', '.join(SOLVERS)}")
    return SOLVERS[name], complete_settings(name, SOLVERS[name], settings or {})
