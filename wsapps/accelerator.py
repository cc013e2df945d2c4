"""Making the Accelerator: device, precision and ranks are its business."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list

from wsapps.errors import UserError

T = TypeVar("T")


def make_accelerator(mixed_precision: str = "no", find_unused_parameters: bool = False) -> Accelerator:
    """An Accelerator for this process, as ``accelerate launch`` or ``torchrun`` set it up.

    Buffers are not broadcast by DDP: every rank writes the same ones (see Objective).

    Raises:
        UserError: the precision does not exist on this device.
    """
    # Accelerate keeps one state a process and refuses a second precision; ranks and device stay.
    known = AcceleratorState._shared_state
    if known and known.get("_mixed_precision") != mixed_precision:
        AcceleratorState._reset_state()
    kwargs = DistributedDataParallelKwargs(
        find_unused_parameters=find_unused_parameters, broadcast_buffers=False
    )
    try:
        accelerator = Accelerator(mixed_precision=mixed_precision, kwargs_handlers=[kwargs])
    except (ValueError, RuntimeError) as error:
        if "fp16" in str(error) or "bf16" in str(error):
            raise UserError(f"trainer.mixed_precision={mixed_precision} does not work here: {error}") from error
        raise
    if mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise UserError("trainer.mixed_precision=fp16 needs a GPU; on the CPU choose no or bf16")
    return accelerator


def on_main(accelerator: Accelerator, action: Callable[[], T]) -> T:
    """Run ``action`` on the first rank and give all ranks its result, or its UserError.

    The result must be picklable where there are several ranks. Without this a failure on the first
    rank would leave the others waiting.
    """
    outcome: list[object] = [None, None]
    if accelerator.is_main_process:
        try:
            outcome = [action(), None]
        except UserError as error:
            outcome = [None, str(error)]
    if accelerator.num_processes > 1:
        outcome = broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise UserError(str(outcome[1]))
    return outcome[0]  # type: ignore[return-value]
