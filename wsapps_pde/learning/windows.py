"""Training a problem window by window; a window that is done is kept as a file and not trained again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from wsapps.accelerator import on_main
from wsapps.atomic import explained, write_bytes, write_json
from wsapps.errors import UserError
from wsapps.module_state import copy_into
from wsapps.run import Run
from wsapps.trainer import FitResult
from wsapps_pde.config import SolveConfig, make_objective, window_config
from wsapps_pde.learning.moving import MovingObjective
from wsapps_pde.learning.training import Trained, train
from wsapps_pde.problems.problem import Problem
from wsapps_pde.problems.time_windows import time_windows
from wsapps_pde.solution.field import SolutionField

_STATE, _RECORD = "done.safetensors", "done.json"


def train_windows(
    config: SolveConfig, problem: Problem, first: MovingObjective, run: Run
) -> tuple[list[MovingObjective], Trained]:
    """Train all time windows of a problem, each from the end of the one before; or the problem, if undivided.

    Args:
        first: of the first window, as :func:`~wsapps_pde.config.make_objective` makes it.

    Returns:
        The trained objectives, and how training ended: steps, seconds and history of all windows.

    Raises:
        Diverged, Interrupted, UserError: as :func:`~wsapps_pde.learning.training.train`.
    """
    windows = time_windows(problem, config.windows.count)
    if len(windows) == 1:
        trained = train(config, first, run.accelerator, run.folder.path, run.folder.tensorboard)
        return [first.eval()], trained
    objectives: list[MovingObjective] = []
    total = Trained(FitResult(0, 0.0, {}), [])
    for number, window in enumerate(windows):
        before = objectives[-1].solution if objectives else None
        objective = first if before is None else make_objective(config, window, before)
        run.say("window %d of %d: %s", number + 1, len(windows), window.domain.describe_range("t"))
        trained = _solved(config, number, objective, before, total.result.seconds, run)
        objective.eval().requires_grad_(False)
        objectives.append(objective)
        total = _joined(total, trained)
    return objectives, total


def _solved(
    config: SolveConfig,
    number: int,
    objective: MovingObjective,
    before: SolutionField | None,
    seconds: float,
    run: Run,
) -> Trained:
    """A window, trained or as it was kept; ``seconds`` are what those before it took."""
    name = str(number + 1)
    folder = run.folder.path / "windows" / name
    objective.to(run.accelerator.device)
    if (folder / _RECORD).is_file():
        return _read(folder, objective)
    objective.check_defined()
    if before is not None and config.windows.warm_start:
        _copy_networks(before, objective.solution)
    tensorboard = run.folder.tensorboard / f"window {name}"
    own = window_config(config, number, on_main(run.accelerator, lambda: seconds))
    trained = train(own, objective, run.accelerator, folder, tensorboard)
    if run.is_main:
        _write(folder, objective, trained)
    run.accelerator.wait_for_everyone()
    run.forget()  # the next window is another module
    return trained


def _copy_networks(before: SolutionField, solution: SolutionField) -> None:
    for old, new in zip(before.networks, solution.networks, strict=True):
        new.field.load_state_dict(old.field.state_dict())


def _joined(total: Trained, window: Trained) -> Trained:
    """Steps and seconds count on from window to window."""
    steps, seconds = total.result.steps, total.result.seconds
    history = [
        {**entry, "step": entry["step"] + steps, "seconds": entry["seconds"] + seconds}
        for entry in window.history
    ]
    result = FitResult(steps + window.result.steps, seconds + window.result.seconds, window.result.figures)
    return Trained(result, [*total.history, *history])


def _write(folder: Path, objective: MovingObjective, trained: Trained) -> None:
    """Keep a window; its checkpoints are not needed any more."""
    data = save_tensors({name: value.cpu().contiguous() for name, value in objective.state_dict().items()})
    result = trained.result
    write_bytes(folder / _STATE, data)
    write_json(
        folder / _RECORD,
        {
            "steps": result.steps,
            "seconds": result.seconds,
            "history": list(trained.history),
            "sha256": hashlib.sha256(data).hexdigest(),
        },
    )
    for name in ("checkpoint", "quasi_newton"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _read(folder: Path, objective: MovingObjective) -> Trained:
    damaged = f"{folder} is damaged; delete this folder and those of later windows, and start again"
    with explained("read the window in", folder):
        data, text = (folder / _STATE).read_bytes(), (folder / _RECORD).read_text(encoding="utf-8")
    try:
        record: Mapping[str, object] = json.loads(text)
        history, steps, seconds = record["history"], record["steps"], record["seconds"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(damaged) from error
    if record.get("sha256") != hashlib.sha256(data).hexdigest() or not isinstance(history, Sequence):
        raise UserError(damaged)
    copy_into(objective, load_tensors(data), str(folder / _STATE))
    return Trained(FitResult(int(str(steps)), float(str(seconds)), {}), history)
