"""Does the exact solution that a problem states solve its equations?

Its derivatives are nested autograd's, in float64, so that what is left is rounding or a slip of the pen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wsapps.derivatives import autograd_derivatives
from wsapps_pde.language.expressions import Expression
from wsapps_pde.language.functions import torch_functions
from wsapps_pde.language.symbols import derivative_name
from wsapps_pde.space.drawing import PointSource

if TYPE_CHECKING:
    from wsapps_pde.problems.problem import Problem

_FUNCTIONS = torch_functions(torch.float64)
_TRIED = 256  # points of the domain
_AGREE = 1e-3  # of the size of a residual's terms
_SHAKE = 0.5  # by how much terms are changed to see their size, which the residual alone does not tell


def unsolved(problem: Problem) -> Iterator[str]:
    """A line for each residual that the exact solution does not satisfy, of those of which all is stated."""
    exact = problem.reference.exact if problem.reference else {}
    known = {*problem.variables, *problem.true_parameters}
    stated = {name: solution for name, solution in exact.items() if solution.names <= known}
    points = problem.domain.draw(_TRIED, PointSource("sobol", 0, "exact residuals"))
    coordinates_ND = torch.from_numpy(points)
    for number, residual in enumerate(problem.residuals, start=1):
        pairs = sorted(residual.derivatives(problem.names.unknowns, problem.variables))
        if not isinstance(residual, Expression) or not pairs or not {name for name, _ in pairs} <= {*stated}:
            continue
        found = _derivatives(stated, pairs, problem, coordinates_ND)
        rest = {**problem.true_parameters, **_columns(problem, coordinates_ND)}
        left_N = _on(residual, {**rest, **found}, len(points))
        size_N = _on(residual, {**rest, **_shaken(found)}, len(points))
        both = left_N.isfinite() & size_N.isfinite()
        left, size = (float(values[both].square().mean().sqrt()) for values in (left_N, size_N))
        if both.any() and left > _AGREE * size:
            name = "residual" if len(problem.residuals) == 1 else f"residual {number}"
            yield (
                f"the exact solution does not solve {name} ({residual.text}), which is {left:.2g} with it, "
                "root mean square"
            )


def _derivatives(
    stated: Mapping[str, Expression], pairs: list, problem: Problem, coordinates_ND: Tensor
) -> dict[str, Tensor]:
    found = {}
    for name in {name for name, _ in pairs}:
        indices = [index for other, index in pairs if other == name]

        def values(at_ND: Tensor, name: str = name) -> Tensor:
            columns = {**problem.true_parameters, **_columns(problem, at_ND)}
            return (_on(stated[name], columns, len(at_ND)) + 0 * at_ND.sum(dim=1))[:, None]

        for index, tensor in autograd_derivatives(values, coordinates_ND, indices).items():
            assert not isinstance(index, str)
            found[derivative_name(name, index, problem.variables)] = tensor[:, 0].detach()
    return found


def _columns(problem: Problem, coordinates_ND: Tensor) -> dict[str, Tensor]:
    return dict(zip(problem.variables, coordinates_ND.unbind(-1), strict=True))


def _on(expression: Expression, values: Mapping[str, Tensor | float], count: int) -> Tensor:
    found = torch.as_tensor(expression.evaluate(values, _FUNCTIONS), dtype=torch.float64)
    return found.expand(count)


def _shaken(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    drawn = torch.Generator().manual_seed(0)
    return {
        name: tensor * (1 + _SHAKE * (2 * torch.rand(tensor.shape, generator=drawn, dtype=torch.float64) - 1))
        for name, tensor in found.items()
    }
