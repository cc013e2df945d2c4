"""nerfacc's CUDA kernels, which it compiles at first use."""

from __future__ import annotations

from accelerate import Accelerator

from wsapps.errors import UserError


def build_kernels(accelerator: Accelerator) -> None:
    """Compile or load the kernels now, once a machine; does nothing on the CPU.

    nerfacc would compile in the first step, on all ranks into one folder at once.

    Raises:
        UserError: they cannot be built here, or the device is neither CUDA nor the CPU.
    """
    on_cpu = "ACCELERATE_USE_CPU=true trains on the CPU"
    if accelerator.device.type == "cpu":
        return
    if accelerator.device.type != "cuda":
        raise UserError(f"radiance fields need CUDA or the CPU, this is {accelerator.device.type}; {on_cpu}")
    hint = f"CUDA's compiler nvcc and ninja (pip install ninja) are needed; {on_cpu}"
    try:
        with accelerator.local_main_process_first():
            from nerfacc.cuda._backend import _C  # type: ignore[attr-defined]
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(f"nerfacc's CUDA kernels could not be built; {hint}: {error}") from error
    if _C is None:
        raise UserError(f"nerfacc's CUDA kernels could not be built; {hint}")
