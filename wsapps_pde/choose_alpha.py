"""``alpha=auto`` for a problem: short descents one after the other, judged by residuals at unseen points."""

from __future__ import annotations

import math
from dataclasses import replace

from wsapps.alpha import Choice, Curve, Trial, choose_by_short_runs, chosen_once, with_alpha
from wsapps.run import Run
from wsapps_pde.config import SolveConfig, descent_config, make_objective, window_config
from wsapps_pde.learning.training import batches, micro_batches
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.time_windows import time_windows

# A solution is worth what its residuals are, so that nothing of them is given away for speed.
_TOLERANCE = 0.0
#: Folders below a run's that hold what is trained with its alpha.
STATES = ("checkpoint", "quasi_newton", "windows")


def chosen(config: SolveConfig, problem: Problem, run: Run) -> SolveConfig:
    """The configuration with ``method.alpha`` chosen, now or by an earlier process. All ranks call it alike.

    ``alpha.json`` and ``alpha.png`` go into the run folder.

    Raises:
        Diverged: alpha = 1 does.
        UserError: the record in the run folder is damaged, or missing where there is a trained state.
    """
    record = chosen_once(run, lambda: (*choose_alpha(config, problem, run), {}), STATES)
    return with_alpha(config, record["alpha"])


def choose_alpha(config: SolveConfig, problem: Problem, run: Run) -> tuple[Choice, list[Curve]]:
    """Try larger alphas until one is worse; a run that is too short for that keeps alpha = 1.

    A trial is a descent on the first time window.

    Raises:
        Diverged: alpha = 1 does.
    """
    return choose_by_short_runs(config, lambda other: _trial(other, problem, run), _TOLERANCE, run)


def _trial(config: SolveConfig, problem: Problem, run: Run) -> Trial:
    """A descent as the run begins with; scores are -10 log10 of the unbalanced loss at unseen points."""
    objective = make_objective(config, time_windows(problem, config.windows.count)[0])
    first = window_config(config, 0, 0.0)
    first = replace(first, stages=first.stages.suited(objective))
    parts = micro_batches(first, objective, run.accelerator)

    def score() -> tuple[float, float]:
        loss = objective.held_out.score()
        level = math.nan if math.isnan(loss) else -10 * math.log10(max(loss, 1e-300))
        return level, level

    descent = descent_config(first) or first.trainer
    return Trial(objective, batches(objective, parts), score, replace(descent, accumulate=parts))
