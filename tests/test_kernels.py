"""nerfacc's kernels are left alone on the CPU: asking for them would start a compilation."""

import subprocess
import sys

SCRIPT = """
import sys
from wsapps.accelerator import make_accelerator
from wsapps_nerf.kernels import build_kernels
build_kernels(make_accelerator())
import wsapps_nerf.train, wsapps_nerf.render
print("nerfacc.cuda._backend" in sys.modules)
"""


def test_nothing_is_compiled_on_the_cpu():
    command = [sys.executable, "-c", SCRIPT]
    environment = {"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert finished.stdout.strip() == "False", finished.stderr
