"""A problem's loss whose points are drawn anew, and whose terms are balanced, on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch

from wsapps_pde.learning.balance import (
    BalanceConfig,
    PointWeightsConfig,
    update_balance,
    update_point_weights,
)
from wsapps_pde.learning.collocation import CollocationConfig, redraw
from wsapps_pde.learning.estimate import Snapshots
from wsapps_pde.learning.held_out import HeldOut
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.solution.field import SolutionField

STAGE = 1_000_000  # redraws of a quasi-Newton stage are counted from here, those of descent from 1


@dataclass(frozen=True)
class Moves:
    """What moves during training."""

    points: CollocationConfig = field(default_factory=CollocationConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    weights: PointWeightsConfig = field(default_factory=PointWeightsConfig)


class MovingObjective(PDEObjective):
    """Residuals of a problem at points that move; with snapshots for the estimated error.

    Args:
        solution: the unknowns; trained in place.
        moves: what moves, and when.
        seed: of the points.
    """

    def __init__(self, solution: SolutionField, moves: Moves, seed: int, dtype: torch.dtype):
        counts: Mapping[str | None, int] = {"interior": moves.points.interior, None: moves.points.condition}
        super().__init__(solution, counts, seed, dtype)
        self.moves = moves
        self.snapshots = Snapshots(solution, seed, dtype)

    @cached_property
    def held_out(self) -> HeldOut:
        """Held-out points, on the device where they are first asked for."""
        return HeldOut(self)

    def before_step(self, step: int) -> None:
        points, balance = self.moves.points, self.moves.balance
        moved = points.every > 0 and step > 0 and step % points.every == 0
        if moved:
            self.noted_score()
            redraw(self, points, step // points.every)
        if moved or step % balance.every == 0:
            self._rebalance(step, first=step == 0)

    def refresh(self, number: int, first: bool = False) -> None:
        """New points and balance for a quasi-Newton stage, which counts its refreshes from 0.

        Args:
            first: whether there was no balance before that could be remembered.
        """
        redraw(self, self.moves.points, STAGE + number)
        self._rebalance(STAGE + number, first)

    def noted_score(self) -> float:
        """The held-out points' score; a snapshot is taken if it has fallen."""
        score = self.held_out.score()
        self.snapshots.note(self.solution, score)
        return score

    def _rebalance(self, step: int, first: bool = False) -> None:
        update_balance(self, self.moves.balance, step, first)
        update_point_weights(self, self.moves.weights)
