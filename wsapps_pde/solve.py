"""``python -m wsapps_pde.solve problem=burgers``: solve a problem and say how well.

A problem's own settings (its key ``solve``) come before those of the command line.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wsapps.accelerator import make_accelerator
from wsapps.alpha import with_auto_alpha
from wsapps.alpha.fallback import with_fallback
from wsapps.command import run_command
from wsapps.config import default_config_dir, load_config, load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.fields import parameter_count
from wsapps.run import Run, describe_device, open_run
from wsapps.same_input import fingerprint, keep_input
from wsapps_pde.choose_alpha import STATES, chosen
from wsapps_pde.config import SolveConfig, make_objective
from wsapps_pde.learning.figures import estimated_errors, held_out_residuals, residuals
from wsapps_pde.learning.moving import MovingObjective
from wsapps_pde.learning.windows import train_windows
from wsapps_pde.outputs.evaluation import compare, make_reference
from wsapps_pde.outputs.run_files import write_outputs
from wsapps_pde.outputs.solution_file import save_solution
from wsapps_pde.outputs.solver_settings import told_solver
from wsapps_pde.problems.conditions import Condition
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.problem_file import load_problem_config
from wsapps_pde.problems.time_windows import time_windows
from wsapps_pde.references.solution import ReferenceSolution
from wsapps_pde.solution.windowed import AnySolution, whole
from wsapps_pde.space.cloud import Cloud

PROGRAM = "python -m wsapps_pde.solve"
_ALPHA = "method.alpha"
_log = logging.getLogger("wsapps")


def solve(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    arguments = with_own_settings(arguments)
    config = load_or_help(SolveConfig, "solve", "pde", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator()
    prepared = prepare(config)
    with open_run(config, "pde", config.problem.name, accelerator) as run:
        if run.folder.status == "finished":
            run.say("%s is finished; choose another out= for a new run", run.folder.path)
            return
        solve_problem(config, prepared, run)


@dataclass(frozen=True)
class Prepared:
    """A problem, the loss of its first time window (or of all its time), and the reference, or None."""

    problem: Problem
    first: MovingObjective
    reference: ReferenceSolution | None


def prepare(config: SolveConfig) -> Prepared:
    """Everything of a solve that can be wrong, before there is a run folder; raises UserError."""
    problem = Problem.from_config(config.problem)
    for warning in problem.warnings:
        _log.warning("warning: %s", warning)
    if problem.reference is not None and problem.reference.solver:
        _log.info("reference: %s", told_solver(problem, problem.reference.solver))
    first = make_objective(config, time_windows(problem, config.windows.count)[0])
    first.check_defined()
    return Prepared(problem, first, make_reference(problem))


def solve_problem(config: SolveConfig, prepared: Prepared, run: Run) -> dict[str, float | str]:
    """Train in an open run folder, evaluate, write everything that a run leaves, and return its figures.

    With ``alpha=auto`` alpha is chosen first, and where the run diverges it begins anew with a smaller one.
    """
    _keep_points(prepared.problem, run)
    if config.alpha != "auto":
        return _solve(config, prepared, run)
    config = chosen(config, prepared.problem, run)

    def attempt(other: SolveConfig) -> dict[str, float | str]:
        first = make_objective(other, time_windows(prepared.problem, other.windows.count)[0])
        return _solve(other, replace(prepared, first=first), run)

    return with_fallback(attempt, config, run, STATES)


def _keep_points(problem: Problem, run: Run) -> None:
    """A run is not continued on other measurements or oriented points: both are read from files."""
    given = {} if problem.data is None else {"measurements": (problem.data.points, problem.data.values)}
    for condition in problem.conditions:
        if isinstance(condition, Condition) and isinstance(condition.location, Cloud):
            given["oriented points"] = condition.location.oriented
    if given:
        counts = {what: len(points) for what, (points, _) in given.items()}
        digest = fingerprint(array for pair in given.values() for array in pair)
        keep_input(run, "points", {**counts, "sha256": digest})


def _solve(config: SolveConfig, prepared: Prepared, run: Run) -> dict[str, float | str]:
    problem, objective = prepared.problem, prepared.first
    count = parameter_count(objective.solution)
    run.say(
        "solving %s: %d networks, %d parameters, %s on %s, in %s",
        problem.name, len(objective.solution.networks), count,
        config.dtype, describe_device(run.accelerator.device), run.folder.path,
    )  # fmt: skip
    for line in _constructions(objective):
        run.say("%s", line)
    objectives, trained = train_windows(config, problem, objective, run)
    solution = whole(problem, [each.solution for each in objectives])
    mean_squares = held_out_residuals(objectives)
    comparison = compare(solution, prepared.reference)
    metrics: dict[str, float | str] = {
        **{f"relative_l2/{name}": error for name, error in comparison.errors().items()},
        **{f"rms_error/{name}": error for name, error in comparison.absolute_errors().items()},
        **{f"reference_error/{name}": error for name, error in comparison.reference_errors.items()},
        **{
            f"estimated_error/{name}": error
            for name, error in estimated_errors(objectives, mean_squares).items()
        },
        **{f"residual/{name}": value for name, value in residuals(mean_squares).items()},
        **_parameters(solution),
        "parameters": count * len(objectives),  # of time windows, which do not train any more
        **run.usual_metrics(trained.result),
    }
    if config.alpha == "auto":
        metrics["alpha"] = config.method.alpha
    if run.is_main:
        save_solution(run.folder.path / "solution", solution, config)
        write_outputs(run.folder, problem, objectives, comparison, metrics, trained.history)
        run.folder.write_metrics(metrics)
    run.accelerator.wait_for_everyone()
    shown = [name for name in metrics if "/" in name and not name.startswith("residual/")]
    run.say("%s", ", ".join(f"{name} {float(metrics[name]):.3g}" for name in shown))
    run.say("pictures: %s", run.folder.path / "index.html")
    return metrics


def _constructions(objective: MovingObjective) -> list[str]:
    solution = objective.solution
    built_in = [
        f"{name}: {condition.text} at {condition.location.text} holds by construction"
        for name, construction in solution.constructions.items()
        for condition in construction.conditions
    ]
    return built_in + [f"in the loss: {name}" for name in objective.term_names]


def _parameters(solution: AnySolution) -> dict[str, float]:
    """Found parameters, and their relative errors where the true values are stated."""
    problem, found = solution.problem, {}
    true = problem.reference.parameters if problem.reference else {}
    for name, value in solution.parameters_.values().items():
        found[f"parameter/{name}"] = float(value.detach())
        if name in true and true[name] != 0:
            found[f"parameter_error/{name}"] = abs(float(value.detach()) / true[name] - 1)
    return found


def with_own_settings(arguments: Sequence[str]) -> list[str]:
    """The arguments, ``alpha=auto`` as it is read, after the settings that the problem brings along."""
    arguments = with_auto_alpha(arguments, _ALPHA)
    chosen = [a for a in arguments if a.startswith(("problem=", "problem."))]
    problem = load_problem_config(chosen)
    if problem.solve:
        _check_own_settings(problem.name, [*chosen, *problem.solve])
    return with_auto_alpha([*problem.solve, *arguments], _ALPHA)


def _check_own_settings(name: str, arguments: Sequence[str]) -> None:
    """A fault in a problem's own settings is the file's, and not the command line's."""
    arguments = with_auto_alpha(arguments, _ALPHA)
    try:
        load_config(SolveConfig, "solve", config_dir=default_config_dir("pde"), overrides=arguments)
    except UserError as error:
        raise UserError(f"problem {name}, solve: {str(error).removeprefix('command line: ')}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(solve, arguments)


if __name__ == "__main__":
    sys.exit(main())
