"""Making the Accelerator: device, precision and ranks are its business."""

from __future__ import annotations

import contextlib
import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.state import AcceleratorState, GradientState
from accelerate.utils import GradientAccumulationPlugin, broadcast_object_list
from torch import nn

from wsapps.errors import UserError
from wsapps.objective import Objective

T = TypeVar("T")


@contextlib.contextmanager
def accelerator_of_ones_own() -> Iterator[None]:
    """Leave Accelerate's state of this process, which all its Accelerators share, as it was."""
    states = AcceleratorState._shared_state, GradientState._shared_state
    before = [dict(state) for state in states]
    try:
        yield
    finally:
        for state, was in zip(states, before, strict=True):
            state.clear()
            state.update(was)


def make_accelerator(mixed_precision: str = "no", find_unused_parameters: bool = False) -> Accelerator:
    """An Accelerator for this process, as ``accelerate launch`` or ``torchrun`` set it up.

    Precision, accumulation and compilation are the configuration's: what ``accelerate config`` or the
    launcher's flags say of those three is not followed.

    Raises:
        UserError: the precision does not exist on this device, or the ranks cannot be joined on it.
    """
    # torch.compile advises TF32, which costs 2 to 4 dB (docs/benchmarks.md).
    warnings.filterwarnings("ignore", "TensorFloat32 tensor cores", UserWarning)
    if os.environ.get("WORLD_SIZE", "1") != "1":
        _import_before_the_group()
    # Accelerate keeps one state a process and refuses a second precision; ranks and device stay.
    known = AcceleratorState._shared_state
    if known and known.get("_mixed_precision") != mixed_precision:
        AcceleratorState._reset_state()
    try:
        accelerator = Accelerator(
            mixed_precision=mixed_precision,
            # Without it the ranks of torchrun on a machine with only CPUs would not know of each other.
            cpu=not torch.accelerator.is_available(),
            # From the environment backward() would divide the loss again, and prepare() would compile
            # outside DDP and switch TF32 on.
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
            dynamo_backend="no",
            kwargs_handlers=[_ddp(find_unused_parameters)],
        )
    except (ValueError, RuntimeError) as error:
        if "fp16" in str(error) or "bf16" in str(error):
            raise UserError(
                f"trainer.mixed_precision={mixed_precision} does not work here: {error}"
            ) from error
        raise
    if mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise UserError("trainer.mixed_precision=fp16 needs a GPU; on the CPU choose no or bf16")
    started = os.environ.get("WORLD_SIZE", "1")
    if accelerator.num_processes == 1 and started != "1":  # each would train alone, into one folder
        raise UserError(
            f"{started} ranks were started, and they cannot be joined on {accelerator.device.type}; "
            "set ACCELERATE_USE_CPU=true, or start one"
        )
    return accelerator


def prepare(
    accelerator: Accelerator, objective: Objective, optimizer: torch.optim.Optimizer
) -> tuple[nn.Module, AcceleratedOptimizer]:
    """The objective wrapped for autocast and several ranks, and its optimiser. Compile it before, not after.

    The objective must be on the accelerator's device. Buffers are not broadcast: every rank writes the
    same ones (see Objective).
    """
    _undo_autocast(objective)
    accelerator.ddp_handler = _ddp(objective.find_unused_parameters)  # type: ignore[assignment]
    # Placing the optimiser would move Adam's step counts from the CPU to the GPU, and after resuming
    # every step would wait for the device once a parameter to read them.
    with warnings.catch_warnings():
        # Its successor is no field of Accelerate's handler yet.
        warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
        return accelerator.prepare(objective, optimizer, device_placement=[True, False])


def forget_training(accelerator: Accelerator) -> None:
    """Leave nothing of a training to the next one in this process: models, compiled functions."""
    accelerator.free_memory()
    # Dynamo stops compiling a function that it has compiled a few times, for other trainings.
    torch.compiler.reset()


def on_main(accelerator: Accelerator, action: Callable[[], T]) -> T:
    """Run ``action`` on the first rank and give all ranks its result, or its UserError.

    The result must be picklable where there are several ranks. Without this a failure on the first
    rank would leave the others waiting; any other exception stays itself on the first rank and is a
    RuntimeError on the others.
    """
    if accelerator.num_processes == 1:
        return action()
    outcome: list[Any] = [None, None, None]  # result, UserError, other error's text
    failure: Exception | None = None
    if accelerator.is_main_process:
        try:
            outcome[0] = action()
        except UserError as error:
            failure = outcome[1] = error
        except Exception as error:
            failure, outcome[2] = error, f"{type(error).__name__} on the first rank: {error}"
    outcome = broadcast_object_list(outcome)
    if failure is not None:
        raise failure
    if outcome[1] is not None:
        raise outcome[1]
    if outcome[2] is not None:
        raise RuntimeError(outcome[2])
    return outcome[0]


def _import_before_the_group() -> None:
    """Import what would keep the process group, and with it gloo's threads, to the interpreter's very end.

    Its functions have the group of the moment as a default argument; DistributedDataParallel imports it.
    """
    importlib.import_module("torch.distributed.nn.functional")


def _ddp(find_unused_parameters: bool) -> DistributedDataParallelKwargs:
    return DistributedDataParallelKwargs(
        find_unused_parameters=find_unused_parameters, broadcast_buffers=False
    )


def _undo_autocast(objective: Objective) -> None:
    """Forget an earlier prepare(), which would leave its precision on, or wrap this one's around it."""
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        objective.__dict__.pop(name, None)
