"""The marks of tests that need a GPU."""

import pytest
import torch

NEEDS_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: torch.cuda.is_available()"),
    pytest.mark.usefixtures("on_gpu"),
]
