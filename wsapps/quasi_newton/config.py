"""Settings of a quasi-Newton stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wsapps.config import doc
from wsapps.config.checks import at_least_one, not_negative
from wsapps.quasi_newton.minimize import DENSE_LIMIT_BYTES
from wsapps.run_limits import check_limits, last_step


@dataclass
class QuasiNewtonConfig:
    """Settings of :class:`~wsapps.stages.QuasiNewtonStage`; limits and cadences mean what the trainer's mean.

    Steps are accepted quasi-Newton steps of the stage, and seconds those of the stage. It ends at
    ``max_steps`` or ``max_seconds``, whichever comes first; where neither is given, at ``default_steps``.
    """

    method: Literal["ssbroyden", "ssbfgs", "bfgs", "lbfgs", "levenberg_marquardt"] = doc(
        "how curvature is learned; levenberg_marquardt: of objectives that are sums of squares, from each "
        "residual's own derivatives",
        default="ssbroyden",
    )
    max_steps: int | None = doc("stop after this many accepted steps", default=None)
    max_seconds: float | None = doc("stop after this much time in the stage", default=None, unit="s")
    default_steps: int | None = doc("max_steps, where neither it nor max_seconds is given", default=None)
    seed: int = doc("seed of the batches and of noise in the objective", default=0)
    refresh_every: int = doc("steps on one frozen batch, 0 for a single batch", default=0)
    keep_inverse: bool = doc("keep what was learned of the curvature when the batch changes", default=True)
    keep_best: bool = doc("end with the parameters of the best score, where there is one", default=True)
    memory: int = doc("steps that L-BFGS keeps", default=50)
    dense_limit_bytes: int = doc(
        "largest matrix of the dense methods; L-BFGS beyond", default=DENSE_LIMIT_BYTES, unit="bytes"
    )
    gradient_tolerance: float = doc("stop where the gradient's norm is no more", default=0.0)
    tolerance: float = doc(
        "stop where `patience` steps reduce the loss by no more than this part", default=0.0
    )
    patience: int = doc("steps without progress before it stops", default=50)
    evaluations: int = doc("most evaluations of one line search", default=25)
    compile: bool = doc("compile the objective, where a trainer has not done so before", default=False)
    log_every: int = doc("steps between log lines and TensorBoard points", default=50)
    evaluate_every: int = doc("steps between evaluations, 0 for none", default=0)
    evaluate_seconds: float = doc("time between evaluations, 0 for none", default=0.0, unit="s")
    checkpoint_seconds: float = doc("time between checkpoints", default=60.0, unit="s")

    def __post_init__(self) -> None:
        at_least_one(self, "memory", "patience", "evaluations", "log_every")
        not_negative(
            self, "refresh_every", "dense_limit_bytes", "gradient_tolerance", "tolerance", "evaluate_every",
            "evaluate_seconds", "checkpoint_seconds",
        )  # fmt: skip
        check_limits(self, "stage")

    @property
    def last_step(self) -> int | None:
        """Steps after which the stage ends: max_steps; default_steps where no limit was given; or None."""
        return last_step(self)
