"""The state of a quasi-Newton stage: what a checkpoint holds of it, and how it is checked when read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from torch import Tensor, nn

from wsapps import checkpoint
from wsapps.accelerator import on_main
from wsapps.errors import UserError
from wsapps.history import is_entry
from wsapps.least_squares import LevenbergMarquardt
from wsapps.module_state import check_fits, copy_into
from wsapps.quasi_newton.minimizer import Minimizer

KIND = "quasi-newton stage"
Snapshot = dict[str, Tensor]  # a module's state_dict, copied


@dataclass
class StageState:
    """Where a stage stands, besides its minimiser.

    Attributes:
        first_step, first_seconds: what training had done before the stage began.
        seconds: of training and stage.
        refresh: number of the frozen batch.
        refreshed_at: accepted steps of the stage when that batch was taken.
        refreshed: the objective before it was taken, from which the batch can be taken again.
        scored_at, evaluated_at: accepted steps of the stage when there was a score or evaluation last; -1
            for never.
        evaluated_seconds: when there was an evaluation last.
        best_score, best_at, best: the lowest score, the accepted steps then, and the objective then.
        history: what was logged and evaluated, before the stage too.
    """

    first_step: int = 0
    first_seconds: float = 0.0
    seconds: float = 0.0
    refresh: int = 0
    refreshed_at: int = 0
    refreshed: Snapshot = field(default_factory=dict)
    scored_at: int = -1
    evaluated_at: int = -1
    evaluated_seconds: float = 0.0
    best_score: float = math.inf
    best_at: int = -1
    best: Snapshot = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def snapshot(module: nn.Module) -> Snapshot:
    """A copy of the module's state."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def save_stage(
    accelerator: Accelerator,
    folder: Path,
    state: StageState,
    objective: nn.Module,
    minimizer: Minimizer | LevenbergMarquardt,
) -> None:
    """Write a checkpoint into ``folder``, on the first rank, while the others wait.

    Raises:
        UserError: it cannot be written, on all ranks.
    """

    def save() -> None:
        fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(state)}
        whole = {"kind": KIND, **fields, "objective": objective.state_dict()}
        whole["minimizer"] = minimizer.state_dict()
        checkpoint.save(folder, state.first_step + minimizer.steps, whole)

    on_main(accelerator, save)


def load_stage(
    accelerator: Accelerator,
    folder: Path | None,
    begun: StageState,
    objective: nn.Module,
    minimizer: Minimizer | LevenbergMarquardt,
) -> StageState | None:
    """Continue from the newest valid checkpoint in ``folder``, if any: objective, minimiser and state.

    Args:
        begun: what the state of a new stage would be.

    Raises:
        UserError: none can be read, or it belongs to something else; then nothing has been changed.
    """
    if folder is None:
        return None
    whole: list[dict[str, Any]] = []

    def read() -> tuple[StageState, dict[str, Any], str] | None:
        found = checkpoint.load_latest(folder)
        if found is None:
            return None
        source = str(found.path)
        state = _checked(found.state, begun, objective, source)
        try:
            minimizer.load_state_dict(found.state["minimizer"])
        except ValueError as error:
            raise UserError(
                f"{source} holds the state of another minimiser: {error}; "
                "repeat the configuration that it was made with, or choose another out="
            ) from error
        whole.append(found.state["minimizer"])
        # The others do without the large matrix.
        small = {"objective": found.state["objective"], "minimizer": {**whole[0], "inverse": None}}
        return state, small, source

    found = on_main(accelerator, read)
    if found is None:
        return None
    state, rest, source = found
    if not whole:
        minimizer.load_state_dict(rest["minimizer"])
    copy_into(objective, rest["objective"], source)
    return state


def _checked(saved: Mapping[str, Any], begun: StageState, objective: nn.Module, source: str) -> StageState:
    """The state, if it is one of this objective's; raises UserError."""

    def damaged(what: str) -> UserError:
        return UserError(f"{source} is damaged: {what}; choose another out=")

    if saved.get("kind") != KIND:
        raise UserError(f"{source} is not a checkpoint of a quasi-Newton stage; choose another out=")
    values = {}
    for f in dataclasses.fields(StageState):
        value, like = saved.get(f.name), getattr(begun, f.name)
        kinds = (int, float) if isinstance(like, float) else type(like)
        if not isinstance(value, kinds):
            raise damaged(f"its {f.name} is {value!r:.60}")
        values[f.name] = value
    state = StageState(**values)
    if not isinstance(saved.get("minimizer"), Mapping) or not all(is_entry(e) for e in state.history):
        raise damaged("it has no minimiser, or its history is no list of figures")
    for name in ("objective", "refreshed", *(("best",) if state.best else ())):
        if not isinstance(saved.get(name), Mapping):
            raise damaged(f"it has no {name}")
        check_fits(objective, saved[name], source)
    if state.first_step != begun.first_step:
        raise UserError(
            f"{source} continues training of {state.first_step} steps, and there are {begun.first_step} now; "
            "remove its folder to begin the stage anew, or choose another out="
        )
    return state
