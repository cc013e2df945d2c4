"""The C++ kernel: compiled when it is first needed, for one architecture."""

from __future__ import annotations

import ctypes
import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsapps.errors import one_line

_SOURCE = Path(__file__).with_name("kernel.cpp")
# No -ffast-math: the rounding of phases relies on the order of a sum.
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-shared", "-fPIC")


class NoKernel(RuntimeError):
    """The kernel cannot be compiled here."""


class Settings(ctypes.Structure):
    """The ``Settings`` of kernel.cpp."""

    _fields_ = (
        ("steps", ctypes.c_int64),
        ("points", ctypes.c_int64),
        ("omega_0", ctypes.c_float),
        ("omega_hidden", ctypes.c_float),
        ("beta1", ctypes.c_float),
        ("beta2", ctypes.c_float),
        ("eps", ctypes.c_float),
        ("enough", ctypes.c_float),
        ("rates", ctypes.c_void_p),
        ("roots", ctypes.c_void_p),
    )


@functools.cache
def load_kernel(sizes: tuple[int, ...]) -> Callable[..., None]:
    """``fit_fields`` of kernel.cpp for fields of these sizes; it releases the interpreter's lock.

    Raises:
        NoKernel: no C++ compiler is installed (``$CXX``, c++, g++ or clang++), or it refuses.
    """
    compiler = _compiler()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        library = Path(folder) / "kernel.so"
        sized = f"-DSIZES={','.join(str(size) for size in sizes)}"
        command = [*compiler, *_FLAGS, sized, "-o", str(library), str(_SOURCE)]
        # Every compiler knows -march=native but for some older ones on ARM.
        if _fault([*command, "-march=native"]) and (fault := _fault(command)):
            raise NoKernel(f"{compiler[0]} does not compile the kernel: {fault}")
        function: Any = ctypes.CDLL(str(library)).fit_fields
    pointer = ctypes.c_void_p
    function.argtypes = [
        ctypes.POINTER(Settings), ctypes.c_int64, pointer, pointer, ctypes.c_int64, pointer, pointer, pointer
    ]  # fmt: skip
    function.restype = None
    return function


def _compiler() -> list[str]:
    given = shlex.split(os.environ.get("CXX", ""))
    for command in (given, ["c++"], ["g++"], ["clang++"]):
        if command and shutil.which(command[0]):
            return command
    raise NoKernel("there is no C++ compiler; install g++ or clang++, or set CXX")


def _fault(command: list[str]) -> str | None:
    """What a compiler's command complains about; None where it succeeds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return one_line(error)
    return None if done.returncode == 0 else one_line(done.stderr or f"exit code {done.returncode}")
