"""Two real processes under torchrun, with gloo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys


def launch(script: str, *arguments: str) -> str:
    """Run two ranks of a script to their end and return what they said on stderr."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    with subprocess.Popen(
        [*command, script, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said = process.communicate(timeout=500)[1]
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # torchrun's death alone would leave its ranks behind
            raise
    assert process.returncode == 0, said
    return said
