"""The configuration of a solve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import nn

from wsapps.alpha import AutoAlphaConfig, check_has_alpha
from wsapps.config import choice, doc
from wsapps.config.checks import not_negative
from wsapps.fields import FIELDS, make_field, parameter_count
from wsapps.quasi_newton import QuasiNewtonConfig
from wsapps.seeding import seed_global
from wsapps.trainer import TrainerConfig
from wsapps_pde.learning.balance import BalanceConfig, PointWeightsConfig
from wsapps_pde.learning.collocation import CollocationConfig
from wsapps_pde.learning.moving import Moves, MovingObjective
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import ProblemConfig
from wsapps_pde.problems.time_windows import WindowsConfig, time_windows
from wsapps_pde.solution.field import SolutionField
from wsapps_pde.solution.windowed import AnySolution, whole

_LEAST_PART = 0.1  # of max_seconds, what is left to time windows however long the earlier ones took
_FEW = 3000  # parameters: Levenberg-Marquardt's steps cost their square, and were measured at 1,900
_LARGE = 15  # steps of other methods, that one of Levenberg-Marquardt stands for in a run's default
DTYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass
class StagesConfig:
    """How a run is divided between gradient descent and the quasi-Newton stage after it."""

    descent: float | None = doc(
        "part of the run's time, or steps, that gradient descent gets; by default 0.15, and before "
        "levenberg_marquardt a twentieth of the time, or half of the steps",
        default=None,
    )
    method: Literal["auto", "levenberg_marquardt", "ssbroyden", "ssbfgs", "bfgs", "lbfgs", "none"] = doc(
        "the second-order method; auto is levenberg_marquardt up to 3,000 parameters where there are as many "
        "residuals, and ssbroyden elsewhere; none leaves all to gradient descent",
        default="auto",
    )
    refresh_every: int | None = doc(
        "quasi-Newton steps on the same points, 0 for the same always; by default 500, and 10 of "
        "levenberg_marquardt, whose steps are so much larger",
        default=None,
    )

    def __post_init__(self) -> None:
        if self.descent is not None and not 0 <= self.descent <= 1:
            raise ValueError(f"descent is a part and must be in [0, 1], got {self.descent}")
        if self.refresh_every is not None:
            not_negative(self, "refresh_every")

    def suited(self, objective: MovingObjective) -> StagesConfig:
        """The same with a method of its own in place of auto; the properties below need one."""
        if self.method != "auto":
            return self
        few = objective.has_rows and parameter_count(objective) <= min(_FEW, objective.residual_count)
        return replace(self, method="levenberg_marquardt" if few else "ssbroyden")

    @property
    def large_steps(self) -> bool:
        """Whether a step of the stage is worth, and costs, many of the other methods'."""
        return self.method == "levenberg_marquardt"

    @property
    def descent_part(self) -> tuple[float, float]:
        """Of the steps, and of the time, that gradient descent gets."""
        if self.method == "none":
            return 1.0, 1.0
        if self.descent is not None:
            return self.descent, self.descent
        return (0.5, 0.05) if self.large_steps else (0.15, 0.15)

    @property
    def refresh(self) -> int:
        """``refresh_every``, or the method's own."""
        if self.refresh_every is not None:
            return self.refresh_every
        return 10 if self.large_steps else 500


@dataclass
class SolveConfig:
    """Everything that a solution depends on; configs/pde/solve.yaml fills it."""

    out: str | None = doc("run folder; by default runs/pde/<name>-<time>", default=None)
    problem: ProblemConfig = field(default_factory=ProblemConfig)
    method: Any = choice(FIELDS, default="weight_scaling", text="the field that each network is")
    alpha: Literal["auto"] | None = doc(
        "auto chooses method.alpha by short trials, as method.alpha=auto does; null takes method.alpha",
        default=None,
    )
    auto_alpha: AutoAlphaConfig = field(default_factory=AutoAlphaConfig)
    by_construction: bool = doc(
        "build conditions on whole faces into the solution, where their data fit together", default=True
    )
    dtype: Literal["float64", "float32"] = doc("precision of everything", default="float64")
    windows: WindowsConfig = field(default_factory=WindowsConfig)
    points: CollocationConfig = field(default_factory=CollocationConfig)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    weights: PointWeightsConfig = field(default_factory=PointWeightsConfig)
    stages: StagesConfig = field(default_factory=StagesConfig)
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(default_steps=4000))

    def __post_init__(self) -> None:
        if self.trainer.mixed_precision != "no":
            raise ValueError(
                f"trainer.mixed_precision={self.trainer.mixed_precision}: residuals need the precision that "
                "dtype gives; choose no"
            )
        check_has_alpha(self.alpha, self.method, "sine")
        steps = self.trainer.last_step
        if steps is not None and steps < self.windows.count:
            raise ValueError(f"{steps} steps are too few for windows.count={self.windows.count}")


def make_solution(
    config: SolveConfig, problem: Problem, before: SolutionField | None = None
) -> SolutionField:
    """The unknowns, drawn from the configured seed.

    Args:
        problem: or a time window of it.
        before: the solution of the window before, or None.

    Raises:
        UserError: a setting of the method is out of range.
    """
    seed_global(config.trainer.seed, "init")

    def make(in_features: int, out_features: int) -> nn.Module:
        return make_field(in_features, out_features, config.method)

    return SolutionField(problem, make, config.by_construction, before).to(DTYPES[config.dtype])


def make_whole_solution(config: SolveConfig, problem: Problem) -> AnySolution:
    """The unknowns over the whole time, in windows if the configuration has some; raises UserError."""
    windows: list[SolutionField] = []
    for window in time_windows(problem, config.windows.count):
        windows.append(make_solution(config, window, windows[-1] if windows else None))
    return whole(problem, windows)


def make_objective(
    config: SolveConfig, problem: Problem, before: SolutionField | None = None
) -> MovingObjective:
    """The unknowns and their loss, of a problem or of a time window.

    Raises:
        UserError: a setting of the method is out of range, or nothing is left to be minimised.
    """
    moves = Moves(config.points, config.balance, config.weights)
    solution = make_solution(config, problem, before)
    return MovingObjective(solution, moves, config.trainer.seed, DTYPES[config.dtype])


def window_config(config: SolveConfig, number: int, seconds: float) -> SolveConfig:
    """The configuration of a time window: its share of the run's steps, and of the time that is left.

    Args:
        number: of the window, from 0.
        seconds: that the windows before took.
    """
    count, trainer = config.windows.count, config.trainer

    def share(steps: int | None) -> int | None:
        return None if steps is None else steps * (number + 1) // count - steps * number // count

    left = trainer.max_seconds
    if left is not None:
        left = max(left - seconds, _LEAST_PART * left) / (count - number)
    return replace(
        config,
        windows=replace(config.windows, count=1),  # it is not divided any more
        trainer=replace(
            trainer,
            max_steps=share(trainer.max_steps),
            default_steps=share(trainer.default_steps),
            max_seconds=left,
        ),
    )


def descent_config(config: SolveConfig) -> TrainerConfig | None:
    """The trainer's settings for the part that gradient descent gets; None if it gets none."""
    part_of_steps, part_of_time = config.stages.descent_part
    trainer = _staged(config)
    if part_of_steps == 0:
        return None

    def steps(whole: int | None) -> int | None:
        return None if whole is None else max(1, round(whole * part_of_steps))

    return replace(
        trainer,
        max_steps=steps(trainer.max_steps),
        max_seconds=None if trainer.max_seconds is None else trainer.max_seconds * part_of_time,
        default_steps=steps(trainer.default_steps),
    )


def quasi_newton_config(config: SolveConfig, steps: int, seconds: float) -> QuasiNewtonConfig | None:
    """The stage's settings for what ``steps`` and ``seconds`` of gradient descent left; None if nothing."""
    trainer = _staged(config)
    max_steps = None if trainer.last_step is None else trainer.last_step - steps
    max_seconds = None if trainer.max_seconds is None else trainer.max_seconds - seconds
    over = any(limit is not None and limit <= 0 for limit in (max_steps, max_seconds))
    method = config.stages.method
    assert method != "auto"  # StagesConfig.suited
    if over or method == "none":
        return None
    return QuasiNewtonConfig(
        method=method,
        max_steps=max_steps,
        max_seconds=max_seconds,
        refresh_every=config.stages.refresh,
        seed=trainer.seed,
        compile=trainer.compile and config.stages.descent_part[0] == 0,
        log_every=max(1, trainer.log_every // 10) if config.stages.large_steps else trainer.log_every,
        checkpoint_seconds=trainer.checkpoint_seconds,
    )


def _staged(config: SolveConfig) -> TrainerConfig:
    """The trainer's settings, with fewer steps by default where those of the stage are large."""
    trainer = config.trainer
    if trainer.default_steps is None or not config.stages.large_steps:
        return trainer
    return replace(trainer, default_steps=max(1, trainer.default_steps // _LARGE))
