"""The README's Python runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_there_are_examples():
    assert len(BLOCKS) == 2


@pytest.mark.slow
@pytest.mark.parametrize("block", range(len(BLOCKS)))
def test_an_example_runs(block, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKS[block]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
