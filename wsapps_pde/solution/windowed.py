"""A solution in time windows as one: at each time that of the window in which it lies.

Shapes: N points, D variables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from wsapps_pde.language.symbols import Wanted
from wsapps_pde.problems.problem import Problem
from wsapps_pde.solution.bounded_parameters import BoundedParameters
from wsapps_pde.solution.field import SolutionField
from wsapps_pde.solution.network import Network


class WindowedSolution(nn.Module):
    """The unknowns of a problem, window by window.

    Args:
        problem: the whole.
        windows: the solutions of its time windows, in their order.
    """

    def __init__(self, problem: Problem, windows: Sequence[SolutionField]):
        super().__init__()
        self.problem = problem
        self._windows = nn.ModuleList(windows)

    @property
    def windows(self) -> list[SolutionField]:
        return cast(list[SolutionField], list(self._windows))

    @property
    def networks(self) -> list[Network]:
        """Those of all windows."""
        return [network for window in self.windows for network in window.networks]

    @property
    def parameters_(self) -> BoundedParameters:
        """Trainable parameters of the problem: none, as problems that have some are not divided."""
        return self.windows[0].parameters_

    def forward(self, coordinates_ND: Tensor, wanted: Wanted) -> dict[str, Tensor]:
        """``u_xt`` and so on -> ``(N,)``, as of :class:`SolutionField`; before and after the time the nearest
        window goes on."""
        time = self.problem.domain.time
        assert time is not None
        starts = coordinates_ND.new_tensor(
            [window.problem.domain.bounds[time, 0] for window in self.windows[1:]]
        )
        which_N = torch.bucketize(coordinates_ND[:, time].contiguous(), starts)
        values: dict[str, Tensor] = {}
        for number, window in enumerate(self.windows):
            mine = (which_N == number).nonzero()[:, 0]
            if len(mine) or not values:
                for name, part in window(coordinates_ND[mine], wanted).items():
                    whole = values.setdefault(name, part.new_empty(len(coordinates_ND)))
                    values[name] = whole.index_copy(0, mine, part)
        return values


AnySolution = SolutionField | WindowedSolution


def whole(problem: Problem, windows: Sequence[SolutionField]) -> AnySolution:
    """The solution over all windows; where the time is not divided, the only one there is."""
    return windows[0] if len(windows) == 1 else WindowedSolution(problem, windows)


def unknown_values(solution: AnySolution, coordinates_ND: Tensor) -> dict[str, Tensor]:
    """Unknown -> ``(N,)``, without derivatives, at points anywhere."""
    zero = frozenset([(0,) * len(solution.problem.variables)])
    return solution(coordinates_ND, {unknown.name: zero for unknown in solution.problem.unknowns})
