"""The state of a training run: what a checkpoint holds of it, and how it is checked before it is put back."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from wsapps import checkpoint
from wsapps.accelerator import on_main
from wsapps.checkpoint import Checkpoint, copy_into
from wsapps.errors import UserError
from wsapps.history import is_entry
from wsapps.module_state import check_fits

_log = logging.getLogger("wsapps")
_ADAM_STATE = {"step", "exp_avg", "exp_avg_sq"}


@dataclass
class RunState:
    """Where a run stands, besides the tensors of its objective and optimiser.

    Attributes:
        step: steps done.
        seconds: training time.
        evaluated_step, evaluated_seconds: when ``evaluate`` was called last; 0 for never.
        history: what was logged and evaluated.
    """

    step: int = 0
    seconds: float = 0.0
    evaluated_step: int = 0
    evaluated_seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


def save_training(
    accelerator: Accelerator,
    folder: Path,
    run: RunState,
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write a checkpoint of the run into ``folder``, on the first rank, while the others wait.

    Raises:
        UserError: it cannot be written, on all ranks.
    """

    def save() -> None:
        checkpoint.save(folder, run.step, _as_state(run, objective, optimizer, accelerator.scaler))

    on_main(accelerator, save)


def load_training(
    accelerator: Accelerator, folder: Path | None, objective: nn.Module, optimizer: torch.optim.Optimizer
) -> RunState:
    """Continue from the newest valid checkpoint in ``folder``, if there is a folder and one in it.

    One rank reads and tells, so that all continue from the same state, whether they see the folder or not.

    Raises:
        UserError: none can be read, or it belongs to something else; then nothing has been changed.
    """
    if folder is None:
        return RunState()
    found = on_main(accelerator, lambda: checkpoint.load_latest(folder))
    if found is None:
        return RunState()
    run = restore(found, objective, optimizer, accelerator.scaler)
    if accelerator.is_main_process:
        _log.info("continuing from step %d (%.1f s of training)", run.step, run.seconds)
    return run


def _as_state(
    run: RunState, objective: nn.Module, optimizer: torch.optim.Optimizer, scaler: Any | None
) -> dict[str, Any]:
    return {
        "objective": objective.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": scaler.state_dict() if scaler is not None else None,
        "seconds": run.seconds,
        "evaluated_step": run.evaluated_step,
        "evaluated_seconds": run.evaluated_seconds,
        "history": run.history,
    }


def restore(
    found: Checkpoint, objective: nn.Module, optimizer: torch.optim.Optimizer, scaler: Any | None
) -> RunState:
    """Put a checkpoint's state into objective, optimiser and scaler (fp16's, or None), in place.

    Rates and decays stay those of the present configuration.

    Raises:
        UserError: it is no state of this objective and optimiser. Then nothing has been changed.
    """
    state, source = found.state, str(found.path)
    run = _run_state(found)
    check_fits(objective, state["objective"], source)
    moments = _checked_moments(state["optimizer"], objective, optimizer, source)
    scaling = state.get("scaler")
    if scaler is not None and scaling is not None and not _fits_scaler(scaling, scaler):
        raise UserError(f"{source} holds a damaged state of the fp16 gradient scaler; choose another out=")
    copy_into(objective, state["objective"], source)
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    if scaler is not None and scaling is not None:
        scaler.load_state_dict(scaling)
    return run


def _run_state(found: Checkpoint) -> RunState:
    state = found.state
    for name, kind in (("objective", Mapping), ("optimizer", Mapping), ("seconds", (int, float))):
        if not isinstance(state.get(name), kind):
            raise UserError(
                f"{found.path} is not a checkpoint of a training run: it has no {name}; choose another out="
            )
    run = RunState(
        found.step,
        state["seconds"],
        state.get("evaluated_step", 0),
        state.get("evaluated_seconds", 0.0),
        state.get("history", []),
    )
    for name in ("seconds", "evaluated_step", "evaluated_seconds"):
        value = getattr(run, name)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise UserError(f"{found.path} is damaged: its {name} is {value!r}; choose another out=")
    if not isinstance(run.history, list) or not all(is_entry(entry) for entry in run.history):
        raise UserError(f"{found.path} is damaged: its history is no list of figures; choose another out=")
    return run


def _checked_moments(
    saved: Mapping[str, Any], objective: nn.Module, optimizer: torch.optim.Optimizer, source: str
) -> dict[int, dict[str, Any]]:
    """The saved state of every parameter, after comparing it with the parameters here."""

    def refuse(what: str) -> UserError:
        return UserError(
            f"{source} holds the state of another optimiser: {what}; "
            "repeat the configuration that it was made with, or choose another out="
        )

    names = {id(parameter): name for name, parameter in objective.named_parameters()}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    groups, moments = saved.get("param_groups"), saved.get("state")
    try:
        saved_sizes = [len(group["params"]) for group in groups]  # type: ignore[union-attr]
        entries = {int(index): dict(entry) for index, entry in moments.items()}  # type: ignore[union-attr]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise refuse("it is damaged, or of another program") from None
    sizes = [len(group["params"]) for group in optimizer.param_groups]
    if saved_sizes != sizes:
        raise refuse(f"{sum(saved_sizes)} parameters in it and {sum(sizes)} here")
    for index, entry in entries.items():
        if not 0 <= index < len(parameters):
            raise refuse(f"parameter {index} is unknown here")
        if problem := _misfit(entry, parameters[index], optimizer):
            raise refuse(f"{problem} of {names[id(parameters[index])]}")
    return entries


def _misfit(entry: dict[str, Any], parameter: Tensor, optimizer: torch.optim.Optimizer) -> str | None:
    """What is wrong with one parameter's saved state, or None."""
    if isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)) and entry.keys() != _ADAM_STATE:
        return f"not {', '.join(sorted(_ADAM_STATE))} but {', '.join(sorted(map(str, entry))) or 'nothing'}"
    for name, value in entry.items():
        shape = tuple(value.shape) if isinstance(value, Tensor) else None
        wanted = () if name == "step" else tuple(parameter.shape)
        if shape != wanted:
            return f"{shape or value} instead of {wanted} for {name}"
    return None


def _fits_scaler(scaling: Any, scaler: Any) -> bool:
    return isinstance(scaling, Mapping) and (
        scaling.keys() == scaler.state_dict().keys()
        and all(isinstance(value, (int, float)) and math.isfinite(value) for value in scaling.values())
    )
