"""What a device can compute in."""

from __future__ import annotations

import torch
from torch import Tensor


def widened(value: Tensor | float, device: torch.device) -> Tensor:
    """A number or tensor in the device's widest type; ``as_tensor`` by itself makes float32 of numbers."""
    return torch.as_tensor(value, dtype=widest_float(device), device=device)


def widest_float(device: torch.device) -> torch.dtype:
    """float64, or float32 on Apple's GPUs, which have no more."""
    return torch.float32 if device.type == "mps" else torch.float64
