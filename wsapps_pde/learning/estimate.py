"""An error stated without a reference: from how the solution moved while its residual fell.

Errors fall about as the residual's norm does, with a factor that the equation sets and that stays the same.
If a solution u_S with mean squared residual S became u_T with residual T, rho = sqrt(T / S), then
e_T = rho e_S, and |u_S - u_T| is about e_S - e_T, so that

    e_T = rho / (1 - rho) |u_S - u_T|

as in Richardson's extrapolation over two grids. It is an estimate and no bound: where errors lie that the
residual does not see, it is too small. docs/benchmarks.md tabulates its ratio to the true
error.

Shapes: M points, C unknowns, K snapshots.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wsapps_pde.solution.field import SolutionField
from wsapps_pde.solution.windowed import unknown_values
from wsapps_pde.space.drawing import PointSource

_POINTS = 2048
_SLOTS = 64
_STEP = 0.5  # a snapshot is kept where the score has fallen to this part of the last one's
_APART = 1 / 16  # T / S of the pair that is compared


class Snapshots(nn.Module):
    """Values of the unknowns on the way, at points that stay the same, and the score of each.

    Args:
        solution: whose values.
        seed: of the points.
    """

    coordinates: Tensor  # (M, D)
    values: Tensor  # (K, M, C)
    scores: Tensor  # (K,), infinite where nothing is kept yet

    def __init__(self, solution: SolutionField, seed: int, dtype: torch.dtype):
        super().__init__()
        points = solution.problem.domain.draw(_POINTS, PointSource("sobol", seed, "snapshots"))
        self.register_buffer("coordinates", torch.as_tensor(points, dtype=dtype))
        unknowns = len(solution.problem.unknowns)
        self.register_buffer("values", torch.zeros(_SLOTS, _POINTS, unknowns, dtype=dtype))
        self.register_buffer("scores", torch.full((_SLOTS,), torch.inf, dtype=dtype))

    @torch.no_grad()
    def note(self, solution: SolutionField, score: float) -> None:
        """Keep the present values if the score has fallen far enough since the last snapshot."""
        taken = int(self.scores.isfinite().sum())
        last = float(self.scores[taken - 1]) if taken else float("inf")
        if taken < _SLOTS and score <= _STEP * last and score < float("inf"):
            self.values[taken].copy_(self._present(solution))
            self.scores[taken] = score

    @torch.no_grad()
    def errors(self, solution: SolutionField, score: float) -> dict[str, float]:
        """Unknown -> estimated relative L2 error; NaN where the residual never fell far enough to tell."""
        names = [unknown.name for unknown in solution.problem.unknowns]
        kept = enumerate(self.scores.tolist())
        earlier = [n for n, s in kept if 0 < s < float("inf") and score <= _APART * s]
        if not earlier:
            return {name: float("nan") for name in names}
        present = self._present(solution)
        ratio = (score / float(self.scores[earlier[-1]])) ** 0.5
        difference = self.values[earlier[-1]] - present
        stated = solution.problem.reference
        for column, name in enumerate(names):
            if stated is not None and name in stated.up_to_constant:  # its constant is no error
                difference[:, column] -= difference[:, column].mean()
        moved = difference.norm(dim=0) / present.norm(dim=0)
        return dict(zip(names, (ratio / (1 - ratio) * moved).tolist(), strict=True))

    @torch.no_grad()
    def sizes(self, solution: SolutionField) -> dict[str, float]:
        """Unknown -> root mean square over the points, to which :meth:`errors` are relative."""
        names = [unknown.name for unknown in solution.problem.unknowns]
        return dict(zip(names, self._present(solution).square().mean(dim=0).sqrt().tolist(), strict=True))

    def _present(self, solution: SolutionField) -> Tensor:
        values = unknown_values(solution, self.coordinates)
        return torch.stack([values[unknown.name] for unknown in solution.problem.unknowns], dim=-1)
