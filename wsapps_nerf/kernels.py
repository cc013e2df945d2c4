"""nerfacc's CUDA kernels, which it compiles at first use."""

from __future__ import annotations

from accelerate import Accelerator

from wsapps.errors import UserError


def build_kernels(accelerator: Accelerator) -> None:
    """Compile or load the kernels now, once a machine; does nothing where the device is not CUDA.

    nerfacc would compile in the first step, on all ranks into one folder at once.

    Raises:
        UserError: they cannot be built here.
    """
    if accelerator.device.type != "cuda":
        return
    hint = "CUDA's compiler nvcc and ninja (pip install wsapps[cuda]) are needed"
    try:
        with accelerator.local_main_process_first():
            from nerfacc.cuda._backend import _C  # type: ignore[attr-defined]
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(f"nerfacc's CUDA kernels could not be built; {hint}: {error}") from error
    if _C is None:
        raise UserError(f"nerfacc's CUDA kernels could not be built; {hint}")
